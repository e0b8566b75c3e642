"""What functions answer, and what API Gateway makes of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

_FIELD_VALUE = re.compile(r"[\x21-\x7e]+(?:[ ,\x21-\x7e]*[\x21-\x7e])?")


class MalformedAnswerError(Exception):
    """The function's result is not what a Lambda proxy integration must return."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """The verdict on an upgrade.

    Attributes:
        status: 2xx lets the client in; anything else refuses the upgrade with that status.
        subprotocol: What `Sec-WebSocket-Protocol` is answered with, or None.
        body: Sent with a refusal.
    """

    status: int
    subprotocol: str | None = None
    body: str = ""


def _document(result: Any) -> Mapping[str, Any]:
    if not isinstance(result, dict):
        raise MalformedAnswerError(f"the result must be an object with statusCode, not {type(result).__name__}")
    return result


def _status(result: Mapping[str, Any]) -> int:
    status = result.get("statusCode")
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedAnswerError(f"statusCode must be a number from 200 to 599, not {status!r}")
    return status


def _body(result: Mapping[str, Any]) -> str:
    body = result.get("body")
    if body is None:
        return ""
    if not isinstance(body, str):
        raise MalformedAnswerError(f"body must be a string, not {type(body).__name__}")
    return body


def _subprotocol(result: Mapping[str, Any]) -> str | None:
    headers = result.get("headers")
    if headers is None:
        return None
    if not isinstance(headers, dict):
        raise MalformedAnswerError("headers must be an object")
    for name, value in headers.items():
        if name.lower() == "sec-websocket-protocol":
            # Anything else would let a function write headers of its own into the upgrade's answer.
            if not isinstance(value, str) or not _FIELD_VALUE.fullmatch(value):
                raise MalformedAnswerError(f"Sec-WebSocket-Protocol cannot be {value!r}")
            return value
    return None


def connect_answer(result: Any) -> ConnectAnswer:
    """Read a `$connect` function's result.

    Raises:
        MalformedAnswerError: When it is not a Lambda proxy result.
    """
    document = _document(result)
    return ConnectAnswer(_status(document), _subprotocol(document), _body(document))


def route_response(result: Any) -> str:
    """Read a route function's result; return the text to send back, empty for none.

    Raises:
        MalformedAnswerError: When it is not a Lambda proxy result.
    """
    document = _document(result)
    _status(document)
    return _body(document)


def failure(message: str, connection_id: str, request_id: str) -> bytes:
    """Return the document API Gateway sends when it cannot do what a frame asked for."""
    return orjson.dumps({"message": message, "connectionId": connection_id, "requestId": request_id})
