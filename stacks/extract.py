"""What local run and picture take from the templates: lanes, routes, event source mappings, settings, schedules.

    python -m stacks.extract --write local/wiring.json
    python -m stacks.extract --check local/wiring.json

The extract is committed, so that `make run` needs neither the CDK nor Node; `--check` ends with status 1 when it is
no longer what the templates say. It is made from the stage `dev`: stages differ in sizes, not in wiring.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk

from carillon.config import LaneUrls, StoreSettings, variable
from stacks import stage as stages
from stacks.command_line import WITHOUT_BUNDLING, context
from stacks.compose import compose
from stacks.places import Templates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STAGE: Final = "dev"
NOT_LOCAL: Final = frozenset({"lambdas.plan.handler", "lambdas.react.handler"})
"""What sizes a deployment: one machine has one size, so nobody tells it that the calendar changed either."""
_QUEUE_URLS: Final = variable(StoreSettings, "queue_urls")
_DEAD_LETTER_URLS: Final = variable(StoreSettings, "dead_letter_urls")


def extract(templates: Templates) -> dict[str, Any]:
    """The wiring of one Region's templates; values only known at deploy are null."""
    ours = {place: _function(templates, body) for place, body in functions(templates).items()}
    lanes = _lanes(templates)
    return {
        "queues": {name: _queue(templates, place) for place, name in sorted(lanes.items(), key=lambda pair: pair[1])},
        "routes": _routes(templates, ours),
        "mappings": _mappings(templates, ours, lanes),
        "service": _service(templates),
        "schedules": _schedules(templates, ours),
    }


def functions(templates: Templates) -> dict[str, dict[str, Any]]:
    """The product's functions' properties, by their own place and by those of their aliases."""
    found = templates.of("AWS::Lambda::Function").items()
    ours = {place: body for place, body in found if templates.text(body.get("Handler", "")).startswith("lambdas.")}
    aliases = templates.of("AWS::Lambda::Alias").items()
    return ours | {place: ours[templates.text(alias["FunctionName"])] for place, alias in aliases}


def consumers(templates: Templates) -> dict[str, dict[str, Any]]:
    """The properties of the function behind each queue that has one."""
    ours, lanes = functions(templates), _lanes(templates)
    return {
        _source(templates, body, lanes): _target(templates, ours, body["FunctionName"])
        for body in _local_mappings(templates)
    }


def _local_mappings(templates: Templates) -> list[dict[str, Any]]:
    """The event source mappings that one machine has as well."""
    ours = functions(templates)
    return [
        body
        for body in templates.of("AWS::Lambda::EventSourceMapping").values()
        if _target(templates, ours, body["FunctionName"])["Handler"] not in NOT_LOCAL
    ]


def _source(templates: Templates, mapping: dict[str, Any], lanes: dict[str, str]) -> str:
    source = templates.text(mapping["EventSourceArn"])
    return next(name for place, name in lanes.items() if place in source)


def _lanes(templates: Templates) -> dict[str, str]:
    """The queues' places to what the functions' settings call them: `critical`, `critical-dead-letters` ..."""
    found: dict[str, str] = {}
    for body in templates.of("AWS::Lambda::Function").values():
        variables = body.get("Environment", {}).get("Variables", {})
        for name, suffix in ((_QUEUE_URLS, ""), (_DEAD_LETTER_URLS, "-dead-letters")):
            urls = LaneUrls(templates.text(variables.get(name, "")))
            found |= {urls.url(lane): lane + suffix for lane in urls.lanes}
    return found


def _queue(templates: Templates, place: str) -> dict[str, Any]:
    body = templates.at(place)
    redrive = body.get("RedrivePolicy")
    kept = ("FifoQueue", "DeduplicationScope", "FifoThroughputLimit", "VisibilityTimeout", "MessageRetentionPeriod")
    attributes = {name: body[name] for name in kept if name in body}
    return attributes | ({"maxReceiveCount": redrive["maxReceiveCount"]} if redrive else {})


def _function(templates: Templates, body: dict[str, Any]) -> dict[str, Any]:
    variables = body.get("Environment", {}).get("Variables", {})
    return {
        "handler": templates.text(body.get("Handler", "")),
        "timeout_s": body.get("Timeout"),
        "environment": _environment(templates, variables),
    }


def _environment(templates: Templates, variables: dict[str, Any]) -> dict[str, str | None]:
    texts = {name: templates.text(value) for name, value in sorted(variables.items())}
    return {name: None if "${" in text else text for name, text in texts.items()}


def _target(templates: Templates, ours: dict[str, Any], reference: Any) -> dict[str, Any]:
    """The function that the ARN of one of its aliases, or an integration's URI, leads to.

    Raises:
        LookupError: to none of ours.
    """
    text = templates.text(reference)
    for place, function in ours.items():
        if place[2:-1] in text:
            return dict(function)
    raise LookupError(f"{text} leads to no function of the product")


def _routes(templates: Templates, ours: dict[str, Any]) -> dict[str, Any]:
    integrations = templates.of("AWS::ApiGatewayV2::Integration")
    routes = {}
    for body in templates.of("AWS::ApiGatewayV2::Route").values():
        target = templates.text(body["Target"])
        place, integration = next((place, one) for place, one in integrations.items() if place in target)
        routes[body["RouteKey"]] = (
            {"mock": _mock(templates, place)}
            if integration["IntegrationType"] == "MOCK"
            else _target(templates, ours, integration["IntegrationUri"])
        )
    return dict(sorted(routes.items()))


def _mock(templates: Templates, integration: str) -> str:
    """The text that a mock integration answers with."""
    for body in templates.of("AWS::ApiGatewayV2::IntegrationResponse").values():
        if integration in templates.text(body["IntegrationId"]):
            (template,) = body["ResponseTemplates"].values()
            return str(template)
    raise LookupError(f"the mock integration {integration} answers nothing")


def _mappings(templates: Templates, ours: dict[str, Any], lanes: dict[str, str]) -> list[dict[str, Any]]:
    made = [
        {
            "queue": _source(templates, body, lanes),
            "batch_size": body["BatchSize"],
            "partial": "ReportBatchItemFailures" in body.get("FunctionResponseTypes", []),
            **_target(templates, ours, body["FunctionName"]),
        }
        for body in _local_mappings(templates)
    ]
    return sorted(made, key=lambda one: one["queue"])


def _service(templates: Templates) -> dict[str, Any]:
    (definition,) = templates.of("AWS::ECS::TaskDefinition").values()
    (container,) = (one for one in definition["ContainerDefinitions"] if one.get("Essential", True))
    variables = {one["Name"]: one["Value"] for one in container.get("Environment", [])}
    return {"environment": _environment(templates, variables)}


def _schedules(templates: Templates, ours: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for body in templates.of("AWS::Scheduler::Schedule").values():
        target = body["Target"]
        made.append(
            {
                "expression": body["ScheduleExpression"],
                "time_zone": body.get("ScheduleExpressionTimezone", "UTC"),
                "handler": _target(templates, ours, target["Arn"])["handler"],
                "input": json.loads(templates.text(target.get("Input", "null"))),
            }
        )
    return sorted(made, key=lambda one: (one["handler"], one["expression"]))


def synthesised(values: Mapping[str, Any]) -> Templates:
    """The templates of the stage that these context values mean."""
    with tempfile.TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, context={**values, **WITHOUT_BUNDLING})
        compose(app, stages.read(app.node.try_get_context))
        return Templates({stack.stack_name: stack.template for stack in app.synth().stacks})


def keep(what: str, stage: str, text_of: Callable[[Templates], str]) -> int:
    """The command line of a committed file that is made from the templates: `--write` it, or `--check` that it is so.

    Args:
        what: the command's one-line description.
        stage: whose templates.
        text_of: makes the file's text.
    """
    parser = argparse.ArgumentParser(description=what)
    ways = parser.add_mutually_exclusive_group(required=True)
    ways.add_argument("--write", type=Path, metavar="FILE")
    ways.add_argument("--check", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    text = text_of(synthesised(context(stage)))
    if arguments.write:
        arguments.write.write_text(text)
        return 0
    if arguments.check.read_text() == text:
        return 0
    sys.stderr.write(f"{arguments.check} is not what the templates say; write it anew with `make docs`\n")
    return 1


def main() -> int:
    """Write the extract, or check it."""
    what = (__doc__ or "").splitlines()[0]
    return keep(what, STAGE, lambda templates: json.dumps(extract(templates), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
