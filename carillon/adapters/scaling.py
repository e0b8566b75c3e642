"""The planner's knobs in AWS: Application Auto Scaling's minimums, and the concurrency that Lambda reserves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from carillon.errors import ScalingError
from carillon.policy.capacity import Kind, Present

if TYPE_CHECKING:
    from carillon.config import PlanSettings
    from carillon.policy.capacity import Knob, Step

_TASKS: Final = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
_WARM: Final = {"ServiceNamespace": "lambda", "ScalableDimension": "lambda:function:ProvisionedConcurrency"}
_PATIENCE: Final = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4, "mode": "standard"})
"""Throttled calls are tried four times with back-off, some seconds in all; then the next round tries again."""
_NOTHING_WARM: Final = "ProvisionedConcurrencyConfigNotFoundException"


class AwsScaling:
    """See `ports.scaling.Scaling`."""

    def __init__(self, settings: PlanSettings, *, region: str) -> None:
        self._settings = settings
        self._scaling: Any = boto3.client("application-autoscaling", region_name=region, config=_PATIENCE)
        self._lambda: Any = boto3.client("lambda", region_name=region, config=_PATIENCE)
        self._ecs: Any = boto3.client("ecs", region_name=region, config=_PATIENCE)

    def read(self, knob: Knob) -> Present:
        """What is set and in force."""
        try:
            if knob.kind is Kind.TASKS:
                return self._tasks()
            if knob.kind is Kind.RESERVED:
                return self._reserved(knob)
            return self._warm(knob)
        except (BotoCoreError, ClientError) as error:
            raise ScalingError(str(error)) from error

    def write(self, step: Step) -> None:
        """Set it; a knob that is Application Auto Scaling's must have been registered by the deployment."""
        try:
            if step.knob.kind is Kind.RESERVED:
                name, _ = self._function(step.knob)
                self._lambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=step.new)
            else:
                most = {} if step.most is None else {"MaxCapacity": step.most}
                self._scaling.register_scalable_target(**self._resource(step.knob), MinCapacity=step.new, **most)
        except (BotoCoreError, ClientError) as error:
            raise ScalingError(str(error)) from error

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
        name, alias = self._function(knob)
        target = self._target(self._resource(knob))
        try:
            answer = self._lambda.get_provisioned_concurrency_config(FunctionName=name, Qualifier=alias)
            ordered = answer["RequestedProvisionedConcurrentExecutions"]
        except ClientError as error:
            if error.response["Error"]["Code"] != _NOTHING_WARM:
                raise
            ordered = 0
        return Present(target["MinCapacity"], ordered, target["MaxCapacity"])

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
        return {**_WARM, "ResourceId": "function:" + ":".join(self._function(knob))}

    def _function(self, knob: Knob) -> tuple[str, str]:
        """Name and alias of a lane's consumer."""
        assert knob.lane is not None
        name, _, alias = self._settings.functions.url(knob.lane.word).partition(":")
        return name, alias
