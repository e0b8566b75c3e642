"""A run as one JSON document; the same seed gives the same document to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from carillon.model import Lane
from simulate import cost, run
from simulate.figures import price_list

if TYPE_CHECKING:
    from simulate.run import Played, Run

GOAL: Final = 0.85
"""Of the forecast's accuracy."""


def document(played: Run) -> dict[str, Any]:
    """All figures."""
    weddings, load = played.weddings, played.load
    most = cost.at_the_most(played.clock, played.played["plan"].capacity, load)
    return {
        "scenario": played.scenario.name,
        "says": played.scenario.says,
        "seed": played.seed,
        "weddings": len(weddings),
        "forgotten_weddings": int(np.count_nonzero(np.isinf(weddings.known_at) & (weddings.known_at > 0))),
        "first_day": played.scenario.span.first.isoformat(),
        "last_day": played.scenario.span.last.isoformat(),
        "messages": len(played.messages),
        "deliveries": int(played.messages.people.sum()),
        "peak": _peak(played),
        "quota": _quota(played),
        "storms": [
            {"at": _at(storm.at_s), "all_back_after_s": round(float(back), 1)}
            for storm, back in zip(played.scenario.storms, load.back_s, strict=False)
        ],
        "spikes": [_at(one.at_s) for one in played.scenario.spikes],
        "fail_overs": [_at(one.at_s) for one in played.scenario.fail_overs],
        "forecast_accuracy": round(played.accuracy.connections, 4),
        "forecast": {
            "goal": GOAL,
            "connections_a_day_ahead": round(played.accuracy.connections, 4),
            "messages_a_day_ahead": round(played.accuracy.messages, 4),
            "connections_when_they_come": round(played.accuracy.at_opening, 4),
        },
        "fixed_at_the_plans_peak_usd": round(most, 2),
        "prices": {"region": price_list()["region"], "as_of": price_list()["as_of"]},
        "strategies": {name: _strategy(played, name, one) for name, one in played.played.items()},
    }


def _at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def _peak(played: Run) -> dict[str, float]:
    load = played.load
    return {
        "connections": round(float(load.connections.max())),
        "connects_s": round(float(load.connects_s.max()), 1),
        "messages_s": round(float(load.messages_s.sum(axis=0).max()), 1),
        "posts_s": round(float(load.posts_s.sum(axis=0).max()), 1),
    }


def _quota(played: Run) -> dict[str, Any]:
    requests = played.load.requests_s
    return {
        "granted_rps": round(played.quota),
        "needed_rps": round(float(requests.max())),
        "exceeded_s": round(run.seconds(played, requests > played.quota)),
        "exceeded_from": _at(played.clock.start_s + float(np.argmax(requests > played.quota)) * played.clock.bucket_s)
        if (requests > played.quota).any()
        else None,
    }


def _strategy(played: Run, name: str, one: Played) -> dict[str, Any]:
    delivered, lanes = one.delivery, run.late_by_lane(played, name)
    middle, high, highest = (None if value is None else round(value, 1) for value in run.percentiles_ms(played, name))
    times = [run.time_to_capacity_s(played, name, spike) for spike in played.scenario.spikes]
    forgotten = np.isposinf(played.weddings.known_at)[played.messages.wedding]
    late = delivered.late
    return {
        "lost": int(np.count_nonzero(delivered.outlived)),
        "late": int(np.count_nonzero(late)),
        "late_critical": lanes[Lane.CRITICAL.word],
        "late_by_lane": lanes,
        "late_because": {
            "quota": int(np.count_nonzero(delivered.throttled)),
            "fail_over": int(np.count_nonzero(late & ~delivered.throttled & run.in_fail_over(played))),
            "capacity": int(np.count_nonzero(late & ~delivered.throttled & ~run.in_fail_over(played))),
        },
        "late_of_forgotten_weddings": int(np.count_nonzero(late & forgotten)),
        "p50_ms": middle,
        "p99_ms": high,
        "p999_ms": highest,
        "cost_usd": round(one.cost.usd, 2),
        "cost": {part: round(getattr(one.cost, part), 2) for part in ("tasks", "warm", "database", "usage")},
        "time_to_capacity_s": times[0] if times else None,
        "short_of_capacity_s": round(run.seconds(played, run.short(played, name))),
        "cold_starts": delivered.cold_starts,
        "most": {
            "tasks": round(float(one.capacity.tasks.max())),
            "warm": {lane.word: round(float(one.capacity.warm[lane].max())) for lane in Lane},
            "database_acu": round(float(one.capacity.acu.max()), 1),
        },
    }
