"""What goes on the screen: JSON for programs, aligned columns for people."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from carillon.cli.errors import usage
from carillon.directory import JOINERS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_RELATIVE: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def as_json(value: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def table(rows: Iterable[dict[str, Any]], columns: Sequence[str], *, numbers: Collection[str] = ()) -> None:
    """Aligned columns under their names; those of `numbers` end in one line."""
    cells = [list(columns), *([plain(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    sides = [str.rjust if column in numbers else str.ljust for column in columns]
    for line in cells:
        print("  ".join(side(cell, width) for side, cell, width in zip(sides, line, widths, strict=True)).rstrip())


def plain(value: Any) -> str:
    """A value in one cell; control characters could play with the terminal, so they are shown as escapes."""
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ",".join(map(plain, value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() or char in JOINERS else repr(char)[1:-1] for char in text)


def moment(text: str, *, past: bool = False) -> str:
    """A time as the API takes it: RFC 3339 as it is, or `10m`, `2h`, `3d` from now (ago if `past`).

    Raises:
        CommandError: it is neither.
    """
    found = _RELATIVE.fullmatch(text.lstrip("+-"))
    if found:
        span = timedelta(**{_UNITS[found[2]]: int(found[1])})
        return (datetime.now(UTC) + (-span if past else span)).isoformat()
    try:
        if datetime.fromisoformat(text).tzinfo is None:
            raise usage(f"{text!r} has no offset", "Write 2027-06-12T15:00:00+02:00, or 10m, 2h, 3d from now.")
    except ValueError as error:
        raise usage(f"{text!r} is no time", "Write 2027-06-12T15:00:00+02:00, or 10m, 2h, 3d from now.") from error
    return text
