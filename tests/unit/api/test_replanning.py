"""The planner is told of changes to the calendar, and of them alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from api.app import create_app
from api.services import Services
from carillon.adapters.postgres.importing import Stored
from carillon.config import ApiSettings
from carillon.model import Principal
from carillon.names import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from carillon.directory import Wedding

WEDDING = {"name": "Ann & Bo", "starts_at": "2027-06-12T15:00:00+01:00", "time_zone": "Europe/Lisbon"}


class Directory:
    """Takes every wedding; answers as it is told."""

    def __init__(self, stored: Stored) -> None:
        self.stored = stored

    def put_wedding(self, wedding: Wedding) -> Stored:
        assert wedding.wedding_id == "W1"
        return self.stored


class Tokens:
    def verify(self, token: str) -> Principal:
        return Principal(token, frozenset(Scope), 2**31, None)


def put(directory: Directory, replan: Callable[[str], None]) -> int:
    """The status of an answer to the wedding."""
    nothing: Any = None
    app = create_app(
        Services(
            ports=nothing,
            directory=cast("Any", directory),
            reports=nothing,
            tokens=Tokens(),
            settings=ApiSettings(relay=False),
            calendar=nothing,
            scaling_log=nothing,
            capacity=nothing,
            replan=replan,
        )
    )

    async def ask() -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://c.example") as client:
            bearer = {"Authorization": "Bearer x"}
            return (await client.put("/v1/weddings/W1", json=WEDDING, headers=bearer)).status_code

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("stored", "status", "causes"),
    [
        (Stored(created=1, updated=0), 201, ["wedding W1 was put"]),
        (Stored(created=0, updated=1), 200, ["wedding W1 was put"]),
        (Stored(created=0, updated=0), 200, []),
    ],
)
def test_the_planner_is_told_of_what_changed(stored: Stored, status: int, causes: list[str]) -> None:
    told: list[str] = []
    assert put(Directory(stored), told.append) == status
    assert told == causes
