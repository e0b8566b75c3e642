"""The planner: brings capacity to what the season asks for. Called at the peaks' edges and every fifteen minutes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.flow.plan import plan

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"dry_run": true}` only says what would change, and `at` (RFC 3339) may then be any moment."""
    dry_run = bool(event.get("dry_run"))
    now = datetime.fromisoformat(event["at"]) if dry_run and "at" in event else datetime.now(UTC)
    try:
        outcome = plan(wiring.planner(), wiring.plan_settings(), now, dry_run=dry_run)
    finally:
        wiring.metrics().flush()
    for action in outcome.to_json()["actions"]:
        log = logger.error if action["failure"] else logger.info
        log("capacity", extra={**action, "dry_run": dry_run})
    if outcome.weddings is None:
        logger.error("the wedding calendar is away: the season's schedule holds")
    outcome.check()
    return outcome.to_json()
