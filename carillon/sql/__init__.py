"""SQL lives in files: `-- name --` opens a query that ends where the next begins."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_HEADING = re.compile(r"^-- (?P<name>[a-z_]+) --$", re.MULTILINE)


@cache
def queries(file: str) -> dict[str, str]:
    """All queries of `carillon/sql/<file>.sql` by name."""
    parts = _HEADING.split(files(__package__).joinpath(f"{file}.sql").read_text(encoding="utf-8"))
    return {name: text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def migrations() -> list[tuple[str, str]]:
    """(file name, text) of all migrations in the order in which they run; `pre` ones before new code takes traffic."""
    folder = files(__package__).joinpath("migrations")
    found = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(name, folder.joinpath(name).read_text(encoding="utf-8")) for name in found]
