"""Reaching phones: the poster, the governor of its budget, and the metrics of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from carillon.model import (
        Lane,
    )
    from carillon.names import Metric


@dataclass(frozen=True, slots=True)
class Post:
    """One frame for one connection; `body` is the UTF-8 text of the frame, at most 128 KiB."""

    connection_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class PostReport:
    """What became of each post: every connection id given is in exactly one of the three.

    `failed` maps the connection id to a reason: `throttled` (429), `server` (5xx), `timeout`, `connection`,
    `too_large` (413), `forbidden` (403), `rejected` (any other status), `budget` (the governor gave no token before the
    deadline).
    """

    sent: tuple[str, ...]
    gone: tuple[str, ...]
    failed: Mapping[str, str]
    first_sent_at: float | None = None
    """When the first post was answered 200, in epoch seconds; None when none was."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Permission for `granted` posts; when 0, ask again after `retry_after_s`."""

    granted: int
    retry_after_s: float


class Rate(Protocol):
    """A lane's view of the callback budget."""

    def lease(self, want: int) -> Lease:
        """Take up to `want` posts from the budget, in blocks; never blocks."""
        ...


class Governor(Protocol):
    """The callback governor: one budget per account and Region, with a reserve that only `critical` may draw."""

    def rate(self, lane: Lane) -> Rate:
        """The budget as this lane sees it."""
        ...


class Poster(Protocol):
    """Posts frames to connections (`@connections`), concurrently, at least once."""

    def post(self, posts: Sequence[Post], rate: Rate, deadline_s: float) -> PostReport:
        """Post all, within `deadline_s` seconds from now; never raises for a single post."""
        ...

    def close(self, connection_ids: Sequence[str]) -> None:
        """Close these sockets (`DELETE @connections/{id}`); one that is gone already is fine."""
        ...


class Metrics(Protocol):
    """Custom metrics; names and units come from `carillon.names`."""

    def count(self, metric: Metric, value: float = 1, *, lane: Lane | None = None) -> None:
        """Add `value` of `metric`; what it is, and whether it goes by lane, stands in `names.METRICS`."""
        ...

    def flush(self) -> None:
        """Write what was counted; the doors do it, at the end of an invocation or every few seconds."""
        ...
