"""Ties the stacks of a stage together, Region by Region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk

from stacks.capacity import CapacityStack
from stacks.data import DataStack
from stacks.edge import EdgeStack
from stacks.identity import IdentityStack
from stacks.network import NetworkStack
from stacks.queues import QueuesStack
from stacks.realtime import RealtimeStack
from stacks.service import ServiceStack
from stacks.watch import WatchStack

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.stage import Stage


@dataclass(frozen=True)
class RegionStacks:
    """All stacks of one Region."""

    network: NetworkStack
    queues: QueuesStack
    edge: EdgeStack
    identity: IdentityStack
    data: DataStack
    realtime: RealtimeStack
    service: ServiceStack
    capacity: CapacityStack
    watch: WatchStack


def compose(app: cdk.App, stage: Stage) -> dict[str, RegionStacks]:
    """Make all stacks of `stage`; answers them by Region, the writer's first."""
    made = {region: _region(app, stage, region) for region in stage.regions}
    cdk.Tags.of(app).add("carillon:stage", stage.name)
    return made


def _region(app: Construct, stage: Stage, region: str) -> RegionStacks:
    suffix = "" if region == stage.primary else f"-{region}"

    def named(room: str) -> str:
        return f"carillon-{stage.name}{suffix}-{room}"

    env = cdk.Environment(region=region)
    network = NetworkStack(app, named("network"), env=env, stage=stage)
    queues = QueuesStack(app, named("queues"), env=env, stage=stage)
    edge = EdgeStack(app, named("edge"), env=env, stage=stage, network=network)
    identity = IdentityStack(app, named("identity"), env=env, stage=stage, edge=edge)
    data = DataStack(app, named("data"), env=env, stage=stage, network=network)
    realtime = RealtimeStack(
        app, named("realtime"), env=env, stage=stage, network=network, data=data, queues=queues, identity=identity
    )
    service = ServiceStack(
        app,
        named("service"),
        env=env,
        stage=stage,
        network=network,
        data=data,
        queues=queues,
        identity=identity,
        realtime=realtime,
        edge=edge,
    )
    capacity = CapacityStack(
        app, named("capacity"), env=env, stage=stage, network=network, data=data, realtime=realtime, service=service
    )
    watch = WatchStack(
        app,
        named("watch"),
        env=env,
        stage=stage,
        data=data,
        queues=queues,
        realtime=realtime,
        service=service,
        edge=edge,
        capacity=capacity,
    )
    return RegionStacks(network, queues, edge, identity, data, realtime, service, capacity, watch)
