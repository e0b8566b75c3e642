"""A request to the callback listener, as far as anything there looks at it."""


class Request:
    """One request.

    Attributes:
        method: Such as `b"POST"`.
        url: The request target as it was sent.
        authorization: That header, or None.
        amz_date: The `X-Amz-Date` header, or None.
        body: The body; cut short when it is larger than the listener keeps.
        size_bytes: The body's true size.
        keep_alive: Whether the connection stays open after the answer.
    """

    __slots__ = ("amz_date", "authorization", "body", "keep_alive", "method", "size_bytes", "url")

    def __init__(self) -> None:
        self.method = b""
        self.url = b""
        self.authorization: bytes | None = None
        self.amz_date: bytes | None = None
        self.body = b""
        self.size_bytes = 0
        self.keep_alive = True
