"""What a stage costs in a month, from its templates and a load profile.

    python -m stacks.cost --stage prod [-c readers=3] [--json] [--out build/cost]

Prices are those of one Region (`prices.json`), the load is that of `load.json`; both are there to be changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carillon.errors import ConfigError
from stacks import command_line
from stacks.cost.bills import bills
from stacks.cost.load import load_of, profile
from stacks.cost.picture import page
from stacks.cost.prices import price_list
from stacks.extract import synthesised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stacks.cost.prices import Bill
    from stacks.stage import Stage


def main() -> int:
    """Print the table, write the page."""
    parser = argparse.ArgumentParser(prog="python -m stacks.cost", description=(__doc__ or "").splitlines()[0])
    command_line.add_options(parser)
    parser.add_argument("--out", type=Path, default=Path("build/cost"), help="folder of the page")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args()
    try:
        stage = command_line.stage_of(arguments)
    except ConfigError as error:
        parser.error(error.message)
    told = bills(stage, synthesised(command_line.context(arguments.stage, arguments.context)))
    arguments.out.mkdir(parents=True, exist_ok=True)
    picture = arguments.out / f"{stage.name}.html"
    picture.write_text(page(f"What the stage {stage.name} costs", told, _note(stage)))
    document = _document(told, stage)
    (arguments.out / f"{stage.name}.json").write_text(json.dumps(document, indent=2) + "\n")
    sys.stdout.write(json.dumps(document) + "\n" if arguments.json else _table(told) + f"\n{_note(stage)}\n{picture}\n")
    return 0


def _note(stage: Stage) -> str:
    listed, numbers = price_list(), profile()
    wedding = load_of(1)
    return (
        f"Prices of {listed['region']}, {listed['as_of']}, one Region. "
        f"{numbers['weddings_per_normal_week']:g} weddings in a normal week, "
        f"each {wedding.connections:g} connections for {wedding.hours:g} h and "
        f"{numbers['broadcasts_per_wedding']:g} broadcasts. Taxes, support and free tiers are left out. {_plan(stage)}"
    )


def _plan(stage: Stage) -> str:
    """What the calendar's plan may add; how much it will is the forecast's to say, for it depends on the weddings."""
    if stage.plan_over_budget:
        return "Beyond the season's peaks the plan orders what the weddings need, without a limit (plan_over_budget)."
    return (
        "Beyond the season's peaks the plan orders what the weddings need; with them it is at most "
        f"${stage.plan_budget_usd:,} a month and Region (plan_budget_usd). "
        "`carillon forecast` says how much it will be."
    )


def _document(told: Sequence[Bill], stage: Stage) -> dict[str, Any]:
    return {
        "as_of": price_list()["as_of"],
        "plan_budget_usd": None if stage.plan_over_budget else stage.plan_budget_usd,
        "spans": [
            {
                "title": bill.title,
                "usd": round(bill.usd, 2),
                "drivers": [{"driver": one.driver, "usd": round(one.usd, 2), "why": one.why} for one in bill.drivers()],
            }
            for bill in told
        ],
    }


def _table(told: Sequence[Bill]) -> str:
    names = [line.driver for line in max(told, key=lambda bill: bill.usd).drivers()]
    names += [line.driver for bill in told for line in bill.drivers() if line.driver not in names]
    width = max(map(len, names)) + 2
    heads = [bill.title for bill in told]
    rows = [" " * width + "  ".join(heads)]
    for name in dict.fromkeys(names):
        sums = [sum(line.usd for line in bill.lines if line.driver == name) for bill in told]
        cells = [f"{usd:>{len(head)},.2f}" for usd, head in zip(sums, heads, strict=True)]
        rows.append(f"{name:<{width}}" + "  ".join(cells))
    cells = [f"{bill.usd:>{len(bill.title)},.2f}" for bill in told]
    return "\n".join([*rows, f"{'In all, USD':<{width}}" + "  ".join(cells)])


if __name__ == "__main__":
    sys.exit(main())
