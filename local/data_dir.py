"""The data folder: ours alone, held by one run at a time."""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

from local.errors import AlreadyRunningError, DataDirError

if TYPE_CHECKING:
    from pathlib import Path

MARKER = "carillon-data"
"""An empty file that says a folder is ours, so that nothing else is ever wiped."""
RUN_FILE = "run.json"


class DataDir:
    """The data folder of one run, locked until `release`.

    Args:
        folder: Made when it is not there.

    Raises:
        DataDirError: It cannot be written to, or holds something that is not ours.
        AlreadyRunningError: Another run holds it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        refuse_foreign(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MARKER).touch()
            (folder / ".gitignore").write_text("*\n")
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DataDirError(f"{folder} cannot be used ({error.strerror}): set CARILLON_DATA_DIR.") from error
        try:
            # The kernel lets go of it with this process, however that ends.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise AlreadyRunningError(
                f"another run uses {folder}. Stop it, or set CARILLON_DATA_DIR to another folder."
            ) from error

    def wipe(self) -> None:
        """Remove all that earlier runs left."""
        for entry in self.folder.iterdir():
            if entry.name in {MARKER, "lock", ".gitignore"}:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def release(self) -> None:
        """Let another run have it."""
        os.close(self._lock)


def refuse_foreign(folder: Path) -> None:
    """Check that `folder` is ours, empty or not there.

    Raises:
        DataDirError: It is none of these.
    """
    if folder.exists() and not folder.is_dir():
        raise DataDirError(f"{folder} is no folder: set CARILLON_DATA_DIR to one.")
    if folder.exists() and not (folder / MARKER).exists() and any(folder.iterdir()):
        raise DataDirError(
            f"{folder} holds something that Carillon did not make: set CARILLON_DATA_DIR to a folder of its own."
        )
