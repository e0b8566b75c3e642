"""RDS Proxy: thousands of functions share few connections; whoever asks is known by IAM on both sides of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_rds as rds
from constructs import Construct

from carillon.names import DATABASE_LOGIN

if TYPE_CHECKING:
    from stacks.network import NetworkStack


class DatabaseProxy(Construct):
    """The proxy of a cluster, with an endpoint to the writer and one to the readers.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        cluster: what it stands before.
        network: where it is.

    Attributes:
        proxy: the proxy; its own endpoint is the writer's.
        reader: the endpoint that leads to the readers.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, cluster: rds.DatabaseCluster, network: NetworkStack
    ) -> None:
        super().__init__(scope, construct_id)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("rds.amazonaws.com"))
        cluster.grant_connect(role, DATABASE_LOGIN)
        self.proxy = rds.DatabaseProxy(
            self,
            "Proxy",
            proxy_target=rds.ProxyTarget.from_cluster(cluster),
            vpc=network.vpc,
            vpc_subnets=network.isolated,
            security_groups=[network.database],
            default_auth_scheme=rds.DefaultAuthScheme.IAM_AUTH,
            role=role,
            require_tls=True,
            # A connection that waits longer than the product's own patience answers nobody.
            borrow_timeout=cdk.Duration.seconds(5),
            idle_client_timeout=cdk.Duration.minutes(30),
            max_connections_percent=90,
        )
        self.reader = self.proxy.add_endpoint(
            "Readers",
            vpc=network.vpc,
            vpc_subnets=network.isolated,
            security_groups=[network.database],
            target_role=rds.ProxyEndpointTargetRole.READ_ONLY,
        )
        # An endpoint for readers wants some registered, and RDS changes one thing of a proxy at a time.
        self.reader.node.add_dependency(self.proxy.node.find_child("ProxyTargetGroup"))
