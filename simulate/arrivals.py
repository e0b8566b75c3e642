"""Arrivals of one's own: a CSV file with a row per wedding, what was planned and, where it is known, what came."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from simulate import world
from simulate.errors import ArrivalsError
from simulate.scenarios import MOST
from simulate.weddings import NEVER, Weddings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from simulate.weddings import Ints

NEEDED: Final = ("wedding_id", "starts_at", "time_zone", "team", "guests")
KNOWN: Final = (*NEEDED, "registered_at", "peak_connections", "broadcasts")
DAYS: Final = 400
"""The first and the last wedding are no further apart."""
LEAST_ROWS: Final = 1
MOST_NUMBER: Final = 100_000
FORGOTTEN: Final = "never"
THERE: Final = 0.93
"""Share of a wedding's people that is online at once when most are: they come and go at times of their own."""


@dataclass(frozen=True, slots=True)
class Row:
    """One wedding of the file; None where nothing was measured."""

    wedding_id: str
    starts: float
    zone: str
    day: date
    team: int
    guests: int
    known_at: float
    peak: int | None
    broadcasts: int | None


def read(path: Path, random: np.random.Generator) -> Weddings:
    """The file's weddings; what it does not say is drawn.

    Raises:
        ArrivalsError: with the line and the column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            rows = rows_of(csv.DictReader(lines, strict=True))
    except ArrivalsError as error:
        raise ArrivalsError(f"{path}: {error.message}", **error.facts) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArrivalsError(f"{path}: {error}") from error
    return weddings_of(rows, random)


def rows_of(reader: csv.DictReader[str]) -> list[Row]:
    """All rows.

    Raises:
        ArrivalsError: a column is missing or unknown, a row is wrong, or there are too few or too many.
    """
    columns = [name.strip() for name in reader.fieldnames or ()]
    _check_columns(columns)
    reader.fieldnames = columns
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for cells in reader:
        row = _row(cells, reader.line_num)
        if row.wedding_id in seen:
            raise _wrong(reader.line_num, "wedding_id", f"{row.wedding_id!r} stands on line {seen[row.wedding_id]} too")
        seen[row.wedding_id] = reader.line_num
        rows.append(row)
        if len(rows) > MOST:
            raise ArrivalsError(f"there are more than {MOST:,} weddings; take fewer")
    if len(rows) < LEAST_ROWS:
        raise ArrivalsError("there is no wedding in it; a row is a wedding, and the first line names the columns")
    _check_span([row.day for row in rows])
    return rows


def _check_columns(columns: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in KNOWN]
    twice = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if missing or unknown or twice:
        said = [
            f"{what} {', '.join(map(repr, names))}"
            for what, names in (("missing:", missing), ("unknown:", unknown), ("twice:", twice))
            if names
        ]
        raise ArrivalsError(f"its columns are wrong ({'; '.join(said)}); it takes {','.join(KNOWN)}")


def _check_span(days: Iterable[date]) -> None:
    ordered = sorted(days)
    apart = (ordered[-1] - ordered[0]).days
    if apart > DAYS:
        raise ArrivalsError(f"its weddings are {apart} days apart, {DAYS} at most: {ordered[0]} to {ordered[-1]}")


def _wrong(line: int, column: str, what: str) -> ArrivalsError:
    return ArrivalsError(f"line {line}, {column}: {what}", line=line, column=column)


def _row(cells: dict[str, str], line: int) -> Row:
    if None in cells or None in cells.values():
        raise ArrivalsError(f"line {line}: it has not as many cells as there are columns", line=line)
    cell = {name: value.strip() for name, value in cells.items()}
    if not cell["wedding_id"]:
        raise _wrong(line, "wedding_id", "it is empty")
    zone = _zone(cell["time_zone"], line)
    starts = _moment(cell["starts_at"], zone, line, "starts_at")
    registered = cell.get("registered_at", "")
    if registered == FORGOTTEN:
        known_at = NEVER
    else:
        known_at = -NEVER if not registered else _moment(registered, zone, line, "registered_at").timestamp()
    return Row(
        cell["wedding_id"],
        starts.timestamp(),
        zone.key,
        starts.astimezone(zone).date(),
        _number(cell["team"], line, "team"),
        _number(cell["guests"], line, "guests"),
        known_at,
        _measured(cell, line, "peak_connections"),
        _measured(cell, line, "broadcasts"),
    )


def _zone(name: str, line: int) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise _wrong(line, "time_zone", f"{name!r} is no IANA time zone; one is Europe/Lisbon") from error


def _moment(text: str, zone: ZoneInfo, line: int, column: str) -> datetime:
    """The venue's clock, or a time with an offset."""
    if _is_day(text):
        raise _wrong(line, column, f"{text!r} is a day without a time; one with it is 2027-06-12 15:00")
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise _wrong(line, column, f"{text!r} is no time; one is 2027-06-12 15:00") from error
    if not 2000 <= found.year < 2100:
        raise _wrong(line, column, f"{text!r} is not in this century")
    moment = (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    if not found.tzinfo and moment.astimezone(zone).replace(tzinfo=None) != found:
        raise _wrong(line, column, f"{found} does not exist in {zone.key}: the clocks go forward over it")
    return moment


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _number(text: str, line: int, column: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= MOST_NUMBER):
        raise _wrong(line, column, f"{text!r} is no whole number from 0 to {MOST_NUMBER:,}")
    return int(text)


def _measured(cell: dict[str, str], line: int, column: str) -> int | None:
    return _number(cell[column], line, column) if cell.get(column) else None


def weddings_of(rows: Sequence[Row], random: np.random.Generator) -> Weddings:
    """Rows as weddings: what was measured as it was, the rest as the generator has it."""
    zones = tuple(dict.fromkeys(row.zone for row in rows))
    zone = np.array([zones.index(row.zone) for row in rows])
    team, guests = np.array([row.team for row in rows]), np.array([row.guests for row in rows])
    happens = world.happens(random, team, guests, zone, np.array([row.day.toordinal() for row in rows]))
    made = Weddings(
        starts=np.array([row.starts for row in rows]),
        known_at=np.array([row.known_at for row in rows]),
        zone=zone,
        size=np.searchsorted(np.array(world.TEAMS[:-1]) * 1.3, team).astype(np.int64),
        planned_team=team,
        planned_guests=guests,
        **happens,
        zones=zones,
    )
    return _measured_over(made, rows).ordered()


def _measured_over(made: Weddings, rows: Sequence[Row]) -> Weddings:
    """A measured wedding begins when it says, and as many are online as were counted."""
    peak = np.array([np.nan if row.peak is None else row.peak for row in rows])
    sent = np.array([np.nan if row.broadcasts is None else row.broadcasts for row in rows])
    drawn = made.crew + made.guests
    share = np.divide(made.crew, drawn, out=np.ones(len(rows)), where=drawn > 0)
    whole = np.where(np.isnan(peak), drawn, peak / THERE)
    crew = np.rint(whole * share).astype(np.int64)
    return replace(
        made,
        crew=crew,
        guests=_whole(whole) - crew,
        broadcasts=_whole(np.where(np.isnan(sent), made.broadcasts, sent)),
    )


def _whole(values: np.ndarray) -> Ints:
    made: Ints = np.rint(values).astype(np.int64)
    return made
