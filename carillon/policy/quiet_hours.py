"""Quiet hours: when a person does not want to be disturbed, right across DST changes.

A quiet night is an interval between two instants, not a range of wall-clock times. A wall-clock time that happens twice
(clocks go back) means its first instant as a start and its second as an end: the night is longer, never shorter. A
wall-clock time that does not happen (clocks go forward) means the instant of the change.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from carillon.model import QuietHours, Recipient


def release_at(quiet: QuietHours | None, zone: str, now: datetime) -> datetime | None:
    """The instant at which quiet hours that hold at `now` end, in UTC; None when it is not quiet now."""
    if quiet is None or not quiet.enabled or quiet.start == quiet.end:
        return None
    info = ZoneInfo(zone)
    today = now.astimezone(info).date()
    for day in (today - timedelta(days=1), today):
        last = day if quiet.start < quiet.end else day + timedelta(days=1)
        start, end = _instant(day, quiet.start, info, fold=0), _instant(last, quiet.end, info, fold=1)
        if start <= now < end:
            return end
    return None


def zone_for(recipient: Recipient, now: datetime) -> str:
    """The person's own time zone; on the day of one of their weddings, the venue's."""
    for starts_at, venue_zone in recipient.venue_zones:
        info = ZoneInfo(venue_zone)
        if starts_at.astimezone(info).date() == now.astimezone(info).date():
            return venue_zone
    return recipient.time_zone


def _instant(day: date, at: time, zone: ZoneInfo, *, fold: int) -> datetime:
    local = datetime.combine(day, at, tzinfo=zone).replace(fold=fold)
    before, after = (local.replace(fold=side).astimezone(UTC) for side in (1, 0))
    exists = local.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
    return local.astimezone(UTC) if exists else _change_between(before, after, zone)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second at which the zone's offset changes between two instants at most hours apart."""
    offset = before.astimezone(zone).utcoffset()
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        same = (before + timedelta(seconds=middle)).astimezone(zone).utcoffset() == offset
        low, high = (middle, high) if same else (low, middle)
    return before + timedelta(seconds=high)
