"""The events API Gateway hands to functions of a WebSocket API (Lambda proxy integration)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from gateway import ids
from gateway.clock import Clock
from gateway.config import GatewayConfig

Event = dict[str, Any]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the other end of a connection, as every event names it.

    Attributes:
        connection_id: The connection's id.
        source_ip: The peer's address.
        user_agent: Its `User-Agent`, or None.
        connected_at_ms: When the upgrade was asked for, milliseconds since 1970.
    """

    connection_id: str
    source_ip: str
    user_agent: str | None
    connected_at_ms: int

    def identity(self) -> dict[str, str]:
        """Return the `identity` part of an event."""
        identity = {"sourceIp": self.source_ip}
        if self.user_agent is not None:
            identity["userAgent"] = self.user_agent
        return identity


def common_log_time(time_s: float) -> str:
    """Return the moment as `requestTime` writes it: `09/Feb/2026:20:09:56 +0000`."""
    moment = datetime.fromtimestamp(time_s, UTC)
    return f"{moment.day:02d}/{_MONTHS[moment.month - 1]}/{moment.year}:{moment:%H:%M:%S} +0000"


class EventMaker:
    """Builds events for one API.

    Args:
        config: Stage, API id and domain name.
        clock: Where the events' times come from.
    """

    def __init__(self, config: GatewayConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock

    def connect(self, caller: Caller, headers: Sequence[tuple[str, str]], query: str) -> Event:
        """Return the `$connect` event.

        Args:
            caller: Whose event it is.
            headers: The upgrade request's headers, in order, as the client wrote them.
            query: The raw query string without its question mark.
        """
        event = self._with_headers([*headers, ("X-Forwarded-For", caller.source_ip)])
        pairs = parse_qsl(query, keep_blank_values=True)
        if pairs:
            event["queryStringParameters"] = dict(pairs)
            event["multiValueQueryStringParameters"] = _grouped(pairs)
        event["requestContext"] = self._context(caller, "$connect", "CONNECT")
        event["isBase64Encoded"] = False
        return event

    def message(self, caller: Caller, route_key: str, body: str) -> Event:
        """Return a `MESSAGE` event for the route `route_key`."""
        context = self._context(caller, route_key, "MESSAGE")
        context["messageId"] = ids.message_id()
        return {"requestContext": context, "body": body, "isBase64Encoded": False}

    def disconnect(self, caller: Caller, code: int, reason: str) -> Event:
        """Return the `$disconnect` event with the close code and reason."""
        event = self._with_headers([("Host", self._config.domain_name), ("X-Forwarded-For", caller.source_ip)])
        context = self._context(caller, "$disconnect", "DISCONNECT")
        context["disconnectStatusCode"] = code
        context["disconnectReason"] = reason
        event["requestContext"] = context
        event["isBase64Encoded"] = False
        return event

    def _with_headers(self, headers: Sequence[tuple[str, str]]) -> Event:
        return {"headers": dict(headers), "multiValueHeaders": _grouped(headers)}

    def _context(self, caller: Caller, route_key: str, event_type: str) -> dict[str, Any]:
        now_s = self._clock.time()
        return {
            "routeKey": route_key,
            "eventType": event_type,
            "extendedRequestId": ids.extended_request_id(),
            "requestTime": common_log_time(now_s),
            "messageDirection": "IN",
            "stage": self._config.stage,
            "connectedAt": caller.connected_at_ms,
            "requestTimeEpoch": int(now_s * 1000),
            "identity": caller.identity(),
            "requestId": ids.request_id(),
            "domainName": self._config.domain_name,
            "connectionId": caller.connection_id,
            "apiId": self._config.api_id,
        }


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def request_id_of(event: Mapping[str, Any]) -> str:
    """Return the event's request id."""
    request_id: str = event["requestContext"]["requestId"]
    return request_id
