"""`python -m local`: run the whole system in the foreground until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from carillon.config import show
from local import settings as local_settings
from local.errors import LocalError
from local.supervisor import State
from local.system import System

if TYPE_CHECKING:
    from types import FrameType


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _AskedToStop(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal; goes through whatever the main thread does."""


class _Screen:
    """One line per change of a component's state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def change(self, name: str, state: State, detail: str) -> None:
        if state is State.STARTING:
            return  # a line when it is ready, or says why not, is enough
        self.say(f"{name:<18} {state}{': ' if detail else ''}{detail}")

    def say(self, text: str) -> None:
        with self._lock:
            print(f"{time.monotonic() - self._began:7.1f} s  {text}", flush=True)


def _ask_to_stop(_number: int, _frame: FrameType | None) -> None:
    for name in STOP_SIGNALS:
        signal.signal(name, signal.SIG_IGN)  # once is enough; stopping is bounded
    raise _AskedToStop


def _banner(system: System) -> str:
    return "\n".join(
        [
            "",
            f"  Console    {system.endpoints['console_url']}",
            f"  API        {system.api_url}   (reference: {system.endpoints['docs_url']})",
            f"  WebSocket  {system.ws_url}",
            f"  Data, logs {system.folder}",
            "",
            "  Ctrl-C stops everything; the data stays.",
            "",
        ]
    )


def _run(system: System, screen: _Screen) -> None:
    try:
        system.start()
        screen.say("everything is ready" + _banner(system))
        with contextlib.suppress(_AskedToStop):
            while True:
                signal.pause()
    except _AskedToStop:
        screen.say("stopped before everything was ready")
        return
    screen.say("stopping")
    began = time.monotonic()
    system.stop()
    screen.say(f"stopped everything in {time.monotonic() - began:.1f} s")


def main() -> int:
    """Read the command line and the environment, and run; the exit status is 78 for what the user can put right."""
    parser = argparse.ArgumentParser(
        prog="python -m local", description="Run the whole of Carillon on this machine until Ctrl-C."
    )
    parser.add_argument("--fresh", action="store_true", help="drop the data of earlier runs first")
    parser.add_argument("--show-config", action="store_true", help="print the settings and end")
    arguments = parser.parse_args()
    screen = _Screen()
    try:
        chosen = local_settings.read()
        if arguments.show_config:
            print(json.dumps(show(chosen), indent=2))
            return 0
        for name in STOP_SIGNALS:
            signal.signal(name, _ask_to_stop)
        if not (chosen.folder / "postgres").exists():
            screen.say("first run: making a database cluster takes some seconds more")
        _run(System(chosen, on_change=screen.change, fresh=arguments.fresh), screen)
    except LocalError as error:
        print(f"\n{error.code}: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main())
