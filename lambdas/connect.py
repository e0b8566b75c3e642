"""`$connect`: checks the token and the rate limit, notes the socket. 401, 403 and 429 refuse the upgrade."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

import carillon.adapters.tokens  # noqa: F401 - 40 ms of processor time, spent in the init phase instead of a connect
from carillon import wiring
from carillon.errors import CarillonError, UnauthenticatedError
from carillon.flow.connect import connect
from carillon.names import BEARER_PREFIX, SUBPROTOCOL
from lambdas.sockets import connection_id, refused

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
wiring.warm()


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The token travels as the second subprotocol (`carillon.v1, bearer.<jwt>`), never in the URL."""
    try:
        principal = wiring.tokens().verify(_token(event.get("headers") or {}))
        connect(
            connection_id(event), principal, wiring.sockets().connects_per_minute, wiring.ports(), datetime.now(UTC)
        )
    except CarillonError as error:
        logger.info("connection refused", extra={"code": error.code, "reason": error.message})
        return refused(error)
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": SUBPROTOCOL}}


def _token(headers: dict[str, str]) -> str:
    offered = next((value for name, value in headers.items() if name.lower() == "sec-websocket-protocol"), "")
    protocols = [protocol.strip() for protocol in offered.split(",")]
    tokens = [protocol.removeprefix(BEARER_PREFIX) for protocol in protocols if protocol.startswith(BEARER_PREFIX)]
    if SUBPROTOCOL not in protocols or len(tokens) != 1:
        raise UnauthenticatedError(f"offer the subprotocols {SUBPROTOCOL} and {BEARER_PREFIX}<token>")
    return tokens[0]
