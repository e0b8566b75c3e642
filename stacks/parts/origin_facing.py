"""From where CloudFront comes into a VPC: AWS's prefix lists, by Region."""

from __future__ import annotations

from typing import Final

from carillon.errors import ConfigError

_LISTS: Final = {
    "ap-northeast-1": "pl-58a04531",
    "ap-northeast-2": "pl-22a6434b",
    "ap-northeast-3": "pl-31a14458",
    "ap-south-1": "pl-9aa247f3",
    "ap-southeast-1": "pl-31a34658",
    "ap-southeast-2": "pl-b8a742d1",
    "ca-central-1": "pl-38a64351",
    "eu-central-1": "pl-a3a144ca",
    "eu-north-1": "pl-fab65393",
    "eu-west-1": "pl-4fa04526",
    "eu-west-2": "pl-93a247fa",
    "eu-west-3": "pl-75b1541c",
    "sa-east-1": "pl-5da64334",
    "us-east-1": "pl-3b927c52",
    "us-east-2": "pl-b6a144df",
    "us-west-1": "pl-4ea04527",
    "us-west-2": "pl-82a045eb",
}
"""`com.amazonaws.global.cloudfront.origin-facing`: AWS's own, the same in every account (AWS Networking blog, "Limit
access to your origins using the AWS-managed prefix list for Amazon CloudFront")."""


def origin_facing(region: str, given: str = "") -> str:
    """The id of the prefix list that a VPC origin's load balancer lets in.

    Args:
        region: where the load balancer is.
        given: the stage's own answer, for a Region that is not in the table.

    Raises:
        ConfigError: the Region is not known; the message says how to find the id.
    """
    if given:
        return given
    if region not in _LISTS:
        raise ConfigError(
            f"CloudFront's prefix list in {region} is not known here. Find it with: aws ec2 describe-managed-prefix-"
            f"lists --region {region} --filters Name=prefix-list-name,"
            "Values=com.amazonaws.global.cloudfront.origin-facing, and set -c cloudfront_prefix_list=pl-..."
        )
    return _LISTS[region]
