"""`listen`: be a person's phone in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from carillon.cli.errors import CommandError, Exit, at_least, usage
from carillon.cli.phone import Phone
from carillon.protocol.web import CONSOLE_CONFIG

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api
    from carillon.client import InboxClient


def add(commands: Any) -> None:
    """Add the command."""
    text = "show a person's events as they arrive; Ctrl-C ends it"
    parser = commands.add_parser("listen", help=text, description=text)
    parser.add_argument("--user", metavar="ID", required=True, help="whose phone this is")
    parser.add_argument("--state", metavar="FILE", type=Path, help="keep the position here and go on from it next time")
    parser.add_argument("--count", metavar="N", type=at_least(1), help="end after so many events")
    parser.add_argument("--no-ack", action="store_true", help="do not ack what is shown")
    parser.add_argument("--websocket", metavar="URL", help="the WebSocket API, if the API does not say it")
    parser.add_argument("--json", action="store_true", help="one JSON document per event, for programs")
    parser.set_defaults(run=run, streams=True)


def run(args: argparse.Namespace, api: Api) -> int:
    """Listen until Ctrl-C, or `--count` events."""
    from carillon.client import InboxClient, StateFile  # noqa: PLC0415 - no other command needs a WebSocket

    own = _own_token(args.user)
    phone = Phone(args, StateFile(args.state) if args.state else None)
    start = phone.start
    url = _checked(args.websocket or api.place.run.get("ws_url") or _websocket_url(api))

    async def token() -> str:
        return own or await asyncio.to_thread(_mint, api, args.user)

    phone.client = InboxClient(
        url,
        token,
        on_event=phone.event,
        on_reminder=phone.reminder,
        on_retraction=phone.retraction,
        on_state=phone.state,
        on_position=phone.keep if args.state else None,
        position=start,
        # With --count, only what was really shown is acked.
        automatic_acks=not args.no_ack and args.count is None,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_until_told(phone.client))
    phone.end()
    return Exit.FINE


def _own_token(user: str) -> str:
    from carillon.client.tokens import subject  # noqa: PLC0415 - same

    own = os.environ.get("CARILLON_TOKEN", "")
    whose = subject(own)
    if whose is not None and whose != user:
        hint = f"Say --user {whose}, or unset CARILLON_TOKEN."
        raise usage(f"CARILLON_TOKEN is the token of {whose!r}, not of {user!r}", hint)
    return own


def _mint(api: Api, user: str) -> str:
    try:
        return api.mint(user, [])
    except CommandError as error:
        if error.exit_code == Exit.UNAVAILABLE:
            # The client waits and comes back after these, as after a connection that breaks.
            raise ConnectionError(error.message) from error
        raise


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise usage(f"{url!r} is no WebSocket URL", "For instance: --websocket ws://127.0.0.1:8081/local")
    return url


def _websocket_url(api: Api) -> str:
    url = api.get(CONSOLE_CONFIG)["websocket_url"]
    if not url:
        raise CommandError(Exit.USAGE, "usage", "the API does not say where its WebSocket is", "Give --websocket URL.")
    return str(url)


async def _until_told(client: InboxClient) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, client.stop)
    await client.run()
