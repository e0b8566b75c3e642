"""What the OpenAPI document says beyond the routes themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from api.examples import EXAMPLES
from api.problems import Problem, responses
from carillon import errors

if TYPE_CHECKING:
    from fastapi import FastAPI

INFO: Final[dict[str, Any]] = {
    "version": "1",
    "summary": "Rings every phone at the wedding.",
    "description": (
        "Broadcasts to the people of a wedding, the directory that names them, and what became of each delivery. "
        "Errors are RFC 9457 problem documents with a stable `code` (see `/errors`)."
    ),
    "openapi_tags": [
        {"name": "broadcasts", "description": "Send, preview, follow and cancel."},
        {"name": "weddings", "description": "Weddings and their teams."},
        {"name": "people", "description": "People, their preferences and inboxes."},
        {"name": "segments", "description": "Named groups of people across weddings."},
        {"name": "import", "description": "The directory in bulk."},
        {"name": "operations", "description": "Health, readiness, verification, capacity and forecasts."},
    ],
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
}
EVERYWHERE: Final = responses(
    errors.UnauthenticatedError, errors.TokenExpiredError, errors.InvalidInputError, errors.TooLargeError,
    errors.OutageError, errors.CarillonError,
)  # fmt: skip
"""What any route may answer."""


def install(app: FastAPI) -> None:
    """Add examples and the problem document's schema; drop the framework's own error shape, which is never sent."""
    made = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = made()
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= problem.pop("$defs", {}) | {"Problem": problem}
        for name in EXAMPLES.keys() & schemas.keys():
            schemas[name]["examples"] = [EXAMPLES[name]]
        _show_answers(schema, schemas)
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return schema

    app.openapi = document  # type: ignore[method-assign]


def _show_answers(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put each answer's example beside it too: many tools look nowhere else."""
    operations = (operation for methods in schema["paths"].values() for operation in methods.values())
    for operation in operations:
        for answer in operation["responses"].values():
            for media in answer.get("content", {}).values():
                shown = schemas.get(media.get("schema", {}).get("$ref", "").rpartition("/")[2], {}).get("examples")
                if shown and not {"example", "examples"} & media.keys():
                    media["example"] = shown[0]
