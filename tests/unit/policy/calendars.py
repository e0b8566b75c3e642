"""Weddings for the tests of demand and plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from carillon.policy.demand import Wedding
from carillon.policy.profiles import PROFILES
from carillon.policy.sizing import Deployment

BROADCAST = PROFILES["broadcast"]
NEW_YORK = ZoneInfo("America/New_York")
ROME = "Europe/Rome"
SATURDAY = datetime(2027, 6, 5, tzinfo=UTC)
WINTER = datetime(2027, 1, 13, tzinfo=UTC)
"""A Wednesday of an ordinary month."""
PROD = Deployment(min_acu=2, readers=2)
unhurried = settings(deadline=None, derandomize=True, max_examples=60)


def at(text: str, zone: str = ROME) -> datetime:
    """A local time as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def wedding(name: str, begins: datetime, *, team: int = 8, guests: int = 120, zone: str = ROME) -> Wedding:
    """92 connections, unless told otherwise."""
    return Wedding(name, begins, zone, team, guests)


def several(count: int, begins: datetime, **sizes: int) -> list[Wedding]:
    """So many, all at once: W0, W1, ..."""
    return [wedding(f"W{number}", begins, **sizes) for number in range(count)]


zones = st.sampled_from([ROME, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
instants = st.integers(-24 * 60, 72 * 60).map(lambda minutes: SATURDAY + timedelta(minutes=minutes))
weddings = st.lists(
    st.builds(
        Wedding,
        wedding_id=st.integers(0, 10**9).map(lambda number: f"W{number}"),
        starts_at=instants,
        time_zone=zones,
        team=st.integers(0, 400),
        guests=st.integers(0, 20_000),
        canceled=st.booleans(),
    ),
    max_size=12,
)
