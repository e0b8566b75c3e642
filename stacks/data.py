"""PostgreSQL and Valkey of one Region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.network import NetworkStack
    from stacks.stage import Stage


class DataStack(cdk.Stack):
    """PostgreSQL and Valkey of one Region."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, network: NetworkStack, **options: Any
    ) -> None:
        super().__init__(scope, construct_id, **options)
