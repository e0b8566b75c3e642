"""The HTTP API and the relay loop on ECS Fargate, behind a load balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.data import DataStack
    from stacks.edge import EdgeStack
    from stacks.identity import IdentityStack
    from stacks.network import NetworkStack
    from stacks.queues import QueuesStack
    from stacks.realtime import RealtimeStack
    from stacks.stage import Stage


class ServiceStack(cdk.Stack):
    """The HTTP API and the relay loop on ECS Fargate, behind a load balancer."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        data: DataStack,
        queues: QueuesStack,
        identity: IdentityStack,
        realtime: RealtimeStack,
        edge: EdgeStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
