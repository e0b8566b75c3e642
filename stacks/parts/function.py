"""A Lambda function of the product: its handler, its place in the network, its role, its log, its alias `live`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from carillon.config import MetricSettings
from carillon.config import environment as settings_of
from carillon.names import FUNCTION_ALIAS, NAMESPACE, service_name
from stacks.parts.acknowledge import acknowledge
from stacks.parts.code import architecture, code, layer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stacks.network import NetworkStack
    from stacks.stage import Stage

NETWORK_ACTIONS = (
    *("ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"),
    *("ec2:DescribeSubnets", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"),
)
"""What Lambda needs to join a VPC (Lambda Developer Guide, "Giving functions access to resources in a VPC")."""
_PINNED = "The layer and its bytecode are made for this version and tested on it; a newer one changes both"


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
        memory_mb: memory, and with it its share of a core; 1,769 is a whole one.
        reserved: reserved concurrency; None leaves it to the account.
        provisioned: environments kept warm on the alias.

    Attributes:
        function: the function; grants are made on it.
        alias: what callers call.
    """

    def __init__(
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
        log = logs.LogGroup(self, "Log", retention=retention(stage), removal_policy=cdk.RemovalPolicy.DESTROY)
        self.function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=architecture(stage),
            handler=handler,
            code=code(),
            layers=[layer(cdk.Stack.of(self), stage)],
            environment={**powertools(stage), **environment},
            timeout=cdk.Duration.seconds(timeout_s),
            memory_size=memory_mb,
            reserved_concurrent_executions=reserved,
            log_group=log,
            role=self._role(log, joins_network=network is not None),
            **_place(network, stage),
        )
        acknowledge(self.function, "AwsSolutions-L1", _PINNED)
        self.alias = lambda_.Alias(
            self,
            "Live",
            alias_name=FUNCTION_ALIAS,
            version=self.function.current_version,
            provisioned_concurrent_executions=provisioned or None,
        )

    def _role(self, log: logs.LogGroup, *, joins_network: bool) -> iam.Role:
        """Of its own, because AWS's managed policies let a function write to every log of the account."""
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log.grant_write(role)
        if joins_network:
            role.add_to_policy(iam.PolicyStatement(actions=list(NETWORK_ACTIONS), resources=["*"]))
            acknowledge(
                role,
                "AwsSolutions-IAM5[Resource::*]",
                "Lambda makes the function's network interfaces in its name; their ids are not known before, and EC2 "
                "takes no narrower resource for describing them",
            )
        return role


def powertools(stage: Stage) -> dict[str, str]:
    """What a door's log lines and metrics say they are of."""
    return settings_of(MetricSettings, service=service_name(stage.name)) | {
        "POWERTOOLS_METRICS_NAMESPACE": NAMESPACE,
        "POWERTOOLS_TRACE_DISABLED": "true",
    }


def _place(network: NetworkStack | None, stage: Stage) -> dict[str, Any]:
    if network is None:
        return {}
    return {
        "vpc": network.vpc,
        "vpc_subnets": network.private,
        "security_groups": [network.clients],
        "ipv6_allowed_for_dual_stack": stage.egress == "ipv6",
    }


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
