"""What stands in a lane queue: three kinds of message, as JSON text."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from carillon.errors import PoisonError
from carillon.model import PAGED_AUDIENCES, Audience, AudienceType


@dataclass(frozen=True, slots=True)
class Deliver:
    """Deliver a broadcast to `users`, or to its whole audience when there are none.

    `ticket` tells releases apart. `relayed` marks what another Region has recorded and hands over: it is posted to this
    Region's sockets, and never handed on.
    """

    broadcast_id: str
    users: tuple[str, ...] | None = None
    ticket: str = ""
    relayed: bool = False


@dataclass(frozen=True, slots=True)
class Expand:
    """Cut the next page of a large audience: from `after` on, in this `stage`; `number` counts the pieces so far."""

    broadcast_id: str
    stage: int = 0
    after: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Escalate:
    """Post a critical broadcast again to those who have not acked; `relayed` as in `Deliver`."""

    broadcast_id: str
    attempt: int
    relayed: bool = False


LaneMessage = Deliver | Expand | Escalate
_HANDOVER: Final = "handover:"
_HANDOVER_GROUPS: Final = 16
"""Few, so that a Region that is away cannot crowd the others out of a round of the relay loop."""


def encode(message: LaneMessage) -> str:
    """The body's text; equal messages give equal texts."""
    fields: dict[str, Any] = {"type": type(message).__name__.lower()}
    values = {name: getattr(message, name) for name in message.__slots__}
    fields |= {name: value for name, value in values.items() if value not in (None, "") and value is not False}
    return json.dumps(fields, separators=(",", ":"), sort_keys=True)


def decode(text: str) -> LaneMessage:
    """The inverse of `encode`.

    Raises:
        PoisonError: it never was one; no retry can help.
    """
    try:
        fields = json.loads(text)
        kind = fields.pop("type")
        fields["broadcast_id"] = str(UUID(fields["broadcast_id"]))
        _check_relayed(kind, fields)
        if kind == "deliver":
            users = fields.pop("users", None)
            return Deliver(**fields, users=tuple(_texts(users)) if users is not None else None)
        message = Expand(**fields) if kind == "expand" else {"escalate": Escalate}[kind](**fields)
        return _checked(message)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PoisonError(f"the message is no deliver, expand or escalate message: {error!r}") from error


def _check_relayed(kind: str, fields: dict[str, Any]) -> None:
    relayed = fields.get("relayed", False)
    if not isinstance(relayed, bool) or (relayed and kind == "deliver" and fields.get("users") is None):
        raise TypeError("relayed must be true or false, and what is handed over names its people")


def _checked(message: Expand | Escalate) -> Expand | Escalate:
    numbers = (message.stage, message.number) if isinstance(message, Expand) else (message.attempt,)
    after = message.after if isinstance(message, Expand) else ""
    if not isinstance(after, str) or not all(type(number) is int and number >= 0 for number in numbers):
        raise TypeError("after must be a user id, the others whole numbers")
    return message


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("users must be a list of user ids")
    return values


def deduplication_id(group_id: str, body: str) -> str:
    """A hash of the content, never of a position: a page that is cut again otherwise is a new message."""
    return hashlib.sha256(f"{group_id}\n{body}".encode()).hexdigest()


def first_message(broadcast_id: str, audience: Audience) -> LaneMessage:
    """What a new broadcast starts with."""
    return Expand(broadcast_id) if audience.type in PAGED_AUDIENCES else Deliver(broadcast_id)


def group_id(broadcast_id: str, audience: Audience, number: int = 0) -> str:
    """Wedding audiences keep their order; the pieces of large ones run side by side (one active group, one worker)."""
    if audience.type in (AudienceType.WEDDING, AudienceType.ROLE):
        return f"wedding:{audience.wedding_id}"
    return f"broadcast:{broadcast_id}:{number}"


def handover_group(group_id: str) -> str:
    """The outbox group in which what another Region's lane did not take waits."""
    return f"{_HANDOVER}{zlib.crc32(group_id.encode()) % _HANDOVER_GROUPS}"


def is_handover(group_id: str) -> bool:
    """Whether an outbox group waits for another Region."""
    return group_id.startswith(_HANDOVER)
