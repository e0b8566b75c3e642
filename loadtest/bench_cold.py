"""`python -m loadtest.bench_cold`: what a function's cold start imports; ends with one line of JSON.

The code and the packages are put together as for a deploy, for this machine's architecture, and each handler is
imported in a fresh interpreter that sees nothing else: processor time by the operating system's account, the median of
several starts, each beside a start of `python -c pass`, since machines differ. `--source` leaves the bytecode out, as
a package that carries none would.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stacks.parts import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TARGET_MS: Final = 400
"""A handler's cold import may take so much processor time."""
WORST: Final = 10
LOOKS: Final = 5
ARCHITECTURES: Final = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64"}
_NOTHING: Final = "pass"


def handlers() -> list[str]:
    """The modules of `lambdas/` that Lambda calls."""
    found = sorted((bundle.ROOT / "lambdas").glob("*.py"))
    return [f"lambdas.{path.stem}" for path in found if "\ndef handler(" in path.read_text()]


def build(folder: Path, *, bytecode: bool = True) -> list[str]:
    """Put code and packages into `folder` as a deploy does; answers what a function has on its path."""
    code, layer = folder / "code", folder / "layer"
    code.mkdir()
    layer.mkdir()
    bundle.build_code(code)
    bundle.build_layer(layer, ARCHITECTURES[platform.machine()])
    for cached in [] if bytecode else list(folder.rglob("__pycache__")):
        shutil.rmtree(cached)
    return [str(code), str(layer / "python")]


def importing(module: str, path: Sequence[str]) -> str:
    """A program that imports a handler and knows no other folder than `path`."""
    return f"import sys; sys.path[:0] = {list(path)!r}; import {module}"


def cpu_ms(program: str) -> float:
    """Processor time of an interpreter that runs `program`, user and system."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Left at once: a function is frozen after its call, it never takes itself apart.
    subprocess.run([*_isolated(), "-c", f"{program}\nimport os; os._exit(0)"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def measure(module: str, path: Sequence[str], rounds: int) -> dict[str, float]:
    """Medians of a handler's cold import and of an empty start beside it."""
    pairs = [(cpu_ms(importing(module, path)), cpu_ms(_NOTHING)) for _ in range(rounds)]
    whole, empty = (statistics.median(side) for side in zip(*pairs, strict=True))
    return {"cpu_ms": round(whole, 1), "empty_ms": round(empty, 1), "ratio": round(whole / empty, 1)}


def worst(module: str, path: Sequence[str]) -> list[dict[str, Any]]:
    """The modules whose own code takes longest, by `-X importtime`; microseconds, the least of several imports."""
    least: dict[str, tuple[int, int]] = {}
    for _ in range(LOOKS):
        for name, times in _import_times(module, path):
            own, whole = least.get(name, times)
            least[name] = min(own, times[0]), min(whole, times[1])
    slowest = sorted(least.items(), key=lambda item: item[1], reverse=True)[:WORST]
    return [{"module": name, "self_us": own, "with_imports_us": whole} for name, (own, whole) in slowest]


def _import_times(module: str, path: Sequence[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    command = [*_isolated(), "-X", "importtime", "-c", importing(module, path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    for line in told.splitlines()[1:]:
        own, whole, name = line.removeprefix("import time:").split("|")
        yield name.strip(), (int(own), int(whole))


def report(path: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure every handler and print the tables."""
    names = handlers()
    costs = {name: measure(name, path, rounds) for name in names}
    print(f"{'handler':24} {'CPU ms':>8} {'empty':>8} {'ratio':>8}")
    for name, cost in costs.items():
        print(f"{name:24} {cost['cpu_ms']:8} {cost['empty_ms']:8} {cost['ratio']:8}")
    slowest = max(names, key=lambda name: costs[name]["cpu_ms"])
    modules = worst(slowest, path)
    print(f"\n{'of ' + slowest:44} {'own us':>10} {'with imports':>14}")
    for row in modules:
        print(f"{row['module']:44} {row['self_us']:10} {row['with_imports_us']:14}")
    met = all(cost["cpu_ms"] < TARGET_MS for cost in costs.values())
    return {"bench": "cold", "handlers": costs, "worst": {slowest: modules}, "target_ms": TARGET_MS, "met": met}


def _isolated() -> list[str]:
    """No site-packages, nothing from the environment, nothing written."""
    return [bundle.interpreter(), "-I", "-S", "-B"]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and end with one line of JSON; status 1 when a handler takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=7, help="starts of each handler")
    parser.add_argument("--source", action="store_true", help="without bytecode")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        told = report(build(Path(folder), bytecode=not arguments.source), arguments.n)
    print(json.dumps(told | {"bytecode": not arguments.source}))
    return 0 if told["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
