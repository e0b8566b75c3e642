"""Calls at exact times against moto: what stands, what is replaced, two planners at once, refusals and throttling."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from carillon.adapters.one_offs import AwsOneOffs
from carillon.errors import ScalingError
from carillon.policy.one_offs import OneOff, fingerprint
from tests.unit.adapters.deployed_aws import ACCOUNT, GROUP, REGION, SETTINGS, answer, aws, throttled

if TYPE_CHECKING:
    from collections.abc import Callable

    from carillon.config import PlanSettings

__all__ = ["aws"]
TARGET = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:plan:live"
NOW = datetime(2027, 6, 5, 12, 0, tzinfo=UTC)
AT = datetime(2027, 6, 5, 13, 15, tzinfo=UTC)
RAISE = OneOff(AT, {"tasks": 9.0, "database.least_acu": 10.5}, "wedding W1 opens at 13:30")
MORE = replace(RAISE, sizes={"tasks": 12.0, "database.least_acu": 10.5})


@pytest.fixture
def one_offs(aws: None, monkeypatch: pytest.MonkeyPatch) -> AwsOneOffs:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_given: 0)
    return planner()


def planner(*, settings: PlanSettings = SETTINGS, now: datetime = NOW) -> AwsOneOffs:
    return AwsOneOffs(settings, region=REGION, target=TARGET, clock=lambda: now)


def schedules() -> list[dict[str, Any]]:
    """All there are in the group, whole."""
    scheduler = boto3.client("scheduler", region_name=REGION)
    listed = scheduler.list_schedules(GroupName=GROUP)["Schedules"]
    return [dict(scheduler.get_schedule(GroupName=GROUP, Name=one["Name"])) for one in listed]


def carried() -> list[dict[str, Any]]:
    return [json.loads(one["Target"]["Input"]) for one in schedules()]


@pytest.mark.parametrize("seconds", [-3, 0, 2])
def test_a_call_whose_time_comes_while_the_round_is_at_work_is_made_a_minute_later(aws: None, seconds: int) -> None:
    """AWS refuses a time that has gone by, and the round's other calls would fail with it."""
    now = AT + timedelta(seconds=seconds)
    planner(now=now).put(RAISE)
    (made,) = schedules()
    assert made["ScheduleExpression"] == f"at({now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%S})"
    assert planner(now=AT + timedelta(seconds=5)).standing() == {}, "its moment is past: nothing is to be dropped"


def test_a_schedule_whose_name_is_no_time_stops_no_round(one_offs: AwsOneOffs) -> None:
    """Somebody put it there by hand."""
    boto3.client("scheduler", region_name=REGION).create_schedule(
        Name="plan-20271399T2500Z-ab-cd",
        GroupName=GROUP,
        ScheduleExpression="at(2027-06-05T13:15:00)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": TARGET, "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/caller"},
    )
    one_offs.put(RAISE)
    assert dict(one_offs.standing()) == {AT: fingerprint(RAISE)}


def test_the_planner_is_called_once_at_that_minute_with_the_sizes_and_the_reason(one_offs: AwsOneOffs) -> None:
    one_offs.put(RAISE)
    (made,) = schedules()
    assert made["Name"].startswith("plan-20270605T1315Z-")
    assert (made["ScheduleExpression"], made["ScheduleExpressionTimezone"]) == ("at(2027-06-05T13:15:00)", "UTC")
    assert (made["FlexibleTimeWindow"], made["ActionAfterCompletion"]) == ({"Mode": "OFF"}, "DELETE")
    assert made["Description"] == RAISE.reason
    target = made["Target"]
    assert json.loads(target.pop("Input")) == {"cause": RAISE.reason, "sizes": RAISE.sizes}
    assert target == {
        "Arn": TARGET,
        "RoleArn": SETTINGS.schedule_role,
        "DeadLetterConfig": {"Arn": SETTINGS.schedule_dead_letters},
        "RetryPolicy": {"MaximumEventAgeInSeconds": 840, "MaximumRetryAttempts": 10},
    }
    assert one_offs.standing() == {AT: fingerprint(RAISE)}


def test_a_time_of_another_zone_is_the_same_moment(one_offs: AwsOneOffs) -> None:
    new_york = timezone(timedelta(hours=-4))
    one_offs.put(replace(RAISE, at=AT.astimezone(new_york)))
    assert schedules()[0]["ScheduleExpression"] == "at(2027-06-05T13:15:00)"
    one_offs.drop(AT.astimezone(new_york))
    assert one_offs.standing() == {}


def test_the_same_again_changes_nothing(one_offs: AwsOneOffs) -> None:
    for _ in range(3):
        one_offs.put(RAISE)
    assert carried() == [{"cause": RAISE.reason, "sizes": RAISE.sizes}]
    assert one_offs.standing() == {AT: fingerprint(RAISE)}


def test_other_sizes_at_the_same_time_replace_it(one_offs: AwsOneOffs) -> None:
    one_offs.put(RAISE)
    one_offs.put(MORE)
    assert ([one["sizes"]["tasks"] for one in carried()], one_offs.standing()) == ([12], {AT: fingerprint(MORE)})


def test_a_wedding_that_moved_moves_its_call(one_offs: AwsOneOffs) -> None:
    later = AT + timedelta(hours=3)
    one_offs.put(RAISE)
    one_offs.put(replace(RAISE, at=later))
    one_offs.drop(AT)
    assert one_offs.standing() == {later: fingerprint(RAISE)}


def test_to_drop_what_is_not_there_is_fine(one_offs: AwsOneOffs) -> None:
    one_offs.put(RAISE)
    for _ in range(2):
        one_offs.drop(AT)
    assert schedules() == []


def test_one_that_another_dropped_meanwhile_is_dropped(one_offs: AwsOneOffs) -> None:
    one_offs.put(RAISE)
    gone = {"__type": "ResourceNotFoundException", "message": "Schedule does not exist."}
    asked = answer(one_offs._scheduler, "DeleteSchedule", (404, gone))
    one_offs.drop(AT)
    assert len(asked) == 1


def test_two_planners_at_once_that_agree_leave_one_call(one_offs: AwsOneOffs) -> None:
    meanwhile(one_offs, "CreateSchedule", lambda: planner().put(RAISE))
    one_offs.put(RAISE)
    assert one_offs.standing() == {AT: fingerprint(RAISE)}
    assert len(schedules()) == 1


def test_two_that_disagree_never_leave_none_and_the_next_round_leaves_one(one_offs: AwsOneOffs) -> None:
    """Both saw the old one; both put their own."""
    one_offs.put(replace(RAISE, reason="the plan of the round before"))
    meanwhile(one_offs, "CreateSchedule", lambda: planner().put(MORE))
    one_offs.put(RAISE)
    assert sorted(one["sizes"]["tasks"] for one in carried()) == [9, 12]
    assert one_offs.standing()[AT] not in {fingerprint(RAISE), fingerprint(MORE)}, "so that it is put again"
    one_offs.put(MORE)
    assert one_offs.standing() == {AT: fingerprint(MORE)}


def test_whoever_loses_its_call_to_the_other_puts_it_back(one_offs: AwsOneOffs) -> None:
    """Both stand from before; each removes the other's, and one comes last."""
    one_offs.put(RAISE)
    duplicate(schedules()[0], MORE)
    meanwhile(one_offs, "DeleteSchedule", lambda: planner().put(MORE))
    one_offs.put(RAISE)
    assert one_offs.standing() == {AT: fingerprint(RAISE)}


def duplicate(found: dict[str, Any], other: OneOff) -> None:
    """Another call at the same time, as two planners may leave it behind."""
    boto3.client("scheduler", region_name=REGION).create_schedule(
        Name=found["Name"].replace(fingerprint(RAISE), fingerprint(other)),
        GroupName=GROUP,
        ScheduleExpression=found["ScheduleExpression"],
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=found["Target"],
    )


def meanwhile(one_offs: AwsOneOffs, operation: str, act: Callable[[], object]) -> None:
    """Let something else happen before the next such call, once."""
    events, name = one_offs._scheduler.meta.events, f"before-call.scheduler.{operation}"

    def interrupt(**_named: Any) -> None:
        events.unregister(name, interrupt)
        act()

    events.register(name, interrupt)


def test_what_is_over_no_longer_stands(one_offs: AwsOneOffs) -> None:
    """AWS deletes it after its call, some time later."""
    one_offs.put(RAISE)
    one_offs.put(replace(RAISE, at=AT + timedelta(minutes=15)))
    assert list(planner(now=AT).standing()) == [AT + timedelta(minutes=15)]


OTHER_ROLE = replace(SETTINGS, schedule_role=f"arn:aws:iam::{ACCOUNT}:role/other")
OTHER_LETTERS = replace(SETTINGS, schedule_dead_letters="")


@pytest.mark.parametrize("settings", [OTHER_ROLE, OTHER_LETTERS], ids=["role", "dead letters"])
def test_after_a_deployment_that_changed_how_it_is_called_it_is_put_again(
    one_offs: AwsOneOffs, settings: PlanSettings
) -> None:
    one_offs.put(RAISE)
    after = planner(settings=settings)
    assert after.standing()[AT] != fingerprint(RAISE)
    after.put(RAISE)
    assert after.standing() == {AT: fingerprint(RAISE)}
    assert len(schedules()) == 1


def test_what_somebody_else_put_into_the_group_is_left_alone(one_offs: AwsOneOffs) -> None:
    boto3.client("scheduler", region_name=REGION).create_schedule(
        Name="plan-by-hand",
        GroupName=GROUP,
        ScheduleExpression="rate(1 hour)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": TARGET, "RoleArn": SETTINGS.schedule_role},
    )
    one_offs.put(RAISE)
    one_offs.drop(AT)
    assert one_offs.standing() == {}
    assert [one["Name"] for one in schedules()] == ["plan-by-hand"]


def test_two_days_of_calls_are_all_seen(one_offs: AwsOneOffs) -> None:
    """192 are more than a page."""
    times = [AT + quarter * timedelta(minutes=15) for quarter in range(192)]
    for at in times:
        one_offs.put(replace(RAISE, at=at))
    asked = answer(one_offs._scheduler, "ListSchedules")
    assert one_offs.standing() == dict.fromkeys(times, fingerprint(RAISE))
    assert len(asked) == 2


def test_a_long_reason_is_called_with_whole_and_described_in_short(one_offs: AwsOneOffs) -> None:
    long = replace(RAISE, reason="w" * 600)
    one_offs.put(long)
    assert (schedules()[0]["Description"], carried()[0]["cause"]) == ("w" * 512, "w" * 600)


def test_without_a_group_nothing_stands_and_nothing_is_asked(aws: None) -> None:
    none = planner(settings=replace(SETTINGS, schedule_group=""))
    asked = answer(none._scheduler, "*")
    none.put(RAISE)
    none.drop(AT)
    assert (none.standing(), asked, schedules()) == ({}, [], [])


def test_a_group_that_is_not_there_is_told(one_offs: AwsOneOffs) -> None:
    """Moto falls over it."""
    missing = {"__type": "ResourceNotFoundException", "message": "Schedule group one-offs does not exist."}
    answer(one_offs._scheduler, "CreateSchedule", (404, missing))
    with pytest.raises(ScalingError, match="Schedule group one-offs does not exist"):
        one_offs.put(RAISE)


CALLS: list[tuple[str, Callable[[AwsOneOffs], object]]] = [
    ("ListSchedules", lambda one_offs: one_offs.standing()),
    ("CreateSchedule", lambda one_offs: one_offs.put(replace(RAISE, at=AT + timedelta(hours=1)))),
    ("DeleteSchedule", lambda one_offs: one_offs.drop(AT)),
]
each_call = pytest.mark.parametrize(("operation", "call"), CALLS, ids=[name for name, _ in CALLS])


@each_call
def test_a_throttled_call_is_tried_again(
    one_offs: AwsOneOffs, operation: str, call: Callable[[AwsOneOffs], object]
) -> None:
    one_offs.put(RAISE)
    asked = answer(one_offs._scheduler, operation, *throttled(2))
    call(one_offs)
    assert len(asked) == 3


@each_call
def test_throttling_that_does_not_end_fails_that_call_within_bounds(
    one_offs: AwsOneOffs, operation: str, call: Callable[[AwsOneOffs], object]
) -> None:
    one_offs.put(RAISE)
    asked = answer(one_offs._scheduler, operation, *throttled(99))
    with pytest.raises(ScalingError, match="ThrottlingException"):
        call(one_offs)
    assert len(asked) == 4


@each_call
def test_what_is_denied_is_told_in_aws_s_words(
    one_offs: AwsOneOffs, operation: str, call: Callable[[AwsOneOffs], object]
) -> None:
    one_offs.put(RAISE)
    denied = {"__type": "AccessDeniedException", "message": f"not authorized to perform {operation}"}
    answer(one_offs._scheduler, operation, (403, denied))
    with pytest.raises(ScalingError, match=f"not authorized to perform {operation}"):
        call(one_offs)


def test_one_that_could_be_made_but_not_cleared_after_is_put_again_by_the_next_round(one_offs: AwsOneOffs) -> None:
    one_offs.put(RAISE)
    answer(one_offs._scheduler, "DeleteSchedule", *throttled(4))
    with pytest.raises(ScalingError, match="ThrottlingException"):
        one_offs.put(MORE)
    assert {one["sizes"]["tasks"] for one in carried()} == {9, 12}, "raised on time either way"
    assert one_offs.standing()[AT] != fingerprint(MORE)
    one_offs.put(MORE)
    assert one_offs.standing() == {AT: fingerprint(MORE)}
