"""The calls of the planner at exact times: one for every moment at which its plan changes, whatever changes then.

A call carries the sizes that the plan had when it was made, so that a wedding's capacity is raised on time even while
nobody can read the calendar.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

MOST: Final = 200
"""Actions a target that AWS takes (Application Auto Scaling quotas); 48 hours have 192 quarters."""


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


def fingerprint(one_off: OneOff) -> str:
    """What a call carries, in 16 hexadecimal digits: the same for the same sizes and reason, whatever its time."""
    carried = [sorted((group, float(size)) for group, size in one_off.sizes.items()), one_off.reason]
    return hashlib.sha256(json.dumps(carried).encode()).hexdigest()[:16]
