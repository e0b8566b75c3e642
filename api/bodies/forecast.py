"""A month's forecast as JSON; `policy/forecast` says what each number is."""

from datetime import date

from pydantic import Field

from api.bodies.capacity import CappedOut, ShortageOut
from api.bodies.fields import Out

_PER_WEDDING = Field(
    description="What a wedding adds, on average, to plan and usage of a season without any; null without one."
)


class CostOut(Out):
    """In USD."""

    rest: float = Field(description="What is sized, at rest; no cache, network or other standing charge.")
    plan: float = Field(description="What the plan adds to it.")
    usage: float = Field(description="What is paid by use: messages, connections, requests.")
    total: float


class ForecastDayOut(Out):
    """A day, midnight to midnight in the season's time zone."""

    day: date
    weddings: int
    guests: int
    connections: int = Field(description="The most at once.")
    messages: int
    deliveries: int
    capacity: dict[str, float] = Field(description="The most of each group that is planned.")
    cost: CostOut
    usd_per_wedding: float | None = _PER_WEDDING
    shortages: list[ShortageOut]
    cut: bool = Field(description="Whether the budget keeps something below its plan.")


class ForecastTotalsOut(Out):
    """The month."""

    weddings: int
    guests: int
    connections: int = Field(description="The most at once.")
    messages: int
    deliveries: int
    cost: CostOut
    usd_per_wedding: float | None = _PER_WEDDING


class ForecastCutOut(Out):
    """What the budget keeps below its plan."""

    group: str
    planned: float
    size: float
    usd: float = Field(description="What that saves.")
    reason: str


class ForecastBudgetOut(Out):
    """What the plan may add in this month of UTC to what stands at rest, in USD."""

    usd: float
    planned: float
    over: float
    cuts: list[ForecastCutOut]


class ForecastOut(Out):
    """A month of the calendar: what will be asked for, what will stand for it and what it costs."""

    month: str
    time_zone: str
    season: str
    days: list[ForecastDayOut]
    totals: ForecastTotalsOut
    budget: ForecastBudgetOut
    capped: list[CappedOut] = Field(description="In the month.")
