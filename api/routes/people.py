"""People, their preferences and their inbox."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Query, Response

from api.auth import READERS, Caller, Editor, Reader, require, require_self_or
from api.bodies.directory import PreferencesBody, PreferencesOut, UserIn, UserOut, UserPage
from api.bodies.fields import KindWord, Out, Priority
from api.paging import DEFAULT_LIMIT, IdCursor, IdPath, Limit, cut
from api.problems import created, responses
from api.services import Serving
from carillon.errors import ForbiddenError, NotFoundError
from carillon.flow.close import close
from carillon.flow.resume import page as inbox_page
from carillon.model import Event, Lane
from carillon.names import Scope
from carillon.protocol.codes import CloseCode

router = APIRouter(prefix="/v1/users", tags=["people"])


@router.get("", responses=responses(ForbiddenError), summary="List people")
def list_all(
    caller: Reader,
    serving: Serving,
    query: Annotated[
        str | None, Query(max_length=100, description="The beginning of an id or a name.", examples=["ann"])
    ] = None,
    cursor: IdCursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> UserPage:
    """List people in id order; a supplier sees those on its weddings."""
    rows = serving.directory.users(after=cursor or "", limit=limit + 1, query=query, supplier_id=caller.supplier_id)
    page, following = cut(rows, limit, lambda row: row.user_id)
    return UserPage(items=[UserOut.of(row) for row in page], next_cursor=following)


@router.get("/{user_id}", responses=responses(ForbiddenError, NotFoundError), summary="Read a person")
def read(user_id: IdPath, caller: Caller, serving: Serving) -> UserOut:
    """One person; everybody may see themselves."""
    if caller.subject == user_id:
        return UserOut.of(serving.directory.user(user_id))
    require(caller, *READERS)
    return UserOut.of(serving.directory.user(user_id, supplier_id=caller.supplier_id))


@router.put(
    "/{user_id}", responses={**created(UserOut), **responses(ForbiddenError)}, summary="Create or replace a person"
)
def put(user_id: IdPath, body: UserIn, caller: Editor, serving: Serving, response: Response) -> UserOut:
    """Create or replace a person; 201 when created."""
    del caller
    user = body.to_user(user_id)
    response.status_code = 201 if serving.directory.put_user(user) else 200
    return UserOut.of(user)


@router.delete("/{user_id}", status_code=204, responses=responses(ForbiddenError), summary="Erase a person")
def erase(user_id: IdPath, caller: Editor, serving: Serving) -> None:
    """Erase a person for good: every trace of their id goes, what they were sent stays counted. Again is fine."""
    del caller
    sockets = serving.directory.erase(user_id)
    if sockets:
        close(sockets, CloseCode.ERASED, "this person was erased", serving.ports, reconnect=False)


@router.get("/{user_id}/preferences", responses=responses(ForbiddenError, NotFoundError), summary="Read preferences")
def read_preferences(user_id: IdPath, caller: Caller, serving: Serving) -> PreferencesOut:
    """What a person wants to get."""
    require_self_or(caller, user_id, Scope.DIRECTORY_WRITE, Scope.OPS_READ)
    return PreferencesOut.of(serving.directory.preferences(user_id))


@router.put("/{user_id}/preferences", responses=responses(ForbiddenError, NotFoundError), summary="Choose preferences")
def put_preferences(user_id: IdPath, body: PreferencesBody, caller: Caller, serving: Serving) -> PreferencesOut:
    """Replace what a person wants to get; whatever is left out gets its default."""
    require_self_or(caller, user_id, Scope.DIRECTORY_WRITE)
    preferences = body.to_preferences()
    serving.directory.put_preferences(user_id, preferences)
    return PreferencesOut.of(preferences)


class EventOut(Out):
    """An event as the person's phone sees it; a tombstone fills the place of one that is over."""

    lane: Priority
    offset: int
    event_id: str
    name: str
    kind: KindWord
    ts: int
    expires_at: int | None
    data: dict[str, Any]
    wedding_id: str | None
    attempt: int
    tombstone: Literal["expired", "canceled"] | None

    @classmethod
    def of(cls, event: Event) -> Self:
        """An event of the inbox."""
        plain = ("offset", "event_id", "name", "ts", "expires_at", "data", "wedding_id", "attempt", "tombstone")
        words = {"lane": event.lane.word, "kind": event.kind.word}
        gone: dict[str, Any] = {"data": {}} if event.tombstone else {}
        return cls(**{name: getattr(event, name) for name in plain} | gone | words)


class InboxOut(Out):
    """What a person has not acked, or what came after the offsets given."""

    epoch: str
    offsets: dict[Priority, int]
    recovered: bool
    more: bool
    events: list[EventOut]
    read_at: datetime


Offset = Annotated[
    int | None, Query(ge=0, le=2**63 - 1, description="Only later events of this priority.", examples=[41])
]


@router.get("/{user_id}/inbox", responses=responses(ForbiddenError, NotFoundError), summary="Read an inbox")
def inbox(  # noqa: PLR0913, PLR0917 - each is a parameter of the address
    user_id: IdPath,
    caller: Caller,
    serving: Serving,
    epoch: Annotated[str | None, Query(max_length=64, description="The epoch of the offsets.")] = None,
    critical: Offset = None,
    high: Offset = None,
    normal: Offset = None,
    low: Offset = None,
) -> InboxOut:
    """A page of a person's inbox, as a subscribing client gets it."""
    require_self_or(caller, user_id, Scope.OPS_READ)
    serving.directory.user(user_id)
    given = dict(zip(Lane, (critical, high, normal, low), strict=True))
    known = {lane: offset for lane, offset in given.items() if offset is not None}
    now = serving.ports.clock()
    current = epoch
    if known and epoch is None:
        current = serving.ports.inbox.heads(user_id)[0]
    page = inbox_page(user_id, current, known or None, serving.ports, now)
    offsets: Any = {lane.word: offset for lane, offset in page.offsets.items()}
    return InboxOut(
        epoch=page.epoch,
        offsets=offsets,
        recovered=page.recovered,
        more=page.more,
        events=[EventOut.of(event) for event in page.events],
        read_at=now,
    )
