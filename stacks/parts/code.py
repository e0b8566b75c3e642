"""What the functions are made of: one code asset for all, one layer with the packages of requirements-layer.txt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lambda_

from stacks.parts import bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from stacks.stage import Stage


@jsii.implements(cdk.ILocalBundling)
class Built:
    """Has a folder made on this machine. A failure is raised: answering False would make the CDK look for Docker."""

    def __init__(self, build: Callable[[Path], None]) -> None:
        self._build = build

    def try_bundle(self, output_dir: str, *_: Any, **__: Any) -> bool:
        """Called by the CDK, for a stack that is deployed, when it has no folder of that hash yet."""
        self._build(Path(output_dir))
        return True


def code() -> lambda_.Code:
    """The product's own code."""
    return _asset(bundle.code_hash(), bundle.build_code)


def layer(stack: cdk.Stack, stage: Stage) -> lambda_.ILayerVersion:
    """The packages, one layer version per stack."""
    found = stack.node.try_find_child("Packages")
    if isinstance(found, lambda_.LayerVersion):
        return found
    return lambda_.LayerVersion(
        stack,
        "Packages",
        description="What Carillon's functions import",
        code=_asset(bundle.layer_hash(stage.architecture), lambda out: bundle.build_layer(out, stage.architecture)),
        compatible_architectures=[architecture(stage)],
        compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
    )


def architecture(stage: Stage) -> lambda_.Architecture:
    """Of the functions."""
    return lambda_.Architecture.ARM_64 if stage.architecture == "arm64" else lambda_.Architecture.X86_64


def _asset(own_hash: str, build: Callable[[Path], None]) -> lambda_.Code:
    """A folder that is built when it is deployed; the hash is known before, also where building is left out."""
    return lambda_.Code.from_asset(
        str(bundle.ROOT / "stacks" / "parts"),
        asset_hash=own_hash,
        asset_hash_type=cdk.AssetHashType.CUSTOM,
        bundling=cdk.BundlingOptions(
            # Never started: the local build either succeeds or raises.
            image=cdk.DockerImage.from_registry("none"),
            local=Built(build),
        ),
    )
