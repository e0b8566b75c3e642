"""A run: one world, one stream of arrivals, four strategies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from carillon.model import Lane
from carillon.policy import season
from carillon.policy.profiles import DEFAULT_PROFILE
from simulate import accuracy, budget, cost, delivery, messages, people, world
from simulate import load as loads
from simulate.clock import Clock
from simulate.figures import figure
from simulate.strategies import STRATEGIES, Setting, every

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simulate.accuracy import Accuracy
    from simulate.capacity import Capacity
    from simulate.cost import Cost
    from simulate.delivery import Delivery
    from simulate.load import Load
    from simulate.messages import Messages
    from simulate.scenarios import FailOver, Scenario, Spike
    from simulate.weddings import Flags, Weddings

TIME_ZONE: Final = "America/New_York"
"""Of the season's hours, as in `prod`."""
MARGIN: Final = timedelta(hours=18)
"""Before the first day and after the last: the venues' days are not the clock's, and a wedding goes on for hours."""
PERCENTILES: Final = (50.0, 99.0, 99.9)


@dataclass(frozen=True, slots=True)
class Played:
    """What became of one strategy."""

    capacity: Capacity
    delivery: Delivery
    cost: Cost


@dataclass(frozen=True, slots=True)
class Run:
    """Everything about a run, for the reports."""

    scenario: Scenario
    seed: int
    quota: float
    clock: Clock
    weddings: Weddings
    messages: Messages
    load: Load
    accuracy: Accuracy
    played: Mapping[str, Played]


def play(
    scenario: Scenario,
    seed: int,
    weddings: Weddings,
    *,
    profile: str = DEFAULT_PROFILE,
    quota: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Run:
    """Play a scenario under every strategy.

    Args:
        scenario: what goes wrong, and how finely the clock runs.
        seed: of everything that is drawn from here on.
        weddings: drawn or read.
        profile: season profile of the strategies.
        quota: API Gateway's requests per second; None for what AWS grants at first.
        tell: called with the name of what begins.
    """
    random = np.random.default_rng([seed, 1])
    clock = _clock(scenario)
    setting = Setting(season.profile(profile), season.zone(TIME_ZONE))
    tell("people")
    online = people.online(random, weddings, clock)
    tell("messages")
    sent = _accepted(messages.draw(random, weddings, scenario.spikes), scenario.fail_overs)
    load = loads.of(clock, online, sent, scenario.storms)
    quota = figure("callback_rps") if quota is None else quota
    throttled = budget.throttled_s(clock, load, quota)
    tell("forecast")
    told = accuracy.of(clock, weddings, load, setting)
    played = {}
    for name, capacity_of in every(clock, load, weddings, setting).items():
        tell(name)
        capacity = capacity_of()
        delivered = delivery.deliver(clock, sent, load, capacity, throttled, scenario.fail_overs)
        played[name] = Played(capacity, delivered, cost.of(clock, capacity, load))
    return Run(scenario, seed, quota, clock, weddings, sent, load, told, played)


STEPS: Final = ("people", "messages", "forecast", *STRATEGIES)


def draw(scenario: Scenario, seed: int, count: int) -> Weddings:
    """A world's weddings."""
    return world.draw(np.random.default_rng([seed, 0]), count, scenario.span)


def _clock(scenario: Scenario) -> Clock:
    """Whole hours around the scenario's days."""
    first = datetime.combine(scenario.span.first, time(), UTC) - MARGIN
    last = datetime.combine(scenario.span.last, time(), UTC) + timedelta(days=1) + MARGIN
    return Clock(first.timestamp(), scenario.bucket_s, int((last - first).total_seconds() // scenario.bucket_s))


def _accepted(sent: Messages, fail_overs: tuple[FailOver, ...]) -> Messages:
    """While the database is away the API answers 503: what would have been sent is sent within 30 s after."""
    at = sent.at.copy()
    for one in fail_overs:
        refused = (at >= one.at_s) & (at < one.at_s + one.away_s)
        at[refused] = one.at_s + one.away_s + 30 * sent.chance[refused]
    order = np.argsort(at, kind="stable")
    return type(sent)(at[order], sent.wedding[order], sent.lane[order], sent.people[order], sent.chance[order])


def percentiles_ms(run: Run, name: str) -> tuple[float | None, ...]:
    """Acceptance to receipt, p50, p99 and p99.9, by people reached; None where nothing was sent."""
    if not len(run.messages):
        return (None,) * len(PERCENTILES)
    received = run.played[name].delivery.received_ms
    order = np.argsort(received)
    reached = np.cumsum(run.messages.people[order])
    places = np.searchsorted(reached, np.array(PERCENTILES) / 100 * reached[-1])
    return tuple(float(received[order[min(place, len(order) - 1)]]) for place in places)


def short(run: Run, name: str) -> Flags:
    """Buckets in which a strategy has less standing ready than is asked: consumers, tasks or database."""
    capacity, load = run.played[name].capacity, run.load
    made: Flags = np.any(load.busy > capacity.warm, axis=0)
    made |= load.api_cores > capacity.tasks * figure("task_cores")
    made |= load.database_cores > capacity.acu * figure("acu_cores")
    return made


def time_to_capacity_s(run: Run, name: str, spike: Spike) -> float | None:
    """From a spike's first moment until everything it asks for stands ready; None if not by its last minute."""
    clock = run.clock
    first = int((spike.at_s - clock.start_s) // clock.bucket_s)
    last = first + clock.per(spike.hold_s + 60)
    missing = np.flatnonzero(short(run, name)[first:last])
    if not len(missing):
        return 0.0
    return None if missing[-1] >= last - first - clock.per(60) else float((missing[-1] + 1) * clock.bucket_s)


def late_by_lane(run: Run, name: str) -> dict[str, int]:
    """Late messages of a strategy, by lane."""
    late = run.played[name].delivery.late
    counts = np.bincount(run.messages.lane[late], minlength=len(Lane))
    return {lane.word: int(counts[lane]) for lane in Lane}


def in_fail_over(run: Run) -> Flags:
    """Messages accepted around a fail-over: from just before it to a minute after, when what was refused comes."""
    made: Flags = np.zeros(len(run.messages), dtype=bool)
    for one in run.scenario.fail_overs:
        made |= (run.messages.at >= one.at_s - 1) & (run.messages.at < one.at_s + one.away_s + 60)
    return made


def seconds(run: Run, flags: Flags) -> float:
    """How long something was so."""
    return float(np.count_nonzero(flags)) * run.clock.bucket_s
