"""The plan of capacity as JSON: sizes, changes, what is expected, what it costs, and what one wedding adds."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Final, Literal, Self

from pydantic import Field

from api.bodies.fields import Out
from carillon.policy.budget import month_of
from carillon.policy.deployed import deployment
from carillon.policy.sizing import MOST_ACU
from carillon.policy.timeline import HORIZON, SLOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from carillon.config import CapacitySettings
    from carillon.flow.upcoming import Upcoming
    from carillon.policy.demand import Demand
    from carillon.policy.explain import Explanation
    from carillon.policy.quotas import Shortage
    from carillon.policy.timeline import Plan
    from carillon.ports.scaling import ScalingEvent

_SLOTS: Final = 4
"""Of an hour."""
_GROUP: Final = "`tasks`, `reserved.critical`, `provisioned.low`, `database.least_acu`, `database.readers`, ..."


class SizeOut(Out):
    """How much there should be of something now."""

    group: str = Field(description=_GROUP)
    size: float
    rest: float = Field(description="How much there is without wedding and season.")
    most: float = Field(description="The most that may be planned.")
    reason: str


class ChangeOut(Out):
    """A size that changes."""

    at: datetime
    group: str = Field(description=_GROUP)
    previous: float
    size: float
    reason: str


class DemandOut(Out):
    """The most that is asked for at once."""

    connections: float
    messages_s: float
    posts_s: float
    connects_s: float

    @classmethod
    def of(cls, demand: "Demand") -> Self:
        """A demand of the policy."""
        return cls(**{name: getattr(demand, name) for name in cls.model_fields})


class ExpectedOut(DemandOut):
    """The most that is expected within the hour from `at` on."""

    at: datetime


class CutOut(Out):
    """What the budget keeps below its plan."""

    month: str = Field(description="In UTC, as bills are.")
    group: str = Field(description=_GROUP)
    planned: float
    size: float
    usd: float = Field(description="What that saves in the month.")
    reason: str


class CappedOut(Out):
    """A hard cap of the deployment that is below what is asked for."""

    group: str = Field(description=_GROUP)
    at: datetime = Field(description="When the most is asked for.")
    asked: float
    most: float = Field(description="The cap.")
    reason: str


class BudgetOut(Out):
    """What the plan adds in this month to what stands at rest, in USD."""

    month: str = Field(description="In UTC, as bills are.")
    usd: float = Field(description="What it may add.")
    spent: float = Field(description="What it has added so far.")
    planned: float = Field(description="What it will have added by the month's end.")
    over: float = Field(
        description="What of it is above the budget: because somebody allowed it, or lowered the budget since."
    )
    cuts: list[CutOut]


class ShortageOut(Out):
    """A quota of the account that a day exceeds, head-room included."""

    quota: Literal["requests_s", "connects_s", "concurrency"]
    needed: float
    granted: float
    at: datetime = Field(description="When the day's peak is, by the season's clocks.")
    ask_by: date = Field(description="The last day on which to ask for more.")
    late: bool = Field(description="Whether that has gone by.")
    reason: str

    @classmethod
    def of(cls, shortage: "Shortage") -> Self:
        """A shortage of the policy."""
        return cls(**{name: getattr(shortage, name) for name in cls.model_fields})


class DecisionOut(Out):
    """What was decided on capacity, of the plan or in reaction to load."""

    at: datetime
    group: str = Field(description=_GROUP)
    action: str = Field(
        description="`raise`, `lower`, `restore`, `note` of the plan; `scale_up`, `scale_down` by load."
    )
    previous: float | None
    size: float
    trigger: str = Field(description="What was looked at: `plan`, `season`, `queued`, ...")
    value: float
    threshold: float | None
    reason: str
    failure: str | None = Field(description="What AWS said, if it did not do it.")

    @classmethod
    def of(cls, event: "ScalingEvent") -> Self:
        """An event of the log."""
        return cls(
            at=event.decided_at,
            group=event.scaling_group,
            action=event.action,
            previous=event.previous_size,
            size=event.new_size,
            trigger=event.trigger_metric,
            value=event.trigger_value,
            threshold=event.threshold,
            reason=event.reason,
            failure=event.failure or None,
        )


class CapacityOut(Out):
    """What stands for the weddings now, and what follows in the coming 48 hours."""

    at: datetime
    season: str
    time_zone: str = Field(description="Of the season's hours and days.")
    weddings: int = Field(description="That are on, or will be within 48 hours.")
    sizes: list[SizeOut]
    changes: list[ChangeOut]
    expected: list[ExpectedOut]
    budget: BudgetOut
    shortages: list[ShortageOut] = Field(description="Of the next 60 days.")
    capped: list[CappedOut] = Field(description="By the end of the month.")
    decisions: list[DecisionOut] = Field(description="The last ones, the newest first.")

    @classmethod
    def of(
        cls, ahead: "Upcoming", decisions: "Sequence[ScalingEvent]", settings: "CapacitySettings", now: datetime
    ) -> Self:
        """A look ahead from `now`."""
        until = now + HORIZON
        windows = (wedding.window() for wedding in ahead.weddings if not wedding.canceled)
        return cls(
            at=now,
            season=settings.season,
            time_zone=settings.time_zone,
            weddings=sum(opens < until and now < closes for opens, closes in windows),
            sizes=list(_sizes(ahead.plan, settings, now)),
            changes=list(_changes(ahead.plan, until)),
            expected=list(_expected(ahead.plan, until)),
            budget=_budget(ahead, settings, now),
            shortages=[ShortageOut.of(one) for one in ahead.shortages],
            capped=list(_capped(ahead.plan)),
            decisions=[DecisionOut.of(one) for one in decisions],
        )


def _sizes(plan: "Plan", settings: "CapacitySettings", now: datetime) -> "Iterator[SizeOut]":
    """All but the database's ceiling, which nobody sets: it is the deployment's."""
    made = deployment(settings)
    for knob, size in plan.at(now).items():
        if knob != MOST_ACU:
            yield SizeOut(
                group=knob.group,
                size=size,
                rest=plan.rest[knob],
                most=made.most(knob),
                reason=plan.reason(knob, now),
            )


def _changes(plan: "Plan", until: datetime) -> "Iterator[ChangeOut]":
    for one in plan.changes:
        if one.at < until and one.knob != MOST_ACU:
            yield ChangeOut(at=one.at, group=one.knob.group, previous=one.previous, size=one.size, reason=one.reason)


def _expected(plan: "Plan", until: datetime) -> "Iterator[ExpectedOut]":
    for first in range(0, (until - plan.start) // SLOT, _SLOTS):
        hour = plan.demand[first : first + _SLOTS]
        most = {name: max(getattr(demand, name) for demand in hour) for name in DemandOut.model_fields}
        yield ExpectedOut(at=plan.start + first * SLOT, **most)


def _capped(plan: "Plan") -> "Iterator[CappedOut]":
    for one in plan.capped:
        yield CappedOut(group=one.knob.group, at=one.at, asked=one.asked, most=one.most, reason=one.reason)


def _budget(ahead: "Upcoming", settings: "CapacitySettings", now: datetime) -> BudgetOut:
    plan, month = ahead.plan, month_of(now)
    planned = ahead.spent + plan.usd[month]
    return BudgetOut(
        month=month,
        usd=settings.budget_usd,
        spent=ahead.spent,
        planned=planned,
        over=max(0.0, planned - settings.budget_usd),
        cuts=[
            CutOut(
                month=cut.month,
                group=cut.knob.group,
                planned=cut.planned,
                size=cut.size,
                usd=cut.usd,
                reason=cut.reason,
            )
            for cut in plan.cuts
        ],
    )


class ExplanationOut(Out):
    """What one wedding adds to the plan, and when."""

    wedding_id: str
    starts_at: datetime
    time_zone: str = Field(description="The venue's.")
    team: int
    guests: int
    canceled: bool
    raised_at: datetime = Field(description="From when on its capacity stands.")
    lowered_at: datetime
    demand: DemandOut
    takes: dict[str, float] = Field(description="Units of each group that it keeps busy, head-room included.")
    adds: dict[str, float] = Field(description="Groups that are higher for it at some time, and by how much at most.")
    lines: list[str] = Field(description="The same in words, times at the venue.")

    @classmethod
    def of(cls, explanation: "Explanation") -> Self:
        """An explanation of the policy."""
        wedding = explanation.wedding
        return cls(
            wedding_id=wedding.wedding_id,
            starts_at=wedding.starts_at,
            time_zone=wedding.time_zone,
            team=wedding.team,
            guests=wedding.guests,
            canceled=wedding.canceled,
            raised_at=explanation.raised_at,
            lowered_at=explanation.lowered_at,
            demand=DemandOut.of(explanation.demand),
            takes={knob.group: units for knob, units in explanation.takes.items()},
            adds={knob.group: size for knob, size in explanation.adds.items()},
            lines=explanation.lines(),
        )
