"""Plays a season on a pretend clock under four ways to be ready, and reports what each of them cost and missed.

python -m simulate --scenario june-saturday --weddings 700 --seed 1 [--arrivals FILE] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from carillon.errors import InvalidInputError
from carillon.policy.profiles import DEFAULT_PROFILE, PROFILES
from simulate.errors import ArrivalsError, OutputError, QuotaError, ScenarioError, SeedError, WeddingsError
from simulate.scenarios import LEAST, MOST, SCENARIOS, for_weddings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from simulate.scenarios import Scenario

USAGE: Final = 2
INTERRUPTED: Final = 130
MOST_SEED: Final = 2**32 - 1
QUOTAS: Final = (100, 1_000_000)
OUT: Final = Path("build/simulate")


def parser() -> argparse.ArgumentParser:
    """All options; what they may be is checked later, so that every refusal has a code."""
    made = argparse.ArgumentParser(prog="carillon simulate", description=(__doc__ or "").splitlines()[0])
    named = "; ".join(f"{one.name}: {one.says}" for one in SCENARIOS.values())
    made.add_argument("--scenario", default="june-saturday", metavar="NAME", help=f"{named} (june-saturday)")
    made.add_argument("--weddings", metavar="N", help=f"how many, {LEAST} to {MOST} (what the scenario says)")
    made.add_argument("--seed", default="1", metavar="N", help="the same seed is the same run (1)")
    made.add_argument("--arrivals", type=Path, metavar="FILE", help="your own weddings as CSV; see docs/SIMULATOR.md")
    made.add_argument(
        "--season", default=DEFAULT_PROFILE, choices=sorted(PROFILES), help="season profile (%(default)s)"
    )
    made.add_argument("--quota", metavar="RPS", help="API Gateway's requests a second (10000)")
    made.add_argument(
        "--out", type=Path, default=OUT, metavar="DIR", help="folder of report and pictures (%(default)s)"
    )
    made.add_argument("--json", action="store_true", help="print the figures as JSON instead of a table")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 2 for what was refused."""
    given = parser().parse_args(argv)
    try:
        document = _simulate(given)
    except InvalidInputError as error:
        if given.json:
            sys.stdout.write(json.dumps({"error": {"code": error.code, "message": error.message}}) + "\n")
        sys.stderr.write(f"carillon: {error.code}: {error.message}\n")
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    sys.stdout.write(json.dumps(document, indent=2) + "\n" if given.json else _table(document, given.out))
    return 0


def _simulate(given: argparse.Namespace) -> dict[str, Any]:
    """Check, play, write."""
    scenario, seed = _scenario(given.scenario), _number(given.seed, 0, MOST_SEED, SeedError, "seed")
    count = None if given.weddings is None else _number(given.weddings, LEAST, MOST, WeddingsError, "weddings")
    quota = None if given.quota is None else float(_number(given.quota, *QUOTAS, QuotaError, "quota"))
    if given.arrivals and count is not None:
        raise WeddingsError("--weddings and --arrivals exclude each other: a file says itself how many there are")
    # The rest brings numpy and matplotlib: a typing error need not wait for them.
    from simulate import outcome, page, plots, run  # noqa: PLC0415 - see above

    try:
        given.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"--out {given.out}: {error.strerror}") from error
    with _progress(run.STEPS, quiet=given.json) as tell:
        if given.arrivals:
            weddings = _read(given.arrivals, seed)
            scenario = for_weddings(scenario, weddings)
        else:
            weddings = run.draw(scenario, seed, count or scenario.weddings)
        played = run.play(scenario, seed, weddings, profile=given.season, quota=quota, tell=tell)
        tell("report")
        document = outcome.document(played)
        pictures = plots.draw(played, document, given.out)
    (given.out / f"{scenario.name}.json").write_text(json.dumps(document, indent=2) + "\n")
    (given.out / f"{scenario.name}.html").write_text(page.page(document, pictures))
    return document


def _read(file: Path, seed: int) -> Any:
    import numpy as np  # noqa: PLC0415 - see _simulate

    from simulate import arrivals  # noqa: PLC0415 - same

    try:
        return arrivals.read(file, np.random.default_rng([seed, 0]))
    except ArrivalsError as error:
        raise ArrivalsError(f"--arrivals {error.message}", **error.facts) from error


def _scenario(name: str) -> Scenario:
    if name not in SCENARIOS:
        raise ScenarioError(f"--scenario {name} is not known: it takes {', '.join(SCENARIOS)}")
    return SCENARIOS[name]


def _number(text: str, least: int, most: int, error: type[InvalidInputError], name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most):
        raise error(f"--{name} {text}: it takes a whole number from {least} to {most}")
    return int(text)


@contextmanager
def _progress(steps: Sequence[str], *, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
    from rich.progress import Progress  # noqa: PLC0415 - same

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("weddings", total=len(steps) + 2)

        def tell(step: str) -> None:
            bar.update(task, advance=1, description=step)

        yield tell


def _table(document: dict[str, Any], out: Path) -> str:
    lines = [
        f"{document['weddings']:,} weddings, {document['says']}; seed {document['seed']}",
        (
            f"{document['messages']:,} messages, {document['deliveries']:,} deliveries, at most "
            f"{document['peak']['connections']:,} phones online; forecast {document['forecast_accuracy']:.1%} right"
        ),
        "",
        f"{'':<10}{'lost':>9}{'late':>11}{'critical':>10}{'p50 ms':>10}{'p99 ms':>13}{'p99.9 ms':>13}{'USD':>11}",
    ]
    for name, one in document["strategies"].items():
        times = f"{_whole(one['p50_ms']):>10}{_whole(one['p99_ms']):>13}{_whole(one['p999_ms']):>13}"
        late = f"{one['lost']:>9,}{one['late']:>11,}{one['late_critical']:>10,}"
        lines.append(f"{name:<10}{late}{times}{one['cost_usd']:>11,.2f}")
    quota = document["quota"]
    if quota["exceeded_s"]:
        lines += [
            "",
            (
                f"API Gateway's {quota['granted_rps']:,} requests a second are exceeded for {quota['exceeded_s']:,} s, "
                f"{quota['needed_rps']:,} needed: ask AWS for more (docs/runbooks/quota-increase.md), or see --quota."
            ),
        ]
    return "\n".join([*lines, "", f"{out / document['scenario']}.html", ""])


def _whole(milliseconds: float | None) -> str:
    """A dash where nothing was sent."""
    return "-" if milliseconds is None else f"{milliseconds:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
