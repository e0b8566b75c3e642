"""A progress bar on a terminal, plain lines elsewhere, nothing for programs."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINE_EVERY_S: Final = 5.0


@contextmanager
def progress(title: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Call what this gives with the number of lines read so far; without a total nobody knows how many there are."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(title, total) as advance:
            yield advance
    else:
        yield _Lines(title, total)


@contextmanager
def _bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - same

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} lines" if total is None else "{task.completed}/{task.total} lines"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda rows: bar.update(task, completed=rows)


class _Lines:
    def __init__(self, title: str, total: int | None) -> None:
        self._title = title
        self._next_at = time.monotonic() + _LINE_EVERY_S
        self._of = "" if total is None else f" of {total}"

    def __call__(self, rows: int) -> None:
        if time.monotonic() >= self._next_at:
            self._next_at = time.monotonic() + _LINE_EVERY_S
            print(f"{self._title}: {rows}{self._of} lines", file=sys.stderr, flush=True)
