"""Identifiers shaped like API Gateway's, such as `L0SM9cOFvHcCIhw=`."""

import base64
import re
import secrets
import uuid

_CONNECTION_ID = re.compile(r"[A-Za-z0-9_-]{15}=")


def connection_id() -> str:
    """Return a new connection id: 88 random bits, so that nobody can guess a neighbour's."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def is_connection_id(text: str) -> bool:
    """Tell whether `text` has the form of a connection id."""
    return _CONNECTION_ID.fullmatch(text) is not None


def message_id() -> str:
    """Return a new message id; the same form as a connection id."""
    return connection_id()


def extended_request_id() -> str:
    """Return a new id of the form API Gateway gives each request besides its UUID."""
    return base64.urlsafe_b64encode(secrets.token_bytes(11)).decode()


def request_id() -> str:
    """Return a new request id, a UUID."""
    return str(uuid.uuid4())
