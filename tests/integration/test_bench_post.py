from __future__ import annotations

import json
import subprocess
import sys


def test_the_benchmark_ends_with_its_line_of_json() -> None:
    output = subprocess.run(
        [sys.executable, "-m", "loadtest.bench_post", "--seconds", "0.2", "--rounds", "1"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    found = json.loads(output.splitlines()[-1])
    assert found["ratio"] == round(found["posts_per_cpu_s"] / found["boto3_posts_per_cpu_s"], 1)
    assert found["posts"] > 0
    assert found["boto3_posts"] > 0
    assert (found["failed"], found["boto3_failed"]) == (0, 0)
