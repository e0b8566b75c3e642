"""`listen`: be a person's phone in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from carillon.cli import show
from carillon.cli.errors import CommandError, Exit

if TYPE_CHECKING:
    import argparse

    from carillon.cli.client import Api
    from carillon.client import InboxClient
    from carillon.protocol.effects import State
    from carillon.protocol.server_frames import EventFrame

_WRONG_TOKEN: Final = (401, 403)


def add(commands: Any) -> None:
    """Add the command."""
    text = "show a person's events as they arrive; Ctrl-C ends it"
    parser = commands.add_parser("listen", help=text, description=text)
    parser.add_argument("--user", metavar="ID", required=True, help="whose phone this is")
    parser.add_argument("--state", metavar="FILE", type=Path, help="keep the position here and go on from it next time")
    parser.add_argument("--count", metavar="N", type=int, help="end after so many events")
    parser.add_argument("--no-ack", action="store_true", help="do not ack what is shown")
    parser.add_argument("--websocket", metavar="URL", help="the WebSocket API, if the API does not say it")
    parser.add_argument("--json", action="store_true", help="one JSON document per event, for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Listen until Ctrl-C, or `--count` events."""
    from carillon.client import InboxClient, StateFile  # noqa: PLC0415 - no other command needs a WebSocket

    url = args.websocket or api.place.run.get("ws_url") or _websocket_url(api)
    state = StateFile(args.state) if args.state else None
    client: InboxClient | None = None
    seen = 0

    def on_event(event: EventFrame) -> None:
        nonlocal seen
        seen += 1
        _print(event, args)
        if args.count is not None and seen >= args.count and client is not None:
            client.stop()

    def on_state(state: State) -> None:
        _on_state(state)
        if client is not None and client.refused in _WRONG_TOKEN:
            client.stop()  # the same token will be refused again

    async def token() -> str:
        own = os.environ.get("CARILLON_TOKEN", "")
        return own or await asyncio.to_thread(api.mint, args.user, [])

    client = InboxClient(
        url,
        token,
        on_event=on_event,
        on_reminder=lambda event: _print(event, args),
        on_retraction=lambda event_id, _: _say(f"taken back: {event_id}"),
        on_state=on_state,
        on_position=state.save if state else None,
        position=state.load() if state else None,
        automatic_acks=not args.no_ack,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_until_told(client))
    if client.refused is not None:
        hint = "Check the token and the person's id; docs/PROTOCOL.md lists the close codes."
        raise CommandError(Exit.REFUSED, "refused", f"the server refused the connection ({client.refused})", hint)
    return Exit.FINE


def _websocket_url(api: Api) -> str:
    url = api.get("/console/config.json")["websocket_url"]
    if not url:
        raise CommandError(Exit.USAGE, "usage", "the API does not say where its WebSocket is", "Give --websocket URL.")
    return str(url)


async def _until_told(client: InboxClient) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, client.stop)
    await client.run()


def _on_state(state: State) -> None:
    reason = f" ({state.reason})" if getattr(state, "reason", "") else ""
    _say(f"{state.name}{reason}")


def _say(text: str) -> None:
    """What is not an event goes beside them, so that standard output holds events alone."""
    print(f"-- {text}", file=sys.stderr, flush=True)


def _print(event: EventFrame, args: argparse.Namespace) -> None:
    if args.json:
        fields = ("offset", "event_id", "name", "ts", "expires_at", "data", "wedding_id", "attempt")
        document = {"lane": event.lane.word, "kind": event.kind.word}
        print(json.dumps(document | {name: getattr(event, name) for name in fields}, ensure_ascii=False), flush=True)
        return
    at = datetime.fromtimestamp(event.ts / 1000, UTC).astimezone()
    again = f" (again, {event.attempt})" if event.attempt > 1 else ""
    where = f" {event.wedding_id}" if event.wedding_id else ""
    data = show.plain(event.data) if event.data else ""
    print(f"{at:%H:%M:%S} [{event.lane.word} {event.offset}]{where} {event.name}{again} {data}".rstrip(), flush=True)
