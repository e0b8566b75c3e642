"""The bills as one HTML page: a bar per span, coloured by driver, with the table beside it. No script, no download."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stacks.cost.prices import Bill

_COLOURS: Final = (
    *("#8c2f39", "#c05746", "#dd9a5b", "#e8c77e", "#a3b18a", "#588157", "#3a7d7c", "#33658a", "#5b5f97", "#9a7aa0"),
    "#b8b8b8",
)
_WIDTH: Final = 640
_SHOWN: Final = len(_COLOURS) - 1
_STYLE: Final = """
@media(max-width:640px){tr{display:grid;grid-template-columns:1fr auto}td:last-child{grid-column:1/-1}}
body{font:16px/1.5 system-ui,sans-serif;color:#2b2522;background:#fbf8f4;margin:2rem auto;max-width:60rem}
body{padding:0 1rem}h1{font-size:1.6rem}h2{font-size:1.1rem;margin:2rem 0 .3rem}
.usd{float:right;font-variant-numeric:tabular-nums}
svg{width:100%;height:2.2rem;display:block;border-radius:.3rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}td{padding:.15rem .5rem .15rem 0;vertical-align:top}
td:first-child{white-space:nowrap}td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td:last-child{color:#7a6f68}
i{display:inline-block;width:.8rem;height:.8rem;border-radius:.2rem;margin-right:.4rem}footer{color:#7a6f68;margin-top:2rem}
"""


def page(title: str, bills: Sequence[Bill], note: str) -> str:
    """The page.

    Args:
        title: of the page.
        bills: in the order shown.
        note: where the prices come from.
    """
    by_total = sorted({line.driver for bill in bills for line in bill.lines}, key=lambda name: -_total(bills, name))
    colours = {name: _COLOURS[min(index, _SHOWN)] for index, name in enumerate(by_total)}
    body = "".join(_span(bill, colours) for bill in bills)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}"
        f"<footer>{escape(note)}</footer></html>\n"
    )


def _total(bills: Sequence[Bill], driver: str) -> float:
    return sum(line.usd for bill in bills for line in bill.lines if line.driver == driver)


def _span(bill: Bill, colours: dict[str, str]) -> str:
    drivers = bill.drivers()
    bars, left = "", 0.0
    for line in drivers:
        width = line.usd / bill.usd * _WIDTH
        title = f"<title>{escape(line.driver)}: ${line.usd:,.2f}</title>"
        bars += f'<rect x="{left:.1f}" width="{width:.1f}" height="40" fill="{colours[line.driver]}">{title}</rect>'
        left += width
    rows = "".join(
        f'<tr><td><i style="background:{colours[line.driver]}"></i>{escape(line.driver)}</td>'
        f"<td>${line.usd:,.2f}</td><td>{escape(line.why)}</td></tr>"
        for line in drivers
    )
    return (
        f'<h2>{escape(bill.title)} <span class="usd">${bill.usd:,.0f}</span></h2>'
        f'<svg viewBox="0 0 {_WIDTH} 40" preserveAspectRatio="none" role="img" aria-label="{escape(bill.title)}">'
        f"{bars}</svg>"
        f"<table>{rows}</table>"
    )
