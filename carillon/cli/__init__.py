"""The command line: talks HTTP to the API, shows what a person needs, and exits with a code that means something."""

from __future__ import annotations

import argparse
import json
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from carillon.cli import (
    capacity,
    deploy_check,
    docs,
    forecasting,
    importing,
    listening,
    listing,
    sending,
    simulating,
    tokens,
    verifying,
)
from carillon.cli.client import Api
from carillon.cli.errors import CommandError, Exit
from carillon.cli.place import DEFAULT_URL, find

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS: Final = (
    *(importing, listening, sending, listing, verifying),
    *(capacity, forecasting, simulating, tokens, docs, deploy_check),
)
_EPILOG: Final = (
    "exit codes: 0 fine, 1 found something (a loss, a bad row), 2 usage, 3 refused by the system, 4 unavailable. "
    "The system is looked for at --api, CARILLON_API_URL, the running local system's run.json, "
    f"{DEFAULT_URL} (or CARILLON_API_PORT). "
    "The token is CARILLON_TOKEN's or, on one machine, the development issuer's."
)


def parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    made = argparse.ArgumentParser(prog="carillon", description="Rings every phone at the wedding.", epilog=_EPILOG)
    made.add_argument("--version", action="version", version=f"carillon {version('carillon')}")
    made.add_argument("--api", metavar="URL", help="where the HTTP API is")
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    args = parser().parse_args(argv)
    api: Api | None = None
    try:
        api = Api(find(args.api))
        return int(args.run(args, api))
    except CommandError as error:
        if getattr(args, "json", False) and not getattr(args, "streams", False):
            print(json.dumps(error.to_json(), ensure_ascii=False, indent=2))
        print(f"carillon: {error.code}: {error.message}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader (`head`, say) has enough; Python would complain about the rest at exit.
        sys.stderr.close()
        return Exit.FINE
    finally:
        if api is not None:
            api.close()
