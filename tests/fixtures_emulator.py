"""The emulated SQS, one per session, with queues of its own for each test."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.emulator import Emulator, find_python, install
from local.errors import MissingBinaryError
from local.queues import attributes, queue_arn, sqs_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIFO = {
    name: value
    for name, value in attributes("high").items()
    if name not in {"VisibilityTimeout", "MessageRetentionPeriod"}
}
"""The lanes' own attributes, less those that a test chooses."""


@pytest.fixture(scope="session")
def emulator_python(store_folder: Path) -> Path:
    """The interpreter that has the pinned emulator, installed for the session where `make setup` has not."""
    configured = os.environ.get("CARILLON_EMULATOR_PYTHON")
    try:
        return find_python(Path(configured) if configured else None)
    except MissingBinaryError:
        folder = store_folder / "venv-emulator"
        install(folder)
        return folder / "bin" / "python"


@pytest.fixture(scope="session")
def emulator(store_folder: Path, emulator_python: Path) -> Iterator[Emulator]:
    server = Emulator(store_folder / "emulator", python=emulator_python)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqs(emulator: Emulator) -> Any:
    return sqs_client(emulator.endpoint)


@pytest.fixture
def new_queue(sqs: Any) -> Callable[..., str]:
    """A function that makes a FIFO queue and answers its URL.

    With `max_receives` it has a dead-letter queue, which is named like it with `-dlq` before `.fifo`.
    """

    def create(*, visibility_s: int = 30, max_receives: int | None = None) -> str:
        name = uuid.uuid4().hex
        attributes = FIFO | {"VisibilityTimeout": str(visibility_s)}
        if max_receives:
            sqs.create_queue(QueueName=f"{name}-dlq.fifo", Attributes=FIFO)
            policy = {"deadLetterTargetArn": queue_arn(f"{name}-dlq.fifo"), "maxReceiveCount": max_receives}
            attributes["RedrivePolicy"] = json.dumps(policy)
        return str(sqs.create_queue(QueueName=f"{name}.fifo", Attributes=attributes)["QueueUrl"])

    return create
