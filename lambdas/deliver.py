"""A lane's consumer: up to ten messages of its FIFO queue, answered with the partial batch response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.adapters.sqs import message_from
from carillon.flow.consume import consume

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
wiring.warm()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The same code for all four lanes; what fails stays in the queue, the rest is deleted by the event source."""
    try:
        failed = consume([message_from(record, wiring.stores()) for record in event["Records"]], wiring.ports())
    finally:
        wiring.metrics().flush()
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
