"""A rule of cdk-nag that a resource breaks on purpose: said on that resource, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import IConstruct


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Let `construct` and what is inside it break a rule.

    Args:
        construct: as near to the resource as it gets, so that nothing else is let off.
        rule: the finding's whole id as cdk-nag prints it, e.g. `AwsSolutions-IAM5[Resource::*]`.
        reason: why it is right here, for whoever audits the account.
    """
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=rule, reason=reason))
