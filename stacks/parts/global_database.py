"""The Aurora global database: one writer, whose Region another one follows within a second, and can take over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import aws_rds as rds
from constructs import Construct

if TYPE_CHECKING:
    from stacks.stage import Stage


def global_name(stage: Stage) -> str:
    """What it is called in the account.

    A name of our own, because the Region that follows must not have to ask the first one for it: when it is deployed
    alone the first one does not answer.
    """
    return f"carillon-{stage.name}"


class GlobalDatabase(Construct):
    """Made around the first Region's cluster, which may have been there before it.

    Args:
        scope: the stack of the cluster.
        construct_id: what it is called in the template.
        stage: its name, and whether it may be deleted.
        cluster: the cluster that holds the data.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, cluster: rds.DatabaseCluster) -> None:
        super().__init__(scope, construct_id)
        made = rds.CfnGlobalCluster(
            self,
            "Cluster",
            global_cluster_identifier=global_name(stage),
            # Engine, version and encryption are this one's.
            source_db_cluster_identifier=cluster.cluster_arn,
            deletion_protection=stage.retain,
        )
        made.node.add_dependency(cluster)


def joined(name: str) -> dict[str, Any]:
    """A cluster's properties instead of log-in and database of its own: it has those of whom it follows.

    The CDK knows no members of a global database; of a replica it knows that it has no log-in. `join` makes it one.
    """
    return {"replication_source_identifier": name}


def join(cluster: rds.DatabaseCluster, name: str) -> None:
    """Let a cluster made with `joined` follow the global database instead of a single source."""
    made = cluster.node.default_child
    assert isinstance(made, rds.CfnDBCluster)
    made.replication_source_identifier = None
    made.global_cluster_identifier = name
    # The CDK makes a log-in all the same, which would open nothing.
    cluster.node.try_remove_child("Secret")
