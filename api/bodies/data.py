"""What a broadcast's `data` may hold, so that it comes out of every store and language as it went in."""

from decimal import Decimal
from math import isfinite
from typing import Any, Final

import orjson

LARGEST_DATA: Final = 24 * 1024
"""Bytes as compact UTF-8 JSON: with the members around it, a frame stays under API Gateway's 32 KB."""
_DEEPEST: Final = 32
_MOST_DIGITS: Final = 40
_LARGEST_NUMBER: Final = 2**53 - 1
"""Beyond this JavaScript's numbers are no longer exact."""


def check_data(value: dict[str, Any]) -> dict[str, Any]:
    """The same value, if it can be kept.

    Raises:
        ValueError: it is too large or too deep, or holds a number or character that would not survive.
    """
    _walk(value, 1)
    size = len(orjson.dumps(value))
    if size > LARGEST_DATA:
        raise ValueError(f"takes at most {LARGEST_DATA} bytes of JSON, this is {size}; send a link to the large thing")
    return value


def _walk(value: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"takes at most {_DEEPEST} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, (int, float)):
        _check_number(value)
    elif isinstance(value, list):
        for item in value:
            _walk(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key)
            _walk(item, depth + 1)


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise ValueError("takes no NUL characters (\\u0000): the database cannot hold them")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("takes whole characters, no half surrogate pairs") from error


def _check_number(number: float) -> None:
    if isinstance(number, bool):
        return
    if not isfinite(number) or abs(number) > _LARGEST_NUMBER:
        raise ValueError(f"takes numbers from {-_LARGEST_NUMBER} to {_LARGEST_NUMBER}; write larger ones as text")
    # The database keeps 1e-300 as 300 digits, and would give it back as such.
    if isinstance(number, float) and len(f"{Decimal(repr(number)):f}") > _MOST_DIGITS:
        raise ValueError(f"takes numbers of at most {_MOST_DIGITS} digits")
