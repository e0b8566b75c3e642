"""What one wedding adds to the plan, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from carillon.policy.demand import NOTHING, Demand, of_wedding
from carillon.policy.sizing import HEAD_ROOM, MOST_ACU, load
from carillon.policy.timeline import GRID, plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from carillon.policy.capacity import Knob
    from carillon.policy.demand import Wedding
    from carillon.policy.profiles import Profile
    from carillon.policy.sizing import Deployment


@dataclass(frozen=True, slots=True)
class Explanation:
    """A wedding's part in the plan.

    Args:
        wedding: which.
        raised_at: from when on its capacity stands.
        lowered_at: until when.
        demand: the most it asks for; nothing for a canceled one.
        takes: units of each knob that it keeps busy, head-room included: mostly a fraction.
        adds: the knobs that are higher for it at some time, and by how much at most.
    """

    wedding: Wedding
    raised_at: datetime
    lowered_at: datetime
    demand: Demand
    takes: Mapping[Knob, float]
    adds: Mapping[Knob, float]

    def lines(self) -> list[str]:
        """The same in words, times at the venue."""
        who, local = self.wedding, self.wedding.local
        head = f"{who.wedding_id} begins on {local:%A, %Y-%m-%d at %H:%M} {who.time_zone}"
        if who.canceled:
            return [f"{head}, or would: it is canceled and asks for nothing"]
        opens, ends = (when.astimezone(local.tzinfo) for when in (self.raised_at, self.lowered_at))
        adds = ", ".join(f"{knob.group} +{size:g}" for knob, size in self.adds.items())
        return [
            f"{head}: team {who.team}, {who.guests} guests",
            f"it asks for up to {self.demand.connections:,.0f} connections",
            f"and in a second for {self.demand.posts_s:,.2f} posts and {self.demand.messages_s:,.3f} messages",
            f"its capacity stands from {opens:%A %H:%M} to {ends:%A %H:%M}",
            f"it takes {', '.join(f'{knob.group} {units:.3f}' for knob, units in self.takes.items())}",
            f"the plan is higher for it: {adds}" if adds else "it fits into what stands there anyway",
        ]


def explain(
    wedding: Wedding, weddings: Iterable[Wedding], profile: Profile, zone: ZoneInfo, deployment: Deployment
) -> Explanation:
    """What a wedding adds to the plan of the others.

    The database's ceiling is left out: it is the deployment's, and nobody sets it.

    Args:
        wedding: which.
        weddings: all near it, itself or not.
        profile: of the season.
        zone: in which the season's hours are meant.
        deployment: what stands at rest, and the caps.
    """
    traffic = profile.traffic
    others = [other for other in weddings if other.wedding_id != wedding.wedding_id]
    opens, closes = wedding.window(traffic)
    start, end = GRID.raised(opens), GRID.lowered(closes)
    without, along = (
        plan(calendar, profile, zone, deployment, start, horizon=end - start)
        for calendar in (others, [*others, wedding])
    )
    raised = {
        knob: max(size - was for size, was in zip(row, without.sizes[knob], strict=True))
        for knob, row in along.sizes.items()
        if knob != MOST_ACU
    }
    demand = _most(wedding, profile)
    takes = {
        knob: (1 + HEAD_ROOM) * load(knob, demand, deployment, traffic)
        for knob in deployment.knobs()
        if knob != MOST_ACU
    }
    return Explanation(wedding, start, end, demand, takes, {knob: size for knob, size in raised.items() if size > 0})


def _most(wedding: Wedding, profile: Profile) -> Demand:
    """The most of each in any phase; at these moments every phase has all of its people."""
    traffic, begins = profile.traffic, wedding.starts_at
    moments = (begins - traffic.before, begins - traffic.before + traffic.ramp, begins, begins + traffic.ceremony)
    seen = [of_wedding(wedding, when, traffic) for when in moments]
    fields = NOTHING.__dataclass_fields__
    return Demand(*(max(getattr(demand, name) for demand in seen) for name in fields))
