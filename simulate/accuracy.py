"""How good the forecast is: hour by hour, what the policy expected against what came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import numpy as np

from simulate.strategies import ROUND, known

if TYPE_CHECKING:
    from simulate.clock import Clock
    from simulate.load import Load
    from simulate.strategies import Setting
    from simulate.weddings import Floats, Weddings

HOUR_S: Final = 3600.0
AHEAD: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """One less the sum of all hourly errors over the sum of what came, so that no error makes up for another.

    Args:
        connections: a day ahead.
        messages: a day ahead.
        at_opening: connections, as the planner knows them when it must act.
        forecast: hourly connections, a day ahead.
        came: hourly connections.
    """

    connections: float
    messages: float
    at_opening: float
    forecast: Floats
    came: Floats


def of(clock: Clock, weddings: Weddings, load: Load, setting: Setting) -> Accuracy:
    """Compare the weddings' part of the forecast with what the weddings brought."""
    day = known(clock, weddings, setting, ahead=AHEAD)
    opening = known(clock, weddings, setting, ahead=timedelta())
    came = clock.coarse(load.connections, HOUR_S)
    sent = clock.coarse(load.messages_s.sum(axis=0), HOUR_S)
    forecast = _hourly(day[0])
    return Accuracy(
        score(forecast, came), score(_hourly(day[1]), sent), score(_hourly(opening[0]), came), forecast, came
    )


def score(forecast: Floats, came: Floats) -> float:
    """Between 0 and 1; 0 where the errors are as large as all that came, 1 where nothing was expected and came."""
    if not came.sum():
        return float(not forecast.any())
    return max(0.0, 1 - float(np.abs(forecast - came).sum() / came.sum()))


def _hourly(rounds: Floats) -> Floats:
    step = int(HOUR_S / ROUND.total_seconds())
    made: Floats = rounds[: len(rounds) // step * step].reshape(-1, step).mean(axis=1)
    return made
