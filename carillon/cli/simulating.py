"""`simulate`: starts the season simulator, which is a program of its own beside the product."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from carillon.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api

_PROGRAM: Final = "simulate"
_NEEDS: Final = ("simulate", "numpy", "matplotlib")
_HELP: Final = frozenset({"-h", "--help"})
_NO_PREFIX: Final = "\0"
"""No word of a command line begins so: the simulator's options pass through here unread."""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        _PROGRAM,
        help="play a Saturday, a season or a year of weddings under four ways to be ready; docs/SIMULATOR.md",
        add_help=False,
        prefix_chars=_NO_PREFIX,
    )
    parser.add_argument("words", nargs="*")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Run the program; its exit code is this command's.

    Raises:
        CommandError: it is not installed.
    """
    del api
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        hint = "It is part of the repository and of requirements-local.txt: run `make setup-run` there."
        raise CommandError(Exit.UNAVAILABLE, "simulate.missing", f"{', '.join(missing)} not installed", hint)
    program = [sys.executable, "-m", _PROGRAM, *args.words]
    if _HELP & set(args.words):
        # Every other command's help is printed by this process, which ends then.
        print(subprocess.run(program, capture_output=True, text=True, check=False).stdout, end="")  # noqa: S603 - see below
        raise SystemExit(Exit.FINE)
    return subprocess.call(program)  # noqa: S603 - this Python, our own program
