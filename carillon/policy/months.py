"""A month as a person names it, and when it is."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from carillon.errors import InvalidInputError
from carillon.policy import season

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_MONTH: Final = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)


def first_days(month: str) -> tuple[date, date]:
    """The first day of a month, as in `2027-06`, and that of the next.

    Raises:
        InvalidInputError: it is none, or not of this century.
    """
    named = _MONTH.fullmatch(month)
    if named is None:
        detail = f"{month[:40]!r} is no month from 2000-01 to 2099-12; one is 2027-06"
        raise InvalidInputError(f"month: {detail}", errors=[{"pointer": "month", "detail": detail}])
    first = date(int(named[1]), int(named[2]), 1)
    return first, (first + timedelta(days=31)).replace(day=1)


def span(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From when until when a month lasts in a zone or, as bills are, in UTC: from the first beginning to the last end.

    Raises:
        InvalidInputError: as `first_days`.
    """
    first, after = first_days(month)
    bill = (datetime(first.year, first.month, 1, tzinfo=UTC), datetime(after.year, after.month, 1, tzinfo=UTC))
    return min(bill[0], season.midnight(first, zone)), max(bill[1], season.midnight(after, zone))
