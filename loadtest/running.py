"""The system that a bench measures: one of its own in a temporary folder, or a running one."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from carillon.names import Scope
from local.issuer import Issuer
from local.system import System

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping
    from types import FrameType

_BEGAN = time.monotonic()
TOKEN_LIFE_S = 12 * 3600
"""Longer than any bench, so that refreshed tokens are not part of what is measured."""


@dataclass(frozen=True)
class Target:
    """The system that is measured.

    Args:
        api_url: Where its HTTP API is.
        ws_url: Where clients open their WebSocket.
        issuer: Signs the tokens it trusts.
        logs: Its folder of logs; the lanes' ones hold the metrics.
        pids: Gives the process of each component as it is now.
    """

    api_url: str
    ws_url: str
    issuer: Issuer
    logs: Path
    pids: Callable[[], Mapping[str, int]]

    def operator_token(self) -> str:
        """A token that may do everything."""
        return self.issuer.token("loadtest", list(Scope), ttl_s=TOKEN_LIFE_S)

    def token(self, user_id: str) -> str:
        """A person's token."""
        return self.issuer.token(user_id, ttl_s=TOKEN_LIFE_S)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that say which system is measured, and where results go."""
    parser.add_argument("--run-file", type=Path, help="run.json of a running system; otherwise one is started")
    parser.add_argument("--data-dir", type=Path, help="the folder of the system that is started; a temporary one")
    parser.add_argument("--artifacts", type=Path, default=Path("test-artifacts"), help="where JSON and picture go")


@contextlib.contextmanager
def target(arguments: argparse.Namespace, **overrides: Any) -> Iterator[Target]:
    """The system that `arguments` name, started and stopped here unless it runs already.

    Args:
        arguments: As `add_arguments` declares them.
        overrides: Fields of `local.settings.LocalSettings` for a system that is started here.
    """
    signal.signal(signal.SIGTERM, _stop)  # so that what was started is stopped, too
    if arguments.run_file is not None:
        yield _running(arguments.run_file)
        return
    with contextlib.ExitStack() as stack:
        folder = arguments.data_dir
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cl-", ignore_cleanup_errors=True)))
        say("starting the system")
        system = stack.enter_context(System.running(folder, **overrides))
        say("the system is ready")
        logs = system.folder / "logs"
        yield Target(system.api_url, system.ws_url, system.issuer, logs, lambda: dict(system.endpoints["pids"]))


def _running(run_file: Path) -> Target:
    try:
        told = json.loads(run_file.read_text())
    except FileNotFoundError:
        raise SystemExit(f"{run_file} is not there: is the system running? See CARILLON_DATA_DIR.") from None
    issuer = Issuer(Path(told["issuer_key"]).parent)
    return Target(told["api_url"], told["ws_url"], issuer, Path(told["logs"]), lambda: told["pids"])


def _stop(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)


def say(text: str) -> None:
    """Tell how it goes, on standard error; standard output is for the result alone."""
    print(f"{time.monotonic() - _BEGAN:7.1f} s  {text}", file=sys.stderr, flush=True)


def machine() -> dict[str, Any]:
    """Where and when a figure was measured, and how busy the machine was with everything else."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }
