"""The VPC: three zones, private subnets for whatever holds data or consumes, and who may talk to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs

from carillon.protocol.web import API_PORT
from stacks.parts.function import retention
from stacks.parts.origin_facing import origin_facing
from stacks.parts.zones import pin

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.stage import Stage

ZONES: Final = 3
DATABASE_PORT: Final = 5432
CACHE_PORT: Final = 6379
HTTP: Final = 80
HTTPS: Final = 443
_PUBLIC_BITS, _PRIVATE_BITS, _ISOLATED_BITS = 24, 20, 24
"""Sizes of the subnets: tasks take an address each, functions one per zone and security group."""
_WITHOUT_IPV6: Final = {
    "Secrets": ec2.InterfaceVpcEndpointAwsService.SECRETS_MANAGER,
    "EcrApi": ec2.InterfaceVpcEndpointAwsService.ECR,
    "EcrDocker": ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
}
"""What the rotation function (IPv4 only) and Fargate's agent ask at names that answer to IPv4 alone."""
_PAYING: Final = {"Sqs": ec2.InterfaceVpcEndpointAwsService.SQS}
"""Every broadcast is sent through it; the other services are asked too seldom for the $22 a month that one costs.

Never `execute-api`: its private DNS takes the names of all WebSocket APIs, and @connections answers 403 there.
"""


class NetworkStack(cdk.Stack):
    """The network of one Region. All rules between its security groups are made here; elsewhere the groups are fixed.

    Attributes:
        vpc: three zones, `public`, `private` (with egress) and `isolated` (data) subnets.
        private: where functions and tasks run.
        isolated: where the stores are.
        clients: security group of functions and tasks.
        balancer: security group of the load balancer.
        database: security group of PostgreSQL and its proxy.
        cache: security group of Valkey.
        rotation: security group of the function that changes the database owner's password.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, **options: Any) -> None:
        super().__init__(scope, construct_id, **options)
        self._dual_stack = stage.egress == "ipv6"
        self.vpc = self._vpc(stage)
        pin(self.vpc, self.region)
        self.private = ec2.SubnetSelection(subnet_group_name="private")
        self.isolated = ec2.SubnetSelection(subnet_group_name="isolated")
        self._groups = {
            "Clients": self._group("Clients", "Functions and tasks"),
            "Balancer": self._group("Balancer", "Load balancer of the API"),
            "Database": self._group("Database", "PostgreSQL and its proxy"),
            "Cache": self._group("Cache", "Valkey"),
            "Rotation": self._group("Rotation", "The function that changes the password of the owner"),
            "Endpoints": self._group("Endpoints", "Interface endpoints of AWS services"),
        }
        self.clients = self._fixed("Clients")
        self.balancer = self._fixed("Balancer")
        self.database = self._fixed("Database")
        self.cache = self._fixed("Cache")
        self.rotation = self._fixed("Rotation")
        self._rules(stage)
        self._endpoints(stage)

    def _vpc(self, stage: Stage) -> ec2.Vpc:
        log = logs.LogGroup(self, "FlowLog", retention=retention(stage), removal_policy=cdk.RemovalPolicy.DESTROY)
        return ec2.Vpc(
            self,
            "Vpc",
            availability_zones=[cdk.Fn.select(index, cdk.Fn.get_azs()) for index in range(ZONES)],
            ip_addresses=ec2.IpAddresses.cidr(address_range(stage, self.region)),
            nat_gateways=0 if self._dual_stack else stage.nat_gateways,
            # Nothing is in the default group; emptying it would take a function of CDK's own in every VPC.
            restrict_default_security_group=False,
            subnet_configuration=[
                _subnets("public", ec2.SubnetType.PUBLIC, _PUBLIC_BITS),
                _subnets("private", ec2.SubnetType.PRIVATE_WITH_EGRESS, _PRIVATE_BITS),
                _subnets("isolated", ec2.SubnetType.PRIVATE_ISOLATED, _ISOLATED_BITS),
            ],
            flow_logs={
                "All": ec2.FlowLogOptions(
                    destination=ec2.FlowLogDestination.to_cloud_watch_logs(log),
                    max_aggregation_interval=ec2.FlowLogMaxAggregationInterval.TEN_MINUTES,
                )
            },
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
            ip_protocol=ec2.IpProtocol.DUAL_STACK if self._dual_stack else None,
        )

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(self, name, vpc=self.vpc, description=description, allow_all_outbound=False)

    def _fixed(self, name: str) -> ec2.ISecurityGroup:
        """The group as others see it: they cannot add rules, which would tie the stacks in circles."""
        group_id = self._groups[name].security_group_id
        return ec2.SecurityGroup.from_security_group_id(self, f"{name}Fixed", group_id, mutable=False)

    def _allow(self, source: str, target: str, port: int, why: str) -> None:
        """A rule on both sides: what goes out is closed as well."""
        origin, goal = self._groups[source], self._groups[target]
        goal.add_ingress_rule(origin, ec2.Port.tcp(port), why)
        origin.add_egress_rule(goal, ec2.Port.tcp(port), why)

    def _rules(self, stage: Stage) -> None:
        self._allow("Clients", "Database", DATABASE_PORT, "The product reads and writes")
        self._allow("Clients", "Cache", CACHE_PORT, "The product looks connections up")
        self._allow("Balancer", "Clients", API_PORT, "Requests and health checks of the API")
        self._allow("Database", "Database", DATABASE_PORT, "The proxy asks PostgreSQL")
        self._allow("Rotation", "Database", DATABASE_PORT, "A new password is set and tried")
        for region in stage.regions:
            if region != self.region:
                self._neighbour(address_range(stage, region))
        self._out("Clients", HTTPS, "AWS services, @connections, keys of the issuer")
        self._out("Rotation", HTTPS, "Secrets Manager")
        for port in sorted({port for url in (stage.database_url, stage.valkey_url) for port in _port(url)}):
            self._out("Clients", port, "A store that was there before")
        # CloudFront's interfaces in this VPC keep the senders' addresses: the VPC's own range would let nothing in.
        self._groups["Balancer"].add_ingress_rule(
            ec2.Peer.prefix_list(origin_facing(self.region, stage.cloudfront_prefix_list)),
            ec2.Port.tcp(HTTP),
            "CloudFront",
        )

    def _neighbour(self, addresses: str) -> None:
        """The other Region reads and writes here, or we there: the writer may be in either."""
        peer, port = ec2.Peer.ipv4(addresses), ec2.Port.tcp(DATABASE_PORT)
        self._groups["Clients"].add_egress_rule(peer, port, "The writer, while it is in the other Region")
        self._groups["Database"].add_ingress_rule(peer, port, "The product in the other Region")

    def _out(self, name: str, port: int, why: str) -> None:
        self._groups[name].add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), why)
        if self._dual_stack:
            self._groups[name].add_egress_rule(ec2.Peer.any_ipv6(), ec2.Port.tcp(port), why)

    def _endpoints(self, stage: Stage) -> None:
        wanted = (_PAYING if stage.interface_endpoints else {}) | (_WITHOUT_IPV6 if self._dual_stack else {})
        for name in ("Clients", "Rotation"):
            if wanted:
                self._allow(name, "Endpoints", HTTPS, "AWS services without leaving the VPC")
        for name, service in wanted.items():
            self.vpc.add_interface_endpoint(
                f"{name}Endpoint",
                service=service,
                subnets=self.isolated,
                security_groups=[self._groups["Endpoints"]],
                open=False,
            )


def address_range(stage: Stage, region: str) -> str:
    """A Region's addresses: no two Regions share any, so that they can be joined."""
    return f"10.{stage.regions.index(region)}.0.0/16"


def _subnets(name: str, kind: ec2.SubnetType, bits: int) -> ec2.SubnetConfiguration:
    return ec2.SubnetConfiguration(
        name=name,
        subnet_type=kind,
        cidr_mask=bits,
        # Nothing of ours has a public address: the NAT gateways bring their own, the balancer is internal.
        map_public_ip_on_launch=False if kind == ec2.SubnetType.PUBLIC else None,
    )


def _port(url: str) -> list[int]:
    port = urlsplit(url).port
    return [] if port in (None, DATABASE_PORT, CACHE_PORT, HTTPS) else [port]
