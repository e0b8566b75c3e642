import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.framing import MAX_BYTES, Unframer, frame


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 50))
def test_payloads_come_out_whole_however_the_stream_is_cut(payloads: list[bytes], cut: int) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    unframer = Unframer()
    out: list[bytes] = []
    for start in range(0, len(stream), cut):
        out += unframer.feed(stream[start : start + cut])
    assert out == payloads


def test_a_payload_over_the_limit_is_refused_on_both_sides() -> None:
    with pytest.raises(ValueError, match="limit"):
        frame(bytes(MAX_BYTES + 1))
    with pytest.raises(ValueError, match="limit"):
        Unframer().feed(b"\xff\xff\xff\xff")
