"""`token`: a token of the development issuer, for curl and other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carillon.cli import show
from carillon.cli.errors import Exit
from carillon.names import Scope

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api


def add(commands: Any) -> None:
    """Add the command."""
    text = "print a token of the development issuer (this machine only)"
    parser = commands.add_parser("token", help=text, description=text)
    parser.add_argument("--user", metavar="ID", default="carillon-cli", help="whom it speaks for")
    scopes = [str(scope) for scope in Scope]
    parser.add_argument("--scope", action="append", choices=scopes, help="repeat for more; all if not said")
    parser.add_argument("--no-scopes", action="store_true", help="none: a person who only listens")
    parser.add_argument("--supplier", metavar="ID", help="the supplier that they act for")
    parser.add_argument("--ttl", metavar="S", type=int, default=3600, help="its life in seconds (3600)")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Print a token."""
    scopes = [] if args.no_scopes else args.scope or [str(scope) for scope in Scope]
    token = api.mint(args.user, scopes, supplier_id=args.supplier, ttl_s=args.ttl)
    if args.json:
        show.as_json({"token": token, "user": args.user, "scopes": scopes, "expires_in_s": args.ttl})
    else:
        print(token)
    return Exit.FINE
