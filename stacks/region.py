"""What joins a Region to the other one: their networks, so that the one without the writer reaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2

from stacks.network import address_range

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.network import NetworkStack
    from stacks.stage import Stage


class RegionStack(cdk.Stack):
    """One Region's side of the peering. The first Region's stack asks for it; within an account AWS says yes at once.

    Attributes:
        peering: id of the connection between the two VPCs.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        peer: NetworkStack,
        first: RegionStack | None = None,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        self.peering: str = self._peering(network, peer) if first is None else first.peering
        self._routes(network, address_range(stage, peer.region))

    def _peering(self, network: NetworkStack, peer: NetworkStack) -> str:
        made = ec2.CfnVPCPeeringConnection(
            self, "Peering", vpc_id=network.vpc.vpc_id, peer_vpc_id=peer.vpc.vpc_id, peer_region=peer.region
        )
        return made.attr_id

    def _routes(self, network: NetworkStack, addresses: str) -> None:
        """From the functions and tasks to the stores over there, and from the stores here back to who asks there."""
        for name, subnets in (("Private", network.private), ("Isolated", network.isolated)):
            for number, subnet in enumerate(
                network.vpc.select_subnets(subnet_group_name=subnets.subnet_group_name).subnets, 1
            ):
                ec2.CfnRoute(
                    self,
                    f"{name}{number}",
                    route_table_id=subnet.route_table.route_table_id,
                    destination_cidr_block=addresses,
                    vpc_peering_connection_id=self.peering,
                )
