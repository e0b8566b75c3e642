"""Send, preview, look at and cancel broadcasts."""

import hashlib
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Query, Response

from api.auth import Caller, Reader
from api.bodies.broadcasts import (
    BroadcastIn,
    BroadcastOut,
    BroadcastPage,
    BroadcastStatus,
    DeliveryOut,
    DeliveryPage,
    PreviewOut,
)
from api.bodies.fields import StatusWord
from api.paging import DEFAULT_LIMIT, BroadcastPath, IdCursor, Limit, cut
from api.problems import responses
from api.services import Services, Serving
from carillon.directory import ID_PATTERN
from carillon.errors import (
    AudienceError,
    ForbiddenError,
    ForeignWeddingError,
    IdempotencyConflictError,
    NotFoundError,
)
from carillon.flow.cancel import cancel
from carillon.flow.create import Accepted, create
from carillon.flow.preview import preview
from carillon.model import Draft, Principal, Status
from carillon.ports import Idempotency

router = APIRouter(prefix="/v1/broadcasts", tags=["broadcasts"])
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Your own key for this request, kept 24 h: sent again, it answers the first result.",
        examples=["shift-W1-1530"],
    ),
]
_SENDING = responses(ForbiddenError, ForeignWeddingError, AudienceError)
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "Accepted: it will be delivered.",
        "headers": {
            "Location": {"description": "Where its status is.", "schema": {"type": "string"}},
            "Idempotent-Replayed": {
                "description": "`true` when an earlier request with this key made it.",
                "schema": {"type": "string"},
            },
        },
    }
}


@router.post(
    "", status_code=202, responses={**_SENDING, **responses(IdempotencyConflictError), **_ACCEPTED}, summary="Send"
)
def send(
    body: BroadcastIn, caller: Caller, serving: Serving, response: Response, idempotency_key: Key = None
) -> BroadcastOut:
    """Accept a broadcast. 202 means that it is stored and will be delivered, also across crashes."""
    now = serving.ports.clock()
    return accept(body.to_draft(now), caller, serving, response, key=idempotency_key, now=now)


def accept(
    draft: Draft, caller: Principal, serving: Services, response: Response, *, key: str | None, now: datetime
) -> BroadcastOut:
    """Create a broadcast from a draft and tell where it is."""
    idempotency = Idempotency(caller.subject, key, fingerprint(draft)) if key is not None else None
    ports = serving.ports
    accepted: Accepted = create(draft, caller, ports, broadcast_id=ports.new_id(), now=now, idempotency=idempotency)
    response.headers["Location"] = f"/v1/broadcasts/{accepted.broadcast.broadcast_id}"
    if accepted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return BroadcastOut.of(accepted.broadcast)


def fingerprint(draft: Draft) -> str:
    """A hash that two drafts share exactly when they ask for the same, however they were written down."""
    parts = (
        draft.audience.to_json(),
        draft.lane,
        draft.kind,
        draft.name,
        draft.data,
        draft.send_at,
        draft.expires_at,
        draft.escalate_after_s,
    )
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).hexdigest()


@router.post("/preview", responses=_SENDING, summary="Preview")
def preview_one(body: BroadcastIn, caller: Caller, serving: Serving) -> PreviewOut:
    """Tell how many people a broadcast would reach, now and delayed, without sending it."""
    now = serving.ports.clock()
    seen = preview(body.to_draft(now), caller, serving.ports, now)
    return PreviewOut(
        expected=seen.expected, now=seen.now, inbox_only=seen.inbox_only, delayed=seen.delayed, filtered=seen.filtered
    )


@router.get("", responses=responses(ForbiddenError), summary="List")
def list_all(
    caller: Reader,
    serving: Serving,
    wedding: Annotated[str | None, Query(pattern=ID_PATTERN, description="Of this wedding.", examples=["W1"])] = None,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Limit = DEFAULT_LIMIT,
) -> BroadcastPage:
    """List broadcasts, the newest first."""
    before = str(cursor) if cursor else None
    rows = serving.reports.broadcasts(
        before=before, limit=limit + 1, wedding_id=wedding, supplier_id=caller.supplier_id
    )
    page, following = cut(rows, limit, lambda row: row.broadcast_id)
    return BroadcastPage(items=[BroadcastOut.of(row) for row in page], next_cursor=following)


@router.get("/{broadcast_id}", responses=responses(ForbiddenError, NotFoundError), summary="Status")
def read(broadcast_id: BroadcastPath, caller: Reader, serving: Serving) -> BroadcastStatus:
    """Tell where a broadcast stands: people per status, who is left, how far its escalation has come."""
    found = serving.reports.broadcast(str(broadcast_id), supplier_id=caller.supplier_id)
    return BroadcastStatus.told(found, serving.reports.counts(found.broadcast_id))


@router.get("/{broadcast_id}/deliveries", responses=responses(ForbiddenError, NotFoundError), summary="Deliveries")
def deliveries(
    broadcast_id: BroadcastPath,
    caller: Reader,
    serving: Serving,
    status: Annotated[StatusWord | None, Query(description="Only these.", examples=["failed"])] = None,
    unacked: Annotated[bool, Query(description="Only people who were to get it and have not acked.")] = False,  # noqa: FBT002
    cursor: IdCursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> DeliveryPage:
    """List who gets a broadcast and how far it has come for each of them."""
    found = serving.reports.broadcast(str(broadcast_id), supplier_id=caller.supplier_id)
    rows = serving.reports.deliveries(
        found.broadcast_id,
        after=cursor or "",
        limit=limit + 1,
        status=Status[status.upper()] if status else None,
        unacked=unacked,
    )
    page, following = cut(rows, limit, lambda row: row.user_id)
    return DeliveryPage(items=[DeliveryOut.of(row) for row in page], next_cursor=following)


@router.post("/{broadcast_id}/cancel", responses=responses(ForbiddenError, NotFoundError), summary="Cancel")
def cancel_one(broadcast_id: BroadcastPath, caller: Caller, serving: Serving) -> BroadcastOut:
    """Stop what is not posted and take the rest back; again is fine."""
    if caller.supplier_id is not None:
        # What a supplier may not see is not there; only of what it sees may it learn that it is another's.
        serving.reports.broadcast(str(broadcast_id), supplier_id=caller.supplier_id)
    return BroadcastOut.of(cancel(str(broadcast_id), caller, serving.ports, serving.ports.clock()))
