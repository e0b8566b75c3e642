"""The calls of the planner at exact times: one for every moment at which its plan changes, whatever changes then.

A call carries the sizes that the plan had when it was made, so that a wedding's capacity is raised on time even while
nobody can read the calendar.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carillon.policy.sizing import MOST_ACU

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from carillon.policy.timeline import Plan


@dataclass(frozen=True, slots=True)
class OneOff:
    """A call to be made.

    Args:
        at: when, in UTC.
        sizes: by group, what the plan asks for from then on.
        reason: why, in words.
    """

    at: datetime
    sizes: Mapping[str, float]
    reason: str


def of_plan(plan: Plan, now: datetime, until: datetime) -> dict[datetime, OneOff]:
    """A call for every moment after `now` and before `until` at which the plan changes, by its time.

    All that changes at a moment is one call, so 48 hours have at most 192, one for each quarter of an hour.
    """
    reasons: dict[datetime, dict[str, None]] = {}
    for change in plan.changes:
        if now < change.at < until and change.knob != MOST_ACU:
            reasons.setdefault(change.at, {})[change.reason] = None
    return {at: OneOff(at, _sizes(plan, at), _told(told)) for at, told in reasons.items()}


def _sizes(plan: Plan, at: datetime) -> dict[str, float]:
    return {knob.group: size for knob, size in plan.at(at).items()}


def _told(reasons: Iterable[str]) -> str:
    """The shortest first: what a cap or the budget adds to a reason says nothing new here."""
    return min(reasons, key=len)


def fingerprint(one_off: OneOff) -> str:
    """What a call carries, in 16 hexadecimal digits: the same for the same sizes and reason, whatever its time."""
    carried = [sorted((group, float(size)) for group, size in one_off.sizes.items()), one_off.reason]
    return hashlib.sha256(json.dumps(carried).encode()).hexdigest()[:16]
