"""The stores as the product needs them: a database with its schema, and queues that lose nothing for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from carillon.adapters.postgres import Database as Pool
from carillon.adapters.postgres import migrate
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.errors import OutageError
from local.emulator import Emulator
from local.errors import NotReadyError
from local.postgres import Postgres
from local.queues import create_queues, retention_s


class Database(Postgres):
    """PostgreSQL with the product's schema brought up to date at each start."""

    def start(self, *, timeout_s: float = 60.0) -> None:
        """Start it, then run the migrations that are still to be run."""
        super().start(timeout_s=timeout_s)
        migrate(self.dsn)


class Queues(Emulator):
    """The emulator with the lanes' queues made at each start.

    It keeps none, so what was in them is taken back into the outbox, from where the relay sends it again.
    """

    database: Database | None = None

    def start(self, *, timeout_s: float = 30.0) -> None:
        """Start it, make the queues, take back what the last ones had.

        Raises:
            NotReadyError: It, or the database, is away.
        """
        super().start(timeout_s=timeout_s)
        if self.database:
            # Before there is a queue to send to: what is accepted from now on must not overtake what was lost.
            requeue(self.database.dsn)
        create_queues(self.endpoint)


def requeue(dsn: str) -> int:
    """Take what was sent to queues that are lost, and not seen through, back into the outbox; returns how many rows.

    Raises:
        NotReadyError: The database is away.
    """
    pool = Pool(dsn, size=1, timeout_s=30)
    try:
        return PostgresBroadcasts(pool).requeue(datetime.now(UTC) - timedelta(seconds=retention_s()))
    except OutageError as error:
        raise NotReadyError(f"the queues are empty, and what was in them cannot be sent again: {error}") from error
    finally:
        pool.close()
