"""What an operator reads of capacity and forecast, from answers as the API's document shows them."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest

from api.examples import EXAMPLES
from carillon.cli import main, parser

if TYPE_CHECKING:
    from carillon.cli.client import Api

NOWHERE = "http://127.0.0.1:1"


class Answers:
    """An API that answers one thing, and remembers what it was asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str, **parameters: Any) -> Any:
        self.asked.append((path, parameters))
        return deepcopy(self.answer)


def shown(capsys: pytest.CaptureFixture[str], answer: dict[str, Any], *typed: str) -> str:
    """What the command prints on that answer."""
    args = parser().parse_args(typed)
    assert args.run(args, cast("Api", Answers(answer))) == 0
    return capsys.readouterr().out


def changed(**one: Any) -> dict[str, Any]:
    """The example with these members instead."""
    return deepcopy(EXAMPLES["CapacityOut"]) | one


def change(at: str, group: str, reason: str) -> dict[str, Any]:
    return {"at": at, "group": group, "previous": 3.0, "size": 4.5, "reason": reason}


def test_capacity_says_now_soon_quotas_budget_and_what_was_decided(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, EXAMPLES["CapacityOut"], "capacity").splitlines()
    assert lines[:2] == [
        "Saturday, 2027-06-12 07:00 America/New_York, season broadcast; weddings now and in the next 48 hours: 12",
        "phones at most: 1,500, in the hour from Sat 06-12 07:00",
    ]
    titles = [line for before, line in pairwise(lines) if not before]
    assert titles == ["Now", "Changes within 48 hours", "Quotas", "Caps that are too low", "Budget", "Last decisions"]
    assert "database.least_acu   2.5   2.5    64  at rest" in lines
    assert "Sat 06-12 12:45  W1 and 11 more begin at 15:00 to 16:00 America/New_York" in lines
    assert "                 database.least_acu 2.5 -> 5" in lines
    assert EXAMPLES["CapacityOut"]["shortages"][0]["reason"] in lines
    assert EXAMPLES["CapacityOut"]["capped"][0]["reason"] in lines
    assert "2027-06: the plan adds $2,994.60 by the month's end, $587.90 so far, of $3,000.00" in lines
    assert "Fri 06-11 21:15  tasks 9 -> 3: nobody of W0 is left at 21:00 America/New_York" in lines


def test_what_changes_together_for_one_reason_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    noon = "2027-06-12T16:00:00Z"
    changes = [change(noon, "tasks", "W1"), change(noon, "x", "W1; capped"), change(noon, "readers", "W1")]
    out = shown(capsys, changed(changes=changes), "capacity")
    assert "Sat 06-12 12:00  W1\n                 tasks 3 -> 4.5, readers 3 -> 4.5\n" in out
    assert "Sat 06-12 12:00  W1; capped\n                 x 3 -> 4.5\n" in out


@pytest.mark.parametrize(("hours", "groups"), [("1", []), ("2", ["in1h"]), ("48", ["in1h", "in30h"])])
def test_it_looks_as_far_ahead_as_it_is_told(capsys: pytest.CaptureFixture[str], hours: str, groups: list[str]) -> None:
    changes = [change("2027-06-12T12:00:00Z", "in1h", "W1"), change("2027-06-13T17:00:00Z", "in30h", "W2")]
    answer = changed(changes=changes)
    out = shown(capsys, answer, "capacity", "--hours", hours)
    assert [group for group in ("in1h", "in30h") if group in out] == groups
    assert ("\nnone\n" in out) is (groups == [])
    program = json.loads(shown(capsys, answer, "capacity", "--hours", hours, "--json"))
    assert [one["group"] for one in program["changes"]] == groups
    assert program["sizes"] == answer["sizes"]


def test_nothing_short_and_nothing_decided_is_said_in_few_words(capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, changed(shortages=[], capped=[], decisions=[]), "capacity")
    assert "those granted are enough for the next 60 days" in out
    assert "Last decisions" not in out
    assert "Caps" not in out


def test_a_decision_that_failed_and_a_budget_that_is_exceeded_stand_out(capsys: pytest.CaptureFixture[str]) -> None:
    refused = EXAMPLES["CapacityOut"]["decisions"][0] | {"failure": "Throttled\x1b[2J", "previous": None}
    out = shown(
        capsys, changed(decisions=[refused], budget=EXAMPLES["CapacityOut"]["budget"] | {"over": 12.5}), "capacity"
    )
    assert "tasks - -> 3: nobody of W0" in out
    # What AWS says cannot play with the terminal.
    assert "; FAILED: Throttled\\x1b[2J" in out
    assert "of $3,000.00, $12.50 over it" in out


def test_a_wedding_is_explained_in_words_or_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    explanation = EXAMPLES["ExplanationOut"]
    assert shown(capsys, explanation, "capacity", "--explain", "W1").splitlines() == explanation["lines"]
    assert json.loads(shown(capsys, explanation, "capacity", "--explain", "W1", "--json")) == explanation
    asked = Answers(explanation)
    args = parser().parse_args(["capacity", "--explain", "a/b"])
    args.run(args, asked)
    assert asked.asked == [("/v1/ops/capacity/weddings/a%2Fb", {})]


def test_a_forecast_is_a_table_with_marks_and_totals(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = {
        "day": "2027-06-13",
        "weddings": 0,
        "guests": 0,
        "connections": 2500,
        "messages": 840,
        "deliveries": 0,
        "capacity": {"tasks": 3, "database.least_acu": 2.5, "database.readers": 2},
        "cost": {"rest": 24.0, "plan": 0.0, "usage": 0.5, "total": 24.5},
        "usd_per_wedding": None,
        "shortages": [],
        "cut": False,
    }
    busy = EXAMPLES["ForecastOut"]["days"][0]
    late = busy | {"day": "2027-06-14", "cut": False, "shortages": [busy["shortages"][0] | {"late": True}]}
    out = shown(capsys, EXAMPLES["ForecastOut"] | {"days": [busy, quiet, late]}, "forecast", "--month", "2027-06")
    lines = out.splitlines()
    assert lines[0] == "June 2027, days of America/New_York, season broadcast"
    marks = "BUDGET cuts, QUOTA connects_s: ask by 2027-05-29"
    assert lines[2:7] == [
        "day     weddings  phones  messages  tasks  ACU  readers    cost  a wedding  note",
        f"Sat 12        12   6,104    14,400      3    5        2  $36.76      $1.06  {marks}",
        "Sun 13         0   2,500       840      3  2.5        2  $24.50",
        "Mon 14        12   6,104    14,400      3    5        2  $36.76      $1.06  QUOTA connects_s: ask today",
        "month         12   6,104    14,400                       $36.76      $1.06  phones: the most at once",
    ]
    assert "cost: $36.76 = $24.02 at rest, $9.33 planned above that, $3.41 by use" in out
    assert "budget: the plan adds $2,994.60 of $3,000.00\n" in out
    assert f"budget: {EXAMPLES['ForecastOut']['budget']['cuts'][0]['reason']}\n" in out
    assert f"quota: {busy['shortages'][0]['reason']}\n" in out
    assert lines[-2:] == ["Caps that are too low", EXAMPLES["ForecastOut"]["capped"][0]["reason"]]


def test_a_forecast_within_the_caps_does_not_speak_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Caps" not in shown(capsys, EXAMPLES["ForecastOut"] | {"capped": []}, "forecast")


def test_a_month_without_a_wedding_has_no_price_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    totals = EXAMPLES["ForecastOut"]["totals"] | {"weddings": 0, "usd_per_wedding": None}
    out = shown(capsys, EXAMPLES["ForecastOut"] | {"totals": totals}, "forecast")
    assert "a wedding's share" not in out


def test_the_current_month_is_the_api_s_to_name() -> None:
    asked = Answers(EXAMPLES["ForecastOut"])
    args = parser().parse_args(["forecast", "--json"])
    args.run(args, asked)
    assert asked.asked == [("/v1/ops/forecast", {"month": None})]


@pytest.mark.parametrize("month", ["2027-13", "june", "2027", "", "27-06"])
def test_what_is_no_month_is_caught_before_anything_is_sent(month: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--api", NOWHERE, "forecast", "--month", month]) == 2
    assert f"--month: {month!r} is no month" in capsys.readouterr().err


@pytest.mark.parametrize("hours", ["0", "49", "-1", "two", "1.5"])
def test_the_plan_is_known_for_two_days(hours: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["capacity", "--hours", hours])
    assert ended.value.code == 2
    assert "--hours" in capsys.readouterr().err


def test_no_wedding_cannot_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--api", NOWHERE, "capacity", "--explain", ""]) == 2
    assert "an id cannot be empty" in capsys.readouterr().err
