"""Bulk import of the directory, a chunk of rows at a time."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
from fastapi import APIRouter, BackgroundTasks, Depends, Query, Request
from pydantic import ConfigDict

from api.auth import Editor
from api.bodies.fields import Out
from api.problems import invalid, responses
from api.services import Serving
from carillon.errors import ForbiddenError, TooLargeError
from carillon.rows import COLUMNS, RowError, Sheet

if TYPE_CHECKING:
    from carillon.adapters.postgres.importing import Imported
    from carillon.rows import Row

router = APIRouter(tags=["import"])
MOST_ROWS: Final = 50_000
_LONGEST_LINE: Final = 16_384


class BadRow(Out):
    """A row of which nothing was stored."""

    line: int
    column: str
    reason: str


class Changed(Out):
    """How many were new, and how many differed from what was stored."""

    created: int
    updated: int


class ImportOut(Out):
    """What became of the rows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "dry_run": False,
                    "rows": 2,
                    "stored": 1,
                    "bad": [
                        {"line": 2, "column": "role", "reason": "'best man' is none of couple, planner, vendor, guest"}
                    ],
                    "weddings": {"created": 1, "updated": 0},
                    "users": {"created": 1, "updated": 0},
                    "team": {"created": 1, "updated": 0},
                }
            ]
        }
    )
    dry_run: bool
    rows: int
    stored: int
    bad: list[BadRow]
    weddings: Changed
    users: Changed
    team: Changed


async def _raw(request: Request) -> bytes:
    return await request.body()


_EXAMPLE: Final = (
    '{"wedding_id": "W1", "wedding_name": "Ann & Bo", "starts_at": "2027-06-12 15:00",'
    ' "wedding_time_zone": "Europe/Lisbon", "user_id": "ann", "name": "Ann Lee", "role": "couple"}\n'
    '{"wedding_id": "W1", "user_id": "phil", "name": "Phil", "role": "vendor", "supplier_id": "flowers-ltd"}\n'
)
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"One JSON object per line with any of these members: {', '.join(COLUMNS)}. See docs/IMPORT.md.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    }
}


@router.post(
    "/v1/import", responses=responses(ForbiddenError, TooLargeError), openapi_extra=_BODY, summary="Import rows"
)
def import_rows(
    caller: Editor,
    serving: Serving,
    raw: Annotated[bytes, Depends(_raw)],
    afterwards: BackgroundTasks,
    dry_run: Annotated[bool, Query(description="Only say what would happen.")] = False,  # noqa: FBT002
) -> ImportOut:
    """Import people and weddings. Nothing of a bad row is stored, the rest is; again changes nothing."""
    del caller
    lines = [(number, line) for number, line in enumerate(raw.split(b"\n"), start=1) if line.strip()]
    if len(lines) > MOST_ROWS:
        raise invalid("/", f"takes at most {MOST_ROWS} rows at once, these are {len(lines)}")
    good, bad = _parse(lines)
    done = serving.directory.import_rows(good, dry_run=dry_run)
    if not dry_run and (cause := _cause(done)):
        afterwards.add_task(serving.replan, cause)
    bad += [BadRow(line=row.line, column=error.column, reason=error.reason) for row, error in done.refused]
    return ImportOut(
        dry_run=dry_run,
        rows=len(lines),
        stored=len(lines) - len(bad),
        bad=sorted(bad, key=lambda one: one.line),
        **{
            name: Changed(created=part.created, updated=part.updated)
            for name, part in (("weddings", done.weddings), ("users", done.users), ("team", done.team))
        },
    )


def _cause(done: "Imported") -> str:
    """What the calendar's planner is told; nothing where neither a wedding nor a team is another one now."""
    weddings, members = (part.created + part.updated for part in (done.weddings, done.team))
    if weddings:
        return f"an import changed {weddings} weddings"
    return f"an import changed {members} places on teams" if members else ""


def _parse(lines: list[tuple[int, bytes]]) -> "tuple[list[Row], list[BadRow]]":
    sheet = Sheet()
    good, bad = [], []
    for number, line in lines:
        try:
            good.append(sheet.add(number, _object(line)))
        except RowError as error:
            bad.append(BadRow(line=number, column=error.column, reason=error.reason))
    return good, bad


def _object(line: bytes) -> dict[str, Any]:
    try:
        columns = orjson.loads(line) if len(line) <= _LONGEST_LINE else None
    except ValueError as error:
        raise RowError("", f"is not JSON: {error}") from error
    if not isinstance(columns, dict):
        raise RowError("", f"is not one JSON object of at most {_LONGEST_LINE} bytes")
    return columns
