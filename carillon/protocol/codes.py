"""Close codes, by what a client does about them. RFC 6455 leaves 4000-4999 to applications, 3000-3999 to libraries."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    """Why a socket ends. The range alone decides what a client does, so that new codes need no new client."""

    FORBIDDEN = 4000
    TOKEN_INVALID = 4001
    ERASED = 4002
    OVERLOADED = 4100
    RATE_LIMITED = 4101
    OUTAGE = 4102
    ROTATE = 4200
    TOKEN_EXPIRED = 4201
    RESTART = 4202
    GOODBYE = 1000
    DEAD_LINE = 3001
    CLIENT_ROTATES = 3002
    UNANSWERED = 3003


MEANINGS: Final[dict[CloseCode, str]] = {
    CloseCode.FORBIDDEN: "reserved, not sent yet: this person may not connect",
    CloseCode.TOKEN_INVALID: "reserved, not sent yet: the token was refused, and a new one will be too",
    CloseCode.ERASED: "this person was erased",
    CloseCode.OVERLOADED: "reserved, not sent yet: the server has too much to do",
    CloseCode.RATE_LIMITED: "reserved, not sent yet: too many connections or frames from this person",
    CloseCode.OUTAGE: "reserved, not sent yet: a store that the server needs is away",
    CloseCode.ROTATE: "reserved, not sent yet: sockets live two hours at most; this one's time is near",
    CloseCode.TOKEN_EXPIRED: "the token's time is over, or the socket's; reconnect with a token that lives",
    CloseCode.RESTART: "the server is being replaced",
    CloseCode.GOODBYE: "said by the client: it is leaving",
    CloseCode.DEAD_LINE: "said by the client: nothing was heard for too long",
    CloseCode.CLIENT_ROTATES: "said by the client: it opens a new connection before the two hours end",
    CloseCode.UNANSWERED: "said by the client: the server does not answer, or refuses, its `subscribe`",
}


def is_terminal(code: int) -> bool:
    """Whether a client must not come back by itself."""
    return 4000 <= code <= 4099


def is_prompt(code: int) -> bool:
    """Whether a client comes back at once (spread over the window it was given) instead of backing off."""
    return 4200 <= code <= 4299
