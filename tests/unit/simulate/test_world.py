"""The generator keeps to what the sources say of weddings, and knows nothing of the policy."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

import simulate
from simulate import world
from simulate.scenarios import SCENARIOS
from simulate.weddings import SIZES, Weddings

FOLDER = Path(simulate.__file__).parent


@pytest.fixture(scope="module")
def year() -> Weddings:
    return world.draw(np.random.default_rng(4), 6_000, SCENARIOS["year"].span)


def local(weddings: Weddings) -> list[datetime]:
    return [
        datetime.fromtimestamp(start, UTC).astimezone(ZoneInfo(weddings.zones[zone]))
        for start, zone in zip(weddings.starts, weddings.zone, strict=True)
    ]


def test_four_of_five_weddings_are_from_friday_to_sunday(year: Weddings) -> None:
    days = [one.weekday() for one in local(year)]
    assert 0.74 < np.mean([day >= 4 for day in days]) < 0.82


def test_two_of_five_are_in_june(year: Weddings) -> None:
    assert 0.37 < np.mean([one.month == 6 for one in local(year)]) < 0.43


def test_ceremonies_are_in_the_afternoon_by_the_venues_clocks(year: Weddings) -> None:
    hours = [one.hour for one in local(year)]
    assert min(hours) >= 10
    assert np.mean([14 <= hour <= 16 for hour in hours]) > 0.6


def test_all_sizes_and_time_zones_come_up(year: Weddings) -> None:
    assert set(year.size) == set(range(len(SIZES)))
    assert set(year.zone) == set(range(len(year.zones)))


def test_some_are_entered_late_and_one_not_at_all(year: Weddings) -> None:
    lead = year.starts - year.known_at
    assert 0.06 < np.mean(lead < 72 * 3600) < 0.16
    assert np.isposinf(year.known_at).any()
    assert (year.known_at < year.starts - 2 * 3600)[~np.isposinf(year.known_at)].all()


def test_guest_lists_have_a_heavy_tail(year: Weddings) -> None:
    assert year.planned_guests.max() > 8 * np.median(year.planned_guests)


@pytest.mark.parametrize("module", ["world", "people", "messages", "weddings"])
def test_the_generator_imports_nothing_of_the_policy(module: str) -> None:
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    names = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name and name.startswith("carillon.policy")}
