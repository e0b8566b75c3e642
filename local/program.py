"""A component that is one of our own Python programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local.processes import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent


class Program:
    """A program that is started, waited for and stopped.

    Args:
        name: What it is called in messages and its log file.
        argv: Program and arguments.
        env: A function that answers its whole environment, asked at each start.
        log_path: Where its output goes.
        ready: Whether the running child does its work.
        stop_timeout_s: How long it may take to stop before it is killed.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        env: Callable[[], Mapping[str, str]],
        log_path: Path,
        ready: Callable[[Child], bool],
        stop_timeout_s: float = 2.5,
    ) -> None:
        self.name = name
        self._argv = list(argv)
        self._env = env
        self._log_path = log_path
        self._ready = ready
        self._stop_timeout_s = stop_timeout_s
        self._child: Child | None = None

    @property
    def child(self) -> Child | None:
        """The running process, if there is one."""
        return self._child

    def start(self, *, timeout_s: float = 60.0) -> None:
        """Start it and wait until it is ready.

        Raises:
            NotReadyError: It ended or was not ready in time; the message holds the end of its log.
        """
        child = Child(self.name, self._argv, log_path=self._log_path, env=self._env(), cwd=ROOT)
        self._child = child
        child.wait_ready(lambda: self._ready(child), timeout_s=timeout_s)

    def stop(self) -> None:
        """Stop it."""
        if self._child:
            self._child.stop(timeout_s=self._stop_timeout_s)
            self._child = None

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._child:
            self._child.kill()
            self._child = None
