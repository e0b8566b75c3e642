"""The WebSocket API of one Region: its routes and its one stage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from carillon.protocol.frames import Pong, encode
from stacks.parts.access_log import AccessLog, may_log
from stacks.parts.acknowledge import acknowledge, wildcard
from stacks.parts.function import retention

if TYPE_CHECKING:
    from stacks.parts.function import ProductFunction
    from stacks.stage import Stage

STAGE_NAME: Final = "live"
"""Last part of the addresses of sockets and callbacks."""
PING: Final = "ping"
_ANSWER: Final = "$default"
_TEMPLATE: Final = "200"
POSTING: Final = ("POST", "DELETE")
"""What is done to a socket from our side: send to it, close it."""


class WebSocket(Construct):
    """The API and its stage.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: its throttling, and whether it has IPv6 addresses.

    Attributes:
        api: the API.
        web_stage: its stage.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        dual = apigatewayv2.IpAddressType.DUAL_STACK
        self.api = apigatewayv2.WebSocketApi(
            self,
            "Api",
            # A label for whoever looks for it in the console; the id is API Gateway's.
            api_name=cdk.Stack.of(self).stack_name,
            description="Carillon's sockets",
            route_selection_expression="$request.body.action",
            # Only then do consumers reach @connections over IPv6, past any NAT.
            ip_address_type=dual if stage.egress == "ipv6" else apigatewayv2.IpAddressType.IPV4,
        )
        log = logs.LogGroup(self, "Log", retention=retention(stage), removal_policy=cdk.RemovalPolicy.DESTROY)
        self.web_stage = apigatewayv2.WebSocketStage(
            self,
            "Stage",
            web_socket_api=self.api,
            stage_name=STAGE_NAME,
            auto_deploy=True,
            detailed_metrics_enabled=True,
            throttle=apigatewayv2.ThrottleSettings(rate_limit=stage.callback_rps, burst_limit=stage.callback_burst),
            access_log_settings=AccessLog(log),
        )
        self.web_stage.node.add_dependency(may_log(self))
        self._answer_pings()
        self._may_post = self._posting()

    def add_function(self, key: str, function: ProductFunction, *, answers: bool = False) -> None:
        """Put a function behind a route.

        Args:
            key: `$connect`, `$disconnect` or `$default`.
            function: called by its alias.
            answers: whether what it returns is sent to the client.
        """
        route = self.api.add_route(
            key,
            integration=integrations.WebSocketLambdaIntegration("Function", function.alias),
            return_response=answers,
        )
        self._acknowledge_open(route)

    def grant_post(self, grantee: iam.IGrantable) -> None:
        """Let it send to the sockets of this API's stage, and close them.

        The right is one policy here, which any stack's role takes on: a connection's id is not known before, so there
        is a wildcard, and its reason stands once.
        """
        role = grantee.grant_principal
        assert isinstance(role, iam.Role)
        role.add_managed_policy(self._may_post)

    def _posting(self) -> iam.ManagedPolicy:
        paths = [
            cdk.Stack.of(self).format_arn(
                service="execute-api",
                resource=self.api.api_id,
                resource_name=f"{STAGE_NAME}/{method}/@connections/*",
            )
            for method in POSTING
        ]
        statement = iam.PolicyStatement(actions=["execute-api:ManageConnections"], resources=paths)
        policy = iam.ManagedPolicy(self, "MayPost", description="Post to Carillon's sockets", statements=[statement])
        for path in paths:
            wildcard(
                policy, path, "Connections come and go, and their ids are not known before; it is this stage's alone"
            )
        return policy

    def _answer_pings(self) -> None:
        """`ping` is answered by the API: no function runs, and none is paid for, every 30 s of every socket."""
        integration = apigatewayv2.CfnIntegration(
            self,
            "PingIntegration",
            api_id=self.api.api_id,
            integration_type="MOCK",
            # A mock takes its status from the request template that the selection expression, a constant, names.
            template_selection_expression=_TEMPLATE,
            request_templates={_TEMPLATE: json.dumps({"statusCode": 200})},
            passthrough_behavior="WHEN_NO_MATCH",
        )
        apigatewayv2.CfnIntegrationResponse(
            self,
            "PingAnswer",
            api_id=self.api.api_id,
            integration_id=integration.ref,
            integration_response_key=_ANSWER,
            template_selection_expression=_TEMPLATE,
            response_templates={_TEMPLATE: encode(Pong())},
        )
        route = apigatewayv2.CfnRoute(
            self,
            "PingRoute",
            api_id=self.api.api_id,
            route_key=PING,
            authorization_type="NONE",
            route_response_selection_expression=_ANSWER,
            target=f"integrations/{integration.ref}",
        )
        apigatewayv2.CfnRouteResponse(
            self, "PingRouteAnswer", api_id=self.api.api_id, route_id=route.ref, route_response_key=_ANSWER
        )
        self._acknowledge_open(route)

    @staticmethod
    def _acknowledge_open(route: Any) -> None:
        acknowledge(
            route,
            "AwsSolutions-APIG4",
            "The function behind $connect checks the token, which travels as a subprotocol, where an authorizer of API "
            "Gateway's cannot answer with the subprotocol that browsers wait for; every later frame comes on a socket "
            "that was let in",
        )
