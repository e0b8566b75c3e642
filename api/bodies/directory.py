"""People, weddings, teams, preferences and segments as JSON."""

from datetime import UTC, datetime, time
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from api.bodies.fields import (
    Id,
    In,
    KindWord,
    Moment,
    Name,
    Out,
    RoleWord,
    TierWord,
    WeddingStatusWord,
    Zone,
)
from carillon.directory import Member, Segment, User, Wedding
from carillon.model import Kind, Preferences, QuietHours, Role, Tier, WeddingStatus

_CURSOR: Final = "Give this as `cursor` for the next page; null at the end."


class UserIn(In):
    """A person."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Ann Lee", "role": "couple", "time_zone": "Europe/Lisbon"}]}
    )
    name: Name
    role: RoleWord = Field(description="What they mostly are; their role on each wedding stands in its team.")
    tier: TierWord = "free"
    time_zone: Zone = "UTC"
    supplier_id: Id | None = Field(None, description="The supplier that they work for.")

    def to_user(self, user_id: str) -> User:
        """The person that this describes."""
        role, tier = Role[self.role.upper()], Tier[self.tier.upper()]
        return User(user_id, self.name, role, tier, self.time_zone, self.supplier_id)


class UserOut(Out):
    """A person."""

    id: str
    name: str
    role: RoleWord
    tier: TierWord
    time_zone: str
    supplier_id: str | None

    @classmethod
    def of(cls, user: User) -> Self:
        """A person of the directory."""
        words: dict[str, Any] = {"role": user.role.word, "tier": user.tier.word}
        return cls(id=user.user_id, name=user.name, time_zone=user.time_zone, supplier_id=user.supplier_id, **words)


class UserPage(Out):
    """People in id order."""

    items: list[UserOut]
    next_cursor: str | None = Field(description=_CURSOR)


class WeddingIn(In):
    """A wedding."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Ann & Bo",
                    "starts_at": "2027-06-12T15:00:00+01:00",
                    "time_zone": "Europe/Lisbon",
                    "status": "confirmed",
                    "guests": 120,
                }
            ]
        }
    )
    name: Name
    starts_at: Moment
    time_zone: Zone = Field(description="The venue's.")
    status: WeddingStatusWord = "planned"
    guests: int = Field(0, ge=0, le=100_000, description="How many are expected, in the directory or not.")

    def to_wedding(self, wedding_id: str) -> Wedding:
        """The wedding that this describes."""
        status = WeddingStatus[self.status.upper()]
        return Wedding(wedding_id, self.name, self.starts_at.astimezone(UTC), self.time_zone, status, self.guests)


class WeddingOut(Out):
    """A wedding."""

    id: str
    name: str
    starts_at: datetime
    time_zone: str
    status: WeddingStatusWord
    guests: int

    @classmethod
    def of(cls, wedding: Wedding) -> Self:
        """A wedding of the directory."""
        status: Any = wedding.status.word
        return cls(
            id=wedding.wedding_id,
            name=wedding.name,
            starts_at=wedding.starts_at,
            time_zone=wedding.time_zone,
            status=status,
            guests=wedding.guests,
        )


class WeddingPage(Out):
    """Weddings in id order."""

    items: list[WeddingOut]
    next_cursor: str | None = Field(description=_CURSOR)


class MemberIn(In):
    """What a person is on a wedding."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "vendor"}]})
    role: RoleWord


class MemberOut(Out):
    """A person on a wedding."""

    user_id: str
    name: str
    role: RoleWord
    tier: TierWord
    joined_at: datetime

    @classmethod
    def of(cls, member: Member) -> Self:
        """A member of the directory."""
        words: dict[str, Any] = {"role": member.role.word, "tier": member.tier.word}
        return cls(user_id=member.user_id, name=member.name, joined_at=member.joined_at, **words)


class MemberPage(Out):
    """People on a wedding, in user id order."""

    items: list[MemberOut]
    next_cursor: str | None = Field(description=_CURSOR)


_CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _clock(value: Any) -> Any:
    if isinstance(value, str) and len(value) == 5:
        try:
            return time(int(value[:2]), int(value[3:])) if value[2] == ":" and value.isascii() else None
        except ValueError:
            return None
    return value if isinstance(value, time) else None


Clock = Annotated[time, BeforeValidator(_clock), WithJsonSchema({"type": "string", "pattern": _CLOCK})]


class QuietHoursBody(In):
    """When not to disturb, by the person's own clock; the same start and end mean never."""

    enabled: bool = False
    start: Clock = time(22)
    end: Clock = time(8)


class PreferencesBody(In):
    """What a person wants to get. Critical broadcasts reach everybody."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kinds": ["system", "wedding"],
                    "critical_only": False,
                    "channels": ["realtime", "in_app"],
                    "quiet_hours": {"enabled": True, "start": "22:00", "end": "08:00"},
                }
            ]
        }
    )
    kinds: list[KindWord] = Field(["system", "business", "collaboration", "wedding"], max_length=4)
    critical_only: bool = False
    channels: list[Literal["realtime", "in_app"]] = Field(
        ["realtime", "in_app"],
        max_length=2,
        description="Without realtime it waits in the inbox; without both a person gets critical ones only.",
    )
    quiet_hours: QuietHoursBody = QuietHoursBody()

    def to_preferences(self) -> Preferences:
        """The preferences that this describes."""
        quiet = self.quiet_hours
        return Preferences(
            kinds=frozenset(Kind[word.upper()] for word in self.kinds),
            critical_only=self.critical_only,
            realtime="realtime" in self.channels,
            in_app="in_app" in self.channels,
            quiet=QuietHours(quiet.start, quiet.end, enabled=quiet.enabled),
        )


class PreferencesOut(Out):
    """What a person wants to get."""

    kinds: list[KindWord]
    critical_only: bool
    channels: list[Literal["realtime", "in_app"]]
    quiet_hours: dict[Literal["enabled", "start", "end"], bool | str]

    @classmethod
    def of(cls, preferences: Preferences) -> Self:
        """A person's preferences."""
        quiet = preferences.quiet or QuietHours(time(22), time(8))
        words: dict[str, Any] = {
            "kinds": [kind.word for kind in sorted(preferences.kinds)],
            "channels": [name for name in ("realtime", "in_app") if getattr(preferences, name)],
        }
        hours: dict[Any, bool | str] = {
            "enabled": quiet.enabled,
            "start": f"{quiet.start:%H:%M}",
            "end": f"{quiet.end:%H:%M}",
        }
        return cls(critical_only=preferences.critical_only, quiet_hours=hours, **words)


class SegmentIn(In):
    """People across weddings; an empty list means any."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Paying vendors", "roles": ["vendor"], "tiers": ["paid", "premium"], "statuses": []}]
        }
    )
    name: Name
    roles: list[RoleWord] = Field(default_factory=list, max_length=4)
    tiers: list[TierWord] = Field(default_factory=list, max_length=3)
    statuses: list[WeddingStatusWord] = Field(default_factory=list, max_length=4)

    def to_segment(self, segment_id: str) -> Segment:
        """The segment that this describes."""
        return Segment(
            segment_id,
            self.name,
            frozenset(Role[word.upper()] for word in self.roles),
            frozenset(Tier[word.upper()] for word in self.tiers),
            frozenset(WeddingStatus[word.upper()] for word in self.statuses),
        )


class SegmentOut(Out):
    """A named segment."""

    id: str
    name: str
    roles: list[RoleWord]
    tiers: list[TierWord]
    statuses: list[WeddingStatusWord]

    @classmethod
    def of(cls, segment: Segment) -> Self:
        """A segment of the directory."""
        words: dict[str, Any] = {
            name: [one.word for one in sorted(getattr(segment, name))] for name in ("roles", "tiers", "statuses")
        }
        return cls(id=segment.segment_id, name=segment.name, **words)


class SegmentPage(Out):
    """Segments in id order."""

    items: list[SegmentOut]
    next_cursor: str | None = Field(description=_CURSOR)
