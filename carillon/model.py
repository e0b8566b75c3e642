"""The words everybody uses: broadcast, audience, delivery, recipient, connection. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime, time


class _Code(IntEnum):
    """Stored as a smallint, spoken as a lower-case word."""

    @property
    def word(self) -> str:
        """The name on the wire and in the HTTP API."""
        return self.name.lower()

    @classmethod
    def words(cls) -> list[str]:
        """All names, in order of their codes."""
        return [member.word for member in cls]


class Lane(_Code):
    """A priority and all that is kept apart for it, from the queue to the callback budget; lower is more urgent."""

    CRITICAL = 0
    HIGH = 1
    NORMAL = 2
    LOW = 3


class Role(_Code):
    """What a person is to a wedding; the order is the order inside one broadcast (couple first)."""

    COUPLE = 0
    PLANNER = 1
    VENDOR = 2
    GUEST = 3


class Kind(_Code):
    """What a broadcast is about; people may opt out per kind."""

    SYSTEM = 0
    BUSINESS = 1
    COLLABORATION = 2
    WEDDING = 3


class Tier(_Code):
    """What a person's or supplier's subscription is."""

    FREE = 0
    PAID = 1
    PREMIUM = 2


class WeddingStatus(_Code):
    """Where a wedding stands."""

    PLANNED = 0
    CONFIRMED = 1
    COMPLETED = 2
    CANCELED = 3


class Status(_Code):
    """Where one person's delivery of one broadcast stands; each recipient is in exactly one."""

    DELAYED = 0
    FILTERED = 1
    QUEUED = 2
    SENT = 3
    DELIVERED = 4
    EXPIRED = 5
    FAILED = 6
    CANCELED = 7


class BroadcastState(_Code):
    """Where a broadcast as a whole stands."""

    ACCEPTED = 0
    PROCESSED = 1
    CANCELED = 2
    FAILED = 3


class AudienceType(StrEnum):
    """How a broadcast names its people. `holders` are those who have another broadcast, for its retraction."""

    USERS = "users"
    WEDDING = "wedding"
    ROLE = "role"
    SEGMENT = "segment"
    EVERYONE = "everyone"
    HOLDERS = "holders"


PAGED_AUDIENCES: Final = frozenset({AudienceType.SEGMENT, AudienceType.EVERYONE, AudienceType.HOLDERS})
"""Too large for one message: expanded page by page into `deliver` messages."""

RETRACTED: Final = "retracted"
"""The name of the event that takes an earlier one back; its data names `event_id`."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a broadcast is for. Only the fields of its type are set."""

    type: AudienceType
    user_ids: tuple[str, ...] = ()
    wedding_id: str | None = None
    role: Role | None = None
    segment_id: str | None = None
    broadcast_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The shape stored and shown: `type` and the fields that are set."""
        pairs: dict[str, Any] = {
            "user_ids": list(self.user_ids) or None,
            "wedding_id": self.wedding_id,
            "role": self.role.word if self.role is not None else None,
            "segment_id": self.segment_id,
            "broadcast_id": self.broadcast_id,
        }
        return {"type": self.type.value} | {key: value for key, value in pairs.items() if value is not None}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Audience:
        """The inverse of `to_json`; a KeyError or ValueError means that it never was one."""
        role = value.get("role")
        return cls(
            type=AudienceType(value["type"]),
            user_ids=tuple(value.get("user_ids", ())),
            wedding_id=value.get("wedding_id"),
            role=Role[role.upper()] if role else None,
            segment_id=value.get("segment_id"),
            broadcast_id=value.get("broadcast_id"),
        )


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One message to an audience. `broadcast_id` is a UUIDv7; times are aware, in UTC."""

    broadcast_id: str
    lane: Lane
    kind: Kind
    name: str
    data: dict[str, Any]
    audience: Audience
    created_by: str
    created_at: datetime
    supplier_id: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    escalate_after_s: int | None = None
    state: BroadcastState = BroadcastState.ACCEPTED
    expected: int | None = None
    failure: str | None = None
    canceled_at: datetime | None = None
    escalations: int = 0

    def expired(self, now: datetime) -> bool:
        """Whether nobody should get it any more."""
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When a person does not want to be disturbed, in local time; `start == end` means never."""

    start: time
    end: time
    enabled: bool = False


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person wants to get. The defaults are those of a person who never chose (`quiet` as 22:00-08:00, off)."""

    kinds: frozenset[Kind] = frozenset(Kind)
    critical_only: bool = False
    realtime: bool = True
    in_app: bool = True
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person of an audience with what is needed to decide how it is reached.

    `role` is the role within the wedding where there is one. `wedding_day` holds (start, end) of that person's wedding
    days, each with the venue's time zone, as far as they touch the present.
    """

    user_id: str
    role: Role
    time_zone: str
    preferences: Preferences = field(default_factory=Preferences)
    venue_zones: tuple[tuple[datetime, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One person's copy of one broadcast. `offset` counts from 1 in the person's stream of that lane."""

    broadcast_id: str
    user_id: str
    lane: Lane
    offset: int | None
    status: Status
    attempts: int = 0
    role: Role = Role.GUEST
    realtime: bool = True


@dataclass(frozen=True, slots=True)
class Connection:
    """A socket on which a person can be reached."""

    connection_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """A delivery as the client sees it; times in milliseconds since 1970. A tombstone has a `reason` and no data."""

    lane: Lane
    offset: int
    event_id: str
    name: str
    kind: Kind
    ts: int
    expires_at: int | None
    data: dict[str, Any]
    wedding_id: str | None = None
    attempt: int = 1
    tombstone: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a verified token's subject, scopes and, for people of a supplier, whose they are.

    `expires_at` is the token's `exp`, in seconds since 1970.
    """

    subject: str
    scopes: frozenset[str]
    expires_at: int
    supplier_id: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What a sender asks for, checked for its shape and not yet for its rights."""

    audience: Audience
    lane: Lane
    kind: Kind
    name: str
    data: dict[str, Any]
    send_at: datetime | None = None
    expires_at: datetime | None = None
    escalate_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """Whom a draft would reach: `now + delayed + filtered == expected`; `inbox_only`, a part of `now`, get no post."""

    expected: int
    now: int
    inbox_only: int
    delayed: int
    filtered: int
