"""Answers of the callback listener, as bytes ready for the socket."""

from http import HTTPStatus
from typing import Any

import orjson

RESET = b""
"""Not an answer: the connection is reset instead."""

SENT = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def document(status: int, body: Any, error_type: str = "") -> bytes:
    """Return an answer with a JSON body; `error_type` is the name an AWS SDK turns into its exception."""
    payload = orjson.dumps(body)
    kind = f"x-amzn-ErrorType: {error_type}\r\n" if error_type else ""
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: application/json\r\n{kind}"
        f"Content-Length: {len(payload)}\r\n\r\n"
    )
    return head.encode() + payload


def error(status: int, message: str, error_type: str = "") -> bytes:
    """Return a refusal with AWS's `{"message": ...}` body."""
    return document(status, {"message": message}, error_type)


GONE = error(410, "Gone", "GoneException")
LIMITED = error(429, "Limit exceeded", "LimitExceededException")
TOO_LARGE = error(413, "Payload too large: a message may have 128 KB", "PayloadTooLargeException")
FORBIDDEN = error(403, "Forbidden", "ForbiddenException")
NOT_FOUND = error(404, "Not Found", "NotFoundException")
NOT_ALLOWED = error(405, "Method Not Allowed", "MethodNotAllowedException")
BAD_REQUEST = error(400, "Bad Request", "BadRequestException")
BROKEN = error(500, "Internal server error", "InternalServerErrorException")
NOT_TEXT = error(400, "The payload is not UTF-8 and cannot be sent in a text frame", "BadRequestException")
