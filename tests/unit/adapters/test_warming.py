"""Warming has its time: a database that crawls does not keep the planner from its next round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from carillon.adapters.warming import StoreWarming
from carillon.errors import OutageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carillon.adapters.postgres.database import Database
    from carillon.ports import ConnectionIndex

WEDDINGS = [f"W{number}" for number in range(1_000)]


@dataclass
class Crawling:
    """A database, an index, and the clock by which a statement takes so long. Each wedding has two people."""

    statement_s: float
    now: float = 0.0

    def all(self, _sql: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.now += self.statement_s
        return [{"user_ids": [f"{wedding}-1", f"{wedding}-2"]} for wedding in given.get("weddings", ())]

    def lookup(self, _user_ids: Sequence[str]) -> None:
        return None

    def warming(self) -> StoreWarming:
        return StoreWarming(cast("Database", self), cast("ConnectionIndex", self), clock=lambda: self.now)


def test_a_thousand_weddings_are_warmed_while_each_statement_takes_a_second() -> None:
    assert Crawling(1.0).warming().warm(WEDDINGS) == 2_000


def test_after_a_minute_it_stops_and_says_how_far_it_came() -> None:
    crawling = Crawling(5.0)
    with pytest.raises(OutageError, match="only 300 of 1000 weddings within 60 s; the next round goes on"):
        crawling.warming().warm(WEDDINGS)
    assert crawling.now < 90, "the statements of one part at most come after the minute"
