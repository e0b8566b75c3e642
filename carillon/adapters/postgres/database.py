"""One pool of PostgreSQL connections per process; every way in which the store can be away becomes an `OutageError`."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from carillon.errors import OutageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from psycopg.rows import DictRow

_RETRY_AFTER_S: Final = 2.0
_SERVER_IS_THERE: Final = (errors.QueryCanceled, errors.LockNotAvailable, errors.DeadlockDetected)


class Database:
    """Transactions on one PostgreSQL. One that can only be read has lost its role in a fail-over: it is away, too.

    `prepare_threshold=None` because RDS Proxy and PgBouncer hand out another server connection per transaction; no
    session state for the same reason, so the statement time-out is set with the connection.

    Args:
        url: libpq URL.
        size: largest number of connections.
        timeout_s: longest wait for a connection, a lock or a statement.
        login: asked for each new connection, for what it needs beside the URL: a token is soon too old. RDS Proxy
            refuses a connection that brings options, so that the time-outs are those of the role then (see `roles`).
    """

    def __init__(
        self, url: str, *, size: int, timeout_s: float, login: Callable[[], Mapping[str, str]] | None = None
    ) -> None:
        limit_ms = round(timeout_s * 1000)
        fixed: dict[str, Any] = {
            "row_factory": dict_row,
            "autocommit": True,
            "prepare_threshold": None,
            "connect_timeout": max(2, round(timeout_s)),
            "application_name": "carillon",
        }
        limited = fixed | {"options": f"-c statement_timeout={limit_ms} -c lock_timeout={limit_ms}"}
        self._pool = ConnectionPool[psycopg.Connection["DictRow"]](
            url,
            min_size=1,
            max_size=size,
            timeout=timeout_s,
            reconnect_timeout=timeout_s,
            open=False,
            kwargs=limited if login is None else lambda: fixed | dict(login()),
        )

    @contextmanager
    def _away_is_an_outage(self) -> Iterator[None]:
        if self._pool.closed:
            self._pool.open(wait=False)
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction, PoolTimeout) as error:
            # The other idle connections died with the server: replace them now rather than failing once for each.
            if not isinstance(error, (PoolTimeout, *_SERVER_IS_THERE)):
                self._pool.check()
            raise OutageError(f"the database is away: {error}", retry_after_s=_RETRY_AFTER_S) from error

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[DictRow]]:
        """One transaction, committed at the end of the block and rolled back by an exception.

        Raises:
            OutageError: no connection within the time-out, or the server went away in the middle.
        """
        with self._away_is_an_outage(), self._pool.connection() as connection, connection.transaction():
            yield connection

    def all(self, sql: str, parameters: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement in its own transaction (autocommit: one round trip) and return its rows."""
        with self._away_is_an_outage(), self._pool.connection() as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def one(self, sql: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Run one statement in its own transaction and return its first row, if there is one."""
        rows = self.all(sql, parameters)
        return rows[0] if rows else None

    def close(self) -> None:
        """Give the connections back to the server."""
        self._pool.close()
