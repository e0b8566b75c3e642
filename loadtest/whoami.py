"""A function for the benches: answers a message with the sender's connection id."""

from typing import Any


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Return the connection id as a route response."""
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"]}
