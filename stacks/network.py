"""The VPC: three zones, private subnets for whatever holds data or consumes, and who may talk to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.stage import Stage

ZONES = 3


class NetworkStack(cdk.Stack):
    """The network of one Region.

    Attributes:
        vpc: three zones, `public`, `private` (with egress) and `isolated` (data) subnets.
        private: where functions and tasks run.
        isolated: where the stores are.
        clients: security group of functions and tasks.
        balancer: security group of the load balancer.
        database: security group of PostgreSQL and its proxy.
        cache: security group of Valkey.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **options: Any) -> None:
        super().__init__(scope, construct_id, **options)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            availability_zones=[cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(ZONES)],
            nat_gateways=stage.nat_gateways,
        )
        self.private = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        self.isolated = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        self.clients = ec2.SecurityGroup(self, "Clients", vpc=self.vpc, description="Functions and tasks")
        self.balancer = ec2.SecurityGroup(self, "Balancer", vpc=self.vpc, description="Load balancer")
        self.database = ec2.SecurityGroup(self, "Database", vpc=self.vpc, description="PostgreSQL and its proxy")
        self.cache = ec2.SecurityGroup(self, "Cache", vpc=self.vpc, description="Valkey")
