"""`$disconnect`: forgets the socket. Best effort on API Gateway's side; the reaper and 410 answers do the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from carillon import wiring
from carillon.flow.connect import disconnect
from lambdas.sockets import connection_id

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """An outage is an error of the function: API Gateway tries `$disconnect` again."""
    disconnect(connection_id(event), wiring.ports())
    return {"statusCode": 200}
