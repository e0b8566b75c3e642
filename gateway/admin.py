"""The listener's own pages: `/_status`, and `/_faults` when the configuration allows it."""

from collections.abc import Callable
from typing import Any

import orjson

from gateway import http_answers as http
from gateway.faults import FaultError, Faults
from gateway.http_request import Request


class Admin:
    """Answers what is not `@connections`.

    Args:
        status: Gives the document of `/_status`.
        faults: Shown and changed by `/_faults`; None when faults are not allowed.
    """

    def __init__(self, status: Callable[[], dict[str, Any]], faults: Faults | None) -> None:
        self._status = status
        self._faults = faults

    def answer(self, request: Request) -> bytes:
        """Return the answer's bytes."""
        if request.url == b"/_status":
            return http.document(200, self._status()) if request.method == b"GET" else http.NOT_ALLOWED
        if request.url == b"/_faults" and self._faults is not None:
            return self._faults_answer(request, self._faults)
        return http.NOT_FOUND

    @staticmethod
    def _faults_answer(request: Request, faults: Faults) -> bytes:
        if request.method in (b"POST", b"PUT"):
            try:
                faults.change(orjson.loads(request.body))
            except orjson.JSONDecodeError as error:
                return http.error(400, f"not JSON: {error}")
            except FaultError as error:
                return http.error(400, str(error))
        elif request.method == b"DELETE":
            faults.clear()
        elif request.method != b"GET":
            return http.NOT_ALLOWED
        return http.document(200, faults.document())
