"""What a broadcast's data may hold."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.bodies.data import LARGEST_DATA, check_data

NUMBERS = st.integers() | st.floats()
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters()), JSON, max_size=6))
def test_what_is_let_in_survives_the_stores_and_a_frame(value: dict[str, Any]) -> None:
    try:
        check_data(value)
    except ValueError:
        return
    text = json.dumps(value)
    assert "\\u0000" not in text.replace("\\\\", "")
    # The database keeps numbers as decimals and writes them out in full; a frame is made of what it gives back.
    kept = json.loads(text, parse_float=lambda number: float(f"{Decimal(number):f}"))
    assert len(orjson.dumps(kept)) <= LARGEST_DATA
    assert kept == value


@pytest.mark.parametrize(
    "value",
    [
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": 2**53},
        {"x": -(2**53)},
        {"x": 1e-60},
        {"x": "\x00"},
        {"\x00": 1},
        {"x": ["\ud800"]},
        {"\udfff": 1},
        {"x": "y" * LARGEST_DATA},
    ],
)
def test_what_would_not_come_back_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="takes "):
        check_data(value)


def test_deep_data_is_refused_before_it_can_hurt() -> None:
    value: dict[str, Any] = {}
    for _ in range(50):
        value = {"x": [value]}
    with pytest.raises(ValueError, match="levels"):
        check_data(value)


def test_data_may_be_as_large_as_allowed() -> None:
    room = LARGEST_DATA - len('{"x":""}')
    assert check_data({"x": "y" * room})
    with pytest.raises(ValueError, match="at most"):
        check_data({"x": "y" * (room + 1)})
