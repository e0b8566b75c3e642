"""Broadcasts, previews and deliveries as JSON."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field

from api.bodies.data import check_data
from api.bodies.fields import Id, In, KindWord, Moment, Out, Priority, RoleWord, StatusWord
from api.problems import invalid
from carillon.model import Audience, Broadcast, Draft, Kind, Lane
from carillon.reports import Counts, DeliveryRow

MOST_USERS: Final = 1_000
_AHEAD: Final = timedelta(days=366)
NAME_PATTERN: Final = r"^[a-z0-9]+([._-][a-z0-9]+)*$"


def _unique(ids: list[str]) -> list[str]:
    if len(set(ids)) != len(ids):
        raise ValueError("names somebody twice")
    return ids


class UsersAudience(In):
    """These people."""

    type: Literal["users"]
    user_ids: Annotated[
        list[Id],
        Field(min_length=1, max_length=MOST_USERS, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_unique),
    ]


class WeddingAudience(In):
    """Everybody on a wedding."""

    type: Literal["wedding"]
    wedding_id: Id


class RoleAudience(In):
    """Everybody of one role on a wedding."""

    type: Literal["role"]
    wedding_id: Id
    role: RoleWord


class SegmentAudience(In):
    """Everybody in a named segment, across weddings."""

    type: Literal["segment"]
    segment_id: Id


class EveryoneAudience(In):
    """Everybody in the directory."""

    type: Literal["everyone"]


AudienceIn = Annotated[
    UsersAudience | WeddingAudience | RoleAudience | SegmentAudience | EveryoneAudience, Field(discriminator="type")
]
_EXAMPLE: Final[dict[str, Any]] = {
    "audience": {"type": "wedding", "wedding_id": "W1"},
    "priority": "critical",
    "kind": "wedding",
    "name": "timeline.shifted",
    "data": {"ceremony": "15:30"},
    "escalate_after_s": 60,
}


class BroadcastIn(In):
    """A broadcast to be sent."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})
    audience: AudienceIn
    priority: Priority = Field("normal", description="Which lane it takes; `critical` needs the scope for it.")
    kind: KindWord = Field("wedding", description="What it is about; people may opt out per kind.")
    name: str = Field(pattern=NAME_PATTERN, max_length=100, description="What happened, for programs.")
    data: Annotated[dict[str, Any], AfterValidator(check_data)] = Field(
        default_factory=dict, description="What goes with it: at most 24 KB of JSON."
    )
    send_at: Moment | None = Field(None, description="Not before then; at most a year ahead.")
    expires_at: Moment | None = Field(None, description="Nobody gets it after that.")
    escalate_after_s: int | None = Field(
        None, ge=5, le=3600, description="Critical only: who has not acked by then gets it again."
    )

    def to_draft(self, now: datetime) -> Draft:
        """The draft that this describes.

        Raises:
            InvalidInputError: the fields are well by themselves but do not fit together.
        """
        lane = Lane[self.priority.upper()]
        if self.escalate_after_s is not None and lane is not Lane.CRITICAL:
            raise invalid("/escalate_after_s", "only a critical broadcast can escalate")
        if self.send_at is not None and self.send_at - now > _AHEAD:
            raise invalid("/send_at", f"takes a time at most {_AHEAD.days} days ahead")
        if self.expires_at is not None and self.expires_at <= now:
            raise invalid("/expires_at", "is over already")
        if self.expires_at is not None and self.send_at is not None and self.expires_at <= self.send_at:
            raise invalid("/expires_at", "must be later than send_at")
        return Draft(
            audience=Audience.from_json(self.audience.model_dump()),
            lane=lane,
            kind=Kind[self.kind.upper()],
            name=self.name,
            data=self.data,
            send_at=_utc(self.send_at),
            expires_at=_utc(self.expires_at),
            escalate_after_s=self.escalate_after_s,
        )


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment is not None else None


class BroadcastOut(Out):
    """A broadcast."""

    id: str
    priority: Priority
    kind: KindWord
    name: str
    data: dict[str, Any]
    audience: dict[str, Any]
    created_by: str
    supplier_id: str | None
    created_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    escalate_after_s: int | None
    state: Literal["accepted", "processed", "canceled", "failed"]
    expected: int | None = Field(description="How many people the audience had, once that is known.")
    failure: str | None = Field(description="Why it failed, if it did.")
    canceled_at: datetime | None

    @classmethod
    def of(cls, broadcast: Broadcast) -> Self:
        """A broadcast of the model."""
        return cls(**_fields(broadcast))


def _fields(broadcast: Broadcast) -> dict[str, Any]:
    plain = ("name", "data", "created_by", "supplier_id", "created_at", "send_at", "expires_at", "escalate_after_s")
    return {name: getattr(broadcast, name) for name in (*plain, "expected", "failure", "canceled_at")} | {
        "id": broadcast.broadcast_id,
        "priority": broadcast.lane.word,
        "kind": broadcast.kind.word,
        "audience": broadcast.audience.to_json(),
        "state": broadcast.state.word,
    }


class Escalation(Out):
    """How far the escalation of a critical broadcast has come."""

    attempt: int = Field(description="How often it has been sent by now.")
    unacked: int = Field(description="How many people are left who have not acked.")


class BroadcastStatus(BroadcastOut):
    """A broadcast and where its people stand."""

    counts: dict[StatusWord, int] = Field(description="People per status; each is in exactly one.")
    recipients: int = Field(description="All of them together.")
    unacked: int = Field(description="How many were to get it and have not acked yet.")
    escalation: Escalation | None

    @classmethod
    def told(cls, broadcast: Broadcast, counts: Counts) -> Self:
        """A broadcast with its counts."""
        escalation = None
        if broadcast.escalate_after_s is not None:
            escalation = Escalation(attempt=max(1, broadcast.escalations), unacked=counts.unacked)
        return cls(
            **_fields(broadcast),
            counts={status.word: people for status, people in counts.by_status.items()},  # type: ignore[misc]
            recipients=sum(counts.by_status.values()),
            unacked=counts.unacked,
            escalation=escalation,
        )


class BroadcastPage(Out):
    """Broadcasts, the newest first."""

    items: list[BroadcastOut]
    next_cursor: str | None = Field(description="Give this as `cursor` for the next page; null at the end.")


class DeliveryOut(Out):
    """One person's copy of a broadcast."""

    user_id: str
    name: str | None
    role: RoleWord | None
    status: StatusWord
    offset: int | None = Field(description="Its place in the person's stream of that priority.")
    attempts: int
    reason: str | None
    sent_at: datetime | None
    delivered_at: datetime | None
    release_at: datetime | None = Field(description="When a delayed one will be looked at again.")

    @classmethod
    def of(cls, row: DeliveryRow) -> Self:
        """A row of a report."""
        words: dict[str, Any] = {"status": row.status.word, "role": row.role.word if row.role is not None else None}
        names = ("user_id", "name", "offset", "attempts", "reason", "sent_at", "delivered_at", "release_at")
        return cls(**{name: getattr(row, name) for name in names}, **words)


class DeliveryPage(Out):
    """Deliveries in user id order."""

    items: list[DeliveryOut]
    next_cursor: str | None = Field(description="Give this as `cursor` for the next page; null at the end.")


class PreviewOut(Out):
    """Whom a broadcast would reach: now + delayed + filtered = expected."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"expected": 42, "now": 39, "inbox_only": 2, "delayed": 1, "filtered": 2}]}
    )
    expected: int = Field(description="How many people the audience has.")
    now: int = Field(description="Reached at once, or at send_at.")
    inbox_only: int = Field(description="Of those, people who only want it in their inbox.")
    delayed: int = Field(description="Reached when their quiet hours end.")
    filtered: int = Field(description="People who do not want this.")
