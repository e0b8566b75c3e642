"""The `@connections` API: POST sends to a connection, GET tells about it, DELETE closes it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

from gateway import http_answers as http
from gateway import ids, sigv4
from gateway.buckets import TokenBucket
from gateway.clock import Clock
from gateway.config import GatewayConfig
from gateway.connection import NORMAL, Connection
from gateway.faults import Fault, Faults
from gateway.http_request import Request


class ConnectionsApi:
    """Answers requests under `/{stage}/@connections/`.

    Args:
        config: Stage and limits.
        clock: Where times come from.
        connections: Those that are established, by id.
        requests: The bucket that posts and clients' messages share.
        faults: What may go wrong on purpose.
    """

    def __init__(
        self,
        config: GatewayConfig,
        clock: Clock,
        connections: Mapping[str, Connection],
        requests: TokenBucket,
        faults: Faults,
    ) -> None:
        self._limits = config.limits
        self._clock = clock
        self._connections = connections
        self._requests = requests
        self._faults = faults
        self._prefixes = tuple(f"/{config.stage}/{at}connections/".encode() for at in ("@", "%40"))
        self._methods: dict[bytes, Callable[[Request, str], bytes]] = {
            b"POST": self._post,
            b"GET": self._get,
            b"DELETE": self._delete,
        }
        self.posts = 0
        self.sent = 0

    def answer(self, request: Request) -> bytes:
        """Return the answer's bytes, or `RESET` when a fault cuts the connection."""
        connection_id = self._id_of(request.url)
        if connection_id is None:
            return http.FORBIDDEN if b"connections/" in request.url else http.NOT_FOUND
        complaint = sigv4.complaint(request.authorization, request.amz_date)
        if complaint is not None:
            kind = "MissingAuthenticationTokenException"
            return http.error(403, complaint, kind if request.authorization is None else "ForbiddenException")
        method = self._methods.get(request.method)
        if method is None:
            return http.NOT_ALLOWED
        return method(request, connection_id)

    def _id_of(self, url: bytes) -> str | None:
        """Return the connection id in a request target, decoded once; None when the path is another."""
        for prefix in self._prefixes:
            if url.startswith(prefix):
                tail = url[len(prefix) :]
                if tail.endswith(b"%3D") and tail.count(b"%") == 1:  # what nearly every post looks like
                    return tail[:-3].decode("latin-1") + "="
                return unquote_to_bytes(tail).decode("latin-1")
        return None

    def _post(self, request: Request, connection_id: str) -> bytes:
        self.posts += 1
        fault = self._faults.strike() if self._faults.on else None
        if fault is not None:
            return self._struck(fault, request, connection_id)
        return self._deliver(request, connection_id)

    def _deliver(self, request: Request, connection_id: str) -> bytes:
        if not self._requests.take():
            return http.LIMITED
        body = request.body
        if request.size_bytes > self._limits.message_bytes:
            return http.TOO_LARGE
        connection = self._reachable(connection_id)
        if connection is None:
            return _unknown(connection_id)
        if not body.isascii() and not _is_utf8(body):
            return http.NOT_TEXT
        if not connection.send(body):
            return http.GONE
        self.sent += 1
        return http.SENT

    def _reachable(self, connection_id: str) -> Connection | None:
        connection = self._connections.get(connection_id)
        if connection is not None and self._faults.on:
            age_s = self._clock.monotonic() - connection.opened_s
            return None if self._faults.too_young(age_s) else connection
        return connection

    def _struck(self, fault: Fault, request: Request, connection_id: str) -> bytes:
        if fault is Fault.LIMIT:
            return http.LIMITED
        if fault is Fault.ERROR:
            status = self._faults.settings.error_status
            return http.error(status, "Internal server error", "InternalServerErrorException")
        if fault is Fault.DROP_AFTER:
            self._deliver(request, connection_id)
        return http.RESET

    def _get(self, _request: Request, connection_id: str) -> bytes:
        if not self._requests.take():
            return http.LIMITED
        connection = self._connections.get(connection_id)
        if connection is None:
            return _unknown(connection_id)
        active_ago_s = self._clock.monotonic() - connection.last_active_s
        return http.document(
            200,
            {
                "connectedAt": _iso(connection.caller.connected_at_ms / 1000),
                "identity": connection.caller.identity(),
                "lastActiveAt": _iso(self._clock.time() - active_ago_s),
            },
        )

    def _delete(self, _request: Request, connection_id: str) -> bytes:
        if not self._requests.take():
            return http.LIMITED
        connection = self._connections.get(connection_id)
        if connection is None:
            return _unknown(connection_id)
        connection.close(NORMAL, "Connection Closed Normally")
        return http.NO_CONTENT


def _unknown(connection_id: str) -> bytes:
    if ids.is_connection_id(connection_id):
        return http.GONE
    return http.error(400, f"Invalid connectionId: {connection_id}", "BadRequestException")


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _iso(time_s: float) -> str:
    moment = datetime.fromtimestamp(time_s, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
