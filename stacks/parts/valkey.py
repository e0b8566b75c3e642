"""ElastiCache for Valkey, and the one user that may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.network import CACHE_PORT
from stacks.parts.acknowledge import acknowledge

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from stacks.network import NetworkStack
    from stacks.stage import Stage

VERSION: Final = "9.1"
"""As in the local run."""
FAMILY: Final = "valkey9"
COMMANDS: Final = (
    *("get", "set", "del", "incrby", "expire", "smembers", "sadd", "srem", "eval", "evalsha", "hmget", "hset", "time"),
    *("ping", "auth", "client|setinfo", "command", "cluster|slots"),
)
"""What the product and its client send, and what the callback budget's script calls; nothing that lists or empties."""
ACCESS: Final = "on ~carillon:* resetchannels -@all " + " ".join(f"+{command}" for command in COMMANDS)
_SNAPSHOT_DAYS: Final = 1


class ValkeyCache(Construct):
    """The cache of one Region: cluster mode when it has more than one shard.

    Losing it loses speed, never a message, so that one snapshot a day only spares the warming up.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: how it is sized.
        network: where it is.
        key: what it is encrypted with at rest.

    Attributes:
        group: the replication group.
        cluster_mode: whether clients must speak cluster mode.
        user: who logs in.
        url: where, and as whom; without a password.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, network: NetworkStack, key: kms.IKey
    ) -> None:
        super().__init__(scope, construct_id)
        self.cluster_mode = stage.cache_shards > 1
        self.user = self._user(f"carillon-{stage.name}-app")
        users = elasticache.CfnUserGroup(
            self,
            "Users",
            engine="valkey",
            # ElastiCache makes no id up for a user group.
            user_group_id=f"carillon-{stage.name}-users",
            user_ids=[self.user.ref],
        )
        subnets = elasticache.CfnSubnetGroup(
            self,
            "Subnets",
            description="Valkey",
            subnet_ids=network.vpc.select_subnets(subnet_group_name="isolated").subnet_ids,
        )
        self.group = self._group(stage, network, key, users, subnets)

    def _user(self, name: str) -> elasticache.CfnUser:
        """With IAM the user's id, its name and what the client says must be one; ElastiCache makes none up."""
        return elasticache.CfnUser(
            self,
            "User",
            engine="valkey",
            user_id=name,
            user_name=name,
            access_string=ACCESS,
            authentication_mode={"Type": "iam"},
        )

    def _group(
        self,
        stage: Stage,
        network: NetworkStack,
        key: kms.IKey,
        users: elasticache.CfnUserGroup,
        subnets: elasticache.CfnSubnetGroup,
    ) -> elasticache.CfnReplicationGroup:
        replicated = stage.cache_replicas > 0
        size: dict[str, Any] = (
            {"num_node_groups": stage.cache_shards, "replicas_per_node_group": stage.cache_replicas}
            if self.cluster_mode
            else {"num_cache_clusters": 1 + stage.cache_replicas}
        )
        group = elasticache.CfnReplicationGroup(
            self,
            "Group",
            replication_group_description="Which sockets are open, and the budget of posts to them",
            engine="valkey",
            engine_version=VERSION,
            cache_parameter_group_name=f"default.{FAMILY}.cluster.on" if self.cluster_mode else f"default.{FAMILY}",
            cache_node_type=stage.cache_node,
            automatic_failover_enabled=replicated or self.cluster_mode,
            multi_az_enabled=replicated,
            port=CACHE_PORT,
            cache_subnet_group_name=subnets.ref,
            security_group_ids=[network.cache.security_group_id],
            transit_encryption_enabled=True,
            transit_encryption_mode="required",
            at_rest_encryption_enabled=True,
            kms_key_id=key.key_id,
            user_group_ids=[users.ref],
            snapshot_retention_limit=_SNAPSHOT_DAYS,
            **size,
        )
        group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        _acknowledge(group, replicated=replicated)
        return group

    @property
    def url(self) -> str:
        """Where clients connect, and as whom."""
        host = (
            self.group.attr_configuration_end_point_address
            if self.cluster_mode
            else self.group.attr_primary_end_point_address
        )
        return f"valkeys://{self.user.user_name}@{host}:{CACHE_PORT}"

    def grant_connect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody log in as the user."""
        stack = cdk.Stack.of(self)
        named = {"replicationgroup": self.group.ref, "user": self.user.user_name}
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["elasticache:Connect"],
            resource_arns=[
                stack.format_arn(
                    service="elasticache",
                    resource=kind,
                    resource_name=name,
                    arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                )
                for kind, name in named.items()
            ],
        )


def _acknowledge(group: elasticache.CfnReplicationGroup, *, replicated: bool) -> None:
    acknowledge(group, "AwsSolutions-AEC5", "Nobody outside the VPC reaches the port; another hides nothing")
    acknowledge(
        group, "AwsSolutions-AEC6", "A user with an IAM token and a list of commands, stricter than one shared password"
    )
    if not replicated:
        acknowledge(group, "AwsSolutions-AEC4", "One node by choice of the stage: its loss costs speed alone")
