"""The API's image: built from the Dockerfile at a deploy, or a ready one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as assets
from aws_cdk import aws_ecs as ecs

from stacks.parts.bundle import ROOT

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.stage import Stage

USER: Final = "65532:65532"
"""Nobody's, by number: ECS cannot tell whether a name is root's."""
COMMAND: Final = ("python", "-m", "api", "--host", "0.0.0.0")  # noqa: S104 - in its own network namespace
"""The local run's, on all of the task's addresses."""
CHECK: Final = ("python", "-m", "api", "--check")


_ECR: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[^:@]+)[:@]?(?P<version>.*)"
)


def image(scope: Construct, stage: Stage) -> ecs.ContainerImage:
    """The stage's own image where it names one; else it is built, for the stage's architecture.

    From a private repository of ECR the task may pull it; another account's must let it in.
    """
    private = _ECR.fullmatch(stage.image)
    if private is not None:
        arn = f"arn:{cdk.Aws.PARTITION}:ecr:{private['region']}:{private['account']}:repository/{private['name']}"
        repository = ecr.Repository.from_repository_attributes(
            scope, "Repository", repository_arn=arn, repository_name=private["name"]
        )
        return ecs.ContainerImage.from_ecr_repository(repository, private["version"] or "latest")
    if stage.image:
        return ecs.ContainerImage.from_registry(stage.image)
    # What is sent is named in .dockerignore.
    return ecs.ContainerImage.from_asset(
        str(ROOT),
        ignore_mode=cdk.IgnoreMode.DOCKER,
        platform=assets.Platform.LINUX_ARM64 if stage.architecture == "arm64" else assets.Platform.LINUX_AMD64,
    )


def platform(stage: Stage) -> ecs.RuntimePlatform:
    """What Fargate runs it on."""
    arm = stage.architecture == "arm64"
    return ecs.RuntimePlatform(
        cpu_architecture=ecs.CpuArchitecture.ARM64 if arm else ecs.CpuArchitecture.X86_64,
        operating_system_family=ecs.OperatingSystemFamily.LINUX,
    )
