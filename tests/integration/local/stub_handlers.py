"""A handler that notes what it gets and does what the message's body says; run in the mapping's workers."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any


def note(what: str, record: dict[str, Any]) -> None:
    """Append one line to the notes; a single small write, so that workers do not mix theirs."""
    line = {
        "what": what,
        "pid": os.getpid(),
        "body": record["body"],
        "receives": int(record["attributes"]["ApproximateReceiveCount"]),
    }
    with Path(os.environ["STUB_NOTES"]).open("a") as notes:
        notes.write(json.dumps(line) + "\n")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Handle one record after the other; `fail`, `die` and `raise` do so on the first receive, `bad` on each."""
    failures = []
    for record in event["Records"]:
        note("start", record)
        word = record["body"].split()[0]
        first = record["attributes"]["ApproximateReceiveCount"] == "1"
        if word == "die" and first:
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "raise" and first:
            raise RuntimeError(record["body"])
        if word == "hold":
            hold(Path(os.environ["STUB_NOTES"]).with_name("go"))
        if word == "bad" or (word == "fail" and first):
            failures.append({"itemIdentifier": record["messageId"]})
        note("end", record)
    return {"batchItemFailures": failures}


def hold(until: Path) -> None:
    """Wait for the test to make the file `until`; at most 20 s."""
    deadline = time.monotonic() + 20
    while not until.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
