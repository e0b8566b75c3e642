"""Rows of an import: what is read, what is filled in, what is refused and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from carillon.model import Role, Tier, WeddingStatus
from carillon.rows import Row, RowError, Sheet

WHOLE = {
    "wedding_id": "W1",
    "wedding_name": " Ann & Bo ",
    "starts_at": "2027-06-12 15:00",
    "wedding_time_zone": "Europe/Lisbon",
    "status": "Confirmed",
    "guests": 120,
    "user_id": "ann",
    "name": "Ann",
    "role": "COUPLE",
    "tier": "paid",
    "time_zone": "Europe/Berlin",
    "supplier_id": "",
}


def read(*rows: dict[str, Any]) -> list[Row]:
    sheet = Sheet()
    return [sheet.add(line, row) for line, row in enumerate(rows, start=2)]


def refusal(*rows: dict[str, Any]) -> tuple[str, str]:
    *before, last = rows
    sheet = Sheet()
    for line, row in enumerate(before, start=2):
        sheet.add(line, row)
    with pytest.raises(RowError) as caught:
        sheet.add(len(before) + 2, last)
    return caught.value.column, caught.value.reason


@pytest.mark.parametrize(
    "name", ["\u0645\u06cc\u200c\u0646\u0627", "\u0915\u094d\u200d\u0937", "\U0001f468\u200d\U0001f469\u200d\U0001f467"]
)
def test_names_may_be_joined(name: str) -> None:
    assert read(WHOLE | {"name": name})[0].name == name


@pytest.mark.parametrize(
    "sign", [*"\x00\x1b\n\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\ufeff\ud800"]
)
def test_names_hide_nothing(sign: str) -> None:
    assert refusal(WHOLE | {"name": f"A{sign}nn"})[0] == "name"


def test_joiners_alone_are_no_name() -> None:
    assert refusal(WHOLE | {"name": "\u200d\u200c"})[0] == "name"


def test_a_whole_row_is_read() -> None:
    assert read(WHOLE) == [
        Row(
            line=2,
            wedding_id="W1",
            wedding_name="Ann & Bo",
            starts_at=datetime(2027, 6, 12, 14, tzinfo=UTC),
            wedding_time_zone="Europe/Lisbon",
            status=WeddingStatus.CONFIRMED,
            guests=120,
            user_id="ann",
            name="Ann",
            role=Role.COUPLE,
            tier=Tier.PAID,
            time_zone="Europe/Berlin",
            supplier_id=None,
        )
    ]


def test_what_was_said_before_is_filled_in() -> None:
    _, second = read(WHOLE, {"wedding_id": "W1", "user_id": "bo", "name": "Bo", "role": "couple"})
    assert (second.wedding_name, second.guests, second.starts_at) == (
        "Ann & Bo",
        120,
        datetime(2027, 6, 12, 14, tzinfo=UTC),
    )
    assert (second.tier, second.time_zone) == (None, None)


def test_a_person_may_be_something_else_on_another_wedding() -> None:
    other = {
        "wedding_id": "W2",
        "wedding_name": "Cy & Di",
        "starts_at": "2027-06-12T15:00Z",
        "wedding_time_zone": "UTC",
    }
    _, second = read(WHOLE, other | {"user_id": "ann", "role": "guest"})
    assert (second.role, second.name) == (Role.GUEST, "Ann")


def test_a_time_fits_the_zone_that_an_earlier_row_named() -> None:
    row = {"wedding_id": "W1", "wedding_time_zone": "America/New_York"}
    _, second = read(row, {"wedding_id": "W1", "starts_at": "2027-06-12 15:00"})
    assert second.starts_at == datetime(2027, 6, 12, 19, tzinfo=UTC)


def test_a_row_goes_to_the_api_and_comes_back_the_same() -> None:
    (row,) = read(WHOLE)
    (again,) = read(row.to_json())
    assert again == row


def test_a_refused_row_leaves_no_trace() -> None:
    sheet = Sheet()
    with pytest.raises(RowError):
        sheet.add(2, WHOLE | {"role": "best man"})
    assert (sheet.weddings, sheet.people, sheet.roles) == ({}, {}, {})
    assert sheet.add(3, WHOLE | {"wedding_name": "Another"}).wedding_name == "Another"


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"wedding_id": "", "user_id": ""}, "wedding_id", "names neither"),
        ({"wedding_id": ""}, "wedding_name", "says something about a wedding, but wedding_id is empty"),
        ({"user_id": ""}, "name", "says something about a person, but user_id is empty"),
        ({"wedding_id": "a b"}, "wedding_id", "is no id"),
        ({"user_id": "-x"}, "user_id", "is no id"),
        ({"user_id": "x" * 65}, "user_id", "is no id"),
        ({"user_id": "x\n"}, None, None),
        ({"name": "a\x07b"}, "name", "is no name"),
        ({"name": "x" * 201}, "name", "is no name"),
        ({"name": "half \ud800"}, "name", "is no name"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "is no IANA time zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "is no IANA time zone"),
        ({"starts_at": "12/06/2027"}, "starts_at", "is no time"),
        ({"starts_at": "2027-06-12 15:00", "wedding_time_zone": ""}, "starts_at", "needs wedding_time_zone"),
        ({"starts_at": "2027-03-28 01:30"}, "starts_at", "does not exist in Europe/Lisbon"),
        ({"starts_at": "0001-01-01T00:00+14:00"}, "starts_at", "the year must be from 1970 to 9000"),
        ({"status": "maybe"}, "status", "is none of planned, confirmed, completed, canceled"),
        ({"guests": "many"}, "guests", "is no whole number"),
        ({"guests": -1}, "guests", "is no whole number"),
        ({"guests": "100001"}, "guests", "is no whole number"),
        ({"guests": 1.5}, "guests", "takes text"),
        ({"guests": True}, "guests", "takes text"),
        ({"role": ""}, "role", "needs a role"),
        ({"role": "best man"}, "role", "is none of couple, planner, vendor, guest"),
        ({"tier": "gold"}, "tier", "is none of free, paid, premium"),
        ({"supplier_id": "a/b"}, "supplier_id", "is no id"),
        ({"colour": "red"}, "colour", "no such column"),
    ],
)
def test_a_wrong_value_is_named(change: dict[str, Any], column: str | None, reason: str | None) -> None:
    if column is None or reason is None:
        assert read(WHOLE | change)
        return
    named, told = refusal(WHOLE | change)
    assert named == column
    assert reason in told


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"wedding_name": "Ann & Bob"}, "wedding_name", "says 'Ann & Bob', but line 2 said 'Ann & Bo'"),
        ({"starts_at": "2027-06-12 16:00"}, "starts_at", "2027-06-12T15:00:00+00:00, but line 2 said 2027-06-12T14"),
        ({"status": "planned"}, "status", "says planned, but line 2 said confirmed"),
        ({"name": "Anna"}, "name", "says 'Anna', but line 2 said 'Ann'"),
        ({"tier": "free"}, "tier", "says free, but line 2 said paid"),
        ({"role": "guest"}, "role", "an earlier row made 'ann' couple here, this one guest"),
    ],
)
def test_a_row_that_contradicts_an_earlier_one_is_refused(change: dict[str, Any], column: str, reason: str) -> None:
    named, told = refusal(WHOLE, WHOLE | change)
    assert named == column
    assert reason in told


def test_a_clock_that_goes_back_means_the_first_time() -> None:
    (row,) = read(WHOLE | {"starts_at": "2027-10-31 01:30"})
    assert row.starts_at == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
