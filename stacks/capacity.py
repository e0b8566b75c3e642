"""What raises capacity for the season's peaks and lowers it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.data import DataStack
    from stacks.network import NetworkStack
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage


class CapacityStack(cdk.Stack):
    """What raises capacity for the season's peaks and lowers it again."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        data: DataStack,
        realtime: RealtimeStack,
        service: ServiceStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
