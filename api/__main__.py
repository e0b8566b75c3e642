"""Serves the HTTP API: the one command, of the image in AWS and of the local run.

    python -m api [--app api.main:app] [--host 127.0.0.1] [--port 8080] [--grace 30]
    python -m api --check [--port 8080]

`--check` asks a server on this host whether it is alive and ends with status 1 when it is not.
"""

from __future__ import annotations

import argparse
import http.client
import sys
from typing import Final

from carillon.protocol.web import ALIVE, API_PORT, GRACE_S, KEEP_ALIVE_S

_CHECK_S: Final = 4.0


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT, or check; answers the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m api", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--app", default="api.main:app", help="what is served, as module:name")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=API_PORT)
    parser.add_argument("--grace", type=int, default=GRACE_S, help="seconds to finish requests in after SIGTERM")
    parser.add_argument("--check", action="store_true", help="ask a running server whether it is alive")
    chosen = parser.parse_args(arguments)
    if chosen.check:
        return check(chosen.port)
    serve(chosen.app, host=chosen.host, port=chosen.port, grace_s=chosen.grace)
    return 0


def serve(app: str, *, host: str, port: int, grace_s: int) -> None:
    """Serve `app` until SIGTERM; then no new connection is taken and requests under way have `grace_s` to finish."""
    import uvicorn  # noqa: PLC0415 - a check runs every ten seconds, and needs no server

    uvicorn.run(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        # Nothing here asks for a client's address, and what a client says of itself must not pass for it.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
    )


def check(port: int) -> int:
    """0 when the server on `port` of this host is alive, else 1 and a line on stderr that says why."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_CHECK_S)
    try:
        connection.request("GET", ALIVE)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.stderr.write(f"{ALIVE}: {error}\n")
        return 1
    finally:
        connection.close()
    if status != http.client.OK:
        sys.stderr.write(f"{ALIVE}: status {status}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
