"""One tree of errors: a stable code, what was wrong, what to do. The HTTP and WebSocket edges map it once.

The class docstring is the reference entry in `docs/ERRORS.md`: keep it a sentence for the person who gets the error.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CarillonError(Exception):
    """Something went wrong inside Carillon; it is logged, and trying again later is safe."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    temporary: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_s: float | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.facts = facts


class InvalidInputError(CarillonError):
    """The request does not say something Carillon can carry out; `errors` names each field and what it takes."""

    code = "input.invalid"
    status = 422


class TooLargeError(InvalidInputError):
    """The body is larger than allowed; send less, or a link to the large thing."""

    code = "input.too_large"
    status = 413


class AudienceError(InvalidInputError):
    """The audience names nobody that Carillon knows; import the wedding or the people first."""

    code = "audience.unknown"


class UnauthenticatedError(CarillonError):
    """The token is missing, malformed, expired or signed by somebody else; get a new one from the issuer."""

    code = "token.invalid"
    status = 401


class TokenExpiredError(UnauthenticatedError):
    """The token was right but its time is over; get a new one from the issuer."""

    code = "token.expired"


class ForbiddenError(CarillonError):
    """The token is valid but does not carry the scope that this needs; ask for it, or use another account."""

    code = "scope.missing"
    status = 403


class ForeignWeddingError(ForbiddenError):
    """A supplier may only address weddings it works on; join the wedding's team first."""

    code = "wedding.foreign"


class UnknownPersonError(ForbiddenError):
    """The token is right, but nobody of its subject is in the directory; import the person first."""

    code = "person.unknown"


class NotFoundError(CarillonError):
    """There is no such thing, or this token may not see it."""

    code = "not_found"
    status = 404


class ConflictError(CarillonError):
    """What was asked does not fit the present state; read the resource and decide again."""

    code = "conflict"
    status = 409


class IdempotencyConflictError(ConflictError):
    """This Idempotency-Key was used for a different request; use a new key for a new request."""

    code = "idempotency.conflict"


class RateLimitedError(CarillonError):
    """Too many requests in too short a time; wait for `Retry-After` and go on."""

    code = "rate.limited"
    status = 429
    temporary = True


class OutageError(CarillonError):
    """A store that Carillon needs is away; nothing was accepted. Try again after `Retry-After`."""

    code = "outage"
    status = 503
    temporary = True


class ScalingError(CarillonError):
    """AWS did not take a change of capacity; the others were made. The next round of the plan tries again."""

    code = "scaling.failed"
    status = 503
    temporary = True


class PoisonError(CarillonError):
    """A queued message that no retry can help: it cannot be parsed, or it violates a rule. It is dead-lettered."""

    code = "message.poison"


class FrameError(CarillonError):
    """The WebSocket frame cannot be understood; see the protocol page for what each action takes."""

    code = "frame.invalid"
    status = 400


class FrameJsonError(FrameError):
    """The WebSocket frame is not one JSON object in UTF-8."""

    code = "frame.json"


class FrameActionError(FrameError):
    """The WebSocket frame names an action that does not exist."""

    code = "frame.action"


class FrameVersionError(FrameError):
    """The WebSocket frame asks for a protocol version that this server does not speak."""

    code = "frame.version"


class FrameChannelError(FrameError):
    """The WebSocket frame names a channel that does not exist or that this person may not enter."""

    code = "frame.channel"


class ConfigError(CarillonError):
    """A setting is missing or invalid; the message names the environment variable and what it takes."""

    code = "config.invalid"


def every_error() -> list[type[CarillonError]]:
    """All error classes with a code of their own, by code; the source of `docs/ERRORS.md`."""
    found: dict[str, type[CarillonError]] = {}
    todo: list[type[CarillonError]] = [CarillonError]
    while todo:
        error = todo.pop()
        found.setdefault(error.code, error)
        todo.extend(error.__subclasses__())
    return [found[code] for code in sorted(found)]
