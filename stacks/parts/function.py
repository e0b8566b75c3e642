"""A Lambda function of the product: its handler, its place in the network, its log, its alias `live`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from carillon.names import NAMESPACE, SERVICE
from stacks.parts.code import architecture, code, layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stacks.network import NetworkStack
    from stacks.stage import Stage

POWERTOOLS = {
    "POWERTOOLS_SERVICE_NAME": SERVICE,
    "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
    "POWERTOOLS_TRACE_DISABLED": "true",
}


class ProductFunction(Construct):
    """One function and its alias.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: how it is sized.
        handler: dotted path, e.g. `lambdas.deliver.handler`.
        environment: its settings.
        network: where it runs; None for one that needs no store.
        timeout_s: longest run.
        memory_mb: memory, and with it its share of a core.
        reserved: reserved concurrency; None leaves it to the account.
        provisioned: environments kept warm on the alias.

    Attributes:
        function: the function; grants are made on it.
        alias: what callers call.
    """

    def __init__(  # noqa: PLR0913 - a function's properties, each named where it is made
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        handler: str,
        environment: Mapping[str, str],
        network: NetworkStack | None,
        timeout_s: int,
        memory_mb: int = 512,
        reserved: int | None = None,
        provisioned: int = 0,
    ) -> None:
        super().__init__(scope, construct_id)
        place = (
            {}
            if network is None
            else {
                "vpc": network.vpc,
                "vpc_subnets": network.private,
                "security_groups": [network.clients],
                "ipv6_allowed_for_dual_stack": stage.egress == "ipv6",
            }
        )
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=architecture(stage),
            handler=handler,
            code=code(),
            layers=[layer(cdk.Stack.of(self), stage)],
            environment={**POWERTOOLS, **environment},
            timeout=cdk.Duration.seconds(timeout_s),
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved,
            log_group=logs.LogGroup(self, "Log", retention=retention(stage), removal_policy=cdk.RemovalPolicy.DESTROY),
            **place,
        )
        self.alias = lambda_.Alias(
            self,
            "Live",
            alias_name="live",
            version=self.function.current_version,
            provisioned_concurrent_executions=provisioned or None,
        )


def retention(stage: Stage) -> logs.RetentionDays:
    """How long logs are kept."""
    return {
        7: logs.RetentionDays.ONE_WEEK,
        14: logs.RetentionDays.TWO_WEEKS,
        30: logs.RetentionDays.ONE_MONTH,
        90: logs.RetentionDays.THREE_MONTHS,
        180: logs.RetentionDays.SIX_MONTHS,
        365: logs.RetentionDays.ONE_YEAR,
    }[stage.log_days]
