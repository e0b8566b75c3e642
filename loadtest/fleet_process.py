"""`python -m loadtest.fleet_process`: a fleet in a process of its own, told what to do by lines of JSON.

In, one per line: the configuration `{"url", "ack_s", "in_flight", "per_s", "nice"}` first, then `{"do": "add",
"people": [[id, token], ...]}`, `{"do": "collect", "path": FILE}`. Out: how many are live and what they received,
whenever that changed, and `{"collected": FILE, ...}` once the file holds the receipts. The end of the input ends the
process.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

import orjson
import uvloop

from gateway.status import raise_file_limit
from loadtest.fleet import Fleet

LONGEST_LINE = 1 << 26
TELL_EVERY_S = 0.05


def _tell(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


async def _tell_progress(fleet: Fleet) -> None:
    told: dict[str, int] = {}
    while True:
        now = {name: getattr(fleet, name) for name in ("live", "received", "duplicates", "waits")}
        if now != told:
            told = now
            _tell(now)
        await asyncio.sleep(TELL_EVERY_S)


def _collect(fleet: Fleet, path: Path) -> None:
    path.write_bytes(orjson.dumps({"receipts": fleet.receipts(), "subscribe_s": fleet.subscribe_s()}))
    _tell({"collected": str(path), "statistics": fleet.statistics()})


async def _commands() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _run() -> None:
    commands = await _commands()
    configuration = orjson.loads(await commands.readline())
    os.nice(configuration.pop("nice"))
    fleet = Fleet(**configuration)
    telling = asyncio.create_task(_tell_progress(fleet))
    adding: list[asyncio.Task[None]] = []
    while line := await commands.readline():
        command = orjson.loads(line)
        if command["do"] == "add":
            adding.append(asyncio.create_task(fleet.add(command["people"])))
            # Ten thousand sessions are for ever: a full collection over them stops the fleet for 0.2 s.
            gc.freeze()
        else:
            _collect(fleet, Path(command["path"]))
    for task in (telling, *adding):
        task.cancel()


def main() -> None:
    """Run until the input ends."""
    raise_file_limit()
    gc.set_threshold(50_000, 20, 100)
    uvloop.run(_run())


if __name__ == "__main__":
    main()
