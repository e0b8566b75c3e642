"""`python -m gateway --config FILE`: serve until SIGTERM or SIGINT."""

import argparse
import asyncio
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path

import uvloop

from gateway.config import ConfigError, GatewayConfig, from_file
from gateway.server import Gateway, PortTakenError
from gateway.status import raise_file_limit
from gateway.workers import FunctionError, InvocationTimeout, WorkerDied

EX_CONFIG = 78
"""`sysexits.h`: something is wrong with the configuration; a taken port counts as that."""

RESERVED_FILES = 64
"""Files that are no connections: listeners, workers, logs."""


async def serve(config: GatewayConfig, files: int) -> None:
    """Serve `config` until a signal asks to stop."""
    gateway = Gateway(config)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await gateway.start()
    gc.freeze()  # what is imported by now stays; no collection need look at it
    ready = {
        "ready": True,
        "ws_port": gateway.ws_port,
        "callback_port": gateway.callback_port,
        "pid": os.getpid(),
        "max_connections": max(0, files - RESERVED_FILES - config.workers),
    }
    print(json.dumps(ready), flush=True)
    await stop.wait()
    await gateway.stop()


def main() -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="JSON file with the fields of GatewayConfig")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s gateway %(levelname)s %(message)s")
    files = raise_file_limit()
    # Ten thousand connections are many long-lived objects: look through them less often.
    gc.set_threshold(50_000, 20, 50)
    try:
        config = from_file(arguments.config)
        uvloop.run(serve(config, files))
    except (ConfigError, PortTakenError) as error:
        print(f"gateway: {error}", file=sys.stderr)
        return EX_CONFIG
    except (FunctionError, WorkerDied, InvocationTimeout) as error:
        print(f"gateway: the workers could not be started: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
