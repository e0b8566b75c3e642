"""The access log of a WebSocket stage, and the account's consent to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
import jsii
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_iam as iam

from stacks.parts.acknowledge import acknowledge

if TYPE_CHECKING:
    from aws_cdk import aws_logs as logs
    from constructs import Construct

PUSHING: Final = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
LOG_FIELDS: Final = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "connectionId": "$context.connectionId",
    "eventType": "$context.eventType",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "integrationStatus": "$context.integration.status",
    "integrationLatency": "$context.integration.latency",
    "error": "$context.error.message",
    "integrationError": "$context.integration.error",
    "sourceIp": "$context.identity.sourceIp",
}
"""One line per connect, frame and disconnect; nothing a client has said, and no token."""


@jsii.implements(apigatewayv2.IAccessLogSettings)
class AccessLog:
    """Where a stage logs, and what; the CDK takes these settings as an object with two properties."""

    def __init__(self, log: logs.ILogGroup) -> None:
        self._destination = apigatewayv2.LogGroupLogDestination(log)

    @property
    def destination(self) -> Any:
        """A log group."""
        return self._destination

    @property
    def format(self) -> apigateway.AccessLogFormat:
        """A JSON object per line, so that Logs Insights finds the fields by name."""
        return apigateway.AccessLogFormat.custom(json.dumps(LOG_FIELDS))


def may_log(scope: Construct) -> apigateway.CfnAccount:
    """The account's consent, per Region, to API Gateway's writing logs: without it no WebSocket stage may log.

    It is one for all APIs of the Region, so it outlives this stack: taking it away would silence the others.
    """
    role = iam.Role(
        scope,
        "LogRole",
        assumed_by=iam.ServicePrincipal("apigateway.amazonaws.com"),
        managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(PUSHING)],
    )
    role.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    acknowledge(
        role,
        f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{PUSHING}]",
        "API Gateway checks for this very policy when the role becomes the Region's",
    )
    account = apigateway.CfnAccount(scope, "MayLog", cloud_watch_role_arn=role.role_arn)
    account.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    return account
