"""Demand: a wedding's curve, its sum over all weddings, and the season behind it, right across changes of clocks."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.errors import ConfigError, InvalidInputError
from carillon.policy import demand as demands
from carillon.policy import series
from carillon.policy.demand import NOTHING, Demand, Wedding, of_wedding
from carillon.policy.traffic import TRAFFIC, Phase, Traffic
from tests.unit.policy import calendars
from tests.unit.policy.calendars import BROADCAST, NEW_YORK, SATURDAY, unhurried, wedding

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
T = calendars.at("2027-06-05T14:00")
W1 = wedding("W1", T)
DAY_EDGES = 288


def like(expected: Demand) -> object:
    return pytest.approx([getattr(expected, field.name) for field in fields(Demand)], abs=1e-4)


def rows(found: Demand) -> list[float]:
    return [getattr(found, field.name) for field in fields(Demand)]


def test_a_wedding_asks_for_ten_connections_per_member_and_a_tenth_per_guest() -> None:
    assert W1.connections() == 8 * 10 + 120 * 0.1
    assert of_wedding(W1, T).connections == 92


@pytest.mark.parametrize(
    ("after", "share"),
    [
        (timedelta(hours=-2, seconds=-1), 0),
        (timedelta(hours=-2), 0),
        (timedelta(hours=-2, minutes=15), 0.5),
        (timedelta(hours=-2, minutes=30), 1),
        (timedelta(hours=5, minutes=30), 1),
        (timedelta(hours=5, minutes=45), 0.5),
        (timedelta(hours=6), 0),
        (timedelta(hours=7), 0),
    ],
)
def test_people_come_and_go_within_half_an_hour_of_the_window(after: timedelta, share: float) -> None:
    assert of_wedding(W1, T + after).connections == pytest.approx(92 * share)


def test_each_phase_has_its_rates() -> None:
    moments = {T - MINUTE: Phase.PREPARATION, T: Phase.CEREMONY, T + HOUR: Phase.RECEPTION}
    assert {when: W1.phase_at(when) for when in moments} == moments
    for when, phase in moments.items():
        assert of_wedding(W1, when).posts_s == pytest.approx(92 * TRAFFIC.phases[phase].posts_h / 3600)
        assert of_wedding(W1, when).messages_s == pytest.approx(92 * TRAFFIC.phases[phase].messages_h / 3600)
    assert W1.phase_at(T + 6 * HOUR) is None


def test_guests_are_left_in_peace_during_the_ceremony() -> None:
    posts = {phase: rates.posts_h for phase, rates in TRAFFIC.phases.items()}
    assert min(posts, key=posts.__getitem__) is Phase.CEREMONY


def test_all_connect_while_they_come_and_rotate_later() -> None:
    assert of_wedding(W1, T - 2 * HOUR).connects_s == pytest.approx(92 / 1800)
    assert of_wedding(W1, T).connects_s == pytest.approx(92 / (107.5 * 60))


def test_pings_and_acks_count_against_the_same_quota_as_posts() -> None:
    assert Demand(connections=300, posts_s=5).requests_s() == pytest.approx(2 * 5 + 300 / 30 + 300 / 300)


def test_a_canceled_wedding_asks_for_nothing() -> None:
    canceled = replace(W1, canceled=True)
    assert of_wedding(canceled, T) == NOTHING
    assert series.of_weddings([canceled], SATURDAY, DAY_EDGES).peak() == NOTHING


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"starts_at": datetime(2027, 6, 5, 14)}, "needs an offset"),  # noqa: DTZ001 - that is what is refused
        ({"team": -1}, "a team of -1"),
        ({"guests": -1}, "-1 guests"),
        ({"time_zone": "Europe/Roma"}, "no IANA time zone"),
        ({"time_zone": "../Rome"}, "no IANA time zone"),
    ],
)
def test_what_is_no_wedding_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        replace(W1, **change)


@pytest.mark.parametrize("change", [{"ramp": 3 * HOUR}, {"ramp": -MINUTE}, {"lanes": {}}])
def test_traffic_that_cannot_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Traffic(**change)  # type: ignore[arg-type]


def test_the_day_is_the_venues() -> None:
    midnight = datetime(2027, 6, 5, 23, tzinfo=UTC)
    assert wedding("A", midnight).day == date(2027, 6, 6)
    assert wedding("B", midnight, zone="America/New_York").day == date(2027, 6, 5)


def test_a_wedding_day_is_one_that_has_weddings_left() -> None:
    late = datetime(2027, 6, 5, 23, tzinfo=UTC)
    all_of_them = [wedding("A", late), wedding("B", late, zone="America/New_York"), replace(W1, canceled=True)]
    assert [one.wedding_id for one in demands.on_day(all_of_them, date(2027, 6, 5))] == ["B"]
    assert [one.wedding_id for one in demands.on_day(all_of_them, date(2027, 6, 6))] == ["A"]
    assert demands.on_day(all_of_them, date(2027, 6, 7)) == []


@pytest.mark.parametrize(
    ("local", "opens", "closes"),
    [
        ("2027-03-28T03:30", "2027-03-28T00:30", "2027-03-28T09:30"),  # clocks in Rome go from 2 to 3 h
        ("2027-10-31T04:00", "2027-10-31T02:00", "2027-10-31T10:00"),  # and back from 3 to 2 h
    ],
)
def test_a_change_of_clocks_moves_no_window(local: str, opens: str, closes: str) -> None:
    married = wedding("W", calendars.at(local))
    window = married.window()
    assert window == (married.starts_at - 2 * HOUR, married.starts_at + 6 * HOUR)
    assert [f"{when.astimezone(ZoneInfo('Europe/Rome')):%Y-%m-%dT%H:%M}" for when in window] == [opens, closes]


@given(calendars.weddings)
@unhurried
def test_the_series_is_the_sum_of_all_weddings(weddings: list[Wedding]) -> None:
    found = series.of_weddings(weddings, SATURDAY, DAY_EDGES)
    for index, demand in enumerate(found):
        one_by_one = sum((of_wedding(one, found.edge(index)) for one in weddings), NOTHING)
        assert rows(demand) == like(one_by_one)


@given(calendars.weddings, calendars.weddings)
@unhurried
def test_overlapping_weddings_add_up(some: list[Wedding], others: list[Wedding]) -> None:
    together = series.of_weddings([*some, *others], SATURDAY, DAY_EDGES)
    apart = series.of_weddings(some, SATURDAY, DAY_EDGES) + series.of_weddings(others, SATURDAY, DAY_EDGES)
    assert all(rows(one) == like(other) for one, other in zip(together, apart, strict=True))


@given(calendars.weddings, st.integers(-200, 200))
@unhurried
def test_moving_weddings_moves_their_demand(weddings: list[Wedding], buckets: int) -> None:
    later = buckets * series.BUCKET
    moved = [replace(one, starts_at=one.starts_at + later) for one in weddings]
    found = series.of_weddings(moved, SATURDAY + later, DAY_EDGES)
    assert all(
        rows(one) == like(other)
        for one, other in zip(found, series.of_weddings(weddings, SATURDAY, DAY_EDGES), strict=True)
    )


@given(calendars.weddings)
@unhurried
def test_whoever_must_be_ready_counts_on_everybody_for_the_whole_window(weddings: list[Wedding]) -> None:
    ramped = series.of_weddings(weddings, SATURDAY, DAY_EDGES)
    whole = series.of_weddings(weddings, SATURDAY, DAY_EDGES, whole=True)
    assert all(one >= other - 1e-6 for one, other in zip(whole.connections, ramped.connections, strict=True))
    alone = series.of_weddings([W1], SATURDAY, DAY_EDGES, whole=True)
    there = [alone.edge(index) for index, connections in enumerate(alone.connections) if connections == 92]
    assert (there[0], there[-1]) == (T - 2 * HOUR, T + 6 * HOUR - series.BUCKET)


def test_a_series_is_read_by_moment_and_nowhere_else() -> None:
    found = series.of_weddings([W1], SATURDAY, DAY_EDGES)
    assert found.at(T + 4 * MINUTE) == found.at(T) == found[144]
    for outside in (SATURDAY - MINUTE, SATURDAY + timedelta(days=1)):
        with pytest.raises(IndexError):
            found.at(outside)


def test_series_with_other_edges_do_not_add_up() -> None:
    with pytest.raises(InvalidInputError):
        series.of_weddings([], SATURDAY, 3) + series.of_weddings([], SATURDAY, 4)


def test_junes_saturday_evening_is_ten_times_the_base() -> None:
    evening = calendars.at("2027-06-05T18:00", "America/New_York")
    assert demands.of_season(BROADCAST, evening, NEW_YORK).connections == 10 * TRAFFIC.base_connections
    assert demands.of_season(BROADCAST, evening, NEW_YORK) == demands.of_background(10)


@pytest.mark.parametrize("day", ["2027-03-14", "2027-11-07", "2027-06-05"])  # clocks change on the first two
def test_the_background_keeps_to_local_hours(day: str) -> None:
    start = calendars.at(f"{day}T00:00", "America/New_York")
    found = series.of_season(BROADCAST, NEW_YORK, start, 26 * 12)
    same_day = [
        found[index].connections
        for index in range(26 * 12)
        if (local := found.edge(index).astimezone(NEW_YORK)).hour == 18 and local.date() == date.fromisoformat(day)
    ]
    assert len(same_day) == 12
    assert set(same_day) == {max(found.connections)}


def test_what_is_expected_is_the_calendar_and_the_season() -> None:
    found = series.expected([W1], BROADCAST, NEW_YORK, SATURDAY, DAY_EDGES)
    assert rows(found.at(T)) == like(of_wedding(W1, T) + demands.of_season(BROADCAST, T, NEW_YORK))
