"""Reads the rows of an import from CSV or NDJSON, each with its line number."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any, Final

import orjson

from carillon.cli.errors import usage
from carillon.rows import COLUMNS, RowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

FORMATS: Final = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_SEPARATORS: Final = ",;\t"
Line = tuple[int, "dict[str, Any] | RowError"]
"""The line number, and the columns or what is wrong with them."""


def count_lines(path: Path) -> int:
    """How many lines a file has, for the progress bar; a tenth of a second for 100,000."""
    try:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}") from error


def read(path: Path, form: str | None) -> Iterator[Line]:
    """The rows of a file.

    Raises:
        CommandError: there is no such file, or its head makes no sense.
    """
    form = form or FORMATS.get(path.suffix.lower())
    if form is None:
        raise usage(f"{path}: neither .csv nor .ndjson", "Say which with --format.")
    try:
        # What is not UTF-8 becomes half surrogates, which no column takes: the row is refused, the rest is read.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            yield from _csv(path, file) if form == "csv" else _ndjson(file)
    except OSError as error:
        raise usage(f"{path} cannot be read: {error.strerror}") from error


def _csv(path: Path, file: TextIO) -> Iterator[Line]:
    head = file.readline()
    separator = max(_SEPARATORS, key=head.count)
    names = [name.strip() for name in next(csv.reader([head], delimiter=separator), [])]
    if strange := [name for name in names if name not in COLUMNS]:
        raise usage(f"{path}: there is no column {strange[0][:80]!r}", f"The columns are {', '.join(COLUMNS)}.")
    if len(set(names)) != len(names) or not {"wedding_id", "user_id"} & set(names):
        raise usage(f"{path}: its first line must name wedding_id or user_id, and no column twice")
    reader = csv.reader(file, delimiter=separator, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num + 1, RowError("", f"is not CSV: {error}")
            continue
        if any(cells):
            yield reader.line_num + 1, _row(names, cells)


def _row(names: list[str], cells: list[str]) -> dict[str, Any] | RowError:
    if len(cells) > len(names) and any(cells[len(names) :]):
        return RowError("", f"has {len(cells)} cells under {len(names)} columns")
    return dict(zip(names, cells, strict=False))


def _ndjson(file: TextIO) -> Iterator[Line]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            columns = orjson.loads(line)
            yield number, columns if isinstance(columns, dict) else RowError("", "is not a JSON object")
        except (ValueError, UnicodeError) as error:
            yield number, RowError("", f"is not JSON: {error}")
