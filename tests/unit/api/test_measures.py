"""What the API counted is written while it runs and when it ends."""

from __future__ import annotations

import threading

from api.measures import Measures


def test_it_writes_again_and_again_whatever_went_wrong() -> None:
    third, rounds = threading.Event(), 0

    def flush() -> None:
        nonlocal rounds
        rounds += 1
        if rounds >= 3:
            third.set()
        raise BrokenPipeError

    measures = Measures(flush, 0.001)
    measures.start()
    assert third.wait(5), "the first failure ended it"
    measures.stop()


def test_what_was_counted_last_is_written_at_the_end() -> None:
    written: list[str] = []
    measures = Measures(lambda: written.append("flushed"), 3600)
    measures.start()
    measures.stop()
    assert written == ["flushed"]
