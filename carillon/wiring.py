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
from carillon.adapters.cloudwatch import EmfMetrics
from carillon.adapters.connection_index import ValkeyConnectionIndex, ValkeyLimits
from carillon.adapters.governor import ValkeyGovernor
from carillon.adapters.ids import uuid7
from carillon.adapters.postgres import Database
from carillon.adapters.postgres.audiences import PostgresAudiences
from carillon.adapters.postgres.broadcasts import PostgresBroadcasts
from carillon.adapters.postgres.calendar import PostgresCalendar
from carillon.adapters.postgres.connections import PostgresConnections, PostgresInbox
from carillon.adapters.postgres.deliveries import PostgresDeliveries
from carillon.adapters.postgres.directory import Directory
from carillon.adapters.postgres.reports import Reports
from carillon.adapters.postgres.upkeep import PostgresUpkeep
from carillon.adapters.sqs import SqsQueue
from carillon.errors import OutageError
from carillon.ports import Ports
from carillon.ports.scaling import PlanPorts

if TYPE_CHECKING:
    from carillon.adapters.tokens import TokenVerifier

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
    settings = stores()
    return Database(settings.database_url, size=settings.database_pool, timeout_s=settings.database_timeout_s)


@cache
def valkey() -> Any:
    """The Valkey client; connects with its first command."""
    from valkey import Valkey, ValkeyCluster  # noqa: PLC0415 - 150 ms of a cold start that not every door needs

    settings = stores()
    timeouts = {"socket_timeout": settings.valkey_timeout_s, "socket_connect_timeout": settings.valkey_timeout_s}
    if settings.valkey_cluster:
        # One more try after a fail-over moved a slot; a hung cluster must not hold up a delivery any longer.
        kind: Any = ValkeyCluster
        return kind.from_url(settings.valkey_url, cluster_error_retry_attempts=1, **timeouts)
    return Valkey.from_url(settings.valkey_url, **timeouts)


@cache
def metrics() -> EmfMetrics:
    """Custom metrics; `flush` them at the end of an invocation or round."""
    return EmfMetrics()


@cache
def directory() -> Directory:
    """People, weddings, preferences and segments."""
    return Directory(database())


@cache
def reports() -> Reports:
    """What happened, and whether it was right."""
    return Reports(database())


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
def plan_settings() -> config.PlanSettings:
    """What the planner sizes, and its hard caps."""
    return config.read(config.PlanSettings, os.environ)


@cache
def planner() -> PlanPorts:
    """The planner's ports."""
    from carillon.adapters.scaling import AwsScaling  # noqa: PLC0415 - boto3: 100 ms that no other door needs

    scaling = AwsScaling(plan_settings(), region=stores().region)
    return PlanPorts(scaling=scaling, calendar=PostgresCalendar(database()), metrics=metrics())
