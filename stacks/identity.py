"""Whose tokens are trusted: the stage's issuer, or a Cognito user pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.edge import EdgeStack
    from stacks.stage import Stage


class IdentityStack(cdk.Stack):
    """Whose tokens are trusted: the stage's issuer, or a Cognito user pool."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, edge: EdgeStack, **options: Any) -> None:
        super().__init__(scope, construct_id, **options)
