"""What the WebSocket functions share: how an error is answered on a socket and at its opening."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from carillon.protocol.frames import encode, encode_error

if TYPE_CHECKING:
    from carillon.errors import CarillonError
    from carillon.protocol.wire import Wire


def connection_id(event: dict[str, Any]) -> str:
    """The socket that an event of the WebSocket API is about."""
    return str(event["requestContext"]["connectionId"])


def answered(frame: Wire | None) -> dict[str, Any]:
    """The route response: API Gateway sends the body to the client; without a body it sends nothing."""
    return {"statusCode": 200} if frame is None else {"statusCode": 200, "body": encode(frame)}


def refused(error: CarillonError) -> dict[str, Any]:
    """The route response for a frame that could not be carried out: its status, and an `error` frame for the client."""
    return {"statusCode": error.status, "body": encode_error(error)}
