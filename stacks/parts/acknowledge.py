"""A rule of cdk-nag that a resource breaks on purpose: said on that resource, with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def wildcard(construct: IConstruct, arn: str, reason: str) -> None:
    """Let `construct` have a right on an ARN with a `*`.

    cdk-nag names such a finding by the ARN, with references written as `<LogicalId>`.

    Args:
        construct: the role or policy.
        arn: as in its statement; references may be to resources of the construct's own stack.
        reason: why nothing narrower is possible.
    """
    acknowledge(construct, f"AwsSolutions-IAM5[Resource::{_flat(cdk.Stack.of(construct).resolve(arn))}]", reason)


def _flat(resolved: Any) -> str:
    """The way cdk-nag writes a resolved value; see its `flatten-cfn-reference`."""
    if not isinstance(resolved, dict):
        return str(resolved)
    if "Ref" in resolved:
        return f"<{resolved['Ref']}>"
    if "Fn::GetAtt" in resolved:
        return f"<{'.'.join(resolved['Fn::GetAtt'])}>"
    separator, parts = resolved["Fn::Join"]
    return str(separator).join(_flat(part) for part in parts)
