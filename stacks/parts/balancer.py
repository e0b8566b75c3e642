"""The load balancer between CloudFront and the API's tasks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb

from carillon.errors import OutageError
from carillon.protocol.web import BALANCER_IDLE_S, problem
from stacks.network import HTTP

if TYPE_CHECKING:
    from aws_cdk import aws_s3 as s3
    from constructs import Construct

    from stacks.network import NetworkStack
    from stacks.stage import Stage


def balancer(
    scope: Construct, *, stage: Stage, network: NetworkStack, logs: s3.IBucket
) -> tuple[elb.ApplicationLoadBalancer, elb.ApplicationListener]:
    """An internal balancer and its listener, which answers 503 until the service adds its rule.

    Args:
        scope: the stack.
        stage: whether it is protected from deletion.
        network: where it stands; its security group lets in whoever may come.
        logs: where accesses are written.
    """
    made = elb.ApplicationLoadBalancer(
        scope,
        "Balancer",
        vpc=network.vpc,
        vpc_subnets=network.private,
        internet_facing=False,
        # By its id: rules between groups are the network stack's.
        security_group=ec2.SecurityGroup.from_security_group_id(
            scope, "BalancerGroup", network.balancer.security_group_id, mutable=False
        ),
        idle_timeout=cdk.Duration.seconds(BALANCER_IDLE_S),
        drop_invalid_header_fields=True,
        desync_mitigation_mode=elb.DesyncMitigationMode.STRICTEST,
        preserve_host_header=True,
        deletion_protection=stage.retain,
    )
    made.log_access_logs(logs, "balancer")
    listener = made.add_listener(
        "Http",
        port=HTTP,
        protocol=elb.ApplicationProtocol.HTTP,
        open=False,
        default_action=elb.ListenerAction.fixed_response(
            OutageError.status, content_type="application/json", message_body=_nobody()
        ),
    )
    return made, listener


def _nobody() -> str:
    """A balancer knows few content types, and application/problem+json is none of them."""
    detail = "the API is being deployed; try again in a minute"
    return json.dumps(problem(code=OutageError.code, status=OutageError.status, detail=detail, instance=""))
