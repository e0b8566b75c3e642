"""Posts per CPU-second: Carillon's poster beside boto3 with 50 threads, against the same local TLS server.

Each client runs in a process of its own, whose CPU time (user and system, from the first post on) is what counts.
Ends with one line of JSON. Run as `make bench-post` or `python -m loadtest.bench_post`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtest.sink import make_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION: Final = "us-east-1"
BODY: Final = b"x" * 512
THREADS: Final = 50
CONNECTIONS: Final = 64
CHUNK: Final = 500
"""Posts per call of the poster: what the consumer gives it."""
_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE" + "x" * 300,
    "AWS_REGION": REGION,
}


def post_with_carillon(endpoint: str, certificate: str, seconds: float) -> dict[str, float]:
    """Post through the product's poster for `seconds`, after a warm-up of one chunk."""
    from carillon.adapters.apigateway import CallbackPoster  # noqa: PLC0415
    from carillon.config import CallbackSettings  # noqa: PLC0415
    from carillon.ports import Lease, Post  # noqa: PLC0415

    class Open:
        def lease(self, want: int) -> Lease:
            return Lease(want, 0.0)

    poster = CallbackPoster(
        CallbackSettings(endpoint=endpoint, concurrency=CONNECTIONS), region=REGION, trust_file=certificate
    )
    posts = [Post(_connection_id(n), BODY) for n in range(CHUNK)]
    poster.post(posts, Open(), 10.0)
    sent = failed = 0
    watch = _Watch()
    while watch.wall_s() < seconds:
        report = poster.post(posts, Open(), 10.0)
        sent += len(report.sent)
        failed += len(report.failed) + len(report.gone)
    return watch.result(sent, failed)


def post_with_boto3(endpoint: str, certificate: str, seconds: float) -> dict[str, float]:
    """Post through boto3's `post_to_connection` from 50 threads for `seconds`, after a warm-up of two rounds."""
    import boto3  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    client: Any = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name=REGION,
        verify=certificate,
        config=Config(max_pool_connections=THREADS, retries={"max_attempts": 1}),
    )
    failures = client.exceptions.ClientError

    def until(stop: float, least: int) -> tuple[int, int]:
        sent = failed = 0
        while sent + failed < least or time.monotonic() < stop:
            try:
                client.post_to_connection(ConnectionId=_connection_id(sent), Data=BODY)
                sent += 1
            except failures:
                failed += 1
        return sent, failed

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(until, [0.0] * THREADS, [2] * THREADS))
        watch = _Watch()
        counts = list(threads.map(until, [time.monotonic() + seconds] * THREADS, [0] * THREADS))
        return watch.result(sum(sent for sent, _ in counts), sum(failed for _, failed in counts))


class _Watch:
    """Wall and CPU time of this process since now."""

    def __init__(self) -> None:
        self._wall = time.monotonic()
        self._cpu = _cpu_s()

    def wall_s(self) -> float:
        return time.monotonic() - self._wall

    def result(self, sent: int, failed: int) -> dict[str, float]:
        cpu_s, wall_s = _cpu_s() - self._cpu, self.wall_s()
        return {
            "posts": sent,
            "failed": failed,
            "cpu_s": round(cpu_s, 3),
            "posts_per_cpu_s": round(sent / cpu_s, 1),
            "posts_per_s": round(sent / wall_s, 1),
        }


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _connection_id(number: int) -> str:
    return f"L0SM9cOF{number:06d}HcCIhw="


CLIENTS: Final = {"carillon": post_with_carillon, "boto3": post_with_boto3}


@contextmanager
def sink(folder: Path, delay_ms: float) -> Iterator[tuple[str, str]]:
    """A running TLS server; gives its URL and the certificate to trust."""
    certificate, key = make_certificate(folder)
    command = [sys.executable, "-m", "loadtest.sink", f"--certificate={certificate}", f"--key={key}"]
    with subprocess.Popen(
        [*command, f"--delay-ms={delay_ms}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = json.loads(server.stdout.readline())["port"]
        yield f"https://127.0.0.1:{port}/prod", str(certificate)
        assert server.stdin is not None
        server.stdin.close()


def measure(client: str, url: str, certificate: str, seconds: float) -> dict[str, float]:
    """Run one client in a process of its own and read what it measured."""
    command = [sys.executable, "-m", "loadtest.bench_post", f"--client={client}", f"--endpoint={url}"]
    done = subprocess.run(
        [*command, f"--certificate={certificate}", f"--seconds={seconds}"],
        env=os.environ | _ENVIRONMENT,
        check=True,
        capture_output=True,
        text=True,
        timeout=seconds + 30,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(seconds: float, rounds: int) -> dict[str, Any]:
    """Both clients in turn, against an instant server and one that takes 8 ms; the medians of all rounds."""
    return _summary({delay_ms: _compare_at(delay_ms, seconds, rounds) for delay_ms in (0.0, 8.0)})


def _compare_at(delay_ms: float, seconds: float, rounds: int) -> dict[str, dict[str, float]]:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in CLIENTS}
    with tempfile.TemporaryDirectory() as folder, sink(Path(folder), delay_ms) as (url, certificate):
        for _ in range(rounds):  # in turn, so that whatever else the machine does troubles both alike
            for name, done in runs.items():
                done.append(measure(name, url, certificate, seconds))
    rows = {name: {key: statistics.median(run[key] for run in done) for key in done[0]} for name, done in runs.items()}
    for name, done in runs.items():
        rows[name] |= {key: sum(run[key] for run in done) for key in ("posts", "failed")}
        print(
            f"{name:>9}, server takes {delay_ms:g} ms: {rows[name]['posts_per_cpu_s']:>9,.0f} posts per CPU-second, "
            f"{rows[name]['posts_per_s']:>7,.0f} posts/s, {rows[name]['posts']:,} sent, {rows[name]['failed']} failed"
        )
    return rows


def _summary(rows: dict[float, dict[str, dict[str, float]]]) -> dict[str, Any]:
    """The line of JSON: the worse of the two ratios, so that the goal is met in both or not at all."""
    ratios = {
        delay: row["carillon"]["posts_per_cpu_s"] / row["boto3"]["posts_per_cpu_s"] for delay, row in rows.items()
    }
    worst = min(ratios, key=lambda delay: ratios[delay])
    ours, theirs = rows[worst]["carillon"], rows[worst]["boto3"]
    return {
        "posts_per_cpu_s": ours["posts_per_cpu_s"],
        "boto3_posts_per_cpu_s": theirs["posts_per_cpu_s"],
        "ratio": round(ratios[worst], 1),
        "server_ms": worst,
        "posts": ours["posts"],
        "failed": ours["failed"],
        "boto3_posts": theirs["posts"],
        "boto3_failed": theirs["failed"],
        "ratios": {f"{delay:g}ms": round(ratio, 1) for delay, ratio in ratios.items()},
    }


def main() -> None:
    """Compare both clients, or be one of them."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=1.5, help="how long each run posts")
    arguments.add_argument("--rounds", type=int, default=3, help="runs of each client against each server")
    arguments.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    arguments.add_argument("--endpoint", help=argparse.SUPPRESS)
    arguments.add_argument("--certificate", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.client:
        print(json.dumps(CLIENTS[given.client](given.endpoint, given.certificate, given.seconds)))
    else:
        print(json.dumps(compare(given.seconds, given.rounds)))


if __name__ == "__main__":
    main()
