"""The templates of a stage, made in this process as the CDK command line would make them; each stage once per run."""

from __future__ import annotations

from functools import cache
from typing import Any

import aws_cdk as cdk

from stacks import stage as stages
from stacks.command_line import WITHOUT_BUNDLING, context
from stacks.compose import compose
from stacks.places import Templates

Template = dict[str, Any]


@cache
def templates(stage: str, **overrides: str) -> dict[str, Template]:
    """By stack name without the stage's prefix (`queues`, `eu-west-1-queues`), for `stage` with `-c` overrides."""
    app = cdk.App(context={**context(stage), **WITHOUT_BUNDLING, **overrides})
    compose(app, stages.read(app.node.try_get_context))
    prefix = f"carillon-{stage}-"
    return {stack.stack_name.removeprefix(prefix): stack.template for stack in app.synth().stacks}


def whole(stage: str) -> Templates:
    """All templates of a stage, for what reads across them."""
    return Templates({f"carillon-{stage}-{name}": one for name, one in templates(stage).items()})


def resources(template: Template, kind: str) -> dict[str, Template]:
    """A template's resources of a CloudFormation type, by logical id."""
    return {name: one for name, one in template.get("Resources", {}).items() if one["Type"] == kind}
