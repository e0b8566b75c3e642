"""Every error as an RFC 9457 problem document, `application/problem+json`, with a stable code."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from carillon.errors import CarillonError, InvalidInputError, NotFoundError, TooLargeError, UnauthenticatedError
from carillon.protocol.web import problem

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

_LOG = logging.getLogger(__name__)
MEDIA_TYPE: Final = "application/problem+json"
_MOST_ERRORS: Final = 50


class ProblemError(BaseModel):
    """One field that is wrong."""

    pointer: str = Field(description="Where: a JSON pointer into the body, or the parameter's name.")
    detail: str = Field(description="What it takes.")


class Problem(BaseModel):
    """An error as RFC 9457 shapes it."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(description="Where the code is explained.")
    title: str = Field(description="The kind of error in a few words.")
    status: int = Field(description="The HTTP status again.")
    detail: str = Field(description="What was wrong and what to do.")
    code: str = Field(description="Stable, for programs; see docs/ERRORS.md.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[ProblemError] = Field(description="Which fields are wrong; empty when it is not about fields.")


def document(error: CarillonError, instance: str, status: int | None = None) -> dict[str, Any]:
    """The problem document for an error; what is internal stays inside."""
    hidden = type(error) is CarillonError
    return problem(
        code=error.code,
        status=status or error.status,
        detail="Something went wrong inside Carillon; it is logged." if hidden else error.message,
        instance=instance,
        errors=error.facts.get("errors", []),
    )


def answer(error: CarillonError, instance: str, status: int | None = None) -> JSONResponse:
    """The response for an error, with the headers that HTTP wants beside some of them."""
    headers = {}
    if error.temporary or error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s or 1)))
    if isinstance(error, UnauthenticatedError):
        headers["WWW-Authenticate"] = 'Bearer realm="carillon"'
    body = document(error, instance, status)
    return JSONResponse(body, body["status"], headers | error.facts.get("headers", {}), MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Give the app its error handlers; also unknown routes and wrong methods answer a problem document."""
    app.add_exception_handler(CarillonError, _on_carillon)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_bug)


def invalid(pointer: str, detail: str) -> InvalidInputError:
    """An error about one field."""
    return InvalidInputError(f"{pointer}: {detail}", errors=[{"pointer": pointer, "detail": detail}])


async def _on_carillon(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CarillonError)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _LOG.warning("%s %s: %s: %s", request.method, request.url.path, error.code, error.message)
    return answer(error, request.url.path)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"pointer": _sendable(_pointer(found["loc"])), "detail": _sendable(_detail(found))}
        for found in error.errors()[:_MOST_ERRORS]
    ]
    if isinstance(error.body, bytes) and _is_body(error):
        kind = request.headers.get("content-type", "")[:80] or "no content type at all"
        errors = [{"pointer": "/", "detail": f"takes application/json; this came as {_sendable(kind)}"}]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return answer(InvalidInputError(f"{first['pointer']}: {first['detail']}{more}", errors=errors), request.url.path)


def _is_body(error: RequestValidationError) -> bool:
    """Whether the body as a whole is what is wrong: the framework reads it only when its type says JSON."""
    return any(found["loc"] == ("body",) for found in error.errors())


def _pointer(loc: tuple[int | str, ...]) -> str:
    """`("body", "data", "x")` as `/data/x`; a parameter keeps its plain name. Tags of a union are no part of a path."""
    place, *rest = loc or ("body",)
    if place != "body":
        return ".".join(map(str, rest)) or str(place)
    steps = [str(step) for step in rest]
    if len(steps) > 1 and steps[0] == "audience" and steps[1] in {"users", "wedding", "role", "segment", "everyone"}:
        del steps[1]
    return "/" + "/".join(step.replace("~", "~0").replace("/", "~1") for step in steps)


def _detail(found: dict[str, Any]) -> str:
    return str(found["msg"]).removeprefix("Value error, ")


def _sendable(text: str) -> str:
    """Half surrogates, which a body can name a field with, fit into no answer."""
    return text.encode("utf-8", "backslashreplace").decode()


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework only names the methods of the first route of that path.
        known = ", ".join(sorted(_methods(request)))
        error.headers = {"Allow": known} if known else error.headers
    # A body that the framework cannot parse is invalid input like any other.
    unparsable = error.status_code == HTTPStatus.BAD_REQUEST
    return answer(_as_carillon(error), request.url.path, None if unparsable else error.status_code)


def _methods(request: Request) -> set[str]:
    paths = request.app.openapi()["paths"]
    found = [methods for path, methods in paths.items() if compile_path(path)[0].match(request.url.path)]
    return {method.upper() for methods in found for method in methods}


def _as_carillon(error: HTTPException) -> CarillonError:
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFoundError("there is no such page; /openapi.json lists all there are", headers=headers)
    if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return TooLargeError(str(error.detail), headers=headers)
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return InvalidInputError(f"this page only takes {headers.get('Allow', 'other methods')}", headers=headers)
    if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return InvalidInputError(str(error.detail), headers=headers)
    return CarillonError(str(error.detail), headers=headers)


async def _on_bug(request: Request, error: Exception) -> JSONResponse:
    _LOG.error("%s %s failed unexpectedly", request.method, request.url.path, exc_info=error)
    return answer(CarillonError("unexpected"), request.url.path)


def responses(*errors: type[CarillonError]) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for OpenAPI: one entry per status with an example per code."""
    found: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        example = document(error((error.__doc__ or "").splitlines()[0]), "/v1/broadcasts")
        entry = found.setdefault(error.status, {"description": "", "content": {MEDIA_TYPE: _content()}})
        entry["description"] = (entry["description"] + f" `{error.code}`").strip()
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {"value": example}
    return found


def created(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The second answer of a PUT that creates what was not there, for OpenAPI."""
    return {201: {"model": model, "description": "Created."}}


def _content() -> dict[str, Any]:
    return {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
