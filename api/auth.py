"""Who is asking, and whether they may."""

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.services import Serving
from carillon.errors import ForbiddenError, UnauthenticatedError
from carillon.model import Principal
from carillon.names import Scope

_BEARER = HTTPBearer(auto_error=False, bearerFormat="JWT", description="A JWT of the issuer, with scopes.")
READERS = (Scope.OPS_READ, Scope.DIRECTORY_WRITE, Scope.BROADCAST_WRITE)


def _principal(
    serving: Serving, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
) -> Principal:
    """Whom the request's token speaks for."""
    if credentials is None:
        raise UnauthenticatedError("send a token: Authorization: Bearer <jwt>")
    return serving.tokens.verify(credentials.credentials)


Caller = Annotated[Principal, Depends(_principal)]


def require(caller: Principal, *scopes: Scope) -> None:
    """Refuse a caller that carries none of these scopes.

    Raises:
        ForbiddenError: the message names what would do.
    """
    if not caller.scopes.intersection(scopes):
        raise ForbiddenError(f"the token lacks the scope {' or '.join(scopes)}", missing=[str(one) for one in scopes])


def _reader(caller: Caller) -> Principal:
    require(caller, *READERS)
    return caller


def _editor(caller: Caller) -> Principal:
    require(caller, Scope.DIRECTORY_WRITE)
    if caller.supplier_id is not None:
        raise ForbiddenError("the directory is kept by the business itself; a supplier's token may only read its part")
    return caller


def _operator(caller: Caller) -> Principal:
    require(caller, Scope.OPS_READ)
    if caller.supplier_id is not None:
        raise ForbiddenError("this is about everybody's broadcasts; a supplier's token may not see it")
    return caller


Reader = Annotated[Principal, Depends(_reader)]
Editor = Annotated[Principal, Depends(_editor)]
Operator = Annotated[Principal, Depends(_operator)]


def require_self_or(caller: Principal, user_id: str, *scopes: Scope) -> None:
    """A person may always see to their own; for others it takes one of these scopes, and no supplier's token.

    Raises:
        ForbiddenError: neither.
    """
    if caller.subject == user_id:
        return
    require(caller, *scopes)
    if caller.supplier_id is not None:
        raise ForbiddenError("a supplier's token may not see or change what belongs to one person")
