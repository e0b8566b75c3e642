"""CloudFront, the firewall, the static pages and the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.network import NetworkStack
    from stacks.stage import Stage


class EdgeStack(cdk.Stack):
    """CloudFront, the firewall, the static pages and the domain."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self.url = f"https://{stage.domain or 'console.invalid'}"
