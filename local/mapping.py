"""An SQS event source mapping like Lambda's, one process per lane: poll, invoke, delete what succeeded.

    python -m local.mapping --lane critical --config FILE

Each worker has a poller of its own, so that a message is only taken when a worker is free for it: up to 10 messages
are one invocation, the queue itself keeps a second batch of the same message group back, and as many groups are
worked on at once as there are workers. Nothing waits in this process. The configuration file holds
`{"lanes": {NAME: {...the fields of MappingConfig...}}}`; what the handlers need comes from the environment.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.workers import FunctionError, InvocationTimeout, WorkerDied, WorkerPool
from local.batches import event_of, succeeded
from local.emulator import REGION
from local.queues import queue_arn
from local.sqs import QueueError, SqsClient

log = logging.getLogger("mapping")

WAIT_S = 1
"""One long poll. Short, because a poll whose process is killed can still take a message from the queue, which then
comes back after its visibility timeout alone; and because stopping waits for the poll."""
MAX_BACK_OFF_S = 1.0
NICENESS = {"normal": 3, "low": 10}
"""In AWS each lane has machines of its own. Here they share this one's cores, and a flood yields to what is urgent."""
HEARTBEAT_S = 0.5


@dataclass(frozen=True)
class MappingConfig:
    """One mapping.

    Args:
        endpoint: Of SQS.
        queue_urls: The queues it takes from, as many pollers each as there are workers divided by queues.
        target: The handler's dotted path.
        workers: Number of worker processes, and so of batches at a time.
        status_path: The file that tells how it goes, see `Status`.
        timeout_s: Longest run of one invocation.
        batch_size: Messages per invocation at most.
        partial: Whether the function may answer which messages failed; otherwise it is all or none.
    """

    endpoint: str
    queue_urls: tuple[str, ...]
    target: str
    workers: int
    status_path: str
    timeout_s: float = 60.0
    batch_size: int = 10
    partial: bool = True


@dataclass
class Status:
    """How a mapping goes, written to its status file twice a second.

    Args:
        ready: Whether every worker is warm and every queue has answered a poll.
        pid: Of the mapping.
        worker_pids: Of its workers.
        received: Messages taken.
        deleted: Messages done with.
        failed_batches: Invocations that failed as a whole.
        at: Seconds since the epoch when this was written.
    """

    ready: bool
    pid: int
    worker_pids: list[int]
    received: int = 0
    deleted: int = 0
    failed_batches: int = 0
    at: float = 0.0


class Mapping:
    """A running mapping; `run` until `stop` is called."""

    def __init__(self, config: MappingConfig, pool: WorkerPool, client: SqsClient) -> None:
        self._config = config
        self._pool = pool
        self._client = client
        self._stopping = asyncio.Event()
        self._answered: set[str] = set()
        self.status = Status(ready=False, pid=os.getpid(), worker_pids=[])

    def stop(self) -> None:
        """Take no more; `run` returns when the polls and invocations in flight have ended."""
        self._stopping.set()

    async def run(self) -> None:
        """Start the workers, then take and handle messages until stopped."""
        self._write_status()
        await self._pool.start()
        heart = asyncio.create_task(self._beat())
        pollers = [
            asyncio.create_task(self._poll(url)) for url in self._config.queue_urls for _ in range(self._config.workers)
        ]
        try:
            await asyncio.gather(*pollers)
        finally:
            heart.cancel()
            await self._pool.stop()
            self._client.close()
            self._forget_status()

    async def _poll(self, url: str) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                messages = await self._receive(url)
                failures = 0
                if messages:
                    await self._handle(url, messages)
            except (OSError, QueueError, TimeoutError) as error:
                failures += 1
                self._answered.discard(url)
                if failures == 1:
                    log.warning("%s: %s; trying again", url, error)
                with contextlib.suppress(TimeoutError):
                    pause_s = min(MAX_BACK_OFF_S, 0.02 * 2 ** min(failures, 10))
                    await asyncio.wait_for(self._stopping.wait(), pause_s)

    async def _receive(self, url: str) -> list[dict[str, Any]]:
        answer = await self._client.call(
            "ReceiveMessage",
            {
                "QueueUrl": url,
                "MaxNumberOfMessages": self._config.batch_size,
                "WaitTimeSeconds": WAIT_S if url in self._answered else 0,
                "MessageSystemAttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            },
            wait_s=WAIT_S,
        )
        if url not in self._answered:
            self._answered.add(url)
            self._write_status()
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        self.status.received += len(messages)
        return messages

    async def _handle(self, url: str, messages: list[dict[str, Any]]) -> None:
        name = url.rsplit("/", 1)[-1]
        event = event_of(messages, queue_arn=queue_arn(name), region=REGION)
        try:
            answer = await self._pool.invoke(self._config.target, event, timeout_s=self._config.timeout_s)
        except (FunctionError, WorkerDied, InvocationTimeout) as error:
            # As on AWS: the messages come back when their visibility ends.
            self.status.failed_batches += 1
            log.warning("%s: %d messages stay: %s", name, len(messages), error)
            return
        done = succeeded(messages, answer) if self._config.partial else messages
        if done:
            await self._delete(url, done)

    async def _delete(self, url: str, messages: list[dict[str, Any]]) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]} for number, message in enumerate(messages)
        ]
        parameters = {"QueueUrl": url, "Entries": entries}
        try:
            answer = await self._client.call("DeleteMessageBatch", parameters)
        except OSError:  # deleting twice does no harm, not deleting brings the messages again
            answer = await self._client.call("DeleteMessageBatch", parameters)
        failed = answer.get("Failed", [])
        self.status.deleted += len(entries) - len(failed)
        if failed:
            log.warning("%s: %d messages were not deleted and will come again: %s", url, len(failed), failed[0])

    async def _beat(self) -> None:
        while True:
            self._write_status()
            await asyncio.sleep(HEARTBEAT_S)

    def _write_status(self) -> None:
        self.status.worker_pids = self._pool.pids
        self.status.ready = set(self._config.queue_urls) <= self._answered and bool(self._pool.pids)
        self.status.at = time.time()
        path = Path(self._config.status_path)
        half = path.with_suffix(".half")
        half.write_text(json.dumps(asdict(self.status)))
        half.replace(path)

    def _forget_status(self) -> None:
        Path(self._config.status_path).unlink(missing_ok=True)


def load(path: Path, lane: str) -> MappingConfig:
    """The configuration of `lane` from the file `path`.

    Raises:
        KeyError: The file has no such lane.
    """
    document = json.loads(path.read_text())["lanes"][lane]
    return MappingConfig(**{**document, "queue_urls": tuple(document["queue_urls"])})


async def serve(config: MappingConfig) -> None:
    """Run one mapping until SIGTERM or SIGINT."""
    module = config.target.rsplit(".", 1)[0]
    mapping = Mapping(config, WorkerPool(size=config.workers, preload=[module]), SqsClient(config.endpoint))
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, mapping.stop)
    await mapping.run()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m local.mapping", description=__doc__.splitlines()[0])
    parser.add_argument("--lane", required=True, help="which of the file's mappings to run")
    parser.add_argument("--config", required=True, type=Path, help="the file with the mappings")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    os.nice(NICENESS.get(arguments.lane, 0))
    asyncio.run(serve(load(arguments.config, arguments.lane)))


if __name__ == "__main__":
    main()
