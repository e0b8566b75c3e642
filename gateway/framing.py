"""The wire between the pool and its workers: a four-byte big-endian length, then that many bytes of JSON.

Request: `[target, event, request_id, timeout_s]`. Answer: `{"result": ...}` or `{"error": [type, message]}`.
"""

import struct

HEADER = struct.Struct(">I")

MAX_BYTES = 16 * 1024 * 1024
"""Lambda takes 6 MB; ten messages of one mebibyte with JSON's escapes must fit as well."""


def frame(payload: bytes) -> bytes:
    """Return `payload` with its length in front.

    Raises:
        ValueError: When the payload is larger than `MAX_BYTES`.
    """
    if len(payload) > MAX_BYTES:
        raise ValueError(f"a payload of {len(payload)} bytes is over the limit of {MAX_BYTES}")
    return HEADER.pack(len(payload)) + payload


class Unframer:
    """Collects bytes as they come and gives whole payloads back."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take the next bytes of the stream; return the payloads that are now whole.

        Raises:
            ValueError: When the stream announces a payload larger than `MAX_BYTES`.
        """
        self._buffer += data
        whole: list[bytes] = []
        while len(self._buffer) >= HEADER.size:
            (length,) = HEADER.unpack_from(self._buffer)
            if length > MAX_BYTES:
                raise ValueError(f"the stream announces {length} bytes, the limit is {MAX_BYTES}")
            end = HEADER.size + length
            if len(self._buffer) < end:
                break
            whole.append(bytes(self._buffer[HEADER.size : end]))
            del self._buffer[:end]
        return whole
