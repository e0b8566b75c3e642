"""CloudEvents 1.0 in, as another way to create a broadcast: what happened at a supplier becomes news for a wedding.

| attribute | becomes |
|---|---|
| `type` = `carillon.broadcast.<name>` | the name |
| `subject` = `weddings/ID`, `weddings/ID/roles/ROLE`, `users/ID,ID`, `segments/ID` or `everyone` | the audience |
| `data`, or JSON in `data_base64` | the data; a JSON object |
| extensions `priority`, `kind`, `sendat`, `expiresat`, `escalateafters` | the fields of nearly the same name |
| `source` and `id` | the idempotency key: the same event again is the same broadcast |
"""

import base64
import hashlib
from typing import Annotated, Any, Final
from urllib.parse import unquote

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from api.auth import Caller
from api.bodies.broadcasts import BroadcastIn, BroadcastOut
from api.problems import invalid, responses
from api.routes.broadcasts import accept
from api.services import Serving
from carillon.errors import AudienceError, ForbiddenError, ForeignWeddingError, IdempotencyConflictError

router = APIRouter(tags=["broadcasts"])
TYPE_PREFIX: Final = "carillon.broadcast."
_STRUCTURED: Final = "application/cloudevents+json"
_LONGEST: Final = 1_024
_FIELDS: Final = {
    "priority": "priority",
    "kind": "kind",
    "sendat": "send_at",
    "expiresat": "expires_at",
    "escalateafters": "escalate_after_s",
}
_EXAMPLE: Final = {
    "specversion": "1.0",
    "id": "7f3c",
    "source": "https://flowers.example/orders",
    "type": "carillon.broadcast.delivery.delayed",
    "subject": "weddings/W1/roles/planner",
    "priority": "high",
    "datacontenttype": "application/json",
    "data": {"minutes": 20},
}
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type", "subject"],
    "properties": {
        "specversion": {"type": "string", "enum": ["1.0"]},
        "id": {"type": "string", "minLength": 1, "maxLength": _LONGEST},
        "source": {"type": "string", "minLength": 1, "maxLength": _LONGEST},
        "type": {"type": "string", "pattern": r"^carillon\.broadcast\.[a-z0-9]+([._-][a-z0-9]+)*$"},
        "subject": {"type": "string", "description": "Names the audience."},
        "data": {"type": "object"},
    },
}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "Structured mode; in binary mode the attributes are `ce-` headers and the body is the data.",
        "content": {_STRUCTURED: {"schema": _SCHEMA, "example": _EXAMPLE}},
    }
}


async def _raw(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/v1/events",
    status_code=202,
    responses=responses(ForbiddenError, ForeignWeddingError, AudienceError, IdempotencyConflictError),
    openapi_extra=_BODY,
    summary="Take in a CloudEvent",
)
def take(
    request: Request, caller: Caller, serving: Serving, response: Response, raw: Annotated[bytes, Depends(_raw)]
) -> BroadcastOut:
    """Create a broadcast from a CloudEvent, in structured or binary mode."""
    event = _event(request, raw)
    for name in ("id", "source", "type", "subject"):
        if not isinstance(event.get(name), str) or not 1 <= len(event[name]) <= _LONGEST:
            raise invalid(f"/{name}", f"must be text of 1 to {_LONGEST} characters")
    if event.get("specversion") != "1.0":
        raise invalid("/specversion", "must be 1.0")
    now = serving.ports.clock()
    draft = _broadcast(event).to_draft(now)
    # Both are free text; the hash makes one key of them that no other pair can make.
    key = "ce:" + hashlib.sha256(orjson.dumps([event["source"], event["id"]])).hexdigest()
    return accept(draft, caller, serving, response, key=key, now=now)


def _event(request: Request, raw: bytes) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == _STRUCTURED:
        event = _json(raw)
        if not isinstance(event, dict):
            raise invalid("/", "a CloudEvent is one JSON object")
        return event if "data_base64" not in event else _decoded(event)
    if kind not in {"", "application/json"} or "ce-id" not in request.headers:
        raise invalid("content-type", f"takes {_STRUCTURED}, or ce- headers and a body of application/json")
    headers = {
        name[3:]: unquote(value, errors="replace") for name, value in request.headers.items() if name.startswith("ce-")
    }
    return headers | {"data": _json(raw) if raw.strip() else {}}


def _decoded(event: dict[str, Any]) -> dict[str, Any]:
    """The event with `data` in place of `data_base64`, which CloudEvents allows for any payload."""
    text = event.pop("data_base64")
    if "data" in event:
        raise invalid("/data_base64", "an event holds data or data_base64, not both")
    try:
        return event | {"data": _json(base64.b64decode(text, validate=True))}
    except (TypeError, ValueError) as error:
        raise invalid("/data_base64", "must be JSON in base64") from error


def _json(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except ValueError as error:
        raise invalid("/", f"is not JSON: {error}") from error


def _broadcast(event: dict[str, Any]) -> BroadcastIn:
    if not event["type"].startswith(TYPE_PREFIX):
        raise invalid("/type", f"must begin with {TYPE_PREFIX}")
    body: dict[str, Any] = {"name": event["type"].removeprefix(TYPE_PREFIX), "audience": _audience(event["subject"])}
    body |= {field: event[name] for name, field in _FIELDS.items() if event.get(name) is not None}
    if isinstance(body.get("escalate_after_s"), str) and body["escalate_after_s"].isdecimal():
        body["escalate_after_s"] = int(body["escalate_after_s"][:9])
    if event.get("data") is not None:
        body["data"] = event["data"]
    try:
        return BroadcastIn.model_validate(body)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from error


def _audience(subject: str) -> dict[str, Any]:
    match subject.split("/"):
        case ["everyone"]:
            return {"type": "everyone"}
        case ["users", ids]:
            return {"type": "users", "user_ids": ids.split(",")}
        case ["segments", segment_id]:
            return {"type": "segment", "segment_id": segment_id}
        case ["weddings", wedding_id]:
            return {"type": "wedding", "wedding_id": wedding_id}
        case ["weddings", wedding_id, "roles", role]:
            return {"type": "role", "wedding_id": wedding_id, "role": role}
    raise invalid("/subject", "must be weddings/ID, weddings/ID/roles/ROLE, users/ID,ID, segments/ID or everyone")
