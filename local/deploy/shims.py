"""What the pinned emulator's CloudFormation lacks for our templates, and what stands in for it; no part of the product.

Imported by the emulator's own interpreter, which has nothing of ours, so this knows the standard library alone. A test
(tests/integration/local/test_deploy_shims.py) keeps the tables exact: a type of the templates that neither the emulator
nor a table knows fails it, and so does one in a table that is not needed any more.
"""

# ruff: noqa: SLF001 - reaching into the emulator is what a shim does

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Made = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Shim:
    """What a resource that is not made answers.

    Args:
        ref: For Ref; `{stack}`, `{name}`, `{account}` and `{region}` are filled in.
        attributes: For GetAtt, likewise; `{ref}` is what Ref answers.
    """

    ref: str = "{stack}-{name}"
    attributes: Mapping[str, str] = field(default_factory=dict)


SHIMS: Mapping[str, Shim] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": Shim(
        "arn:aws:autoscaling:{region}:{account}:scalingPolicy:{name}", {"Arn": "{ref}"}
    ),
    "AWS::Budgets::Budget": Shim(),
    "AWS::CloudFront::VpcOrigin": Shim("vo_{name}", {"Id": "{ref}", "Arn": "arn:aws:cloudfront::{account}:{ref}"}),
    "AWS::CloudWatch::CompositeAlarm": Shim(
        "{stack}-{name}", {"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{ref}"}
    ),
    "AWS::CodeDeploy::Application": Shim(),
    "AWS::CodeDeploy::DeploymentGroup": Shim(),
    "AWS::EC2::EIP": Shim("203.0.113.1", {"AllocationId": "eipalloc-{name}", "PublicIp": "{ref}"}),
    "AWS::EC2::FlowLog": Shim("fl-{name}", {"Id": "{ref}"}),
    "AWS::EC2::NatGateway": Shim("nat-{name}", {"NatGatewayId": "{ref}"}),
    "AWS::EC2::SecurityGroupEgress": Shim("sgr-{name}", {"Id": "{ref}"}),
    "AWS::EC2::SecurityGroupIngress": Shim("sgr-{name}", {"Id": "{ref}"}),
    "AWS::RDS::DBProxy": Shim(
        "{stack}-{name}",
        {
            "DBProxyArn": "arn:aws:rds:{region}:{account}:db-proxy:prx-{name}",
            "Endpoint": "{name}.proxy-emulated.{region}.rds.amazonaws.com",
        },
    ),
    "AWS::RDS::DBProxyEndpoint": Shim(
        "{stack}-{name}",
        {
            "DBProxyEndpointArn": "arn:aws:rds:{region}:{account}:db-proxy-endpoint:prx-endpoint-{name}",
            "Endpoint": "{name}.endpoint.proxy-emulated.{region}.rds.amazonaws.com",
        },
    ),
    "AWS::RDS::DBProxyTargetGroup": Shim("arn:aws:rds:{region}:{account}:target-group:prx-tg-{name}"),
    "AWS::SecretsManager::ResourcePolicy": Shim(),
    "AWS::SecretsManager::RotationSchedule": Shim(),
    "AWS::Serverless::Application": Shim(
        "{stack}-{name}", {"Outputs.RotationLambdaARN": "arn:aws:lambda:{region}:{account}:function:{name}"}
    ),
}
"""Types that deploy as names without a thing behind them."""

CUSTOM_SHIMS: Mapping[str, Shim] = {
    "Custom::CDKBucketDeployment": Shim(),
}
"""Custom resources of the CDK library whose functions call what the emulator lacks; ours are run for real."""


PROPERTY_SHIMS: Mapping[tuple[str, str], Shim] = {
    ("AWS::CloudWatch::Alarm", "Metrics"): Shim(
        "{stack}-{name}", {"Arn": "arn:aws:cloudwatch:{region}:{account}:alarm:{ref}"}
    ),
}
"""Types that the emulator makes, but not with this property: alarms over an expression, not over one metric."""


KINDS = frozenset({*SHIMS, *CUSTOM_SHIMS})
"""All types without a thing behind them."""


def _created(answer: tuple[int, Any, bytes]) -> dict[str, Any]:
    status, _, body = answer
    if status >= 400:
        raise ValueError(body.decode())
    document: dict[str, Any] = json.loads(body)
    return document


def _route_response(_logical_id: str, properties: dict[str, Any], _stack: str) -> Made:
    gateway = importlib.import_module("ministack.services.apigateway")
    route_id = str(properties["RouteId"]).rpartition("/")[2]  # Ref of a route is `api/route` here, `route` on AWS
    data = {"routeResponseKey": properties["RouteResponseKey"]}
    return str(_created(gateway._create_route_response(properties["ApiId"], route_id, data))["routeResponseId"]), {}


def _integration_response(_logical_id: str, properties: dict[str, Any], _stack: str) -> Made:
    gateway = importlib.import_module("ministack.services.apigateway")
    data = {
        "integrationResponseKey": properties["IntegrationResponseKey"],
        "templateSelectionExpression": properties.get("TemplateSelectionExpression"),
        "responseTemplates": properties.get("ResponseTemplates"),
    }
    integration_id = str(properties["IntegrationId"]).rpartition("/")[2]
    made = _created(gateway._create_integration_response(properties["ApiId"], integration_id, data))
    return str(made["integrationResponseId"]), {}


def _scalable_target(logical_id: str, properties: dict[str, Any], stack: str) -> Made:
    made: Made = importlib.import_module("scalable_targets").create(logical_id, properties, stack)
    return made


MADE: Mapping[str, Callable[[str, dict[str, Any], str], Made]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": _scalable_target,
    "AWS::ApiGatewayV2::IntegrationResponse": _integration_response,
    "AWS::ApiGatewayV2::RouteResponse": _route_response,
}
"""Types that the emulator's own API makes, or ours beside it, but its CloudFormation does not know."""


def _named(shim: Shim, account: str, region: str) -> Callable[[str, dict[str, Any], str], Made]:
    def create(logical_id: str, _properties: dict[str, Any], stack: str) -> Made:
        known = {"stack": stack, "name": logical_id, "account": account, "region": region}
        ref = shim.ref.format(**known)
        return ref, {name: value.format(ref=ref, **known) for name, value in shim.attributes.items()}

    return create


def _gone(_ref: str, _properties: dict[str, Any]) -> None:
    """Deleting: nothing is there, or it goes with its API."""


def _without(made: dict[str, Any], name: str, create: Callable[[str, dict[str, Any], str], Made]) -> dict[str, Any]:
    """The emulator's handlers of a type, except for resources with a property: those are not made."""
    whole: Callable[[str, dict[str, Any], str], Made] = made["create"]

    def create_unless(logical_id: str, properties: dict[str, Any], stack: str) -> Made:
        return (create if name in properties else whole)(logical_id, properties, stack)

    def delete_unless(ref: str, properties: dict[str, Any]) -> None:
        if name not in properties:
            made["delete"](ref, properties)

    return {**made, "create": create_unless, "delete": delete_unless}


def install(account: str, region: str) -> None:
    """Let the running emulator's CloudFormation know all types of the tables.

    Raises:
        RuntimeError: the emulator provisions one of them itself.
    """
    handlers = importlib.import_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    shims = {kind: _named(shim, account, region) for kind, shim in {**SHIMS, **CUSTOM_SHIMS}.items()} | dict(MADE)
    known = sorted(set(shims) & set(handlers))
    if known:
        raise RuntimeError(f"the emulator provisions {', '.join(known)} itself: take them out of the tables")
    for kind, create in shims.items():
        handlers[kind] = {"create": create, "delete": _gone}
    for (kind, name), shim in PROPERTY_SHIMS.items():
        handlers[kind] = _without(handlers[kind], name, _named(shim, account, region))
