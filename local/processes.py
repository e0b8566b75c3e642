"""Children: start one, wait until it is ready, stop it; its output goes to a log of its own.

Every child leads a session of its own, so that Ctrl-C at the terminal reaches the supervisor alone and the
children are stopped in the right order. All are forked by one thread that lives as long as this program does,
because the kernel sends the death signal when the forking *thread* ends.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

from local.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

POLL_INTERVAL_S = 0.01
LARGEST_LOG_BYTES = 20 * 1024 * 1024
LAUNCHER = Path(__file__).with_name("child.py")

_Fork = tuple["Future[subprocess.Popen[bytes]]", "Callable[[], subprocess.Popen[bytes]]"]


class _Forker:
    """The thread that forks; started with the first child."""

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[_Fork] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def fork(self, open_process: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="forker", daemon=True)
                self._thread.start()
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._wanted.put((answer, open_process))
        return answer.result()

    def _run(self) -> None:
        while True:
            answer, open_process = self._wanted.get()
            try:
                answer.set_result(open_process())
            except Exception as error:  # noqa: BLE001 - handed to the caller
                answer.set_exception(error)


_forker = _Forker()


class Child:
    """A process that this program started.

    Args:
        name: What it is called in messages.
        argv: Program and arguments.
        log_path: Where its output goes; appended to.
        env: Its whole environment; None gives it ours.
        cwd: Its working folder; None gives it ours.
        user: The user it becomes when we are root; "" leaves it ours.
        death_signal: What the kernel sends it when this program ends without stopping it.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str = "",
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log_path = log_path
        _make_way(log_path)
        self._log_start = log_path.stat().st_size if log_path.exists() else 0
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(death_signal)), user]
        command = [*launcher, *map(str, argv)]

        def open_process() -> subprocess.Popen[bytes]:
            with log_path.open("ab") as log:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=None if env is None else dict(env),
                    cwd=cwd,
                    start_new_session=True,
                )

        self._process = _forker.fork(open_process)

    @property
    def pid(self) -> int:
        """The process id; the same for the child and the program it became."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """What it ended with (minus a signal's number); None while it runs."""
        return self._process.poll()

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def output(self, last_bytes: int = 2_000) -> str:
        """What this child wrote to its log, at most the last `last_bytes`."""
        with self.log_path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, size - last_bytes))
            return log.read().decode(errors="replace").strip()

    def wait_ready(self, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait until `condition` holds.

        Raises:
            NotReadyError: The child ended, or the deadline passed; says where the log is and its last lines.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if not self.alive:
                raise NotReadyError(f"{self.name} ended with {self.exit_status} at its start.{self._why()}")
            if time.monotonic() > deadline:
                raise NotReadyError(f"{self.name} was not ready after {timeout_s:g} s.{self._why()}")
            time.sleep(POLL_INTERVAL_S)  # readiness is another program's; it can only be asked, until the deadline

    def stop(self, stop_signal: signal.Signals = signal.SIGTERM, *, timeout_s: float = 5.0) -> None:
        """Ask it to stop and wait; when it does not within `timeout_s`, kill it and all it started."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout_s)
        self._end_session()

    def kill(self) -> None:
        """End it at once, as a crash would: no clean-up, neither of itself nor of what it started."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    def _end_session(self) -> None:
        # The group keeps the child's id as long as a member lives, so this cannot hit a stranger while one does.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _why(self) -> str:
        return f" Its log {self.log_path} ends with:\n{self.output()}"


def _make_way(log_path: Path) -> None:
    """Put a log that has grown large aside, over the one put aside before."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    if log_path.exists() and log_path.stat().st_size > LARGEST_LOG_BYTES:
        log_path.replace(log_path.with_suffix(".log.old"))


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Wait until `condition` holds; `what` finishes the sentence "waited N s for".

    Raises:
        NotReadyError: The deadline passed.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise NotReadyError(f"waited {timeout_s:g} s for {what}, in vain.")
        time.sleep(POLL_INTERVAL_S)  # another program makes it true and tells nobody; bounded by the deadline
