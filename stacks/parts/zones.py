"""Availability zones that have all of it: Fargate on arm64, RDS Proxy, VPC origins of CloudFront."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_ec2 as ec2

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE: Final[Mapping[str, tuple[str, str, str]]] = {
    "us-east-1": ("use1-az1", "use1-az2", "use1-az4"),
    "ca-central-1": ("cac1-az1", "cac1-az2", "cac1-az4"),
    "ap-northeast-1": ("apne1-az1", "apne1-az2", "apne1-az4"),
}
"""Regions with a zone that lacks something: `use1-az3` (ECS Developer Guide, "Fargate": no arm64 there), `cac1-az3`,
`apne1-az3` (CloudFront Developer Guide, "Supported AWS Regions for VPC origins"). Which letter that zone has differs
from account to account, so the good ones are named by their ids."""


def pin(vpc: ec2.IVpc, region: str) -> None:
    """Put the subnets of a VPC into zones that have everything, where the Region's first three may not."""
    if region not in WHOLE:
        return
    for subnets in (vpc.public_subnets, vpc.private_subnets, vpc.isolated_subnets):
        for subnet, zone in zip(subnets, WHOLE[region], strict=True):
            made = subnet.node.default_child
            assert isinstance(made, ec2.CfnSubnet)
            made.availability_zone = None
            made.availability_zone_id = zone
