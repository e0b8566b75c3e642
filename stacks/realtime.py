"""The WebSocket API, its functions, and the lanes' consumers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.data import DataStack
    from stacks.identity import IdentityStack
    from stacks.network import NetworkStack
    from stacks.queues import QueuesStack
    from stacks.stage import Stage


class RealtimeStack(cdk.Stack):
    """The WebSocket API, its functions, and the lanes' consumers."""

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
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
