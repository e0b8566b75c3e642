"""What may never get worse: under the default plan no critical message is late at ten times the load in a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from carillon.model import Lane
from simulate import outcome, run
from simulate.scenarios import SCENARIOS

if TYPE_CHECKING:
    from simulate.run import Run


def test_the_load_does_rise_tenfold_within_a_minute(spiked: Run) -> None:
    sent, at = spiked.load.messages_s.sum(axis=0), spiked.scenario.spikes[0].at_s
    edges = spiked.clock.edges()
    before = sent[(edges >= at - 600) & (edges < at)].mean()
    after = sent[(edges >= at + 60) & (edges < at + 360)].mean()
    assert 8 < after / before < 12


def test_no_critical_message_is_late_under_the_plan(told: dict[str, Any], spiked: Run) -> None:
    assert np.count_nonzero(spiked.messages.lane == Lane.CRITICAL) > 500, "there must be some that could be late"
    assert told["strategies"]["plan"]["late_critical"] == 0


def test_what_stands_on_an_ordinary_day_does_worse_on_the_same_arrivals(told: dict[str, Any]) -> None:
    fixed, plan = told["strategies"]["fixed"], told["strategies"]["plan"]
    assert fixed["late_critical"] > 100
    assert fixed["late"] > plan["late"]
    assert fixed["p99_ms"] > 5 * plan["p99_ms"]


def test_the_plan_stands_ready_before_the_spike_and_what_is_fixed_never_does(told: dict[str, Any]) -> None:
    times = {name: one["time_to_capacity_s"] for name, one in told["strategies"].items()}
    assert times["plan"] == 0
    assert times["fixed"] is None


def test_nothing_is_lost_under_any_strategy(told: dict[str, Any]) -> None:
    assert {name: one["lost"] for name, one in told["strategies"].items()} == dict.fromkeys(told["strategies"], 0)


def test_the_forecast_is_better_than_its_goal(told: dict[str, Any]) -> None:
    assert told["forecast_accuracy"] > outcome.GOAL


def test_the_plan_costs_less_than_keeping_its_peak_standing(told: dict[str, Any]) -> None:
    fixed, plan = told["strategies"]["fixed"]["cost_usd"], told["strategies"]["plan"]["cost_usd"]
    assert fixed < plan < told["fixed_at_the_plans_peak_usd"]


def test_the_same_seed_is_the_same_document_and_another_seed_another() -> None:
    scenario = SCENARIOS["june-saturday"]
    one, same, other = (outcome.document(run.play(scenario, seed, run.draw(scenario, seed, 100))) for seed in (5, 5, 6))
    assert one == same
    assert one["messages"] != other["messages"]


def test_a_day_with_too_many_weddings_is_told_as_the_quotas_fault(spiked: Run) -> None:
    played = run.play(spiked.scenario, spiked.seed, spiked.weddings, quota=800)
    told = outcome.document(played)
    assert told["quota"]["exceeded_s"] > 0
    assert told["strategies"]["plan"]["late_because"]["quota"] > 0
    assert told["strategies"]["plan"]["late_because"]["capacity"] == 0
    assert told["strategies"]["plan"]["lost"] == 0
