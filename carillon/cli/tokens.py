"""`token`: a token of the development issuer, or of whoever signs in, for curl, for programs and for CARILLON_TOKEN."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from carillon.cli import show
from carillon.cli.errors import CommandError, Exit
from carillon.names import Scope
from carillon.protocol.sign_in import CLI_PORT

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api


def add(commands: Any) -> None:
    """Add the command."""
    text = "print a token: of the development issuer (this machine only), or with --sign-in of a deployed system's"
    parser = commands.add_parser("token", help=text, description=text)
    parser.add_argument("--user", metavar="ID", default="carillon-cli", help="whom it speaks for")
    scopes = [str(scope) for scope in Scope]
    parser.add_argument("--scope", action="append", choices=scopes, help="repeat for more; all if not said")
    parser.add_argument("--no-scopes", action="store_true", help="none: a person who only listens")
    parser.add_argument("--supplier", metavar="ID", help="the supplier that they act for")
    parser.add_argument("--ttl", metavar="S", type=int, default=3600, help="its life in seconds (3600)")
    parser.add_argument("--sign-in", action="store_true", help="sign in yourself, in a browser on this machine")
    parser.add_argument("--port", metavar="N", type=int, default=CLI_PORT, help=f"it comes back to ({CLI_PORT})")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Print a token."""
    if args.sign_in:
        return _own(args, api)
    scopes = [] if args.no_scopes else args.scope or [str(scope) for scope in Scope]
    token = api.mint(args.user, scopes, supplier_id=args.supplier, ttl_s=args.ttl)
    _print(args, token, user=args.user, scopes=scopes, expires_in_s=args.ttl)
    return Exit.FINE


def _own(args: argparse.Namespace, api: Api) -> int:
    from carillon.cli.signing_in import sign_in  # noqa: PLC0415 - its server is no other command's burden

    config = api.console()
    if "sign_in" not in config:
        hint = "Leave --sign-in away where there is a development issuer; else ask who runs the system for a token."
        raise CommandError(Exit.REFUSED, "token.invalid", f"{api.place.url} signs nobody in", hint)
    _print(args, sign_in(config["sign_in"], _tell, port=args.port))
    return Exit.FINE


def _tell(address: str) -> None:
    """On the error stream, since the output is the token."""
    sys.stderr.write(f"Open this address in a browser on this machine and sign in:\n\n{address}\n\n")
    sys.stderr.flush()


def _print(args: argparse.Namespace, token: str, **facts: Any) -> None:
    if args.json:
        show.as_json({"token": token, **facts})
    else:
        print(token)
