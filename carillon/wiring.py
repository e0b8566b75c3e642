"""The only place that picks adapters. Built from the environment once per process, on first use."""

from __future__ import annotations

import logging
import os
import random
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from carillon import config
from carillon.adapters.apigateway import CallbackPoster
from carillon.adapters.apigateway.credentials import provider as aws_credentials
from carillon.adapters.cloudwatch import EmfMetrics
from carillon.adapters.connection_index import ValkeyConnectionIndex, ValkeyLimits
from carillon.adapters.governor import ValkeyGovernor
from carillon.adapters.iam_tokens import CacheLogin, DatabaseLogin
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.audiences import PostgresAudiences
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.connections import PostgresConnections, PostgresInbox
from carillon.adapters.postgres.deliveries import PostgresDeliveries
from carillon.adapters.postgres.upkeep import PostgresUpkeep
from carillon.adapters.sqs import SqsQueue
from carillon.errors import OutageError
from carillon.ports import Ports
from carillon.ports.scaling import PlanPorts, ReactPorts

if TYPE_CHECKING:
    from collections.abc import Callable

    from carillon.adapters.postgres import Phase
    from carillon.adapters.postgres.directory import Directory
    from carillon.adapters.postgres.reports import Reports
    from carillon.adapters.tokens import TokenVerifier
    from carillon.ports.scaling import Calendar, ScalingLog

_LOG = logging.getLogger(__name__)


@cache
def stores() -> config.StoreSettings:
    """Where the stores are."""
    return config.read(config.StoreSettings, os.environ)


@cache
def sockets() -> config.SocketSettings:
    """Limits on sockets."""
    return config.read(config.SocketSettings, os.environ)


@cache
def tokens() -> TokenVerifier:
    """Whose tokens are trusted."""
    from carillon.adapters.tokens import TokenVerifier  # noqa: PLC0415 - consumers never see a token

    return TokenVerifier(config.read(config.TokenSettings, os.environ))


@cache
def database() -> Database:
    """The writer's pool."""
    return _pool(stores().database_url)


@cache
def readers() -> Database:
    """The readers' pool, for what may be a moment old; the writer's where there are none."""
    return _pool(stores().database_read_url) if stores().database_read_url else database()


def _pool(url: str) -> Database:
    settings = stores()
    login = None
    if settings.database_auth is config.DatabaseAuth.IAM:
        login = DatabaseLogin(url, region=settings.region, credentials=aws_credentials())
    return Database(url, size=settings.database_pool, timeout_s=settings.database_timeout_s, login=login)


@cache
def valkey() -> Any:
    """The Valkey client; connects with its first command."""
    from carillon.adapters.valkey_client import connect  # noqa: PLC0415 - 150 ms that not every door needs

    settings = stores()
    login = None
    if settings.valkey_auth is config.ValkeyAuth.IAM:
        login = CacheLogin(
            settings.valkey_url, name=settings.valkey_name, region=settings.region, credentials=aws_credentials()
        )
    return connect(
        settings.valkey_url, cluster=settings.valkey_cluster, timeout_s=settings.valkey_timeout_s, login=login
    )


@cache
def metrics() -> EmfMetrics:
    """Custom metrics; `flush` them at the end of an invocation or round."""
    return EmfMetrics(config.read(config.MetricSettings, os.environ).service)


@cache
def directory() -> Directory:
    """People, weddings, preferences and segments."""
    from carillon.adapters.postgres.directory import Directory  # noqa: PLC0415 - functions start without it

    return Directory(database())


@cache
def reports() -> Reports:
    """What happened, and whether it was right."""
    from carillon.adapters.postgres.reports import Reports  # noqa: PLC0415 - functions start without it

    return Reports(database(), readers())


def migrations() -> Callable[[Phase, float], list[str]]:
    """What migrates the database on a deploy."""
    from carillon.adapters.owner import migrations as of  # noqa: PLC0415 - it brings boto3, which nobody else needs

    return of(config.read(config.MigrationSettings, os.environ))


def warm() -> None:
    """Open what the first invocation would wait for, in a function's init phase; elsewhere it does nothing.

    A store that is away now is no reason not to start: the first invocation meets it, and knows what to do.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    built = ports()
    try:
        built.inbox.epoch()
    except OutageError as error:
        _LOG.warning("started while the database is away: %s", error)
    built.index.lookup([""])


@cache
def ports() -> Ports:
    """All ports, on the real stores and services."""
    callbacks = config.read(config.CallbackSettings, os.environ)
    connections = PostgresConnections(database(), region=stores().region, peer=stores().peer_region)
    return Ports(
        broadcasts=PostgresBroadcasts(database()),
        audiences=PostgresAudiences(database()),
        deliveries=PostgresDeliveries(database()),
        connections=connections,
        index=ValkeyConnectionIndex(valkey(), connections.everybody),
        inbox=PostgresInbox(database()),
        queue=SqsQueue(stores()),
        poster=CallbackPoster(callbacks, region=stores().region),
        governor=ValkeyGovernor(valkey(), callbacks),
        metrics=metrics(),
        limits=ValkeyLimits(valkey()),
        upkeep=PostgresUpkeep(database()),
        clock=lambda: datetime.now(UTC),
        jitter=random.random,
        new_id=uuid7,
        peer=stores().peer_region,
    )


@cache
def capacity_settings() -> config.CapacitySettings:
    """What there is at rest and may be at most."""
    return config.read(config.CapacitySettings, os.environ)


@cache
def calendar() -> Calendar:
    """The weddings, as planning sees them."""
    from carillon.adapters.postgres.calendar import PostgresCalendar  # noqa: PLC0415 - no lane needs it

    return PostgresCalendar(database())


@cache
def scaling_log() -> ScalingLog:
    """The decisions on capacity."""
    from carillon.adapters.postgres.calendar import PostgresScalingLog  # noqa: PLC0415 - no lane needs it

    return PostgresScalingLog(database(), region=stores().region)


def replan(queue_url: str) -> Callable[[str], None]:
    """What tells the planner that the calendar changed; without a queue it does nothing."""
    from carillon.adapters.replanning import SqsReplan  # noqa: PLC0415 - the API alone needs it

    return SqsReplan(queue_url, region=stores().region, endpoint=stores().queue_endpoint).changed


@cache
def planner(function_arn: str) -> PlanPorts:
    """The planner's ports.

    Args:
        function_arn: of the planner's own alias, which it has called at exact times.
    """
    from carillon.adapters.one_offs import AwsOneOffs  # noqa: PLC0415 - the same as below
    from carillon.adapters.scaling import AwsScaling  # noqa: PLC0415 - boto3: 100 ms that no other door needs
    from carillon.adapters.warming import StoreWarming  # noqa: PLC0415 - no lane needs it

    settings, region = config.read(config.PlanSettings, os.environ), stores().region
    connections = PostgresConnections(database(), region=region, peer=stores().peer_region)
    return PlanPorts(
        scaling=AwsScaling(settings, region=region),
        calendar=calendar(),
        one_offs=AwsOneOffs(settings, region=region, target=function_arn),
        warming=StoreWarming(database(), ValkeyConnectionIndex(valkey(), connections.everybody)),
        log=scaling_log(),
        metrics=metrics(),
    )


@cache
def reactor() -> ReactPorts:
    """The ports of reacting to load."""
    from carillon.adapters.lane_watch import AwsLaneWatch  # noqa: PLC0415 - boto3: 100 ms that no other door needs
    from carillon.adapters.scaling import AwsScaling  # noqa: PLC0415 - the same

    settings, region = config.read(config.PlanSettings, os.environ), stores().region
    service = config.read(config.MetricSettings, os.environ).service
    watch = AwsLaneWatch(
        settings, stores().queue_urls, region=region, endpoint=stores().queue_endpoint, service=service
    )
    return ReactPorts(scaling=AwsScaling(settings, region=region), watch=watch, log=scaling_log(), metrics=metrics())
