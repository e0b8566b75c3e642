"""The dead-letter queues' consumer: the deliveries are recorded, the broadcast shows `failed` with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.adapters.sqs import message_from
from carillon.flow.dead_letter import dead_letter

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What waits out an outage stays in the queue."""
    try:
        failed = dead_letter([message_from(record, wiring.stores()) for record in event["Records"]], wiring.ports())
    finally:
        wiring.metrics().flush()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
