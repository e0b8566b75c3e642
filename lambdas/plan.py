"""The planner: brings capacity to what calendar and season ask for. Called every quarter of an hour and when they turn.

Four call it: the season's schedules, those at exact times (`cause` and `sizes`, see `carillon.policy.one_offs`), the
queue that says that the calendar changed (`Records`, which it need not read), and people (`dry_run`, `at`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.flow.plan import plan
from carillon.names import FUNCTION_ALIAS

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"dry_run": true}` only says what would change, and `at` (RFC 3339) may then be any moment."""
    dry_run = bool(event.get("dry_run"))
    now = datetime.fromisoformat(event["at"]).astimezone(UTC) if dry_run and "at" in event else datetime.now(UTC)
    # Whoever called this version by hand still has the alias called at exact times.
    myself = ":".join([*context.invoked_function_arn.split(":")[:7], FUNCTION_ALIAS])
    try:
        settings = wiring.capacity_settings()
        outcome = plan(wiring.planner(myself), settings, now, planned=event.get("sizes"), dry_run=dry_run)
    finally:
        wiring.metrics().flush()
    for action in outcome.to_json()["actions"]:
        log = logger.error if action["failure"] else logger.info
        log("capacity", extra={**action, "dry_run": dry_run})
    for warning in outcome.warnings:
        logger.warning(warning)
    if outcome.weddings is None:
        logger.error("the wedding calendar is away: the season's peaks and what was planned hold, nothing is lowered")
    outcome.check()
    return outcome.to_json()
