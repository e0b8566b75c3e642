"""Fills the directory with the people of a bench, through the API's import."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

from loadtest.api_calls import Api
from loadtest.running import say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadtest.running import Target

CHUNK = 5_000
ROLES = ("couple", "couple", "planner", "vendor", "vendor", "vendor")
"""The first of a team; the rest are guests."""


def team(wedding_id: str, size: int) -> list[str]:
    """The ids of a wedding's people."""
    return [f"{wedding_id}-{number:05}" for number in range(size)]


def wedding_rows(wedding_id: str, size: int) -> Iterator[dict[str, Any]]:
    """The import's rows of one wedding with `size` people."""
    first = {"wedding_name": f"Bench {wedding_id}", "starts_at": "2030-06-01 15:00", "wedding_time_zone": "UTC"}
    for number, user_id in enumerate(team(wedding_id, size)):
        role = ROLES[number] if number < len(ROLES) else "guest"
        yield {"wedding_id": wedding_id, "user_id": user_id, "name": user_id, "role": role} | first
        first = {}


def people_rows(user_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The import's rows of guests without a wedding."""
    return ({"user_id": user_id, "name": user_id, "role": "guest"} for user_id in user_ids)


def store(target: Target, rows: Iterable[dict[str, Any]]) -> int:
    """Import rows; returns how many.

    Raises:
        SystemExit: The system refused some.
    """
    api, left, done = Api(target.api_url, target.operator_token()), iter(rows), 0
    while chunk := list(islice(left, CHUNK)):
        body = "\n".join(json.dumps(row) for row in chunk).encode()
        status, answer = api.call("POST", "/v1/import", body, content_type="application/x-ndjson")
        if status != 200 or answer["bad"]:
            raise SystemExit(f"the import was refused: {status} {json.dumps(answer)[:500]}")
        done += len(chunk)
    api.close()
    say(f"{done} rows imported")
    return done
