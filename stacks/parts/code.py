"""What the functions are made of: one code asset for all, one layer with the packages of requirements-layer.txt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

if TYPE_CHECKING:
    from stacks.stage import Stage

ROOT = Path(__file__).resolve().parent.parent.parent


def code() -> lambda_.Code:
    """The product's own code, as it lies in the repository."""
    return lambda_.Code.from_asset(
        str(ROOT),
        exclude=["*", "!carillon", "!carillon/**", "!lambdas", "!lambdas/**", "**/__pycache__"],
        ignore_mode=cdk.IgnoreMode.GIT,
    )


def layer(stack: cdk.Stack, stage: Stage) -> lambda_.ILayerVersion:
    """The packages, one layer version per stack."""
    found = stack.node.try_find_child("Packages")
    if isinstance(found, lambda_.LayerVersion):
        return found
    return lambda_.LayerVersion(
        stack,
        "Packages",
        code=lambda_.Code.from_asset(str(ROOT / "stacks" / "parts")),
        compatible_architectures=[architecture(stage)],
        compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
    )


def architecture(stage: Stage) -> lambda_.Architecture:
    """Of the functions."""
    return lambda_.Architecture.ARM_64 if stage.architecture == "arm64" else lambda_.Architecture.X86_64
