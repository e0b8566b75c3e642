"""The fast copy of the active sockets in Valkey.

People are spread over 16 buckets by a hash of their id; a bucket's keys share a hash slot and one *generation* key. A
bucket without its generation key was wiped (or never built): the look-up says so instead of "nobody is there", and
the whole index is built anew from the writer. An entry too many costs one 410; an entry too few costs one look-up more.
"""

from __future__ import annotations

import logging
import time
import zlib
from typing import TYPE_CHECKING, Any, Final

from valkey.exceptions import ValkeyError

from carillon.model import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_LOG = logging.getLogger(__name__)
_BUCKETS: Final = 16
_TTL_S: Final = 7_800
"""Sockets live two hours at most."""
_REBUILD_LOCK: Final = "carillon:conn:rebuild"
_PAUSE_S: Final = 1.0


class ValkeyConnectionIndex:
    """See `ports.ConnectionIndex`.

    Args:
        client: Valkey client, single node or cluster.
        everybody: reads all active sockets from the writer, to build the index.
    """

    def __init__(self, client: Any, everybody: Callable[[], Iterable[Connection]]) -> None:
        self._client = client
        self._everybody = everybody
        self._away_until = 0.0

    def lookup(self, user_ids: Sequence[str]) -> list[Connection] | None:
        """All indexed sockets of these people, in one pipeline; None when the index is away or was wiped."""
        if not user_ids:
            return []
        buckets = sorted({_bucket(user_id) for user_id in user_ids})
        answers = self._run(
            [("GET", _generation(bucket)) for bucket in buckets] + [("SMEMBERS", _key(one)) for one in user_ids]
        )
        if answers is None:
            return None
        if None in answers[: len(buckets)]:
            self._rebuild()
            return None
        members = zip(user_ids, answers[len(buckets) :], strict=True)
        return [Connection(_text(one), user_id) for user_id, ids in members for one in ids]

    def add(self, connection: Connection) -> None:
        """Index a socket."""
        key = _key(connection.user_id)
        self._run([("SADD", key, connection.connection_id), ("EXPIRE", key, _TTL_S)])

    def remove(self, connections: Sequence[Connection]) -> None:
        """Forget sockets."""
        if connections:
            self._run([("SREM", _key(one.user_id), one.connection_id) for one in connections])

    def _rebuild(self) -> None:
        try:
            if not self._client.set(_REBUILD_LOCK, 1, nx=True, ex=10):
                return
            everybody = list(self._everybody())
        except ValkeyError as error:
            self._pause(error)
            return
        for start in range(0, len(everybody), 1000):
            part = everybody[start : start + 1000]
            added = self._run([("SADD", _key(one.user_id), one.connection_id) for one in part])
            self._run([("EXPIRE", _key(one.user_id), _TTL_S) for one in part])
            if added is None:
                return
        self._run([("SET", _generation(bucket), 1) for bucket in range(_BUCKETS)] + [("DEL", _REBUILD_LOCK)])
        _LOG.info("connection index rebuilt with %d sockets", len(everybody))

    def _run(self, commands: Iterable[tuple[Any, ...]]) -> list[Any] | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return list(pipeline.execute())
        except (ValkeyError, OSError) as error:
            self._pause(error)
            return None

    def _pause(self, error: Exception) -> None:
        """Stop asking for a second: a look-up must not wait for a time-out each time."""
        self._away_until = time.monotonic() + _PAUSE_S
        _LOG.warning("connection index is away, the database answers instead: %s", error)


def _bucket(user_id: str) -> int:
    return zlib.crc32(user_id.encode()) % _BUCKETS


def _generation(bucket: int) -> str:
    return f"carillon:conn:{{{bucket}}}:generation"


def _key(user_id: str) -> str:
    return f"carillon:conn:{{{_bucket(user_id)}}}:{user_id}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


class ValkeyLimits:
    """See `ports.Limits`: a counter per person and window."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def allow(self, what: str, who: str, most: int, window_s: int) -> bool:
        """Count one use; open while Valkey is away."""
        key = f"carillon:limit:{what}:{{{who}}}:{int(time.time()) // window_s}"
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                pipeline.incr(key)
                pipeline.expire(key, window_s)
                used, _ = pipeline.execute()
        except (ValkeyError, OSError) as error:
            _LOG.warning("rate limit %s is open, Valkey is away: %s", what, error)
            return True
        return int(used) <= most
