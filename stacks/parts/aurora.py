"""Aurora PostgreSQL Serverless v2: the cluster of one Region, its readers, its log and its owner's secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_applicationautoscaling as appscaling
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from constructs import Construct

from carillon.names import DATABASE_NAME, DATABASE_OWNER
from stacks.parts.acknowledge import acknowledge
from stacks.parts.function import retention
from stacks.parts.global_database import join, joined

if TYPE_CHECKING:
    from aws_cdk import aws_kms as kms

    from stacks.network import NetworkStack
    from stacks.stage import Stage

ENGINE: Final = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_18_6)
"""The version that the local run and the tests have."""
READER_CPU: Final = 60
"""Percent at which another reader comes: a reader takes minutes to start, and a wedding's evening rises in hours."""
PARAMETERS: Final = {
    "rds.force_ssl": "1",
    "log_min_duration_statement": "1000",
    "log_lock_waits": "1",
    "idle_in_transaction_session_timeout": "60000",
}
_ROTATION_DAYS: Final = 30
_SCALER: Final = "rds.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_RDSCluster"


class AuroraCluster(Construct):
    """A writer, its readers and what grows them.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: how it is sized and kept.
        network: where it is.
        key: what storage, insights and the secret are encrypted with.
        joins: the global database of another Region's cluster, whose data and log-ins this one then has.

    Attributes:
        cluster: the cluster; `cluster.secret` is the owner's log-in, unless it joins another Region's.
        readers_scale: whether Application Auto Scaling turns the number of readers here.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        key: kms.IKey,
        joins: str = "",
    ) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        self.cluster = self._cluster(network, key, joins)
        self._log()
        follows = cdk.Stack.of(self).region != stage.primary
        self.readers_scale = not follows and stage.max_readers > stage.readers
        if self.readers_scale:
            self._scaling()
        if joins:
            join(self.cluster, joins)
        else:
            self._rotation(network)

    def _cluster(self, network: NetworkStack, key: kms.IKey, joins: str) -> rds.DatabaseCluster:
        stage = self._stage
        begins: dict[str, Any] = {
            "credentials": rds.Credentials.from_generated_secret(DATABASE_OWNER, encryption_key=key),
            "default_database_name": DATABASE_NAME,
        }
        watched: dict[str, Any] = {
            "auto_minor_version_upgrade": False,
            "enable_performance_insights": True,
            "performance_insight_encryption_key": key,
        }
        cluster = rds.DatabaseCluster(
            self,
            "Cluster",
            engine=ENGINE,
            parameter_group=rds.ParameterGroup(self, "Parameters", engine=ENGINE, parameters=PARAMETERS),
            writer=rds.ClusterInstance.serverless_v2("Writer", **watched),
            readers=[_reader(number, watched) for number in range(1, stage.readers + 1)],
            serverless_v2_min_capacity=stage.database_min_acu,
            serverless_v2_max_capacity=stage.database_max_acu,
            vpc=network.vpc,
            vpc_subnets=network.isolated,
            security_groups=[network.database],
            **(joined(joins) if joins else begins),
            iam_authentication=True,
            storage_encrypted=True,
            storage_encryption_key=key,
            backup=rds.BackupProps(retention=cdk.Duration.days(stage.backup_days)),
            copy_tags_to_snapshot=True,
            deletion_protection=stage.retain,
            removal_policy=cdk.RemovalPolicy.RETAIN if stage.retain else cdk.RemovalPolicy.DESTROY,
            cloudwatch_logs_exports=["postgresql"],
            enable_performance_insights=True,
            performance_insight_encryption_key=key,
            database_insights_mode=rds.DatabaseInsightsMode.STANDARD,
        )
        self._keep(cluster, began_here=not joins)
        return cluster

    def _keep(self, cluster: rds.DatabaseCluster, *, began_here: bool) -> None:
        """What stays when the stack goes; the owner's log-in with the database that it opens."""
        acknowledge(
            cluster,
            "AwsSolutions-RDS11",
            "Nobody outside the VPC reaches the port, and whoever is inside finds it by its name; another number "
            "protects nothing",
        )
        acknowledge(
            cluster,
            "CloudFormation-Validate::E9006",
            "The list of versions that the CDK validates against ends before its own constant VER_18_6",
        )
        if self._stage.retain and began_here:
            secret = cluster.node.find_child("Secret")
            assert isinstance(secret, rds.DatabaseSecret)
            secret.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        if not self._stage.retain:
            acknowledge(cluster, "AwsSolutions-RDS10", "This stage may be destroyed with its data: retain=false")

    def _log(self) -> None:
        """Made before PostgreSQL writes to it, which would make it without an end; its name is PostgreSQL's choice."""
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/rds/cluster/{self.cluster.cluster_identifier}/postgresql",
            retention=retention(self._stage),
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        for child in self.cluster.node.find_all():
            if isinstance(child, rds.CfnDBInstance):
                child.node.add_dependency(log)

    def _scaling(self) -> None:
        """More readers under load; not in a Region that follows, where Aurora has no auto scaling of replicas."""
        target = appscaling.ScalableTarget(
            self,
            "Readers",
            service_namespace=appscaling.ServiceNamespace.RDS,
            resource_id=f"cluster:{self.cluster.cluster_identifier}",
            scalable_dimension="rds:cluster:ReadReplicaCount",
            min_capacity=self._stage.readers,
            max_capacity=self._stage.max_readers,
            role=self._scaler(),
        )
        target.node.add_dependency(self.cluster)
        target.scale_to_track_metric(
            "Cpu",
            predefined_metric=appscaling.PredefinedMetric.RDS_READER_AVERAGE_CPU_UTILIZATION,
            target_value=READER_CPU,
            scale_out_cooldown=cdk.Duration.minutes(5),
            scale_in_cooldown=cdk.Duration.minutes(30),
        )

    def _scaler(self) -> iam.IRole:
        """AWS's own role, made when the first target is registered; the CDK would make one that may do nothing."""
        arn = cdk.Stack.of(self).format_arn(
            service="iam", region="", resource="role", resource_name=f"aws-service-role/{_SCALER}"
        )
        return iam.Role.from_role_arn(self, "ReadersRole", arn)

    def _rotation(self, network: NetworkStack) -> None:
        """Only the migrations log in with it, once per deploy, and read it then."""
        self.cluster.add_rotation_single_user(
            automatically_after=cdk.Duration.days(_ROTATION_DAYS),
            vpc_subnets=network.private,
            security_group=network.rotation,
            # Not while the first migration logs in.
            rotate_immediately_on_update=False,
        )


def _reader(number: int, options: dict[str, Any]) -> rds.IClusterInstance:
    """The first one is as large as the writer at any time, for it takes over within a minute when that dies."""
    return rds.ClusterInstance.serverless_v2(f"Reader{number}", scale_with_writer=number == 1, **options)
