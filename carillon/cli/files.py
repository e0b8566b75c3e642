"""Reads the rows of an import from CSV or NDJSON, each with its line number."""

from __future__ import annotations

import csv
import stat
import sys
from collections import deque
from contextlib import nullcontext
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Final

import orjson

from carillon.cli.errors import usage
from carillon.rows import COLUMNS, RowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import TextIO

FORMATS: Final = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_SEPARATORS: Final = ",;\t"
_MOST_LINES: Final = 20
"""A row that goes over more lines than this is taken for one with a quote too many."""
INPUT: Final = "-"
_NOT_UTF8: Final = RowError("", "is not UTF-8")
Line = tuple[int, "dict[str, Any] | RowError"]
"""The line number, and the columns or what is wrong with them."""


def count_lines(path: Path) -> int | None:
    """How many lines a file has, for the progress bar; a tenth of a second for 100,000. None: a pipe, read once only.

    Raises:
        CommandError: there is no such file, or it cannot be read.
    """
    if str(path) == INPUT:
        return None
    try:
        if stat.S_ISFIFO(path.stat().st_mode) or stat.S_ISCHR(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}") from error


def read(path: Path, form: str | None) -> Iterator[Line]:
    """The rows of a file, or of the standard input for `-`.

    Raises:
        CommandError: there is no such file, or its head makes no sense.
    """
    form = form or FORMATS.get(path.suffix.lower())
    if form is None:
        raise usage(f"{path}: neither .csv nor .ndjson", "Say which with --format.")
    try:
        # What is not UTF-8 becomes half surrogates, which no column takes: the row is refused, the rest is read.
        with _opened(path) as file:
            yield from _csv(path, file) if form == "csv" else _ndjson(file)
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}") from error


def _opened(path: Path) -> AbstractContextManager[TextIO]:
    if str(path) != INPUT:
        return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
    return nullcontext(TextIOWrapper(sys.stdin.buffer, "utf-8-sig", "surrogateescape", newline=""))


def _csv(path: Path, file: TextIO) -> Iterator[Line]:
    head = file.readline()
    if not head:
        return
    separator = max(_SEPARATORS, key=head.count)
    names = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
    if strange := [name for name in names if name not in COLUMNS]:
        raise usage(f"{path}: there is no column {strange[0][:80]!r}", f"The columns are {', '.join(COLUMNS)}.")
    if len(set(names)) != len(names) or not {"wedding_id", "user_id"} & set(names):
        raise usage(f"{path}: its first line must name wedding_id or user_id, and no column twice")
    yield from _rows(file, names, separator)


def _rows(file: TextIO, names: list[str], separator: str) -> Iterator[Line]:
    """One row after the other. A quote that is never closed costs its own line alone, not the rest of the file."""
    number, ahead = 2, deque[str]()
    while ahead or (line := file.readline()):
        if not ahead:
            ahead.append(line)
        taken, found = 1, _cells(list(ahead)[:1], separator)
        while found is None and taken < _MOST_LINES:
            if len(ahead) == taken:
                ahead.append(file.readline())
            taken += 1
            found = _cells(list(ahead)[:taken], separator)
        if found is None or (taken > 1 and (isinstance(found, RowError) or _swallows(found, separator, len(names)))):
            taken, found = 1, RowError("", "opens a quote that is never closed")
        if not all(map(_is_utf8, list(ahead)[:taken])):
            found = _NOT_UTF8
        if isinstance(found, RowError):
            yield number, found
        elif any(found):
            yield number, _row(names, found)
        number += taken
        for _ in range(taken):
            ahead.popleft()


def _cells(lines: list[str], separator: str) -> list[str] | RowError | None:
    """The cells of a row that may go over several lines; None when it goes on beyond them."""
    try:
        return next(csv.reader(lines, delimiter=separator, strict=True), [])
    except csv.Error as error:
        return None if str(error) == "unexpected end of data" else RowError("", f"is not CSV: {error}")


def _swallows(cells: list[str], separator: str, columns: int) -> bool:
    """Whether a cell holds whole rows: two stray quotes pair up over everything between them, and that is fine CSV."""
    least = max(1, (columns - 1) // 2)
    return any(line.count(separator) >= least for cell in cells for line in cell.splitlines()[1:])


def _is_utf8(line: str) -> bool:
    """Whether no byte of the line had to become a half surrogate."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _row(names: list[str], cells: list[str]) -> dict[str, Any] | RowError:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return RowError("", f"has {len(cells)} cells under {len(names)} columns")
    return dict(zip(names, cells, strict=False))


def _ndjson(file: TextIO) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        if not _is_utf8(line):
            yield number, _NOT_UTF8
            continue
        try:
            columns = orjson.loads(line)
            yield number, columns if isinstance(columns, dict) else RowError("", "is not a JSON object")
        except ValueError as error:
            yield number, RowError("", f"is not JSON: {error}")
