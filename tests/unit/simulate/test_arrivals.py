"""Arrivals of one's own: what the file may say, and what it is told when it says something else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from carillon.policy import season
from simulate import arrivals, run
from simulate.errors import ArrivalsError
from simulate.run import TIME_ZONE
from simulate.scenarios import SCENARIOS, for_weddings
from simulate.strategies import Setting, planned

if TYPE_CHECKING:
    from pathlib import Path

    from simulate.weddings import Weddings

HEAD = "wedding_id,starts_at,time_zone,team,guests"


def read(folder: Path, *lines: str) -> Weddings:
    file = folder / "arrivals.csv"
    file.write_text("\n".join(lines) + "\n")
    return arrivals.read(file, np.random.default_rng(1))


def test_the_venues_clock_or_an_offset(tmp_path: Path) -> None:
    rows = ("A,2027-06-12 15:00,Europe/Lisbon,8,90", "B,2027-06-12T14:00Z,Europe/Lisbon,8,90")
    made = read(tmp_path, HEAD, *rows)
    assert made.starts[0] == made.starts[1]
    assert (made.known_at < made.starts).all()


def test_what_was_measured_is_what_comes(tmp_path: Path) -> None:
    head = HEAD + ",registered_at,peak_connections,broadcasts"
    made = read(
        tmp_path,
        head,
        "A,2027-06-12 15:00,Europe/Lisbon,8,90,never,200,17",
        "B,2027-06-13 15:00,Europe/Lisbon,8,90,,0,0",
    )
    assert np.isposinf(made.known_at[0])
    assert (made.crew + made.guests)[0] == pytest.approx(200 / arrivals.THERE, abs=1)
    assert (made.crew + made.guests)[1] == 0
    assert made.broadcasts.tolist() == [17, 0]


def test_the_forecast_of_a_file_is_held_against_what_it_measured(tmp_path: Path) -> None:
    def accuracy(peak: int) -> float:
        rows = [f"W{n},2027-06-{12 + n % 2} {14 + n % 3}:00,Europe/Rome,10,100,{peak}" for n in range(40)]
        weddings = read(tmp_path, HEAD + ",peak_connections", *rows)
        scenario = for_weddings(SCENARIOS["spike"], weddings)
        return run.play(scenario, 1, weddings).accuracy.connections

    assert accuracy(105) > 0.85
    assert accuracy(200) < 0.7


def test_a_wedding_entered_while_it_goes_on_gets_its_capacity_from_then_on(tmp_path: Path) -> None:
    rows = "A,2027-06-12T15:00Z,Europe/Rome,1000,1000,2027-06-12T16:00Z"
    weddings = read(tmp_path, HEAD + ",registered_at", rows)
    clock = run._clock(for_weddings(SCENARIOS["spike"], weddings))
    setting = Setting(season.profile("broadcast"), season.zone(TIME_ZONE))
    floor = planned(clock, weddings, setting)
    since = clock.edges() - weddings.starts[0]
    before = floor.acu[(since > 0) & (since < 3000)]
    after = floor.acu[(since > 5400) & (since < 9000)]
    assert before.max() < after.min()


def test_a_time_that_is_there_twice_and_one_with_an_offset_are_no_skipped_ones(tmp_path: Path) -> None:
    rows = ("A,2027-10-31 02:30,Europe/Rome,8,90", "B,2027-03-28T02:30Z,Europe/Rome,8,90")
    made = read(tmp_path, HEAD, *rows)
    assert [float(one) % 86_400 for one in made.starts] == [2.5 * 3600, 0.5 * 3600]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "missing"),
        ([HEAD], "no wedding"),
        (["id,when", "A,B"], "missing: 'wedding_id', 'starts_at'"),
        ([HEAD + ",colour", "A,2027-06-12 15:00,Europe/Rome,8,90,red"], "unknown: 'colour'"),
        ([HEAD + ",team", "A,2027-06-12 15:00,Europe/Rome,8,90,8"], "twice: 'team'"),
        ([HEAD, "A,2027-06-12 15:00,Europe/Rome,8"], "line 2: it has not as many cells"),
        ([HEAD, "A,2027-06-12 15:00,Europe/Rome,8,90,1"], "line 2: it has not as many cells"),
        ([HEAD, "A,soon,Europe/Rome,8,90"], "line 2, starts_at: 'soon' is no time"),
        ([HEAD, "A,2027-06-12,Europe/Rome,8,90"], "line 2, starts_at: '2027-06-12' is a day without a time"),
        ([HEAD, "A,20270612,Europe/Rome,8,90"], "line 2, starts_at: '20270612' is a day without a time"),
        (
            [HEAD, "A,2027-03-28 02:30,Europe/Rome,8,90"],
            "line 2, starts_at: 2027-03-28 02:30:00 does not exist in Europe/Rome: the clocks go forward over it",
        ),
        (
            [HEAD + ",registered_at", "A,2027-06-12 15:00,Europe/Rome,8,90,2027-03-28 02:30"],
            "line 2, registered_at: 2027-03-28 02:30:00 does not exist",
        ),
        ([HEAD, "A,1027-06-12 15:00,Europe/Rome,8,90"], "not in this century"),
        ([HEAD, "A,2027-06-12 15:00,Mars/Olympus,8,90"], "line 2, time_zone"),
        ([HEAD, "A,2027-06-12 15:00,Europe/Rome,-8,90"], "line 2, team: '-8'"),
        ([HEAD, "A,2027-06-12 15:00,Europe/Rome,8,many"], "line 2, guests"),
        ([HEAD, ",2027-06-12 15:00,Europe/Rome,8,90"], "line 2, wedding_id"),
        ([HEAD, *["A,2027-06-12 15:00,Europe/Rome,8,90"] * 2], "line 3, wedding_id: 'A' stands on line 2 too"),
        ([HEAD, "A,2026-01-01 15:00,Europe/Rome,8,9", "B,2027-06-12 15:00,Europe/Rome,8,9"], "527 days apart"),
    ],
)
def test_a_wrong_file_is_told_where_it_is_wrong(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(ArrivalsError) as caught:
        read(tmp_path, *lines)
    assert says in caught.value.message
    assert caught.value.code == "simulate.arrivals"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "arrivals.csv"
    file.write_bytes(b"\xff\xfe\x00w")
    with pytest.raises(ArrivalsError, match=r"arrivals\.csv"):
        arrivals.read(file, np.random.default_rng(1))
