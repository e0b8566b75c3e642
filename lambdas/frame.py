"""`$default` and all named actions: one function answers every client frame, one warm environment serves all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.errors import CarillonError
from carillon.flow.answer import answer
from lambdas.sockets import answered, connection_id, refused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
wiring.warm()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The answer travels back as the route response; an error as an `error` frame with its stable code."""
    body, ports, now = event.get("body") or "", wiring.ports(), datetime.now(UTC)
    try:
        frame = answer(connection_id(event), body, ports, lambda token: wiring.tokens().verify(token), now)
    except CarillonError as error:
        logger.info("frame refused", extra={"code": error.code, "reason": error.message})
        return refused(error)
    wiring.metrics().flush()
    return answered(frame)
