"""The OpenAPI document tells a stranger everything: examples, errors, and nothing that is never sent."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from api.bodies.broadcasts import BroadcastIn
from api.bodies.directory import PreferencesBody, SegmentIn, UserIn, WeddingIn
from api.examples import EXAMPLES
from api.services import Services
from carillon.config import ApiSettings


def _document() -> dict[str, Any]:
    nothing: Any = None
    return create_app(Services(nothing, nothing, nothing, nothing, ApiSettings(relay=False), *[nothing] * 4)).openapi()


DOCUMENT = _document()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: dict[str, Any] = DOCUMENT["components"]["schemas"][name] if name else schema
    return found


def _has_example(media: dict[str, Any]) -> bool:
    return bool({"example", "examples"} & media.keys() or {"example", "examples"} & _resolved(media["schema"]).keys())


def test_it_is_openapi_3_1_and_speaks_of_its_own_errors_alone() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert "HTTPValidationError" not in str(DOCUMENT)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_says_what_it_does_and_shows_it(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        assert _has_example(media)
    for status, answer in operation["responses"].items():
        for media in answer.get("content", {}).values():
            assert {"example", "examples"} & media.keys(), f"{name} {status}"


@pytest.mark.parametrize("name", [name for name in OPERATIONS if "/v1/" in name])
def test_every_operation_wants_a_token_and_tells_its_errors(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["security"] == [{"HTTPBearer": []}]
    assert {"401", "422", "413", "503", "500", "403"} <= operation["responses"].keys()
    for status in ("401", "422", "503"):
        assert list(operation["responses"][status]["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("model", [BroadcastIn, UserIn, WeddingIn, SegmentIn, PreferencesBody])
def test_the_examples_are_right(model: Any) -> None:
    for example in model.model_json_schema()["examples"]:
        assert model.model_validate(example)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_answers_are_right(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    Draft202012Validator(schema).validate(EXAMPLES[name])
