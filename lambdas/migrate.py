"""Migrates the database when CloudFormation says so: `pre` before new code takes traffic, `post` after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.adapters import cloudformation
from carillon.adapters.postgres import Phase

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
_LAST_WORDS_S = 15
"""Kept from the function's time, for the answer."""


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Whatever happens is answered: CloudFormation would wait, and rolls back what it is told has failed."""
    try:
        ran: list[str] = []
        if event["RequestType"] != "Delete":
            phase = Phase(event["ResourceProperties"]["Phase"])
            ran = wiring.migrations()(phase, context.get_remaining_time_in_millis() / 1000 - _LAST_WORDS_S)
        logger.info("migrated", extra={"ran": ran})
    except Exception as error:
        logger.exception("the migration failed")
        cloudformation.failed(event, f"{type(error).__name__}: {error}", log=context.log_stream_name)
    else:
        cloudformation.done(event, {"Ran": ", ".join(ran)})
