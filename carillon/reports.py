"""What reports say: a broadcast's counts, one person's delivery, and the verdict of `verify`. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from carillon.model import Role, Status


@dataclass(frozen=True, slots=True)
class Counts:
    """How many people of a broadcast stand where; `unacked` were to get it and have not acked yet."""

    by_status: Mapping[Status, int]
    unacked: int


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One person's delivery as an operator sees it; `release_at` for a delayed one."""

    user_id: str
    name: str | None
    role: Role | None
    status: Status
    offset: int | None
    attempts: int
    reason: str | None
    sent_at: datetime | None
    delivered_at: datetime | None
    release_at: datetime | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong, or not finished: `kind` is lost, duplicate, gap, beyond_head, failed or pending."""

    kind: str
    detail: str
    count: int = 1
    broadcast_id: str | None = None
    user_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The reconciliation of everything accepted since a moment; `totals` counts broadcasts and people."""

    since: datetime
    totals: Mapping[str, int]
    problems: tuple[Problem, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing is lost, doubled or missing in a stream, whether or not all of it is finished."""
        return not any(self.totals[name] for name in ("lost", "duplicates", "gaps"))
