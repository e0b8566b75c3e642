"""Options that all benches of the whole system take."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from carillon.protocol import acks as ack_rules
from loadtest import running
from loadtest.clients import Clients

if TYPE_CHECKING:
    from loadtest.fleet import AckRange
    from loadtest.running import Target

BY_ITSELF = "client"


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the common options."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    running.add_arguments(made)
    made.add_argument(
        "--ack",
        default=BY_ITSELF,
        metavar="LOW-HIGH",
        help="people ack so many seconds after an event, such as 2-10; by default their client acks by itself, "
        "0.2 to 1 s after an event and at once after a critical one",
    )
    made.add_argument("--fleets", type=int, default=1, help="processes that the clients are spread over")
    return made


def ack_range(text: str) -> AckRange:
    """The seconds that `--ack` means.

    Raises:
        SystemExit: It is no range.
    """
    if text == BY_ITSELF:
        return None
    try:
        low, high = (float(part) for part in text.split("-"))
    except ValueError:
        raise SystemExit(f"--ack {text}: give two numbers of seconds, such as 2-10") from None
    return low, high


def acked_after_s(arguments: argparse.Namespace) -> float:
    """Seconds after the last receipt when everybody has acked."""
    chosen = ack_range(arguments.ack)
    return 1.0 + (chosen[1] if chosen is not None else (ack_rules.DELAY_MS + ack_rules.SPREAD_MS) / 1000)


def fleet(system: Target, arguments: argparse.Namespace, **more: Any) -> Clients:
    """The fleet that the options ask for; `more` are further arguments of `Clients`."""
    return Clients(system, ack_s=ack_range(arguments.ack), processes=arguments.fleets, **more)
