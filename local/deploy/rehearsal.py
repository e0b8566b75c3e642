"""A whole life of a deployment: bootstrap, deploy, nothing to change, a broadcast, destroy."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import httpx

from local.deploy.cdk import Cdk, DeployError
from local.deploy.inventory import Inventory, inventory, require_drained, require_nothing
from local.deploy.place import WEB_STAGE, Place
from local.deploy.report import Report
from local.deploy.service import serving
from local.deploy.smoke import Smoke, smoke
from local.deploy.steps import Steps
from local.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.settings import LocalSettings

LONGEST_START_S = 60.0
"""Of one server."""
LONGEST_SMOKE_S = 60.0
"""Ten times what it takes on two idle cores: functions start cold."""
LONGEST_ROUND_S = 30.0
"""Of the planner after the calendar has changed: it waits for more changes, and starts cold."""


class Rehearsal:
    """One run.

    Args:
        folder: for everything it makes; empty.
        settings: where the servers' programs are.
        within_s: its time.
        say: gets a line per step.
    """

    def __init__(self, folder: Path, settings: LocalSettings, *, within_s: float, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._steps = Steps(within_s, say)
        self._place = Place(folder, settings)
        self._inventory = Inventory({}, {}, {})
        self._migrations: list[str] = []
        self._smoke = Smoke()

    def run(self) -> Report:
        """Do it all; what was started is stopped, whatever happens.

        Raises:
            LocalError: something did not hold.
        """
        with contextlib.ExitStack() as stack:
            with self._steps.step("start PostgreSQL, Valkey, the emulated cloud"):
                stack.enter_context(self._place.running(timeout_s=min(LONGEST_START_S, self._steps.left_s)))
            self._rehearse()
        return Report(
            self._inventory, self._migrations, self._smoke, dict(self._steps.seconds), round(self._steps.passed_s, 1)
        )

    def _rehearse(self) -> None:
        steps, place = self._steps, self._place
        cdk = Cdk(self._folder, endpoint=place.cloud.endpoint, context=place.context)
        with steps.step("install the CDK's command line"):
            cdk.install(timeout_s=steps.left_s)
        with steps.step("cdk bootstrap"):
            cdk.bootstrap(timeout_s=steps.left_s)
        with steps.step("cdk deploy --all"):
            cdk.deploy(timeout_s=steps.left_s)
            self._inventory = inventory(place)
            self._migrations = place.migrations()
            _require_stage(place)
        with steps.step("cdk diff: nothing to change"):
            cdk.diff(timeout_s=steps.left_s)
        with steps.step("broadcasts"):
            self._broadcast()
            require_drained(place, within_s=min(LONGEST_ROUND_S, steps.left_s))
        with steps.step("cdk destroy --all"):
            cdk.destroy(timeout_s=steps.left_s)
            require_nothing(place)

    def _broadcast(self) -> None:
        place, steps = self._place, self._steps
        with serving(place, self._folder, timeout_s=steps.left_s) as url:
            try:
                self._smoke = asyncio.run(
                    smoke(
                        url,
                        place.cloud.websocket_url(WEB_STAGE),
                        place.issuer,
                        timeout_s=min(LONGEST_SMOKE_S, steps.left_s),
                    )
                )
            except httpx.HTTPError as error:
                raise NotReadyError(f"the HTTP API does not answer: {error!r}") from error


def _require_stage(place: Place) -> None:
    """Check that the WebSocket API's stage is the one that its address was made with."""
    gateway = place.client("apigatewayv2")
    stages = [one["StageName"] for one in gateway.get_stages(ApiId=place.cloud.API_ID)["Items"]]
    if WEB_STAGE not in stages:
        raise DeployError(f"the WebSocket API's stages are {', '.join(stages)}; {WEB_STAGE} is expected")
