"""The planner function with a real calendar and an AWS in memory: a wedding is stored, and its capacity stands."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from carillon import wiring
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.directory import Directory
from carillon.adapters.postgres.migrate import migrate
from carillon.config import CapacitySettings, LaneSizes, PlanSettings, StoreSettings, environment
from carillon.directory import User, Wedding
from carillon.model import Lane, Role, WeddingStatus
from carillon.policy import profiles
from lambdas.plan import handler
from tests.unit.adapters.deployed_aws import GROUP, REGION, SETTINGS, aws

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["aws"]
PLANNER = f"arn:aws:lambda:{REGION}:123456789012:function:plan"
CONTEXT = SimpleNamespace(
    function_name="plan", memory_limit_in_mb=512, invoked_function_arn=f"{PLANNER}:live", aws_request_id="1"
)
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
HOUR = timedelta(hours=1)
TEAM = 20


@pytest.fixture
def directory(aws: None, fresh_postgres: str, valkey: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Directory]:
    """In an ordinary month that never ends, so that no test depends on the day."""
    never = replace(profiles.PROFILES["broadcast"], months={})
    monkeypatch.setattr("carillon.policy.season.PROFILES", {"never": never})
    settings = {
        **environment(StoreSettings, database_url=fresh_postgres, valkey_url=valkey, region=REGION),
        **environment(
            PlanSettings,
            service=SETTINGS.service,
            functions=SETTINGS.functions,
            database=SETTINGS.database,
            readers_scale="true",
            schedule_group=GROUP,
            schedule_role=SETTINGS.schedule_role,
            schedule_dead_letters=SETTINGS.schedule_dead_letters,
        ),
        **environment(
            CapacitySettings,
            season="never",
            min_acu="2",
            max_acu="32",
            reserved=LaneSizes.of({lane.word: "50" for lane in Lane}),
            budget_usd="1000",
        ),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    cached = (
        *(wiring.stores, wiring.database, wiring.metrics, wiring.calendar, wiring.scaling_log),
        *(wiring.capacity_settings, wiring.planner, wiring.valkey),
    )
    for one in cached:
        one.cache_clear()
    migrate(fresh_postgres)
    database = Database(fresh_postgres, size=1, timeout_s=5)
    yield Directory(database)
    database.close()
    wiring.database().close()
    for one in cached:
        one.cache_clear()


def client(service: str) -> Any:
    make: Any = boto3.client
    return make(service, region_name=REGION)


def put(directory: Directory, name: str, begins: datetime, status: WeddingStatus = WeddingStatus.CONFIRMED) -> None:
    """A wedding of 3,200 connections: a team of 20, and 30,000 guests."""
    directory.put_wedding(Wedding(name, "Ann & Bo", begins, "Europe/Lisbon", status, 30_000))
    for number in range(TEAM):
        directory.put_user(User(f"{name}-{number}", "Phil", Role.VENDOR))
        directory.put_member(name, f"{name}-{number}", Role.VENDOR)


def call(**event: Any) -> dict[str, Any]:
    return handler(event, CONTEXT)  # type: ignore[arg-type]


def least_acu() -> float:
    (cluster,) = client("rds").describe_db_clusters(DBClusterIdentifier=SETTINGS.database)["DBClusters"]
    return float(cluster["ServerlessV2ScalingConfiguration"]["MinCapacity"])


def called() -> dict[str, dict[str, Any]]:
    """The one-off schedules: by their time, where they lead."""
    scheduler = client("scheduler")
    names = [one["Name"] for one in scheduler.list_schedules(GroupName=GROUP)["Schedules"]]
    found = (scheduler.get_schedule(GroupName=GROUP, Name=name) for name in names)
    return {one["ScheduleExpression"]: one["Target"] for one in found}


def test_a_wedding_that_is_on_has_its_capacity_and_the_end_of_it_is_in_the_schedule(directory: Directory) -> None:
    call(cause="Reconcile")
    assert (least_acu(), called()) == (2, {})
    put(directory, "W1", NOW + HOUR)
    answered = call(Records=[{"body": json.dumps({"cause": "wedding W1 was put"})}])
    assert (answered["calendar"], answered["recorded"]) == ("read", True)
    assert least_acu() > 2
    targets = called()
    assert targets
    assert {target["Arn"] for target in targets.values()} == {f"{PLANNER}:live"}
    sizes = [json.loads(target["Input"])["sizes"]["database.least_acu"] for _, target in sorted(targets.items())]
    assert sizes[-1] == 2, "what is raised for a wedding is lowered after it"
    groups = {event.scaling_group: event for event in wiring.scaling_log().latest(50)}
    assert groups["database.least_acu"].trigger_metric == "plan"
    # Whose it is depends on the hour: the background may rise in this very quarter of one.
    assert groups["database.least_acu"].reason not in {"", "at rest"}
    again = call()
    assert (again["actions"], again["called"]) == ([], {"put": 0, "dropped": 0})


def test_a_wedding_that_is_canceled_gives_its_capacity_back_and_is_not_called_for(directory: Directory) -> None:
    put(directory, "W1", NOW + HOUR)
    call()
    put(directory, "W1", NOW + HOUR, WeddingStatus.CANCELED)
    call()
    assert (least_acu(), called()) == (2, {})


def test_a_wedding_that_moves_to_tomorrow_is_called_for_then_and_warmed_before_it(directory: Directory) -> None:
    put(directory, "W1", NOW + HOUR)
    call()
    put(directory, "W1", NOW + 24 * HOUR)
    assert call()["warmed"] == 0
    assert least_acu() == 2
    assert len(called()) >= 2
    put(directory, "W1", NOW + 3 * HOUR)
    assert call()["warmed"] == 1


def test_whoever_calls_another_version_by_hand_still_has_the_alias_called(directory: Directory) -> None:
    put(directory, "W1", NOW + HOUR)
    context = SimpleNamespace(**vars(CONTEXT) | {"invoked_function_arn": PLANNER})
    handler({}, context)  # type: ignore[arg-type]
    assert {target["Arn"] for target in called().values()} == {f"{PLANNER}:live"}
