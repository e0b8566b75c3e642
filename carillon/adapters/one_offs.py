"""The planner's calls at exact times as one-time schedules of EventBridge Scheduler, which deletes each after its call.

A list of schedules tells names and nothing of what a call carries, so the name does:
`plan-20270605T1315Z-FINGERPRINT-TARGET`. The last part stands for what is called and how: after a deployment that
changed it, those that stand are put again.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from carillon.adapters.scaling import code, connect, refusals
from carillon.policy.one_offs import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from carillon.config import PlanSettings
    from carillon.policy.one_offs import OneOff

_PREFIX: Final = "plan-"
_TIME: Final = "%Y%m%dT%H%MZ"
_NAME: Final = re.compile(rf"{_PREFIX}(\d{{8}}T\d{{4}}Z)-([0-9a-f]+)-([0-9a-f]+)")
_PAGE: Final = 100
_RETRIES: Final = {"MaximumEventAgeInSeconds": 840, "MaximumRetryAttempts": 10}
"""As the season's schedules do: for 14 minutes, then the next round makes up for it."""
_DIGITS: Final = 8
_AT_ONCE: Final = timedelta(minutes=1)
"""AWS takes no time that has gone by. What was to come while the round was at work is called a minute later."""
_CLOSE: Final = timedelta(seconds=5)


class AwsOneOffs:
    """See `ports.scaling.OneOffs`.

    Args:
        settings: the group they are in, the role that calls, and where calls that failed end.
        region: of all that.
        target: ARN of what is called: the planner's alias.
        clock: tells what is over.
    """

    def __init__(
        self,
        settings: PlanSettings,
        *,
        region: str,
        target: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._group, self._clock = settings.schedule_group, clock
        self._scheduler: Any = connect("scheduler", region)
        dead_letters = settings.schedule_dead_letters
        self._target = {
            "Arn": target,
            "RoleArn": settings.schedule_role,
            "RetryPolicy": _RETRIES,
            **({"DeadLetterConfig": {"Arn": dead_letters}} if dead_letters else {}),
        }
        self._mark = hashlib.sha256(json.dumps(self._target, sort_keys=True).encode()).hexdigest()[:_DIGITS]

    def standing(self) -> Mapping[datetime, str]:
        """Those that are yet to come. Two at the same time, or one that calls something else, look like no other."""
        found: dict[datetime, str] = {}
        for name in self._names(_PREFIX):
            ours = _NAME.fullmatch(name)
            at = _when(ours[1]) if ours else None
            if ours and at and at > self._clock():
                _, told, mark = ours.groups()
                known = mark == self._mark and at not in found
                found[at] = told if known else f"{told}, to be put again"
        return found

    def put(self, one_off: OneOff) -> None:
        """Have it called then: made first and the others at its time removed after, so that one stands throughout.

        Where two planners disagree, each removes the other's and makes sure of its own afterwards: whichever was
        removed last, its maker puts it back.
        """
        time, told = _time(one_off.at), fingerprint(one_off)
        name = f"{time}-{told}-{self._mark}"
        with refusals():
            others = [other for other in self._names(f"{time}-") if other != name]
            self._create(name, one_off)
            for other in others:
                self._delete(other)
            if others:
                self._create(name, one_off)

    def drop(self, at: datetime) -> None:
        """Have nothing called then; nothing is fine."""
        with refusals():
            for name in self._names(f"{_time(at)}-"):
                self._delete(name)

    def _names(self, prefix: str) -> list[str]:
        if not self._group:
            return []
        with refusals():
            pages = self._scheduler.get_paginator("list_schedules").paginate(
                GroupName=self._group, NamePrefix=prefix, PaginationConfig={"PageSize": _PAGE}
            )
            return [schedule["Name"] for page in pages for schedule in page["Schedules"]]

    def _create(self, name: str, one_off: OneOff) -> None:
        """One of that name carries the same."""
        if not self._group:
            return
        now = self._clock()
        at = one_off.at if one_off.at > now + _CLOSE else now + _AT_ONCE
        try:
            self._scheduler.create_schedule(
                Name=name,
                GroupName=self._group,
                Description=one_off.reason[:512],
                ScheduleExpression=f"at({at.astimezone(UTC):%Y-%m-%dT%H:%M:%S})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={**self._target, "Input": _input(one_off)},
            )
        except ClientError as error:
            if code(error) != "ConflictException":
                raise

    def _delete(self, name: str) -> None:
        try:
            self._scheduler.delete_schedule(Name=name, GroupName=self._group)
        except ClientError as error:
            if code(error) != "ResourceNotFoundException":
                raise


def _input(one_off: OneOff) -> str:
    return json.dumps({"cause": one_off.reason, "sizes": dict(one_off.sizes)})


def _when(time: str) -> datetime | None:
    """None for digits that are no time: a schedule that somebody put there by hand stops no round."""
    try:
        return datetime.strptime(time, _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _time(at: datetime) -> str:
    return f"{_PREFIX}{at.astimezone(UTC):{_TIME}}"
