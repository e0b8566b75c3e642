"""The planner on one machine: it decides as in AWS, but on paper, for there is nothing here to size.

It goes by the same clock: a round every quarter of an hour, at every moment at which its plan changes, and as soon as
the calendar has changed. What it decides stands in the log of decisions, where `carillon capacity` finds it.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC
from typing import TYPE_CHECKING, Final

from carillon import wiring
from carillon.adapters.warming import StoreWarming
from carillon.errors import CarillonError
from carillon.flow.plan import plan
from carillon.policy.capacity import Kind, Present
from carillon.policy.deployed import deployment
from carillon.policy.sizing import MOST_ACU
from carillon.policy.timeline import SLOT
from carillon.ports.scaling import PlanPorts
from carillon.testing.scaling import MemoryOneOffs, MemoryScaling

if TYPE_CHECKING:
    from api.services import Services
    from carillon.config import CapacitySettings

_LOG = logging.getLogger(__name__)
SETTLE_S: Final = 1.0
"""How long changes of the calendar are collected: an import comes in pieces. In AWS the queue takes five seconds."""


class PaperPlanner:
    """A thread that plans; daemonic, for there is nothing to put away.

    Args:
        services: of the API, with the calendar and the log.
    """

    def __init__(self, services: Services) -> None:
        self._settings, self._clock = services.capacity, services.ports.clock
        self._one_offs = MemoryOneOffs()
        self._ports = PlanPorts(
            scaling=at_rest(services.capacity),
            calendar=services.calendar,
            one_offs=self._one_offs,
            warming=StoreWarming(wiring.database(), services.ports.index),
            log=services.scaling_log,
            metrics=services.ports.metrics,
        )
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="planner", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def changed(self, cause: str) -> None:
        """Have the next round at once."""
        _LOG.info("planning: %s", cause)
        self._changed.set()

    def _run(self) -> None:
        while True:
            self._round()
            if self._changed.wait(self._pause_s()):
                # Nothing is waited for but the rest of what is being imported, and for no longer than this.
                threading.Event().wait(SETTLE_S)
                self._changed.clear()

    def _round(self) -> None:
        now = self._clock().astimezone(UTC)
        due = self._one_offs.calls.pop(max((at for at in self._one_offs.calls if at <= now), default=now), None)
        try:
            outcome = plan(self._ports, self._settings, now, planned=due.sizes if due else None)
            outcome.check()
        except CarillonError:
            _LOG.exception("a round of the planner failed; the next one comes within %s", SLOT)

    def _pause_s(self) -> float:
        now = self._clock()
        next_call = min((at for at in self._one_offs.calls if at > now), default=now + SLOT)
        return max(0.0, (min(next_call, now + SLOT) - now).total_seconds())


def at_rest(settings: CapacitySettings) -> MemoryScaling:
    """What the deployment would have, all of it at rest."""
    made = deployment(settings)
    found = {}
    for knob in made.knobs():
        rest, most = made.rest(knob), None if knob.kind is Kind.RESERVED else made.most(knob)
        found[knob] = Present(rest, rest, most)
    del found[MOST_ACU]
    return MemoryScaling(found)
