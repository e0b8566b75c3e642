"""Capacity over time, lateness, the callback budget, the forecast's score, and where the figures come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from carillon.model import Lane
from carillon.policy import season
from carillon.policy.lanes import LANES
from carillon.protocol.session import PING_MS
from simulate import accuracy, budget, capacity, delivery, figures, reaction
from simulate.clock import Clock
from simulate.figures import figure
from simulate.run import TIME_ZONE
from simulate.strategies import Setting, deployment
from stacks.stage import STAGES

if TYPE_CHECKING:
    from simulate.run import Run

CLOCK = Clock(0.0, 60.0, 120)


def test_what_is_ordered_comes_late_and_goes_at_once() -> None:
    ordered = np.array([1.0] * 5 + [4.0] * 10 + [1.0] * 5)
    in_force = capacity._late(CLOCK, ordered, 120)
    assert in_force.tolist() == [1.0] * 7 + [4.0] * 8 + [1.0] * 5


def test_target_tracking_ignores_a_minute_and_keeps_what_it_added() -> None:
    wanted = np.ones(60)
    wanted[10] = 9.0
    wanted[20:24] = 5.0
    tracked = reaction.tracked(CLOCK, wanted)
    assert tracked[:22].max() == 1
    assert tracked[22:37].min() == 5
    assert tracked[40] == 1


def test_the_database_grows_step_by_step() -> None:
    grown = capacity._grown(CLOCK, np.full(120, 8.0), np.full(120, 2.0))
    assert grown[0] < 10
    assert grown[-1] == pytest.approx(8.0 / figure("acu_cores") / figure("acu_use"))
    assert (np.diff(grown) >= 0).all()


@pytest.mark.parametrize("lane", Lane)
def test_a_message_is_late_after_its_lanes_first_post_or_its_dwell_objective(lane: Lane) -> None:
    first, dwell = float(LANES[lane].first_post_ms), LANES[lane].dwell_s * 1000.0
    lanes = np.full(3, int(lane))
    late = delivery.late(lanes, np.array([first, first + 1, 1.0]), np.array([dwell, dwell, dwell + 1]))
    assert late.tolist() == [False, True, True]


def test_a_full_database_is_slow_and_a_fuller_one_slower() -> None:
    times = delivery.slowness(np.array([0.0, 0.5, 0.9, 1.8]), np.ones(4))
    assert times.tolist() == pytest.approx([1.0, 2.0, 10.0, 20.0])


def test_critical_does_not_wait_while_the_others_overrun_the_quota(spiked: Run) -> None:
    needed = float(spiked.load.requests_s.max())
    waits = budget.throttled_s(spiked.clock, spiked.load, needed * 0.7)
    assert waits[Lane.LOW].max() > 1
    assert waits[Lane.CRITICAL].max() == 0


def test_under_the_quota_nobody_waits(spiked: Run) -> None:
    assert budget.throttled_s(spiked.clock, spiked.load, 1e6).max() == 0


def test_no_error_of_the_forecast_makes_up_for_another() -> None:
    assert accuracy.score(np.array([10.0, 0.0]), np.array([0.0, 10.0])) == 0
    assert accuracy.score(np.array([9.0, 11.0]), np.array([10.0, 10.0])) == pytest.approx(0.9)
    assert accuracy.score(np.array([9.0, 0.0]), np.zeros(2)) == 0
    assert accuracy.score(np.zeros(2), np.zeros(2)) == 1


def test_sizes_are_those_of_prod() -> None:
    prod = STAGES["prod"]
    same = {
        "task_cores": prod.task_cpu / 1024,
        "task_gb": prod.task_memory_mb / 1024,
        "min_tasks": prod.min_tasks,
        "max_tasks": prod.max_tasks,
        "min_acu": prod.database_min_acu,
        "max_acu": prod.database_max_acu,
        "readers": prod.readers,
        "max_readers": prod.max_readers,
        "budget_usd": prod.plan_budget_usd,
        "callback_rps": prod.callback_rps,
        "callback_burst": prod.callback_burst,
        "ping_s": PING_MS / 1000,
    }
    assert {name: figure(name) for name in same} == same


def test_every_figure_names_a_source_that_is_there() -> None:
    for name, one in figures.table().items():
        file = one["source"].split(",")[0].split(" ")[0]
        known = one["source"] == "assumption" or one["source"].startswith("AWS, ")
        assert known or (Path(figures.ROOT) / file).is_file(), name


def test_the_policys_rules_double_what_is_short_and_give_it_back(spiked: Run) -> None:
    setting = Setting(season.profile("broadcast"), season.zone(TIME_ZONE))
    rules = reaction.Rules(spiked.clock, spiked.load, deployment(), setting.profile, setting.zone)
    tasks = rules.tasks(np.full(spiked.clock.count, figure("min_tasks")))
    quiet = spiked.load.connections < 1_000
    assert tasks[0] == figure("min_tasks")
    assert tasks.max() >= 2 * figure("min_tasks")
    assert tasks[np.flatnonzero(quiet)[-1]] == figure("min_tasks")


def test_a_rule_sees_what_was_and_not_what_comes() -> None:
    rules = object.__new__(reaction.Rules)
    rules._clock = CLOCK
    row = np.array([1.0] * 60 + [9.0] * 60)
    step = CLOCK.per(reaction.LOOK_S)
    assert rules._seen(row)[60 // step] == 1
    assert rules._seen(row)[60 // step + 1] == 9
