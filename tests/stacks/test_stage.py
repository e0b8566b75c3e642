"""What a user can ask for with `-c`, and what they are told when it is not possible."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from carillon.errors import ConfigError
from stacks import stage
from stacks.command_line import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable


def given(**values: Any) -> Callable[[str], Any]:
    return values.get


@pytest.mark.parametrize("name", ["dev", "staging", "prod"])
def test_a_stage_needs_only_its_name(name: str) -> None:
    assert stage.read(given(stage=name)) == stage.STAGES[name]


def test_every_option_can_be_overridden_by_text() -> None:
    read = stage.read(
        given(
            stage="prod",
            regions="us-east-1,eu-west-1",
            egress="ipv6",
            max_readers="4",
            database_max_acu="12.5",
            retain="false",
            log_days="365",
        )
    )
    assert (read.regions, read.egress, read.max_readers) == (("us-east-1", "eu-west-1"), "ipv6", 4)
    assert (read.database_max_acu, read.retain, read.log_days) == (12.5, False, 365)
    assert read.primary == "us-east-1"


def test_cdk_json_may_hold_lists_numbers_and_booleans() -> None:
    read = stage.read(given(stage="dev", regions=["eu-west-1"], min_tasks=2, gradual=True))
    assert (read.regions, read.min_tasks, read.gradual) == (("eu-west-1",), 2, True)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"stage": None}, "dev, staging, prod"),
        ({"stage": "production"}, "stage=production"),
        ({"stage": "dev", "max_readers": "6"}, "1 to 5"),
        ({"stage": "dev", "readers": "0"}, "1 to 5"),
        ({"stage": "prod", "readers": "5", "max_readers": "3"}, "readers=5 is more than max_readers=3"),
        ({"stage": "dev", "min_tasks": "many"}, "a whole number"),
        ({"stage": "dev", "retain": "perhaps"}, "true or false"),
        ({"stage": "dev", "egress": "vpn"}, "nat, ipv6"),
        ({"stage": "dev", "log_days": "31"}, "365"),
        ({"stage": "dev", "regions": "eu-west-1,eu-west-1"}, "two different ones"),
        ({"stage": "dev", "regions": "a,b,c"}, "two different ones"),
        ({"stage": "dev", "issuer": "https://login.example"}, "jwks_url"),
        ({"stage": "dev", "domain": "rings.example"}, "hosted_zone_id"),
        ({"stage": "dev", "egress": ["nat"]}, "not a list"),
        ({"stage": "dev", "regions": ""}, "two different ones"),
        ({"stage": "dev", "alarm_email": "nobody"}, "alarm_email=nobody"),
        ({"stage": "prod", "season": "foo"}, "season=foo is not known: it takes broadcast, channels"),
        ({"stage": "prod", "time_zone": "Mars/X"}, "time_zone=Mars/X is no IANA time zone"),
        ({"stage": "prod", "time_zone": ""}, "time_zone= is no IANA time zone"),
        (
            {"stage": "dev", "domain": "rings.org", "hosted_zone_id": "Z1", "hosted_zone_name": "bells.org"},
            "not in the zone hosted_zone_name=bells.org",
        ),
    ],
)
def test_what_is_not_possible_is_said_with_what_is(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        stage.read(given(**values))


def test_what_the_plan_may_add_is_part_of_the_budget_and_can_be_lifted_by_word() -> None:
    """A plan that may cost as much as everything together would ring the budget's alarm by itself."""
    for made in stage.STAGES.values():
        assert 0 < made.plan_budget_usd < made.budget_usd
        assert made.plan_over_budget is False
    assert stage.read(given(stage="prod", plan_over_budget="true")).plan_over_budget is True
    with pytest.raises(ConfigError, match=r"plan_budget_usd=-1 .* cut before it would cost more"):
        stage.read(given(stage="prod", plan_budget_usd="-1"))


def test_spaces_between_regions_do_not_matter() -> None:
    assert stage.read(given(stage="prod", regions="eu-central-1, eu-west-1")).regions == ("eu-central-1", "eu-west-1")


def test_a_mistyped_option_is_told_with_what_may_have_been_meant() -> None:
    with pytest.raises(ConfigError, match="reeders is no option; readers is"):
        stage.check_names(["stage", "readers", "reeders"])
    flags = json.loads((ROOT / "cdk.json").read_text())["context"]
    stage.check_names([*flags, *stage.options(), "aws:cdk:bundling-stacks", "cdk-migrate"])


def test_a_region_with_the_small_quota_takes_no_larger_target() -> None:
    with pytest.raises(ConfigError, match=r"eu-south-1 grants: 2500 .*callback_rps=2500"):
        stage.read(given(stage="prod", regions="eu-south-1"))
    assert stage.read(given(stage="prod", regions="eu-south-1", callback_rps="2500")).callback_rps == 2500
    assert stage.read(given(stage="prod", regions="eu-south-1", quota_raised="true")).callback_rps == 10_000


def test_the_app_ends_with_one_line_about_a_wrong_value(tmp_path: Any) -> None:
    ended = subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "CDK_CONTEXT_JSON": '{"stage": "weekend"}', "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "config.invalid: stage=weekend is not known" in ended.stderr
    assert "Traceback" not in ended.stderr
