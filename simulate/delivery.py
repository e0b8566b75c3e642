"""From capacity to how long every message takes, and which are late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from carillon.policy.lanes import LANES
from carillon.policy.retention import INBOX
from carillon.policy.retry import outage_delay_s
from simulate import load as loads
from simulate import serve
from simulate.figures import figure, spread

if TYPE_CHECKING:
    from simulate.capacity import Capacity
    from simulate.clock import Clock
    from simulate.load import Load
    from simulate.messages import Messages
    from simulate.scenarios import FailOver
    from simulate.weddings import Flags, Floats, Ints

FULL: Final = 0.9
"""Share of the database in use from which on it is slower in proportion to what is asked, not just busier."""
Z99: Final = 2.326


@dataclass(frozen=True, slots=True)
class Delivery:
    """Of every message, in order of time.

    Args:
        first_ms: from acceptance to the first post.
        received_ms: until somebody in the middle of its audience has it.
        done_ms: until the last one does.
        late: whether it broke its lane's promise.
        throttled: late ones that would not be, had API Gateway taken their posts at once.
        outlived: whether its queue would have dropped it before a consumer took it. What waits for its posts is in
            the inboxes already, and served when a phone asks.
        cold_starts: consumers that had to start.
    """

    first_ms: Floats
    received_ms: Floats
    done_ms: Floats
    late: Flags
    throttled: Flags
    outlived: Flags
    cold_starts: int


def deliver(
    clock: Clock,
    messages: Messages,
    load: Load,
    capacity: Capacity,
    throttled_s: Floats,
    fail_overs: tuple[FailOver, ...],
) -> Delivery:
    """Play every message through its lane.

    Args:
        clock: the buckets.
        messages: in order of time.
        load: for the database's share.
        capacity: in force.
        throttled_s: how long posts of a lane wait for the callback budget, by lane and bucket.
        fail_overs: when the database is away.
    """
    bucket = clock.index(messages.at)
    slower = slowness(load.database_cores, capacity.acu * figure("acu_cores"))[bucket]
    before = loads.before_first_ms(messages.people)
    store_ms = loads.STORE_SHARE * before * (slower - 1)
    occupied = (loads.busy_ms(messages.people) + store_ms) / 1000
    waited, cold_starts = np.zeros(len(messages)), 0
    for lane in Lane:
        chosen = np.flatnonzero(messages.lane == lane)
        some, cold = _lane_waits(clock, messages, chosen, bucket[chosen], occupied, capacity, int(lane))
        waited[chosen], cold_starts = some, cold_starts + cold
    quiet = _quiet_ms(messages.chance)
    away = _away_s(messages, waited, fail_overs)
    budget = throttled_s[messages.lane, bucket]
    first = quiet + store_ms + (waited + away) * 1000
    posting = loads.posting_ms(messages.people) + budget * 1000
    done = first + posting
    too_late = late(messages.lane, first, done)
    return Delivery(
        first,
        first + posting / 2 + 1,
        done,
        too_late,
        too_late & ~late(messages.lane, first, done - budget * 1000),
        waited + away > min(timedelta(days=figure("queue_days")), INBOX).total_seconds(),
        cold_starts,
    )


def late(lane: Ints, first_ms: Floats, done_ms: Floats) -> Flags:
    """Whether the first post came after the lane's `first_post_ms`, or the last after its dwell objective."""
    first_most = np.array([LANES[one].first_post_ms for one in Lane])
    dwell_ms = np.array([LANES[one].dwell_s * 1000 for one in Lane])
    made: Flags = (first_ms > first_most[lane]) | (done_ms > dwell_ms[lane])
    return made


def slowness(asked: Floats, there: Floats) -> Floats:
    """How many times longer a statement takes than on an idle database: processor sharing, then in proportion."""
    use = asked / there
    made: Floats = np.where(use < FULL, 1 / (1 - np.minimum(use, FULL)), use / FULL / (1 - FULL))
    return made


def _quiet_ms(chance: Floats) -> Floats:
    """Acceptance to first post when nothing waits: log-normal through the measured p50 and p99."""
    middle, _, highest = spread("first_post_ms")
    scale = np.log(highest / middle) / Z99
    made: Floats = middle * np.exp(scale * _normal(chance))
    return made


def _normal(chance: Floats) -> Floats:
    """The normal quantile, by the logistic's, whose p99 is made to agree; the tails are heavier than the normal's."""
    bounded = np.clip(chance, 1e-9, 1 - 1e-9)
    made: Floats = np.log(bounded / (1 - bounded)) * (Z99 / np.log(99))
    return made


def _lane_waits(
    clock: Clock, messages: Messages, chosen: Ints, bucket: Ints, occupied: Floats, capacity: Capacity, lane: int
) -> tuple[Floats, int]:
    """Waits of a lane's messages; those in quiet buckets do not wait."""
    asked = clock.count_at(messages.at[chosen], occupied[chosen]) / clock.bucket_s
    warm = capacity.warm[lane]
    matters = _drained(clock, asked, warm) | serve.busy_times(asked, warm)
    followed = matters[bucket]
    made = np.zeros(len(chosen))
    ones = chosen[followed]
    hop = spread("queue_hop_ms")[0] / 1000
    made[followed], cold = serve.waits(
        messages.at[ones] + hop, occupied[ones], messages.wedding[ones], bucket[followed], warm, capacity.most
    )
    return made, cold


def _drained(clock: Clock, asked: Floats, warm: Floats) -> Flags:
    """Buckets that begin or end with work left over."""
    over = np.cumsum((asked - warm) * clock.bucket_s)
    left = over - np.minimum(np.minimum.accumulate(over), 0)
    still = left > 0
    still[1:] |= still[:-1].copy()
    return still


def _away_s(messages: Messages, waited: Floats, fail_overs: tuple[FailOver, ...]) -> Floats:
    """How much longer messages take that a fail-over caught between acceptance and work, by the real retry policy."""
    made = np.zeros(len(messages))
    for one in fail_overs:
        begins = messages.at + waited
        caught = np.flatnonzero((messages.at < one.at_s) & (begins + 0.02 > one.at_s) & (waited < one.away_s))
        for number in caught.tolist():
            lane, chance = Lane(int(messages.lane[number])), float(messages.chance[number])
            when, receives = float(begins[number]), 1
            while when < one.at_s + one.away_s:
                when += outage_delay_s(lane, receives, chance)
                receives += 1
            made[number] = when - begins[number]
    return made
