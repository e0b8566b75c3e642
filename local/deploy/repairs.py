"""Where the pinned emulator answers otherwise than AWS in a way that our product notices, put right. Never part of it.

Imported by the emulator's own interpreter, so this knows the standard library alone. Each repair names what AWS does.
"""

# ruff: noqa: SLF001 - reaching into the emulator is what a repair does

from __future__ import annotations

import contextvars
import functools
import importlib
import logging
import sys
from types import ModuleType
from typing import Any

CUSTOM_RESOURCE_TIMEOUT_S = 60
HTTP_ERROR = 400
_LOG = logging.getLogger("apigateway")

_subprotocol: contextvars.ContextVar[list[str]] = contextvars.ContextVar("_subprotocol")


def know_the_api(handlers: Any, api_id: str) -> None:
    """Give the template's WebSocket API a known id: what is deployed with it is told its address."""
    create = handlers["AWS::ApiGatewayV2::Api"]["create"]

    @functools.wraps(create)
    def create_with_id(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        tags = {**(properties.get("Tags") or {}), "ms-custom-id": api_id}
        return create(logical_id, {**properties, "Tags": tags}, stack)

    handlers["AWS::ApiGatewayV2::Api"]["create"] = create_with_id


def answer_subprotocol(gateway: Any) -> None:
    """Answer the upgrade with the Sec-WebSocket-Protocol that `$connect`'s function returned, as API Gateway does.

    Without it a browser drops the connection.
    """
    invoke, handle = gateway._invoke_ws_lambda, gateway.handle_websocket

    @functools.wraps(invoke)
    async def invoke_and_note(*arguments: Any, **options: Any) -> Any:
        answer = await invoke(*arguments, **options)
        headers = (answer or {}).get("headers") or {}
        chosen = [value for name, value in headers.items() if name.lower() == "sec-websocket-protocol"]
        _subprotocol.get([]).extend(chosen)
        return answer

    @functools.wraps(handle)
    async def handle_with_subprotocol(scope: Any, receive: Any, send: Any, *arguments: Any, **options: Any) -> None:
        chosen: list[str] = []
        _subprotocol.set(chosen)

        async def send_with_subprotocol(message: dict[str, Any]) -> None:
            if message["type"] == "websocket.accept" and chosen:
                message = {**message, "subprotocol": chosen[0]}
            await send(message)

        await handle(scope, receive, send_with_subprotocol, *arguments, **options)

    gateway._invoke_ws_lambda = invoke_and_note
    gateway.handle_websocket = handle_with_subprotocol


def bound_custom_resources(custom_resource: Any) -> None:
    """Wait a minute at most for a custom resource's function, not up to an hour: a failed run shall end."""
    invoke = custom_resource.invoke_custom_resource

    @functools.wraps(invoke)
    def invoke_for_a_minute(kind: str, logical_id: str, properties: dict[str, Any], *rest: Any, **options: Any) -> Any:
        return invoke(kind, logical_id, {**properties, "ServiceTimeout": CUSTOM_RESOURCE_TIMEOUT_S}, *rest, **options)

    custom_resource.invoke_custom_resource = invoke_for_a_minute


def report_failed_functions(lambdas: Any, custom_resource: Any) -> None:
    """Fail a custom resource as soon as its function fails: AWS tries it again and says so when the time is up."""
    execute = lambdas._execute_function_with_config_scope

    @functools.wraps(execute)
    def execute_and_report(record: Any, event: Any, *rest: Any, **options: Any) -> Any:
        result = execute(record, event, *rest, **options)
        if isinstance(event, dict) and "ResponseURL" in event and result.get("error"):
            token = str(event["ResponseURL"]).rpartition("/")[2]
            custom_resource.deliver_response(token, {"Status": "FAILED", "Reason": f"its function: {result['body']}"})
        return result

    lambdas._execute_function_with_config_scope = execute_and_report


def take_serverless(modules: dict[str, Any]) -> None:
    """Let a template with AWS::Serverless resources in: AWS makes stacks of them, the emulator wants a package for it.

    Ours come from the CDK library (the rotation of the database's secret) and are in the table of shims.
    """

    def transform(template: dict[str, Any], _parameters: Any, _policies: Any) -> dict[str, Any]:
        return {section: value for section, value in template.items() if section != "Transform"}

    for name in ("samtranslator", "samtranslator.translator"):
        modules[name] = ModuleType(name)
    stand_in: Any = ModuleType("samtranslator.translator.transform")
    stand_in.transform = transform
    modules[stand_in.__name__] = stand_in


def answer_on_wanting_routes(gateway: Any) -> None:
    """Send a function's answer to the client only over a route that has a route response, as API Gateway does."""
    invoke = gateway._invoke_ws_lambda

    @functools.wraps(invoke)
    async def invoke_and_drop(api_id: str, account: str, region: str, route: Any, *rest: Any, **options: Any) -> Any:
        answer = await invoke(api_id, account, region, route, *rest, **options)
        if isinstance(answer, dict) and int(answer.get("statusCode", 200)) >= HTTP_ERROR:
            _LOG.warning("route %s: %s", route.get("routeKey"), answer)  # which nobody else would ever see
        answers = gateway._route_responses.get(api_id, {}).get(route.get("routeId"))
        if isinstance(answer, dict) and not answers:
            return {name: value for name, value in answer.items() if name != "body"}
        return answer

    gateway._invoke_ws_lambda = invoke_and_drop


def install(api_id: str) -> None:
    """Make all repairs in the running emulator."""
    handlers = importlib.import_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    know_the_api(handlers, api_id)
    take_serverless(sys.modules)
    gateway = importlib.import_module("ministack.services.apigateway")
    answer_subprotocol(gateway)
    answer_on_wanting_routes(gateway)
    custom_resource = importlib.import_module("ministack.services.cloudformation.custom_resource")
    bound_custom_resources(custom_resource)
    report_failed_functions(importlib.import_module("ministack.services.lambda_svc"), custom_resource)
