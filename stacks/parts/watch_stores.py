"""Alarms of the stores: the connection index, Valkey's nodes, Aurora."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets

from carillon.errors import ConfigError
from carillon.names import Metric
from stacks.parts.alarms import BAD, FINE, described
from stacks.parts.measured import MINUTE, measured, share
from stacks.parts.thresholds import NEAR, ORDINARY, REPLICA_LAG_MS, WEDDING_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aws_cdk import aws_sns as sns
    from constructs import Construct

    from stacks.data import DataStack
    from stacks.parts.alarms import Alarms
    from stacks.stage import Stage

MOST_NODES: Final = 60
"""Four alarms each, in a template that takes 500 resources."""
_VALKEY: Final = "valkey-loss"
_AURORA: Final = "aurora-failover"


def watch_index(alarms: Alarms) -> None:
    """How often the connection index cannot answer.

    ElastiCache's own hit rate tells something else: a guest who is offline has no key, so the right answer, "nobody",
    is a miss there.
    """
    misses = measured(alarms.service, Metric.INDEX_MISS, "Sum")
    missed = share(misses, measured(alarms.service, Metric.INDEX_LOOKUP, "Sum"), "Index misses in percent of look-ups")
    says = "PostgreSQL answers for the connection index: slower, nothing is lost. See whether Valkey is away or wiped."
    alarms.add("IndexMisses", missed, ORDINARY.index_misses, says, _VALKEY)
    alarms.add_tighter("IndexMisses", missed, WEDDING_DAY.index_misses, says, _VALKEY)


def nodes(data: DataStack, stage: Stage) -> Iterator[str]:
    """ElastiCache's ids of the nodes, which it makes of the group's: one shard's without the shard's number.

    Raises:
        ConfigError: there are more than can be watched.
    """
    shards, members = stage.cache_shards, 1 + stage.cache_replicas
    if shards * members > MOST_NODES:
        raise ConfigError(
            f"cache_shards={shards} with cache_replicas={stage.cache_replicas} makes {shards * members} nodes; "
            f"{MOST_NODES} can be watched"
        )
    for shard in range(1, shards + 1):
        for member in range(1, members + 1):
            place = f"{shard:04}-{member:03}" if shards > 1 else f"{member:03}"
            yield f"{data.cache.ref}-{place}"


def of_node(node: str, name: str, statistic: str = "Maximum") -> cloudwatch.Metric:
    """A node's metric."""
    return cloudwatch.Metric(
        namespace="AWS/ElastiCache",
        metric_name=name,
        dimensions_map={"CacheClusterId": node},
        statistic=statistic,
        period=MINUTE,
    )


def watch_cache(alarms: Alarms, data: DataStack, stage: Stage) -> None:
    """Each node: that it is there, and not at its end; and where the primary role goes."""
    for number, node in enumerate(nodes(data, stage), 1):
        name = f"CacheNode{number}"
        says = f"Valkey's node {number} is at its limit, or gone. Its loss costs speed, never a message."
        alarms.add(f"{name}Cpu", of_node(node, "EngineCPUUtilization"), NEAR, says, _VALKEY, missing=BAD)
        says = f"Valkey's node {number} is nearly full: take a larger one, or more shards (-c cache_shards=)."
        alarms.add(f"{name}Memory", of_node(node, "DatabaseMemoryUsagePercentage"), NEAR, says, _VALKEY)
        says = f"Valkey's node {number} throws keys out for want of memory: sockets drop out of the index."
        alarms.add(f"{name}Evictions", of_node(node, "Evictions", "Sum"), 0, says, _VALKEY)
        if stage.cache_replicas:
            promoted = cloudwatch.MathExpression(
                expression="DIFF(primary)",
                label="Became primary",
                period=MINUTE,
                using_metrics={"primary": of_node(node, "IsMaster")},
            )
            says = f"Valkey failed over: node {number} is a primary now. Look-ups went to PostgreSQL for a moment."
            alarms.add(f"{name}Promoted", promoted, 0, says, _VALKEY, of=(1, 3))


def of_cluster(data: DataStack, name: str, statistic: str, role: str = "") -> cloudwatch.Metric:
    """A metric of the Aurora cluster; with a role (`WRITER`, `READER`), of its instances in that role."""
    return cloudwatch.Metric(
        namespace="AWS/RDS",
        metric_name=name,
        dimensions_map={"DBClusterIdentifier": data.cluster.cluster_identifier} | ({"Role": role} if role else {}),
        statistic=statistic,
        period=MINUTE,
    )


def watch_database(alarms: Alarms, data: DataStack) -> None:
    """The writer's latency and room, and how far the readers are behind.

    `SelectLatency` is MySQL's: Aurora PostgreSQL publishes commits alone.
    """
    commit = of_cluster(data, "CommitLatency", "Average", "WRITER")
    says = "The database's commits are slow, and every chunk waits for two. Look at its load and its capacity."
    alarms.add("Commit", commit, ORDINARY.commit_ms, says, _AURORA)
    alarms.add_tighter("Commit", commit, WEDDING_DAY.commit_ms, says, _AURORA)
    room = of_cluster(data, "ACUUtilization", "Maximum", "WRITER")
    says = "The database is near its largest capacity: raise -c database_max_acu= and deploy the data stack."
    alarms.add("DatabaseCapacity", room, NEAR, says, _AURORA)
    lag = of_cluster(data, "AuroraReplicaLagMaximum", "Maximum")
    says = "A reader lags behind: reports are old; deliveries are read from the writer and are not."
    alarms.add("ReplicaLag", lag, REPLICA_LAG_MS, says, _AURORA, missing=FINE)


def tell_failovers(scope: Construct, data: DataStack, topic: sns.ITopic) -> events.Rule:
    """Pass on what RDS says of the cluster's fail-overs and failures: an event, which no metric shows for sure."""
    rule = events.Rule(
        scope,
        "Failover",
        description="Fail-overs and failures of the database",
        event_pattern=events.EventPattern(
            source=["aws.rds"],
            detail_type=["RDS DB Cluster Event"],
            detail={
                "SourceIdentifier": [data.cluster.cluster_identifier],
                "EventCategories": ["failover", "failure", "global-failover"],
            },
        ),
    )
    message = events.EventField.from_path("$.detail.Message")
    text = described(f"Carillon's database {cdk.Stack.of(scope).stack_name}: {message}.", _AURORA)
    rule.add_target(targets.SnsTopic(topic, message=events.RuleTargetInput.from_text(text)))
    return rule
