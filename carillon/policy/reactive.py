"""Scaling by what is observed, beside the plan: doubles what is short, halves what is idle, and says why.

More than 80 % in use adds; taking needs less than 40 % for ten minutes, few connections and a short queue. The other
thresholds are in `policy/thresholds`. Those of connections are meant for what stands at rest and grow with the size: a
group that was doubled is doubled again at twice as many. Nothing is taken below the plan, nor below critical's reserve.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from carillon.model import Lane
from carillon.policy.capacity import STOPPED, Action, Kind
from carillon.policy.lanes import LANES
from carillon.policy.sizing import LEAST_ACU, MOST_ACU
from carillon.policy.thresholds import QUEUE_OUT, Bounds, Decision, Mode, Observation, State

if TYPE_CHECKING:
    from datetime import datetime

    from carillon.policy.capacity import Knob
    from carillon.policy.sizing import Deployment

USE_OUT: Final = 0.8
USE_IN: Final = 0.4
CALM: Final = timedelta(minutes=10)
_AGE_SHARE: Final = 0.5
"""Of a lane's dwell objective: when half of it has gone by in the queue, consumers are too few (an assumption)."""


@dataclass(frozen=True, slots=True)
class _Sign:
    metric: str
    value: float
    threshold: float
    words: str


def bounds(knob: Knob, deployment: Deployment, planned: float) -> Bounds:
    """What a knob may be set to while the plan asks for `planned`.

    A lane's cap leaves every other its own part of the account's concurrency: none grows into critical's reserve.
    """
    rest, most = deployment.rest(knob), deployment.most(knob)
    if knob.kind is Kind.PROVISIONED and knob.lane is not None:
        rest = LANES[knob.lane].concurrency
    return Bounds(rest, min(max(planned, deployment.rest(knob)), most), most)


def decide(knob: Knob, state: State, seen: Observation, now: datetime, mode: Mode, allowed: Bounds) -> Decision:
    """The next size of a knob.

    Raising to what the plan asks for knows no cooldown. A lane whose reserve somebody set to 0 stays stopped, and
    critical's reserve is never lowered. Doubling ends at the cap, and less than would stand at rest is no answer;
    halving ends at what the plan asks for.

    Args:
        knob: a lane's consumers or the tasks; a database scales itself.
        state: as the last decision left it.
        seen: now.
        now: aware.
        mode: of the season.
        allowed: of the knob.
    """
    if knob in (LEAST_ACU, MOST_ACU):
        return Decision(None, state.size, "the database follows its load by itself", state)
    if state.size == STOPPED and knob.kind is Kind.RESERVED:
        return Decision(None, state.size, "somebody stopped this lane", state)
    if state.size < allowed.least:
        words = f"the plan asks for {allowed.least:g}"
        return _changed(Action.RAISE, allowed.least, _Sign("plan", state.size, allowed.least, words), now)
    pressed = _pressure(knob, state, seen, mode, allowed)
    if pressed:
        return _out(replace(state, calm_since=None), pressed, now, mode, allowed)
    kept = knob.kind is Kind.RESERVED and knob.lane is Lane.CRITICAL
    calm = None if kept else _calm(state, seen, mode, allowed)
    since = (state.calm_since or now) if calm else None
    return _in(replace(state, calm_since=since), calm, now, mode, allowed)


def _pressure(knob: Knob, state: State, seen: Observation, mode: Mode, allowed: Bounds) -> _Sign | None:
    """The first threshold that is passed."""
    queued_out = min(mode.queued_out, QUEUE_OUT)
    dwell_s = None if knob.lane is None else _AGE_SHARE * LANES[knob.lane].dwell_s
    signs = (
        ("queued", seen.queued, queued_out, "{:,.0f} messages are queued, more than {:,.0f}"),
        ("age_s", seen.age_s, dwell_s, "the oldest message has waited {:.1f} s, more than {:.1f} s"),
        ("errors", seen.errors, mode.errors, "{:.1%} fail, more than {:.1%}"),
        ("latency_ms", seen.latency_ms, mode.latency_ms, "it takes {:,.0f} ms, more than {:,.0f} ms"),
        ("in_use", seen.in_use, USE_OUT, "{:.0%} are in use, more than {:.0%}"),
        (
            "connections",
            seen.connections,
            mode.connections_out * _scale(state, allowed),
            "{:,.0f} connections are open, more than {:,.0f} for this size",
        ),
    )
    for metric, value, threshold, words in signs:
        if value is not None and threshold is not None and value > threshold:
            return _Sign(metric, value, threshold, words.format(value, threshold))
    return None


def _scale(state: State, allowed: Bounds) -> float:
    return max(1.0, state.size / max(1.0, allowed.rest))


def _calm(state: State, seen: Observation, mode: Mode, allowed: Bounds) -> _Sign | None:
    """What lets capacity go: little in use, and neither a queue nor connections that speak against it."""
    if seen.in_use is None or seen.in_use >= USE_IN:
        return None
    few = mode.connections_in * _scale(state, allowed)
    if (seen.queued or 0) >= mode.queued_in or (seen.connections or 0) >= few:
        return None
    return _Sign("in_use", seen.in_use, USE_IN, f"{seen.in_use:.0%} are in use, less than {USE_IN:.0%}")


def _out(state: State, sign: _Sign, now: datetime, mode: Mode, allowed: Bounds) -> Decision:
    size = min(max(1.0, allowed.rest, 2 * state.size), allowed.most)
    if size <= state.size:
        return _left(state, sign, f"{sign.words}; {allowed.most:g} is the cap")
    if (waits := _cooling(state, now, mode.out_after)) is not None:
        return _left(state, sign, f"{sign.words}; cooling down for {waits}")
    how = "doubled" if size == 2 * state.size else f"raised to {size:g}"
    return _changed(Action.RAISE, size, replace(sign, words=f"{sign.words} ({mode.name}): {how}"), now)


def _in(state: State, sign: _Sign | None, now: datetime, mode: Mode, allowed: Bounds) -> Decision:
    if sign is None or state.calm_since is None:
        return Decision(None, state.size, "nothing asks for a change", state)
    size = min(max(float(state.size // 2), allowed.least), allowed.most)
    if size >= state.size:
        return _left(state, sign, f"{sign.words}; {state.size:g} is what the plan asks for")
    if now - state.calm_since < CALM:
        return _left(state, sign, f"{sign.words}, not yet for {CALM}")
    if (waits := _cooling(state, now, mode.in_after)) is not None:
        return _left(state, sign, f"{sign.words}; cooling down for {waits}")
    how = "halved" if size == state.size // 2 else f"lowered to {size:g}"
    return _changed(Action.LOWER, size, replace(sign, words=f"{sign.words} for {CALM} ({mode.name}): {how}"), now)


def _cooling(state: State, now: datetime, cooldown: timedelta) -> timedelta | None:
    if state.changed_at is None or now - state.changed_at >= cooldown:
        return None
    left = cooldown - (now - state.changed_at)
    return timedelta(seconds=math.ceil(left.total_seconds()))


def _left(state: State, sign: _Sign, reason: str) -> Decision:
    return Decision(None, state.size, reason, state, sign.metric, sign.value, sign.threshold)


def _changed(action: Action, size: float, sign: _Sign, now: datetime) -> Decision:
    return Decision(action, size, sign.words, State(size, now), sign.metric, sign.value, sign.threshold)
