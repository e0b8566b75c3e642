"""Reads the rows of an import: one per person on a wedding, with the wedding's columns repeated or left blank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from carillon.directory import LONGEST_NAME, is_id, is_name, time_zone
from carillon.model import Role, Tier, WeddingStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

COLUMNS: Final = (
    "wedding_id",
    "wedding_name",
    "starts_at",
    "wedding_time_zone",
    "status",
    "guests",
    "user_id",
    "name",
    "role",
    "tier",
    "time_zone",
    "supplier_id",
)
_WEDDING: Final = ("wedding_name", "starts_at", "wedding_time_zone", "status", "guests")
_PERSON: Final = ("name", "tier", "time_zone", "supplier_id")
FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 9000
"""Times beyond these are surely mistakes, and some of them break in one store or language or another."""
_MOST_GUESTS: Final = 100_000
T = TypeVar("T")


class RowError(ValueError):
    """A row that cannot be stored: which column, and why."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Row:
    """One good row. None means: not said, so what is stored stays."""

    line: int
    wedding_id: str | None
    wedding_name: str | None
    starts_at: datetime | None
    wedding_time_zone: str | None
    status: WeddingStatus | None
    guests: int | None
    user_id: str | None
    name: str | None
    role: Role | None
    tier: Tier | None
    time_zone: str | None
    supplier_id: str | None

    def to_json(self) -> dict[str, Any]:
        """The columns that are known, as the import of the API takes them."""
        return {name: _spoken(value) for name in COLUMNS if (value := getattr(self, name)) is not None}


def _spoken(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return getattr(value, "word", value)


Known = tuple[int, tuple[Any, ...]]
"""The first line that said something about a wedding or a person, and what is known by now."""


class Sheet:
    """The rows of one import: fills in what an earlier row said already, and refuses what contradicts it."""

    def __init__(self) -> None:
        self.weddings: dict[str, Known] = {}
        self.people: dict[str, Known] = {}
        self.roles: dict[tuple[str | None, str], Role] = {}

    def add(self, line: int, columns: Mapping[str, Any]) -> Row:
        """Read a row; a refused one leaves no trace.

        Raises:
            RowError: a value is not what its column takes, or an earlier row said something else.
        """
        texts = _texts(columns)
        wedding_id, user_id = _ids(texts)
        zone = _zone(texts, "wedding_time_zone")
        known_zone = self.weddings[wedding_id][1][2] if wedding_id in self.weddings else None
        said_wedding = (
            _name(texts, "wedding_name"),
            _moment(texts, zone or (time_zone(known_zone) if known_zone else None)),
            zone.key if zone else None,
            _word(texts, "status", WeddingStatus),
            _guests(texts),
        )
        own_zone = _zone(texts, "time_zone")
        said_person = (
            _name(texts, "name"),
            _word(texts, "tier", Tier),
            own_zone.key if own_zone else None,
            _id(texts, "supplier_id"),
        )
        role = _word(texts, "role", Role)
        wedding = _merge(line, self.weddings.get(wedding_id or ""), said_wedding, _WEDDING)
        person = _merge(line, self.people.get(user_id or ""), said_person, _PERSON)
        role = self._role(wedding_id, user_id, role)
        if wedding_id is not None:
            self.weddings[wedding_id] = wedding
        if user_id is not None:
            self.people[user_id] = person
            if role is not None:
                self.roles[wedding_id, user_id] = role
        name, starts_at, venue, status, guests = wedding[1]
        return Row(
            line, wedding_id, name, starts_at, venue, status, guests, user_id, person[1][0], role, *person[1][1:]
        )

    def _role(self, wedding_id: str | None, user_id: str | None, said: Role | None) -> Role | None:
        if user_id is None:
            return None
        known = self.roles.get((wedding_id, user_id))
        if wedding_id is not None and said is None and known is None:
            raise RowError("role", "a person on a wedding needs a role there: " + ", ".join(Role.words()))
        if said is not None and known is not None and said != known:
            raise RowError("role", f"an earlier row made {user_id!r} {known.word} here, this one {said.word}")
        return said if said is not None else known


def _texts(columns: Mapping[str, Any]) -> dict[str, str]:
    texts = {}
    for column, value in columns.items():
        if column not in _COLUMN_SET:
            raise RowError(str(column)[:64], "no such column; there are " + ", ".join(COLUMNS))
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)  # noqa: PLW2901 - guests and ids are numbers in many spreadsheets
        if value is not None and not isinstance(value, str):
            raise RowError(column, "takes text")
        if value and (value := value.strip()):
            texts[column] = value
    return texts


_COLUMN_SET: Final = frozenset(COLUMNS)


def _ids(texts: Mapping[str, str]) -> tuple[str | None, str | None]:
    wedding_id, user_id = _id(texts, "wedding_id"), _id(texts, "user_id")
    if wedding_id is None and user_id is None:
        raise RowError("wedding_id", "the row names neither a wedding (wedding_id) nor a person (user_id)")
    if wedding_id is None and (stray := next((column for column in _WEDDING if column in texts), None)):
        raise RowError(stray, "says something about a wedding, but wedding_id is empty")
    if user_id is None and (stray := next((column for column in (*_PERSON, "role") if column in texts), None)):
        raise RowError(stray, "says something about a person, but user_id is empty")
    return wedding_id, user_id


def _id(texts: Mapping[str, str], column: str) -> str | None:
    text = texts.get(column)
    if text is not None and not is_id(text):
        raise RowError(column, f"{text[:80]!r} is no id: 1 to 64 letters, digits or . _ : @ -, a letter or digit first")
    return text


def _name(texts: Mapping[str, str], column: str) -> str | None:
    text = texts.get(column)
    if text is not None and not is_name(text):
        raise RowError(column, f"{text[:80]!r} is no name: 1 to {LONGEST_NAME} characters, no control characters")
    return text


def _zone(texts: Mapping[str, str], column: str) -> ZoneInfo | None:
    text = texts.get(column)
    zone = time_zone(text) if text else None
    if text and zone is None:
        raise RowError(column, f"{text[:80]!r} is no IANA time zone, such as Europe/Lisbon")
    return zone


def _word(texts: Mapping[str, str], column: str, words: type[T]) -> T | None:
    text = texts.get(column)
    if text is None:
        return None
    try:
        return words[text.upper()]  # type: ignore[index, no-any-return]
    except KeyError as error:
        raise RowError(column, f"{text[:80]!r} is none of {', '.join(words.words())}") from error  # type: ignore[attr-defined]


def _guests(texts: Mapping[str, str]) -> int | None:
    text = texts.get("guests")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and int(text) <= _MOST_GUESTS):
        raise RowError("guests", f"{text[:80]!r} is no whole number from 0 to {_MOST_GUESTS}")
    return int(text)


def _moment(texts: Mapping[str, str], venue: ZoneInfo | None) -> datetime | None:
    """`starts_at`; without an offset it is the wall clock at the venue, which is how people write it down."""
    text = texts.get("starts_at")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = _at_venue(moment, venue)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            raise RowError("starts_at", f"the year must be from {FIRST_YEAR} to {LAST_YEAR}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, RowError):
            raise
        raise RowError(
            "starts_at", f"{text[:80]!r} is no time such as 2027-06-12T15:00 or 2027-06-12T13:00Z"
        ) from error


def _at_venue(wall: datetime, venue: ZoneInfo | None) -> datetime:
    if venue is None:
        raise RowError("starts_at", "a time without an offset needs wedding_time_zone")
    moment = wall.replace(tzinfo=venue)
    if moment.astimezone(UTC).astimezone(venue).replace(tzinfo=None) != wall:
        raise RowError("starts_at", f"{wall} does not exist in {venue.key}: the clocks go forward over it")
    return moment


def _merge(line: int, known: Known | None, said: tuple[Any, ...], columns: tuple[str, ...]) -> Known:
    if known is None:
        return line, said
    first, before = known
    if said == before:
        return known
    for column, now, then in zip(columns, said, before, strict=True):
        if now is not None and then is not None and now != then:
            raise RowError(column, f"says {_plain(now)}, but line {first} said {_plain(then)}")
    return first, tuple(then if now is None else now for now, then in zip(said, before, strict=True))


def _plain(value: Any) -> str:
    return str(getattr(value, "word", None) or (value.isoformat() if isinstance(value, datetime) else repr(value)))
