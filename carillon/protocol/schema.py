"""The JSON Schema of wire v1 and the protocol page, both made from the frames themselves."""

from __future__ import annotations

import json
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, Final

from carillon.errors import FrameError, UnauthenticatedError, every_error
from carillon.names import SUBPROTOCOL, WIRE_VERSION
from carillon.protocol.client_frames import CLIENT_FRAMES
from carillon.protocol.codes import MEANINGS
from carillon.protocol.examples import CLIENT_EXAMPLES, SERVER_EXAMPLES
from carillon.protocol.frames import MAX_FRAME_BYTES, MAX_MESSAGE_BYTES
from carillon.protocol.server_frames import SERVER_FRAMES
from carillon.protocol.wire import Wire, describe, fields, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def document() -> dict[str, Any]:
    """JSON Schema 2020-12: `$defs` holds each frame, `$defs/client` and `$defs/server` what either side may say."""
    kinds: tuple[type[Wire], ...] = (*CLIENT_FRAMES, *SERVER_FRAMES)
    return {
        "$schema": DIALECT,
        "title": f"Carillon wire protocol v{WIRE_VERSION}",
        "description": "Text frames. Members that are not named here are to be left alone.",
        "anyOf": [{"$ref": "#/$defs/client"}, {"$ref": "#/$defs/server"}],
        "$defs": {kind.__name__: describe(kind) for kind in kinds}
        | {"client": _one_of(CLIENT_FRAMES), "server": _one_of(SERVER_FRAMES)},
    }


def _one_of(kinds: Iterable[type[Wire]]) -> dict[str, Any]:
    return {"oneOf": [{"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds]}


def schema_text() -> str:
    """The text of `web/client/protocol.schema.json`."""
    return json.dumps(document(), indent=2) + "\n"


def page() -> str:
    """The Markdown of docs/PROTOCOL.md."""
    return "\n".join(
        [
            _INTRODUCTION.strip(),
            "",
            "## What a client says",
            *(line for example in CLIENT_EXAMPLES for line in _section(example)),
            "",
            "## What the server says",
            *(line for example in SERVER_EXAMPLES for line in _section(example)),
            "",
            _RULES.strip(),
            "",
            *_codes(),
            "",
            *_errors(),
            "",
            _LIMITS.strip(),
            "",
        ]
    )


def _section(example: Wire) -> list[str]:
    kind = type(example)
    rows = [
        f"| `{name}` | {'' if default is MISSING else 'optional: '}{doc} |" for name, _, default, doc in fields(kind)
    ]
    table = ["| member | |", "|---|---|", *rows, ""] if rows else []
    text = " ".join((kind.__doc__ or "").split())
    return ["", f"### `{kind.tag[1]}`", "", text, "", *table, "```json", json.dumps(to_json(example)), "```"]


def _codes() -> list[str]:
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in sorted(MEANINGS.items())]
    return ["## Close codes", "", _CODES.strip(), "", "| code | meaning |", "|---|---|", *rows]


def _errors() -> list[str]:
    shown = [kind for kind in every_error() if issubclass(kind, FrameError | UnauthenticatedError)]
    rows = [f"| `{kind.code}` | {' '.join((kind.__doc__ or '').split())} |" for kind in shown]
    return ["## Errors", "", _ERRORS.strip(), "", "| code | meaning |", "|---|---|", *rows]


_INTRODUCTION: Final = f"""
# The wire, version {WIRE_VERSION}

<!-- Generated from carillon/protocol/schema.py; change it there. -->

How a client gets its events: JSON text frames over one WebSocket. `web/client/protocol.schema.json` says the same as
JSON Schema. `carillon.client` (Python) and `web/client/carillon.js` (browsers) are complete clients.

## Connecting

Open the WebSocket with two subprotocols: `{SUBPROTOCOL}` and `bearer.` followed by the token (a JWT). The server picks
`{SUBPROTOCOL}`. The token never goes into the URL, where logs would keep it. 401 or 403 instead of the upgrade: the
token is not good, or this person connected too often (10 a minute). Then send `subscribe`; nothing comes before it.

A client may put `"v": {WIRE_VERSION}` into any frame. Without it, version {WIRE_VERSION} is meant.
"""

_RULES: Final = """
## How events stay complete and in order

- Each person has four streams, one per lane (`critical`, `high`, `normal`, `low`). An event's place is its `offset`,
  counted from 1 without gaps. A stream never waits for another.
- An offset that was had is a duplicate: drop it. The server may send an event twice; it never gives an offset twice.
- An offset beyond the next one is a gap: hold the event back, wait about 300 ms for a late frame, then send `subscribe`
  with `recover` on the same connection. One question covers all lanes. Events that come before the first `subscribed`
  are held back too.
- `subscribed` holds every event after the position, in order, with tombstones for those that expired or were canceled.
  With `more` there is another page: subscribe again from the `offsets` given. When `more` is false, live events follow.
- `recovered: false`: the position was of no use (another epoch, or events past their retention). Show the page's
  events, except those whose `event_id` was shown before, then take its `offsets` and `epoch`.
- An event with `offset: null` is shown once by its `event_id` and not counted.
- `retracted` is an event like any other; its `data.event_id` names the event that no longer holds.
- `attempt` above 1: nobody has acked this yet. Who has the offset already is reminded, and acks again.
- `ack` is cumulative per lane and has no answer unless it has an `id`. Batch acks for 0.2 to 1 s; ack a critical event
  at once. After a connection broke, ack once more.

## Keeping the line

`ping` every 30 s; a line on which nothing was heard for 60 s is dead. `sync` every 5 minutes and on waking. `refresh`
before the token ends. Leave by yourself after 100 to 115 minutes: sockets end at two hours. Keep epoch and offsets
across a restart.
"""

_CODES: Final = """
The range decides what a client does: 4000-4099, do not come back; 4100-4199, and all others, back off (full jitter,
0.5 s doubling to 30 s); 4200-4299, reconnect now, spread over the `window_ms` of the `disconnect` frame before (1 s
without one).
"""

_ERRORS: Final = """
The `code` of an `error` frame is stable; docs/ERRORS.md has all of them. These belong to the wire:
"""

_LIMITS: Final = f"""
## Limits

| what | limit |
|---|---|
| a frame | {MAX_FRAME_BYTES:,} bytes |
| a message | {MAX_MESSAGE_BYTES:,} bytes, else close code 1009 |
| a connection without traffic | 10 minutes |
| a connection | 2 hours |
| `id` | a whole number up to 2^53, or a string of up to 64 characters |
| new connections | 10 per minute and person |
"""
