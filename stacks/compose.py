"""Ties the stacks of a stage together, Region by Region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

from stacks.capacity import CapacityStack
from stacks.data import DataStack
from stacks.edge import EdgeStack
from stacks.identity import IdentityStack
from stacks.network import NetworkStack
from stacks.queues import QueuesStack
from stacks.realtime import RealtimeStack
from stacks.region import RegionStack
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
    grounds = [_ground(app, stage, region) for region in stage.working]
    if len(grounds) == 2:
        _join(app, stage, *grounds)
    first = _region(app, stage, grounds[0], writer=None)
    made = {stage.primary: first}
    for ground in grounds[1:]:
        second = _region(app, stage, ground, writer=first)
        made[second.network.region] = second
        # After the first one's new code the `post` migrations run, and no old code may then run anywhere.
        first.service.add_stack_dependency(second.service)
    # CloudFormation's schema has no tags on a proxy's targets, though the CDK would put them there.
    cdk.Tags.of(app).add("carillon:stage", stage.name, exclude_resource_types=["AWS::RDS::DBProxyTargetGroup"])
    return made


@dataclass
class _Ground:
    """What a Region's other stacks stand on; `link` joins it to the other Region, where there are two."""

    network: NetworkStack
    queues: QueuesStack
    link: RegionStack | None = None


def _name(stage: Stage, region: str, room: str) -> str:
    """The first Region's stacks are named as if there were no other."""
    suffix = "" if region == stage.regions[0] else f"-{region}"
    return f"carillon-{stage.name}{suffix}-{room}"


def _ground(app: Construct, stage: Stage, region: str) -> _Ground:
    env = cdk.Environment(region=region)
    return _Ground(
        NetworkStack(app, _name(stage, region, "network"), env=env, stage=stage),
        QueuesStack(app, _name(stage, region, "queues"), env=env, stage=stage),
    )


def _join(app: Construct, stage: Stage, first: _Ground, second: _Ground) -> None:
    for here, there in ((first, second), (second, first)):
        here.queues.join(there.queues, home=stage.primary)
        region = here.network.region
        here.link = RegionStack(
            app,
            _name(stage, region, "region"),
            env=cdk.Environment(region=region),
            stage=stage,
            network=here.network,
            peer=there.network,
            first=first.link,
        )


def _region(app: Construct, stage: Stage, ground: _Ground, *, writer: RegionStacks | None) -> RegionStacks:
    """One Region's stacks; `writer` are the other one's, when that has the database's writer."""
    network, queues = ground.network, ground.queues
    options: dict[str, Any] = {"env": cdk.Environment(region=network.region), "stage": stage}

    def named(room: str) -> str:
        return _name(stage, network.region, room)

    edge = EdgeStack(app, named("edge"), network=network, **options)
    # One pool of users: a token counts in both Regions.
    identity = writer.identity if writer else IdentityStack(app, named("identity"), edge=edge, **options)
    data = DataStack(app, named("data"), network=network, writer=writer.data if writer else None, **options)
    if writer:
        data.add_stack_dependency(writer.data)
    stores: dict[str, Any] = {"network": network, "data": data}
    lanes: dict[str, Any] = {"queues": queues, "identity": identity}
    realtime = RealtimeStack(app, named("realtime"), **stores, **lanes, **options)
    service = ServiceStack(app, named("service"), realtime=realtime, edge=edge, **stores, **lanes, **options)
    if ground.link is not None:
        # Tasks that cannot reach the writer are not healthy, and their deployment would be taken back.
        service.add_stack_dependency(ground.link)
    doors: dict[str, Any] = {"realtime": realtime, "service": service}
    capacity = CapacityStack(app, named("capacity"), queues=queues, **stores, **doors, **options)
    watch = WatchStack(app, named("watch"), data=data, queues=queues, edge=edge, capacity=capacity, **doors, **options)
    return RegionStacks(network, queues, edge, identity, data, realtime, service, capacity, watch)
