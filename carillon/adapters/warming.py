"""Reads what a wedding's first broadcast will read, so that it finds it in PostgreSQL's memory and in Valkey."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from carillon import sql
from carillon.errors import OutageError
from carillon.policy.batching import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from carillon.adapters.postgres.database import Database
    from carillon.ports import ConnectionIndex

_SQL = sql.queries("warming")
_WEDDINGS: Final = 100
_PEOPLE: Final = 250
"""A statement fetches at most some 1,800 blocks (people with preferences and weddings; 1,450 for the teams),
under 2 s where each takes a millisecond, within the statement time-out of 5 s."""
_LIMIT_S: Final = 60.0
"""A third of a round's longest run. What was read is in memory, so that the next round comes further in as long."""
_PER_PERSON: Final = ("people", "heads", "sockets")


class StoreWarming:
    """See `ports.scaling.Warming`.

    Nothing is kept and nothing is changed, so twice, late and for nothing are all harmless. A database that came back
    with an empty memory, or with more of it, has most to gain. What stays on the disk is a block or so for each person:
    the place in the deliveries' index where their next one goes.

    Args:
        database: the writer: it is whom the first broadcast asks.
        index: of the sockets. Asked for these people, it notices that it was wiped, and builds itself anew.
        clock: in seconds, tells how long it has been at it.
    """

    def __init__(
        self, database: Database, index: ConnectionIndex, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._index = index
        self._clock = clock

    def warm(self, wedding_ids: Sequence[str]) -> int:
        """Warm them in parts; answers how many people they are, whoever is on several of them once.

        Raises:
            OutageError: the database is away, or so slow that a minute did not suffice for all: a round that hung here
                would keep the next one from raising anything. Valkey being away is no error: the flow then asks the
                database.
        """
        known: set[str] = set()
        ends = self._clock() + _LIMIT_S
        for done, weddings in enumerate(cut(wedding_ids, _WEDDINGS)):
            rows = self._database.all(_SQL["teams"], {"weddings": list(weddings)})
            fresh = {user_id for row in rows for user_id in row["user_ids"]} - known
            for people in cut(sorted(fresh), _PEOPLE):
                if self._clock() >= ends:
                    done_by_then = f"only {done * _WEDDINGS} of {len(wedding_ids)} weddings within {_LIMIT_S:g} s"
                    raise OutageError(f"{done_by_then}; the next round goes on from there")
                self._warm(people)
            known |= fresh
        return len(known)

    def _warm(self, people: Sequence[str]) -> None:
        for query in _PER_PERSON:
            self._database.all(_SQL[query], {"users": list(people)})
        self._index.lookup(people)
