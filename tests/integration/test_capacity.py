"""Capacity follows the calendar: what an operator sees when weddings are put, moved and canceled. On real stores."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from carillon.config import CapacitySettings
from carillon.ports.scaling import ScalingEvent
from tests.integration.served import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.served import Served

SETTINGS = CapacitySettings(season="channels", warm_peaks=True, min_acu=4.0, max_acu=64.0, budget_usd=10_000)
"""At rest the database carries any month of that season, so that only weddings change it, whenever the tests run."""
CAPACITY = "/v1/ops/capacity"
FORECAST = "/v1/ops/forecast"
SLOT = timedelta(minutes=15)
BEFORE, AFTER = timedelta(hours=2, minutes=15), timedelta(hours=6, minutes=15)
DEADLINE_S = 10.0


@pytest.fixture(scope="module")
def server(postgres: str) -> Iterator[Served]:
    with serve(postgres, capacity=SETTINGS) as served:
        yield served


@pytest.fixture
def api(server: Served) -> Served:
    server.empty()
    return server


def soon(**later: float) -> datetime:
    """The quarter of an hour after so long from now: everything of a wedding that begins then is still to come."""
    when = datetime.now(UTC) + timedelta(**later)
    return when - (when - datetime(1970, 1, 1, tzinfo=UTC)) % SLOT + SLOT


def put(api: Served, wedding_id: str, starts_at: datetime, **more: Any) -> None:
    body = {"name": "Ann & Bo", "starts_at": starts_at.isoformat(), "time_zone": "Europe/Lisbon", "guests": 100_000}
    answer = api.call("PUT", f"/v1/weddings/{wedding_id}", body | more)
    assert answer.status_code in {200, 201}, answer.text


def changes(api: Served, group: str = "database.least_acu") -> list[dict[str, Any]]:
    return [one for one in api.get(CAPACITY)["changes"] if one["group"] == group]


def moments(api: Served) -> tuple[datetime, datetime]:
    """When the database is raised first, and when it is back at rest."""
    found = changes(api)
    first, last = found[0], found[-1]
    assert first["size"] > first["previous"] == SETTINGS.min_acu
    assert last["size"] == SETTINGS.min_acu < last["previous"]
    return datetime.fromisoformat(first["at"]), datetime.fromisoformat(last["at"])


def told(api: Served, count: int) -> list[str]:
    """What the planner has been told; that happens after the answer."""
    deadline = time.monotonic() + DEADLINE_S
    while len(api.causes) < count and time.monotonic() < deadline:
        api.get("/healthz")
    return api.causes


def test_a_wedding_raises_capacity_before_its_guests_come_and_lowers_it_after_they_left(api: Served) -> None:
    begins = soon(hours=12)
    put(api, "W1", begins)
    assert moments(api) == (begins - BEFORE, begins + AFTER)
    first, *_, last = changes(api)
    assert "W1 begins at" in first["reason"]
    assert "nobody of W1 is left at" in last["reason"]
    assert api.get(CAPACITY)["weddings"] == 1


def test_moving_a_wedding_moves_its_capacity(api: Served) -> None:
    begins = soon(hours=12)
    put(api, "W1", begins)
    put(api, "W1", begins + timedelta(hours=5))
    assert moments(api) == (begins + timedelta(hours=5) - BEFORE, begins + timedelta(hours=5) + AFTER)


def test_canceling_a_wedding_takes_its_capacity_away(api: Served) -> None:
    put(api, "W1", soon(hours=12))
    put(api, "W1", soon(hours=12), status="canceled")
    assert changes(api) == []
    assert api.get(CAPACITY)["weddings"] == 0


def test_what_stands_now_is_told_with_its_reason_and_its_limits(api: Served) -> None:
    sizes = {one["group"]: one for one in api.get(CAPACITY)["sizes"]}
    assert sizes.keys() >= {"tasks", "provisioned.critical", "database.least_acu", "database.readers"}
    # What nobody sets is not shown as if somebody did.
    assert "database.most_acu" not in sizes
    put(api, "W1", datetime.now(UTC))
    raised = {one["group"]: one for one in api.get(CAPACITY)["sizes"]}["database.least_acu"]
    assert raised["rest"] == SETTINGS.min_acu < raised["size"] <= raised["most"] == SETTINGS.max_acu
    # Whose it is depends on the hour: the background may rise in this very quarter of one.
    assert raised["reason"] not in {"", "at rest"}


def test_what_is_expected_is_told_hour_by_hour(api: Served) -> None:
    begins = soon(hours=12)
    put(api, "W1", begins)
    hours = api.get(CAPACITY)["expected"]
    assert len(hours) == 48
    # 100,000 guests are 10,000 connections, for the eight hours of the window and the rest of its first and last hour.
    busy = [datetime.fromisoformat(one["at"]) for one in hours if one["connections"] >= 10_000]
    assert 8 <= len(busy) <= 9
    assert busy[0] <= begins - timedelta(hours=2) < busy[1]


def test_the_budget_is_told_with_what_it_cuts(postgres: str) -> None:
    poor = replace(SETTINGS, budget_usd=0)
    with serve(postgres, capacity=poor) as api:
        api.empty()
        put(api, "W1", soon(hours=12))
        budget = api.get(CAPACITY)["budget"]
        assert changes(api) == []
    assert (budget["usd"], budget["planned"], budget["over"]) == (0, 0, 0)
    cut = {one["group"]: one for one in budget["cuts"]}["database.least_acu"]
    assert cut["size"] < cut["planned"]
    assert "is cut from" in cut["reason"]


def test_a_quota_that_a_day_exceeds_is_told_with_the_day_to_ask_by(api: Served) -> None:
    day = soon(days=30)
    for number in range(40):
        put(api, f"W{number}", day)
    found = {one["quota"]: one for one in api.get(CAPACITY)["shortages"]}
    short = found["requests_s"]
    assert short["needed"] > short["granted"] == 10_000
    assert short["late"] is False
    assert "head-room" in short["reason"]


def test_the_last_decisions_are_told_the_newest_first(api: Served) -> None:
    now = datetime.now(UTC)
    event = ScalingEvent(
        decided_at=now, scaling_group="tasks", action="raise", previous_size=3, new_size=9, new_maximum=None,
        trigger_metric="plan", trigger_value=67_000.0, threshold=None, reason="W1 begins at 15:00", failure="",
    )  # fmt: skip
    api.log.record([event])
    later = {"scaling_group": "database.least_acu", "failure": "AWS said no", "decided_at": now + timedelta(seconds=1)}
    api.log.record([ScalingEvent(**{name: getattr(event, name) for name in event.__dataclass_fields__} | later)])
    refused, made = api.get(CAPACITY)["decisions"]
    assert (refused["group"], refused["failure"]) == ("database.least_acu", "AWS said no")
    assert made.items() >= {"group": "tasks", "previous": 3, "size": 9, "trigger": "plan", "failure": None}.items()


def test_a_wedding_is_explained(api: Served) -> None:
    begins = soon(hours=12)
    put(api, "W1", begins)
    seen = api.get(f"{CAPACITY}/weddings/W1")
    assert datetime.fromisoformat(seen["raised_at"]) == begins - BEFORE
    assert datetime.fromisoformat(seen["lowered_at"]) == begins + AFTER
    assert seen["demand"]["connections"] == 10_000
    assert seen["adds"]["database.least_acu"] > 0
    assert any("100000 guests" in line for line in seen["lines"])
    put(api, "W1", begins, status="canceled")
    canceled = api.get(f"{CAPACITY}/weddings/W1")
    assert (canceled["canceled"], canceled["adds"]) == (True, {})
    assert "it is canceled" in canceled["lines"][0]


def test_a_wedding_that_nobody_knows_cannot_be_explained(api: Served) -> None:
    answer = api.call("GET", f"{CAPACITY}/weddings/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "'nobody'" in answer.json()["detail"]


@pytest.mark.parametrize("path", [CAPACITY, f"{CAPACITY}/weddings/W1", FORECAST])
def test_only_operators_may_look(api: Served, path: str) -> None:
    assert api.call("GET", path, scope="directory:write").json()["code"] == "scope.missing"
    assert api.call("GET", path, supplier="flowers").json()["code"] == "scope.missing"


def test_the_planner_is_told_of_every_change_of_the_calendar_and_of_nothing_else(api: Served) -> None:
    begins = soon(days=20)
    put(api, "W1", begins)
    put(api, "W1", begins)
    put(api, "W2", begins)
    put(api, "W2", begins, guests=10)
    assert told(api, 3) == ["wedding W1 was put", "wedding W2 was put", "wedding W2 was put"]


def test_the_planner_is_told_of_an_import_once(api: Served) -> None:
    wedding = {"wedding_name": "Ann & Bo", "starts_at": "2027-06-12 15:00", "wedding_time_zone": "Europe/Lisbon"}
    rows = [{"wedding_id": f"W{number}"} | wedding for number in range(3)]
    team = [{"wedding_id": "W1", "user_id": "ann", "name": "Ann", "role": "couple"}]

    def bring(rows: list[dict[str, str]], **parameters: Any) -> None:
        answer = api.call("POST", "/v1/import", content="\n".join(map(json.dumps, rows)), params=parameters)
        assert answer.json()["stored"] == len(rows)

    bring(rows, dry_run=True)
    bring(rows)
    bring(rows)
    bring(team)
    assert told(api, 2) == ["an import changed 3 weddings", "an import changed 1 places on teams"]


def test_a_month_s_forecast_has_a_wedding_on_its_day_and_follows_it(api: Served) -> None:
    begins = datetime(2027, 7, 14, 15, tzinfo=UTC)
    put(api, "W1", begins)
    month = api.get(FORECAST, params={"month": "2027-07"})
    assert (month["month"], month["season"], month["time_zone"], len(month["days"])) == (
        "2027-07",
        "channels",
        "UTC",
        31,
    )
    assert [day["day"] for day in month["days"] if day["weddings"]] == ["2027-07-14"]
    day, other = month["days"][13], month["days"][12]
    assert (day["guests"], month["totals"]["weddings"], other["usd_per_wedding"]) == (100_000, 1, None)
    assert day["connections"] > 10_000 > other["connections"]
    assert day["capacity"]["database.least_acu"] > other["capacity"]["database.least_acu"] == SETTINGS.min_acu
    assert day["cost"]["total"] == pytest.approx(sum(day["cost"][part] for part in ("rest", "plan", "usage")), abs=1e-3)
    added = sum(day["cost"][part] - other["cost"][part] for part in ("plan", "usage"))
    assert day["usd_per_wedding"] == pytest.approx(added, abs=1e-3)
    assert [one["quota"] for one in day["shortages"]] == []
    put(api, "W1", begins + timedelta(days=1))
    moved = api.get(FORECAST, params={"month": "2027-07"})
    assert [day["day"] for day in moved["days"] if day["weddings"]] == ["2027-07-15"]
    put(api, "W1", begins, status="canceled")
    assert api.get(FORECAST, params={"month": "2027-07"})["totals"]["weddings"] == 0


def test_without_a_month_the_forecast_is_of_the_current_one(api: Served) -> None:
    now = datetime.now(UTC)
    assert api.get(FORECAST)["month"] in {f"{now:%Y-%m}", f"{datetime.now(UTC):%Y-%m}"}


@pytest.mark.parametrize("month", ["2027-13", "2027", "june", "1999-12", "2027-06-01", "", "2027-6", "\u0662027-06"])
def test_what_is_no_month_is_refused_with_an_example(api: Served, month: str) -> None:
    answer = api.call("GET", FORECAST, params={"month": month})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "input.invalid")
    assert problem["errors"][0]["pointer"] == "month"
    assert "one is 2027-06" in problem["detail"]


@pytest.mark.parametrize("path", [CAPACITY, f"{CAPACITY}/weddings/W1", FORECAST])
def test_a_database_that_is_away_is_an_outage(postgres: str, path: str) -> None:
    """Nothing listens on port 1."""
    with serve(postgres.replace(urlsplit(postgres).netloc.rpartition(":")[2], "1"), timeout_s=0.5) as api:
        answer = api.call("GET", path)
    assert (answer.status_code, answer.json()["code"]) == (503, "outage")
    assert int(answer.headers["retry-after"]) >= 1
