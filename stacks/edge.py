"""CloudFront, the firewall, the static pages and the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.identity import IdentityStack
    from stacks.realtime import RealtimeStack
    from stacks.service import ServiceStack
    from stacks.stage import Stage


class EdgeStack(cdk.Stack):
    """CloudFront, the firewall, the static pages and the domain."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        identity: IdentityStack,
        service: ServiceStack,
        realtime: RealtimeStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
