"""What the directory holds: people, weddings, who is on which, and named segments. Plain data and its rules."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from carillon.model import Role, Tier, WeddingStatus

if TYPE_CHECKING:
    from datetime import datetime

ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$"
"""People, weddings, suppliers and segments: safe in a URL, a file name and a queue's group id."""
_ID: Final = re.compile(ID_PATTERN[:-1] + r"\Z")
LONGEST_NAME: Final = 200
JOINERS: Final = "\u200c\u200d"
"""Invisible by themselves, but part of how Persian and Indic names and families of emoji are written."""


@dataclass(frozen=True, slots=True)
class User:
    """A person. `role` is what they mostly are; what they are to a wedding stands in its team."""

    user_id: str
    name: str
    role: Role
    tier: Tier = Tier.FREE
    time_zone: str = "UTC"
    supplier_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wedding:
    """A wedding. `guests` is how many are expected in all, whether or not they are in the directory."""

    wedding_id: str
    name: str
    starts_at: datetime
    time_zone: str
    status: WeddingStatus = WeddingStatus.PLANNED
    guests: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A person on a wedding."""

    wedding_id: str
    user_id: str
    name: str
    role: Role
    tier: Tier
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Segment:
    """People across weddings; an empty set means any."""

    segment_id: str
    name: str
    roles: frozenset[Role] = field(default_factory=frozenset)
    tiers: frozenset[Tier] = field(default_factory=frozenset)
    statuses: frozenset[WeddingStatus] = field(default_factory=frozenset)


def is_id(text: str) -> bool:
    """Whether a text may be the id of a person, wedding, supplier or segment."""
    return _ID.match(text) is not None


def is_name(text: str) -> bool:
    """Whether a text may be shown as a name: 1 to 200 characters, none of them hiding or turning what others say."""
    visible = text.replace(JOINERS[0], "").replace(JOINERS[1], "")
    return len(text) <= LONGEST_NAME and visible.strip() != "" and visible.isprintable()


@cache
def time_zone(name: str) -> ZoneInfo | None:
    """The IANA time zone of that name, or None. Every name is asked for a thousand times in an import, so it is kept.

    The pattern goes first: `ZoneInfo` reads files by that name, and raises five kinds of error for odd ones.
    """
    return ZoneInfo(name) if name in _zone_names() else None


@cache
def _zone_names() -> frozenset[str]:
    from zoneinfo import available_timezones  # noqa: PLC0415 - walks a folder of 600 files: only who asks pays

    return frozenset(available_timezones()) - {"localtime"}
