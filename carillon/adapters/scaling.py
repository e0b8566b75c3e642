"""The knobs in AWS: Application Auto Scaling's minimums, what Lambda reserves and keeps warm, Aurora's least ACUs."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, ReadTimeoutError

from carillon.errors import ScalingError
from carillon.policy.capacity import Kind, Present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from carillon.config import PlanSettings
    from carillon.policy.capacity import Knob, Step

_TASKS: Final = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
_WARM: Final = {"ServiceNamespace": "lambda", "ScalableDimension": "lambda:function:ProvisionedConcurrency"}
_READERS: Final = {"ServiceNamespace": "rds", "ScalableDimension": "rds:cluster:ReadReplicaCount"}
_PATIENCE: Final = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4, "mode": "standard"})
"""Throttled calls are tried four times with back-off, some seconds in all; then the next round tries again."""
_SILENT_S: Final = 30.0
"""An API that answers nothing costs half a minute of tries; asked for each knob of the lanes, it costs the round."""
_NOTHING_WARM: Final = "ProvisionedConcurrencyConfigNotFoundException"


def connect(service: str, region: str, endpoint: str = "") -> Any:
    """A client of AWS for what planning and reacting ask of it."""
    make: Any = boto3.client
    return make(service, region_name=region, endpoint_url=endpoint or None, config=_PATIENCE)


@contextmanager
def refusals() -> Iterator[None]:
    """What AWS refuses, and that it cannot be reached, become `ScalingError` with the words that were said."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise ScalingError(str(error)) from error


def code(error: ClientError) -> str:
    """AWS's word for what is wrong."""
    return str(error.response["Error"]["Code"])


class AwsScaling:
    """See `ports.scaling.Scaling`.

    Args:
        settings: what is sized.
        region: of it.
        clock: in seconds, tells for how long an API that did not answer is not asked again.
    """

    def __init__(self, settings: PlanSettings, *, region: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._clock = settings, clock
        self._silent: dict[str, float] = {}
        self._scaling: Any = connect("application-autoscaling", region)
        self._lambda: Any = connect("lambda", region)
        self._ecs: Any = connect("ecs", region)
        self._rds: Any = connect("rds", region)

    def knows(self, knob: Knob) -> bool:
        """Whether this deployment has it; how far the database may go is the deployment's alone."""
        if knob.lane is not None:
            return knob.lane.word in self._settings.functions.lanes
        if knob.kind is Kind.READERS:
            return bool(self._settings.database) and self._settings.readers_scale
        return knob.kind is Kind.TASKS or (knob.kind is Kind.LEAST_ACU and bool(self._settings.database))

    def read(self, knob: Knob) -> Present:
        """What is set and in force."""
        self._check(knob)
        with self._asking(knob):
            if knob.kind is Kind.TASKS:
                return self._tasks()
            if knob.kind is Kind.LEAST_ACU:
                return self._least_acu()
            if knob.kind is Kind.READERS:
                return self._readers(knob)
            return self._reserved(knob) if knob.kind is Kind.RESERVED else self._warm(knob)

    def write(self, step: Step) -> None:
        """Set it; a knob that is Application Auto Scaling's must have been registered by the deployment."""
        self._check(step.knob)
        with self._asking(step.knob):
            if step.knob.kind is Kind.LEAST_ACU:
                self._set_least_acu(step.new)
            elif step.knob.kind is Kind.RESERVED:
                name, _ = self._function(step.knob)
                self._lambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=_whole(step.new))
            else:
                most = {} if step.most is None else {"MaxCapacity": _whole(step.most)}
                bounds = {"MinCapacity": _whole(step.new), **most}
                self._scaling.register_scalable_target(**self._resource(step.knob), **bounds)

    def order(self, knob: Knob, size: int) -> None:
        """Have so many warm consumers of a lane now; none takes away what was ordered."""
        self._check(knob)
        if knob.kind is not Kind.PROVISIONED:
            raise ScalingError(f"{knob.group} is nothing that stands warm")
        name, alias = self._function(knob)
        with self._asking(knob):
            ordered = self._ordered(knob)
            if ordered.get("RequestedProvisionedConcurrentExecutions", 0) == size and ordered.get("Status") != "FAILED":
                return
            named = {"FunctionName": name, "Qualifier": alias}
            if size:
                self._lambda.put_provisioned_concurrency_config(**named, ProvisionedConcurrentExecutions=_whole(size))
                return
            try:
                self._lambda.delete_provisioned_concurrency_config(**named)
            except ClientError as error:
                if code(error) != _NOTHING_WARM:
                    raise

    @contextmanager
    def _asking(self, knob: Knob) -> Iterator[None]:
        """As `refusals`; the lanes' knobs have their APIs in common, so that one's silence is that of all."""
        api = knob.kind.value if knob.lane is None else "lanes"
        if self._clock() < self._silent.get(api, 0.0):
            raise ScalingError("not asked: its API did not answer just now")
        with refusals():
            try:
                yield
            except (ConnectTimeoutError, ReadTimeoutError):
                self._silent[api] = self._clock() + _SILENT_S
                raise

    def _check(self, knob: Knob) -> None:
        if not self.knows(knob):
            raise ScalingError(f"{knob.group} is not sized in this deployment")

    def _tasks(self) -> Present:
        cluster, _, service = self._settings.service.partition("/")
        answer = self._ecs.describe_services(cluster=cluster, services=[service])
        found = next(iter(answer["services"]), None)
        if found is None:
            raise ScalingError(f"there is no ECS service {self._settings.service}")
        target = self._target({**_TASKS, "ResourceId": f"service/{self._settings.service}"})
        return Present(target["MinCapacity"], found["desiredCount"], target["MaxCapacity"])

    def _reserved(self, knob: Knob) -> Present:
        name, _ = self._function(knob)
        size = self._lambda.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        return Present(size, size or 0)

    def _warm(self, knob: Knob) -> Present:
        target = self._target(self._resource(knob))
        ordered = self._ordered(knob).get("RequestedProvisionedConcurrentExecutions", 0)
        return Present(target["MinCapacity"], ordered, target["MaxCapacity"])

    def _ordered(self, knob: Knob) -> dict[str, Any]:
        """What Lambda says of a lane's warm consumers; empty when none were ordered."""
        name, alias = self._function(knob)
        try:
            answer: dict[str, Any] = self._lambda.get_provisioned_concurrency_config(FunctionName=name, Qualifier=alias)
        except ClientError as error:
            if code(error) != _NOTHING_WARM:
                raise
            return {}
        return answer

    def _least_acu(self) -> Present:
        """It scales itself: what is in force at least is what is set."""
        acus = _acus(self._cluster())
        return Present(acus["MinCapacity"], acus["MinCapacity"], acus["MaxCapacity"])

    def _set_least_acu(self, new: float) -> None:
        """Both bounds are sent, since AWS asks for both; the upper one stays what somebody made it."""
        acus = _acus(self._cluster())
        if acus["MinCapacity"] == new:
            return
        if new > acus["MaxCapacity"]:
            raise ScalingError(
                f"{self._settings.database} may have {acus['MaxCapacity']:g} ACU at most, less than the {new:g} wanted"
            )
        self._rds.modify_db_cluster(
            DBClusterIdentifier=self._settings.database,
            ServerlessV2ScalingConfiguration={"MinCapacity": new, "MaxCapacity": acus["MaxCapacity"]},
            ApplyImmediately=True,
        )

    def _readers(self, knob: Knob) -> Present:
        readers = sum(not member["IsClusterWriter"] for member in self._cluster()["DBClusterMembers"])
        target = self._target(self._resource(knob))
        return Present(target["MinCapacity"], readers, target["MaxCapacity"])

    def _cluster(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = self._rds.describe_db_clusters(DBClusterIdentifier=self._settings.database)[
            "DBClusters"
        ]
        return found[0]

    def _target(self, resource: dict[str, str]) -> dict[str, Any]:
        named = {**resource, "ResourceIds": [resource["ResourceId"]]}
        del named["ResourceId"]
        found: list[dict[str, Any]] = self._scaling.describe_scalable_targets(**named)["ScalableTargets"]
        if not found:
            raise ScalingError(
                f"{resource['ResourceId']} is not registered with Application Auto Scaling; deploy again"
            )
        return found[0]

    def _resource(self, knob: Knob) -> dict[str, str]:
        if knob.kind is Kind.TASKS:
            return {**_TASKS, "ResourceId": f"service/{self._settings.service}"}
        if knob.kind is Kind.READERS:
            return {**_READERS, "ResourceId": f"cluster:{self._settings.database}"}
        return {**_WARM, "ResourceId": "function:" + ":".join(self._function(knob))}

    def _function(self, knob: Knob) -> tuple[str, str]:
        """Name and alias of a lane's consumer."""
        assert knob.lane is not None
        name, _, alias = self._settings.functions.url(knob.lane.word).partition(":")
        return name, alias


def _acus(cluster: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] | None = cluster.get("ServerlessV2ScalingConfiguration")
    if not found:
        raise ScalingError(f"{cluster['DBClusterIdentifier']} is no Aurora Serverless v2 cluster: it has no ACUs")
    return found


def _whole(size: float) -> int:
    """Sizes are numbers with halves, for the database's sake; AWS takes whole ones everywhere else."""
    return math.ceil(size)
