"""What a stage costs: every resource is priced or known to be free, and the sums follow the load."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from carillon.adapters.lane_watch import AwsLaneWatch
from carillon.config import LaneUrls, PlanSettings
from carillon.model import Lane
from carillon.policy.lanes import LANES
from stacks import stage as stages
from stacks.command_line import ROOT
from stacks.cost.__main__ import main
from stacks.cost.bills import bills
from stacks.cost.load import load_of, variable
from stacks.cost.picture import page
from stacks.cost.prices import HOURS_A_MONTH, Bill, Line, price, price_list
from stacks.cost.standing import FREE, METRICS_ASKED, priced, standing
from tests.stacks.synthesised import templates, whole

if TYPE_CHECKING:
    from pathlib import Path


def of(lines: list[Line], driver: str) -> float:
    return sum(line.usd for line in lines if line.driver == driver)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_every_type_of_resource_is_priced_or_known_to_cost_nothing_at_rest(stage: str) -> None:
    kinds = {one["Type"] for template in templates(stage).values() for one in template["Resources"].values()}
    assert kinds - priced() - FREE == set(), "price them in stacks/cost/standing.py, or say there that they are free"


def test_nothing_is_both_priced_and_free() -> None:
    assert not priced() & FREE


def test_standing_charges_count_what_the_templates_hold() -> None:
    lines, stage = standing(whole("prod")), stages.STAGES["prod"]
    nodes = stage.cache_shards * (1 + stage.cache_replicas)
    assert of(lines, "ElastiCache") == pytest.approx(nodes * price("cache_hour", stage.cache_node) * HOURS_A_MONTH)
    instances = 1 + stage.readers
    aurora = instances * stage.database_min_acu * price("aurora_acu_hour") * HOURS_A_MONTH
    assert of(lines, "Aurora") == pytest.approx(aurora)
    warm = sum(LANES[lane].concurrency for lane in Lane)
    environments = sum(int(found) for line in lines for found in re.findall(r"^(\d+) environments", line.why))
    assert environments == warm


def test_reacting_to_load_is_charged_for_what_it_asks_each_minute_where_it_is() -> None:
    """By CloudWatch above all: 21 metrics a minute are $9.20 a month."""
    settings = PlanSettings(service="a/b", functions=LaneUrls.of({lane.word: f"{lane.word}:live" for lane in Lane}))
    urls = LaneUrls.of({lane.word: f"https://sqs/{lane.word}.fifo" for lane in Lane})
    watch = AwsLaneWatch(settings, urls, region="us-east-1", service="carillon-prod")
    assert len(watch._all_queries()) == METRICS_ASKED
    charged = [line.usd for line in standing(whole("prod")) if line.driver == "Reacting to load"]
    assert charged[0] == pytest.approx(9.198)
    assert not of(standing(whole("dev")), "Reacting to load")


def test_a_stage_that_may_sleep_costs_less_than_one_that_stands_ready() -> None:
    asleep = sum(line.usd for line in standing(whole("dev")))
    ready = sum(line.usd for line in standing(whole("prod")))
    assert 0 < asleep < ready


def test_weddings_cost_in_proportion() -> None:
    one, ten = (
        sum(line.usd for line in variable(load_of(count), architecture="arm64", task_hour=0.04, nat=True))
        for count in (1, 10)
    )
    assert ten == pytest.approx(10 * one)
    assert load_of(1).connections == 12 * 10 + 120 * 0.1, "the rule of design section 6"


def test_spans_add_up_and_june_is_the_dearest() -> None:
    told = {bill.title: bill for bill in bills(stages.STAGES["prod"], whole("prod"))}
    idle, month = told["An idle month"], told["A month outside the season"]
    week, june = told["A normal week"], told["June"]
    assert idle.usd < month.usd < june.usd
    assert week.usd == pytest.approx(month.usd * 168 / HOURS_A_MONTH)
    assert of(june.lines, "Season peaks: API tasks") > 0 == of(month.lines, "Season peaks: API tasks")
    for bill in told.values():
        assert sum(line.usd for line in bill.drivers()) == pytest.approx(bill.usd)


def test_equal_reasons_are_counted_not_repeated() -> None:
    bill = Bill("a day", 24, [Line("Keys", 1, "key at $1"), Line("Keys", 1, "key at $1"), Line("Gone", 0, "nothing")])
    assert bill.drivers() == [Line("Keys", 2, "2 x key at $1")]


def test_a_node_type_without_a_price_is_told_by_name() -> None:
    with pytest.raises(KeyError, match=r"cache\.z9\.huge"):
        price("cache_hour", "cache.z9.huge")


def test_the_price_list_says_of_when_and_where_it_is() -> None:
    assert re.fullmatch(r"\d{4}-\d{2}", price_list()["as_of"])
    assert price_list()["region"] == "us-east-1"
    assert all(float(one) > 0 for one in price_list()["prices"].values() if not isinstance(one, dict))


def test_the_page_shows_every_driver_and_escapes() -> None:
    shown = page("<Cost>", [Bill("a day", 24, [Line("R&D", 3, "because"), Line("Rest", 1, "so")])], "a note")
    assert "&lt;Cost&gt;" in shown
    assert "R&amp;D: $3.00" in shown
    widths = [float(found) for found in re.findall(r'width="([\d.]+)" height="40"', shown)]
    assert widths == [480, 160]


def test_the_command_prints_a_table_and_leaves_a_page(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "stacks.cost", "--stage", "dev", "--out", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "A Saturday in June" in ended.stdout
    assert f"at most ${stages.STAGES['dev'].plan_budget_usd} a month" in ended.stdout
    told = json.loads((tmp_path / "dev.json").read_text())
    assert next(span["title"] for span in told["spans"]) == "An idle month"
    assert (tmp_path / "dev.html").read_text().startswith("<!doctype html>")


def test_a_change_can_be_priced_before_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make cost STAGE=prod ARGS='-c nat_gateways=1'` means what the CDK would deploy with the same words."""

    def nat(*words: str) -> float:
        monkeypatch.setattr(sys, "argv", ["cost", "--stage", "prod", "--json", "--out", str(tmp_path), *words])
        assert main() == 0
        idle = json.loads(capsys.readouterr().out)["spans"][0]["drivers"]
        return sum(one["usd"] for one in idle if one["driver"] == "NAT gateways")

    assert nat("-c", "nat_gateways=1") == pytest.approx(nat() / 3)


def test_two_regions_cost_more_than_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["cost", "--stage", "prod", "--out", str(tmp_path), "-c", "regions=us-east-1,eu-west-1"]
    monkeypatch.setattr(sys, "argv", words)
    assert main() == 0
    both = json.loads((tmp_path / "prod.json").read_text())["spans"]
    one = bills(stages.STAGES["prod"], whole("prod"))
    assert both[0]["usd"] > 1.5 * one[0].usd
    assert both[-1]["usd"] > one[-1].usd
