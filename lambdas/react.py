"""The reactive scaler, called each minute: more warm consumers for a lane short of them, fewer for an idle one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.flow.react import react

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`{"dry_run": true}` only says what would change, and why everything else would not."""
    dry_run = bool(event.get("dry_run"))
    try:
        reaction = react(wiring.reactor(), wiring.capacity_settings(), datetime.now(UTC), dry_run=dry_run)
    finally:
        wiring.metrics().flush()
    answer = reaction.to_json()
    for decision in answer["decisions"]:
        log = logger.error if decision["failure"] else logger.info
        log("capacity", extra={**decision, "dry_run": dry_run})
    if answer["log"] == "away":
        logger.error("the scaling log is away", extra={"left": answer["left"], "dry_run": dry_run})
    reaction.check()
    return answer
