"""`import`: weddings, people and teams from a spreadsheet or a program, in chunks, with every bad row named."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from carillon.cli import files, show
from carillon.cli.errors import CommandError, Exit, usage
from carillon.cli.progress import progress
from carillon.rows import RowError, Sheet

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from concurrent.futures import Future

    from carillon.cli.client import Api
    from carillon.rows import Row

_CHUNK: Final = 4_000
_TRIES: Final = 4
_MOST_SHOWN: Final = 1_000
_WEDDING: Final = ("wedding_name", "starts_at", "wedding_time_zone", "status", "guests")
_PERSON: Final = ("name", "tier", "time_zone", "supplier_id")


@dataclass
class Bad:
    """A row of which nothing was stored."""

    line: int
    column: str
    reason: str


@dataclass
class Result:
    """What became of a file."""

    rows: int = 0
    stored: int = 0
    bad: list[Bad] = field(default_factory=list)
    created: dict[str, int] = field(default_factory=dict)
    updated: dict[str, int] = field(default_factory=dict)
    weddings: set[str | None] = field(default_factory=set)
    people: set[str | None] = field(default_factory=set)
    places: set[tuple[str | None, str | None]] = field(default_factory=set)

    @property
    def named(self) -> dict[str, int]:
        """How many weddings, people and places on teams the stored rows are about."""
        return {
            "weddings": len(self.weddings - {None}),
            "people": len(self.people - {None}),
            "places": sum(None not in place for place in self.places),
        }


def add(commands: Any) -> None:
    """Add the command."""
    text = "import weddings, people and teams; nothing of a bad row is stored, the rest is"
    parser = commands.add_parser("import", help=text, description=text)
    parser.add_argument("file", metavar="FILE", type=Path, help="CSV or NDJSON; - is the input")
    parser.add_argument("--format", choices=("csv", "ndjson"), help="if the file's name does not say it")
    parser.add_argument("--dry-run", action="store_true", help="check everything, store nothing")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, api: Api) -> int:
    """Import a file; the next chunk is read while the one before is stored."""
    result, sheet = Result(), Sheet()
    lines = files.count_lines(args.file)
    api.token()
    with progress(f"import {args.file.name}", lines, quiet=args.json) as advance, ThreadPoolExecutor(1) as sender:
        under_way: Future[None] | None = None
        try:
            for chunk in _chunks(args, sheet, result):
                if under_way is not None:
                    under_way.result()
                under_way = sender.submit(_send, chunk, args, api, result)
                advance(result.rows)
            if under_way is not None:
                under_way.result()
        except CommandError as error:
            if error.exit_code == Exit.USAGE:
                raise
            done = f"; {result.stored} rows were stored before" if result.stored and not args.dry_run else ""
            hint = f"{error.hint} Run the same import again: what is stored already stays as it is.".strip()
            raise CommandError(error.exit_code, error.code, error.message + done, hint) from error
    if not result.rows:
        raise usage(f"{args.file} holds no rows")
    result.bad.sort(key=lambda bad: bad.line)
    _show(args, result)
    return Exit.FOUND if result.bad else Exit.FINE


def _chunks(args: argparse.Namespace, sheet: Sheet, result: Result) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for line, columns in files.read(args.file, args.format):
        result.rows += 1
        try:
            if isinstance(columns, RowError):
                raise columns
            chunk.append(sheet.add(line, columns))
        except RowError as error:
            result.bad.append(Bad(line, error.column, error.reason))
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _send(chunk: list[Row], args: argparse.Namespace, api: Api, result: Result) -> None:
    answer = api.call(
        "POST",
        "/v1/import",
        content=_lines(chunk),
        parameters={"dry_run": str(args.dry_run).lower()},
        headers={"Content-Type": "application/x-ndjson"},
        tries=_TRIES,
    )
    result.stored += answer["stored"]
    result.bad += [Bad(chunk[bad["line"] - 1].line, bad["column"], bad["reason"]) for bad in answer["bad"]]
    refused = {bad["line"] for bad in answer["bad"]}
    for row in (row for number, row in enumerate(chunk, start=1) if number not in refused):
        result.weddings.add(row.wedding_id)
        result.people.add(row.user_id)
        result.places.add((row.wedding_id, row.user_id))
    for table in ("weddings", "users", "team"):
        result.created[table] = result.created.get(table, 0) + answer[table]["created"]
        result.updated[table] = result.updated.get(table, 0) + answer[table]["updated"]


def _lines(chunk: list[Row]) -> bytes:
    """The rows as NDJSON; what an earlier line of the chunk says is not said again, which makes it half as long."""
    seen: set[str] = set()
    lines = []
    for row in chunk:
        columns = row.to_json()
        for prefix, name, repeated in (("w", row.wedding_id, _WEDDING), ("u", row.user_id, _PERSON)):
            if name is None:
                continue
            if prefix + name in seen:
                columns = {key: value for key, value in columns.items() if key not in repeated}
            seen.add(prefix + name)
        lines.append(orjson.dumps(columns))
    return b"\n".join(lines)


def _show(args: argparse.Namespace, result: Result) -> None:
    if args.json:
        told = {name: getattr(result, name) for name in ("rows", "stored", "created", "updated", "named")}
        show.as_json(told | {"bad": [asdict(one) for one in result.bad], "dry_run": args.dry_run})
        return
    for one in result.bad[:_MOST_SHOWN]:
        column = f"{one.column}: " if one.column else ""
        print(f"line {one.line}: {column}{show.plain(one.reason)}", file=sys.stderr)
    if len(result.bad) > _MOST_SHOWN:
        print(f"... and {len(result.bad) - _MOST_SHOWN} more; --json lists all", file=sys.stderr)
    verb = "would be stored" if args.dry_run else "stored"
    print(f"{result.rows} rows: {result.stored} {verb}, {len(result.bad)} bad")
    print(f"{result.named['weddings']} weddings, {result.named['people']} people")
    if not args.dry_run:
        for table in ("weddings", "users", "team"):
            print(f"{table}: {result.created.get(table, 0)} new, {result.updated.get(table, 0)} changed")
