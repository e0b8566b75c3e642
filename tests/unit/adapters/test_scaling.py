"""The planner's calls to AWS against moto, and what becomes of throttling, refusals and partial failures.

Lambda's provisioned concurrency is unknown to moto: there `deployed_aws` answers, or a test lets AWS answer itself.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Never

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from carillon.adapters.scaling import AwsScaling
from carillon.config import LaneUrls
from carillon.errors import ScalingError
from carillon.model import Lane
from carillon.policy.capacity import TASKS, Action, Kind, Knob, Present, Step
from carillon.policy.sizing import LEAST_ACU, MOST_ACU, READERS
from tests.unit.adapters.deployed_aws import (
    NOTHING_WARM,
    REGION,
    SETTINGS,
    answer,
    aws,
    throttled,
    warm_consumers,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from carillon.config import PlanSettings

__all__ = ["REGION", "aws"]
CRITICAL = Knob(Kind.RESERVED, Lane.CRITICAL)
WARM = Knob(Kind.PROVISIONED, Lane.LOW)
ALIAS = "consume-low:live"
PROVISIONED_PATH = "/functions/consume-low/provisioned-concurrency"


def raised(knob: Knob, new: float, most: float | None = None) -> Step:
    return Step(knob, Action.RAISE, None, new, "test", most)


@pytest.fixture
def scaling(aws: None, monkeypatch: pytest.MonkeyPatch) -> AwsScaling:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_given: 0)
    return AwsScaling(SETTINGS, region=REGION)


def test_the_tasks_are_read_and_their_minimum_is_moved_the_maximum_is_not(scaling: AwsScaling) -> None:
    assert scaling.read(TASKS) == Present(3, 4, 50)
    scaling.write(raised(TASKS, 30))
    assert scaling.read(TASKS) == Present(30, 4, 50)


def test_a_reserve_is_read_and_set(scaling: AwsScaling) -> None:
    assert scaling.read(CRITICAL) == Present(None, 0)
    scaling.write(raised(CRITICAL, 50))
    assert scaling.read(CRITICAL) == Present(50, 50)
    assert scaling.read(Knob(Kind.RESERVED, Lane.LOW)) == Present(None, 0), "of that lane alone"


def test_warm_environments_are_read_and_both_bounds_are_set(scaling: AwsScaling) -> None:
    there = {"RequestedProvisionedConcurrentExecutions": 20, "Status": "READY"}
    asked = answer(scaling._lambda, "GetProvisionedConcurrencyConfig", (404, NOTHING_WARM), (200, there))
    assert scaling.read(WARM) == Present(0, 0, 50)
    scaling.write(raised(WARM, 20, 40))
    assert scaling.read(WARM) == Present(20, 20, 40)
    assert {url.partition("2019-09-30")[2] for url in asked} == {f"{PROVISIONED_PATH}?Qualifier=live"}


def test_an_api_that_is_silent_is_asked_for_one_lane_and_keeps_nothing_else_from_being_set(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four tries of seven seconds for each of eight knobs would be longer than a round may take."""
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_given: 0)
    now, asked = [0.0], list[str]()
    scaling = AwsScaling(SETTINGS, region=REGION, clock=lambda: now[0])

    def silence(request: Any, **_given: Any) -> Never:
        asked.append(request.url)
        raise ReadTimeoutError(endpoint_url=request.url)

    scaling._lambda.meta.events.register("before-send.lambda", silence)
    with pytest.raises(ScalingError, match="Read timeout"):
        scaling.read(CRITICAL)
    tries = len(asked)
    with pytest.raises(ScalingError, match="not asked: its API did not answer"):
        scaling.read(WARM)
    assert len(asked) == tries
    scaling.write(raised(TASKS, 30))
    assert scaling.read(TASKS) == Present(30, 4, 50)
    scaling._lambda.meta.events.unregister("before-send.lambda", silence)
    now[0] = 30.0
    assert scaling.read(CRITICAL) == Present(None, 0), "the next round asks again"


def test_writing_what_is_set_already_changes_nothing(scaling: AwsScaling) -> None:
    for _ in range(2):
        scaling.write(raised(TASKS, 12))
        scaling.write(raised(CRITICAL, 12))
    assert scaling.read(TASKS).size == scaling.read(CRITICAL).size == 12


def test_sizes_are_sent_as_the_whole_numbers_that_aws_takes(scaling: AwsScaling) -> None:
    """A plan's sizes have halves, for the database; botocore refuses 12.0 where AWS counts."""
    for knob in (TASKS, CRITICAL, WARM, READERS):
        scaling.write(raised(knob, 4.0, None if knob == CRITICAL else 5.0))
    warm_consumers(scaling._lambda)
    assert [scaling.read(knob).size for knob in (TASKS, CRITICAL, WARM, READERS)] == [4, 4, 4, 4]
    assert scaling.read(READERS).most == 5


def test_the_database_s_least_capacity_is_moved_in_halves_and_its_most_is_kept(scaling: AwsScaling) -> None:
    assert scaling.read(LEAST_ACU) == Present(2, 2, 32)
    scaling.write(raised(LEAST_ACU, 10.5, 64))
    assert scaling.read(LEAST_ACU) == Present(10.5, 10.5, 32)


def test_the_same_least_capacity_is_not_ordered_twice(scaling: AwsScaling) -> None:
    asked = answer(scaling._rds, "ModifyDBCluster")
    for _ in range(2):
        scaling.write(raised(LEAST_ACU, 8))
    assert len(asked) == 1


def test_two_that_size_the_database_at_once_leave_the_last_word_and_the_most_alone(aws: None) -> None:
    """The second looks before the first has written."""
    first, second = AwsScaling(SETTINGS, region=REGION), AwsScaling(SETTINGS, region=REGION)

    def meanwhile(**_named: Any) -> None:
        second._rds.meta.events.unregister("before-call.rds.ModifyDBCluster", meanwhile)
        first.write(raised(LEAST_ACU, 16))

    second._rds.meta.events.register("before-call.rds.ModifyDBCluster", meanwhile)
    second.write(raised(LEAST_ACU, 8))
    assert first.read(LEAST_ACU) == Present(8, 8, 32)


def test_more_than_the_database_may_have_is_refused_and_nothing_is_set(scaling: AwsScaling) -> None:
    """Somebody lowered its most since the plan looked."""
    with pytest.raises(ScalingError, match="weddings may have 32 ACU at most, less than the 40 wanted"):
        scaling.write(raised(LEAST_ACU, 40))
    assert scaling.read(LEAST_ACU) == Present(2, 2, 32)


def test_a_database_that_is_being_changed_refuses_in_aws_s_words(scaling: AwsScaling) -> None:
    told = "DB cluster is not available for modification with status upgrading"
    answer(scaling._rds, "ModifyDBCluster", (400, {"__type": "InvalidDBClusterStateFault", "message": told}))
    with pytest.raises(ScalingError, match=told):
        scaling.write(raised(LEAST_ACU, 8))
    scaling.write(raised(TASKS, 30))
    assert (scaling.read(TASKS).size, scaling.read(LEAST_ACU).size) == (30, 2), "and stops nothing else"


def test_a_database_of_fixed_size_has_no_least_capacity(aws: None) -> None:
    boto3.client("rds", region_name=REGION).create_db_cluster(
        DBClusterIdentifier="fixed",
        Engine="aurora-postgresql",
        MasterUsername="owner",
        MasterUserPassword="not-secret",
    )
    with pytest.raises(ScalingError, match="fixed is no Aurora Serverless v2 cluster"):
        AwsScaling(replace(SETTINGS, database="fixed"), region=REGION).read(LEAST_ACU)


def test_readers_are_counted_without_the_writer_and_their_minimum_is_moved(scaling: AwsScaling) -> None:
    assert scaling.read(READERS) == Present(1, 2, 5)
    scaling.write(raised(READERS, 3))
    assert scaling.read(READERS) == Present(3, 2, 5)


def test_warm_consumers_are_ordered_beside_the_minimum_once_and_taken_back_whole(scaling: AwsScaling) -> None:
    ordered = warm_consumers(scaling._lambda)
    asked = answer(scaling._lambda, "PutProvisionedConcurrencyConfig")
    for size in (8, 8, 16):
        scaling.order(WARM, size)
    assert (ordered, len(asked)) == ({ALIAS: 16}, 2)
    assert scaling.read(WARM) == Present(0, 16, 50), "the plan's minimum stays what it is"
    for _ in range(2):
        scaling.order(WARM, 0)
    assert ordered == {}


def test_an_order_that_lambda_could_not_fill_is_given_again(scaling: AwsScaling) -> None:
    warm_consumers(scaling._lambda)
    asked = answer(scaling._lambda, "PutProvisionedConcurrencyConfig")
    failed = {"RequestedProvisionedConcurrentExecutions": 8, "Status": "FAILED"}
    answer(scaling._lambda, "GetProvisionedConcurrencyConfig", (200, failed))
    scaling.order(WARM, 8)
    assert len(asked) == 1


def test_what_another_took_back_meanwhile_is_taken_back(scaling: AwsScaling) -> None:
    warm_consumers(scaling._lambda)[ALIAS] = 8
    asked = answer(scaling._lambda, "DeleteProvisionedConcurrencyConfig", (404, NOTHING_WARM))
    scaling.order(WARM, 0)
    assert len(asked) == 1


def test_only_what_stands_warm_is_ordered(scaling: AwsScaling) -> None:
    with pytest.raises(ScalingError, match=r"reserved\.critical is nothing that stands warm"):
        scaling.order(CRITICAL, 8)


BARE = replace(SETTINGS, database="", readers_scale=True)
UNSCALED = replace(SETTINGS, readers_scale=False)
LONE = replace(SETTINGS, functions=LaneUrls("low=consume-low:live"))


HAS: list[tuple[PlanSettings, Knob]] = [
    *((SETTINGS, knob) for knob in (TASKS, CRITICAL, WARM, LEAST_ACU, READERS)),
    (LONE, WARM),
    (BARE, TASKS),
    (UNSCALED, LEAST_ACU),
]
HAS_NOT = [(SETTINGS, MOST_ACU), (LONE, CRITICAL), (BARE, LEAST_ACU), (BARE, READERS), (UNSCALED, READERS)]


@pytest.mark.parametrize(("settings", "knob"), HAS)
def test_what_a_deployment_has_is_known(aws: None, settings: PlanSettings, knob: Knob) -> None:
    assert AwsScaling(settings, region=REGION).knows(knob)


@pytest.mark.parametrize(("settings", "knob"), HAS_NOT)
def test_what_it_has_not_is_neither_known_nor_touched(aws: None, settings: PlanSettings, knob: Knob) -> None:
    scaling = AwsScaling(settings, region=REGION)
    assert not scaling.knows(knob)
    refused = pytest.raises(ScalingError, match=f"{knob.group} is not sized in this deployment")
    with refused:
        scaling.read(knob)
    with refused:
        scaling.write(raised(knob, 3))
    with refused:
        scaling.order(knob, 3)


CALLS: list[tuple[str, str, Callable[[AwsScaling], object]]] = [
    ("_scaling", "DescribeScalableTargets", lambda scaling: scaling.read(TASKS)),
    ("_scaling", "RegisterScalableTarget", lambda scaling: scaling.write(raised(TASKS, 30))),
    ("_ecs", "DescribeServices", lambda scaling: scaling.read(TASKS)),
    ("_lambda", "GetFunctionConcurrency", lambda scaling: scaling.read(CRITICAL)),
    ("_lambda", "PutFunctionConcurrency", lambda scaling: scaling.write(raised(CRITICAL, 30))),
    ("_lambda", "GetProvisionedConcurrencyConfig", lambda scaling: scaling.read(WARM)),
    ("_lambda", "PutProvisionedConcurrencyConfig", lambda scaling: scaling.order(WARM, 4)),
    ("_lambda", "DeleteProvisionedConcurrencyConfig", lambda scaling: scaling.order(WARM, 0)),
    ("_rds", "DescribeDBClusters", lambda scaling: scaling.read(READERS)),
    ("_rds", "ModifyDBCluster", lambda scaling: scaling.write(raised(LEAST_ACU, 4.5))),
]
each_call = pytest.mark.parametrize(("client", "operation", "call"), CALLS, ids=[name for _, name, _ in CALLS])


@each_call
def test_a_throttled_call_is_tried_again(
    scaling: AwsScaling, client: str, operation: str, call: Callable[[AwsScaling], object]
) -> None:
    warm_consumers(scaling._lambda)[ALIAS] = 2
    asked = answer(getattr(scaling, client), operation, *throttled(2))
    call(scaling)
    assert len(asked) == 3


@each_call
def test_throttling_that_does_not_end_fails_that_call_within_bounds(
    scaling: AwsScaling, client: str, operation: str, call: Callable[[AwsScaling], object]
) -> None:
    warm_consumers(scaling._lambda)[ALIAS] = 2
    asked = answer(getattr(scaling, client), operation, *throttled(99))
    with pytest.raises(ScalingError, match="ThrottlingException"):
        call(scaling)
    assert len(asked) == 4


@each_call
def test_what_is_denied_is_not_tried_again(
    scaling: AwsScaling, client: str, operation: str, call: Callable[[AwsScaling], object]
) -> None:
    warm_consumers(scaling._lambda)[ALIAS] = 2
    denied = {"__type": "AccessDeniedException", "message": f"not authorized to perform {operation}"}
    asked = answer(getattr(scaling, client), operation, (403, denied), (403, denied))
    with pytest.raises(ScalingError, match=f"not authorized to perform {operation}"):
        call(scaling)
    assert len(asked) == 1


def test_a_reserve_that_the_account_does_not_have_is_refused_and_the_others_are_set(scaling: AwsScaling) -> None:
    """300 in all, of which 100 must stay unreserved."""
    scaling.write(raised(CRITICAL, 150))
    with pytest.raises(ScalingError, match=r"below its minimum value of \[100\]"):
        scaling.write(raised(Knob(Kind.RESERVED, Lane.HIGH), 60))
    scaling.write(raised(Knob(Kind.RESERVED, Lane.LOW), 20))
    sizes = {lane.word: scaling.read(Knob(Kind.RESERVED, lane)).size for lane in Lane}
    assert sizes == {"critical": 150, "high": None, "normal": None, "low": 20}


def test_what_was_never_deployed_is_named(scaling: AwsScaling) -> None:
    autoscaling = boto3.client("application-autoscaling", region_name=REGION)
    autoscaling.deregister_scalable_target(
        ServiceNamespace="ecs", ResourceId="service/main/api", ScalableDimension="ecs:service:DesiredCount"
    )
    with pytest.raises(ScalingError, match="service/main/api is not registered"):
        scaling.read(TASKS)
    boto3.client("ecs", region_name=REGION).delete_service(cluster="main", service="api", force=True)
    with pytest.raises(ScalingError, match="main/api"):
        scaling.read(TASKS)
    boto3.client("lambda", region_name=REGION).delete_function(FunctionName="consume-critical")
    with pytest.raises(ScalingError, match="ResourceNotFound"):
        scaling.write(raised(CRITICAL, 8))
