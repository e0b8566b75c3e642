"""Alarms, dashboards, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.capacity import CapacityStack
    from stacks.data import DataStack
    from stacks.edge import EdgeStack
    from stacks.queues import QueuesStack
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage


class WatchStack(cdk.Stack):
    """Alarms, dashboards, and who is told."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        data: DataStack,
        queues: QueuesStack,
        realtime: RealtimeStack,
        service: ServiceStack,
        edge: EdgeStack,
        capacity: CapacityStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
