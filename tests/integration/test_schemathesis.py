"""Whatever anybody sends, the API answers as its OpenAPI document says; made-up requests by the thousand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api.app import create_app
from api.services import Services
from carillon.config import ApiSettings
from tests.integration.served import ALL, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case

    from tests.integration.served import Served

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    unsupported_method,
)


@schemathesis.serializer("application/x-ndjson")
def _as_lines(_: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


BEARER = {"Authorization": f"Bearer ops|{ALL}|"}
KEPT = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
SHORT = settings(
    max_examples=50,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=KEPT,
    phases=[Phase.explicit, Phase.generate],
)
LONG = settings(SHORT, max_examples=400, derandomize=False)


@pytest.fixture(scope="module")
def served(postgres: str) -> Iterator[Served]:
    with serve(postgres) as served:
        rows = [
            {
                "wedding_id": "W1",
                "wedding_name": "Ann & Bo",
                "starts_at": "2027-06-12T14:00Z",
                "wedding_time_zone": "Europe/Lisbon",
                "user_id": "W1",
                "name": "Ann",
                "role": "couple",
            }
        ]
        served.call("POST", "/v1/import", content="\n".join(map(json.dumps, rows)))
        served.call("POST", "/v1/broadcasts", {"audience": {"type": "everyone"}, "name": "seed"})
        served.consume()
        yield served


@pytest.fixture(scope="module")
def api_schema(served: Served) -> Any:
    return schemathesis.openapi.from_url(f"{served.url}/openapi.json")


def _operations() -> list[str]:
    """Every operation; nothing behind the app is needed to list them."""
    settled: Any = None
    app = create_app(Services(settled, settled, settled, settled, ApiSettings(relay=False), *[settled] * 4))
    return [f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods]


def _attack(api_schema: Any, operation: str, how: settings) -> None:
    method, path = operation.split(" ")
    chosen = api_schema[path][method]

    @given(case=st.one_of(chosen.as_strategy(), chosen.as_strategy(generation_mode=GenerationMode.NEGATIVE)))
    @how
    def any_request_is_answered_as_documented(case: Case) -> None:
        case.call_and_validate(headers=BEARER, checks=CHECKS)

    any_request_is_answered_as_documented()


@pytest.mark.parametrize("operation", _operations())
def test_any_request_is_answered_as_documented(api_schema: Any, operation: str) -> None:
    _attack(api_schema, operation, SHORT)


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("operation", _operations())
def test_any_request_is_answered_as_documented_for_long(api_schema: Any, operation: str) -> None:
    _attack(api_schema, operation, LONG)
