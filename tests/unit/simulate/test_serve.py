"""Queues by hand: what waits, what starts cold, and that nothing is skipped that would have waited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simulate import serve

if TYPE_CHECKING:
    from collections.abc import Sequence


def waits(
    at: Sequence[float], takes: float, *, warm: Sequence[float], most: int | None = None, groups: Any = None
) -> tuple[list[float], int]:
    count = len(at)
    found, cold = serve.waits(
        np.array(at),
        np.full(count, takes),
        np.arange(count) if groups is None else np.array(groups),
        np.arange(count).clip(0, len(warm) - 1),
        np.array(warm),
        most,
    )
    return found.round(6).tolist(), cold


def test_one_consumer_takes_one_after_the_other() -> None:
    assert waits([0, 0, 0.5], 1, warm=[1]) == ([0, 1, 1.5], 0)


def test_two_consumers_take_two_at_once() -> None:
    assert waits([0, 0, 0.5], 1, warm=[2]) == ([0, 0, 0.5], 0)


def test_one_weddings_messages_wait_for_each_other_even_with_consumers_to_spare() -> None:
    assert waits([0, 0, 0.5], 1, warm=[9], groups=[7, 7, 7]) == ([0, 1, 1.5], 0)


def test_a_cold_consumer_starts_where_all_are_busy_and_stays() -> None:
    found, cold = waits([0, 0, 5, 5], 1, warm=[1], most=50)
    assert found == [0, pytest.approx(0.508), 0, 0]
    assert cold == 1


def test_an_idle_cold_consumer_is_gone_after_some_minutes() -> None:
    found, cold = waits([0, 0, 900, 900], 1, warm=[1], most=50)
    assert found[3] == pytest.approx(0.508)
    assert cold == 2


def test_no_more_cold_ones_start_than_the_lane_may_have() -> None:
    found, cold = waits([0, 0, 0, 0], 10, warm=[1], most=2)
    assert cold == 1
    assert found[2] == pytest.approx(10)


def test_more_warm_consumers_from_a_bucket_on_take_what_comes_then() -> None:
    assert waits([0, 0, 0.1, 0.1], 1, warm=[1, 1, 3, 3]) == ([0, 1, 0, 0], 0)


def test_fewer_warm_consumers_finish_what_they_have() -> None:
    found, _ = waits([0, 0, 0.5], 1, warm=[2, 2, 1])
    assert found == [0, 0, 0.5]


def test_single_messages_are_left_out_only_where_nobody_waits() -> None:
    random = np.random.default_rng(1)
    takes, servers, lasts = 0.03, 8, 3_600.0
    for rate in (0.5, 5.0, 20.0, 60.0):
        at = np.sort(random.uniform(0, lasts, random.poisson(rate * lasts)))
        if not serve.busy_times(np.array([rate * takes]), np.array([float(servers)]))[0]:
            found, _ = waits(at.tolist(), takes, warm=[servers])
            assert max(found) == 0, rate


def test_busy_buckets_are_followed() -> None:
    asked, warm = np.array([0.0, 0.01, 1.5, 9.0]), np.array([2.0, 8.0, 2.0, 8.0])
    assert serve.busy_times(asked, warm).tolist() == [False, False, True, True]
