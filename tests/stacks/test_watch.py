"""What rings, for whom, from when on; and that it listens to metrics that somebody writes."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from carillon.adapters.cloudwatch import EmfMetrics
from carillon.errors import ConfigError
from carillon.model import Lane
from carillon.names import METRICS, NAMESPACE, Metric, service_name
from carillon.policy.lanes import LANES, MAX_CONCURRENCY
from stacks.command_line import ROOT
from stacks.parts.topics import Topics
from stacks.parts.watch_stores import nodes
from stacks.stage import STAGES as STAGE_TABLE
from stacks.watch import AT_RISK
from tests.stacks.synthesised import Template, resources, templates

STAGES = ("dev", "prod")
RUNBOOK = re.compile(r"Runbook: (docs/runbooks/[a-z-]+\.md)$")
AWS = {"AWS/SQS", "AWS/Lambda", "AWS/ApiGateway", "AWS/ApplicationELB", "AWS/RDS", "AWS/ElastiCache", "AWS/ECS"}
DETAILED = {"AWS/ElastiCache": {"CacheClusterId"}, "AWS/RDS": {"DBClusterIdentifier", "Role"}}


@cache
def alarms(stage: str) -> dict[str, Template]:
    """The alarms' properties by the name they have in the code."""
    found = {}
    for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
        for logical, one in resources(templates(stage)["watch"], kind).items():
            found[_name(logical)] = one["Properties"] | {"LogicalId": logical}
    return found


def _name(logical: str) -> str:
    return re.sub(r"[0-9A-F]{8}$", "", logical).removeprefix("Alarms")


def watched(alarm: Template) -> list[Template]:
    """The metrics an alarm reads, each with Namespace, MetricName, Dimensions and what is done to it."""
    if "MetricName" in alarm:
        return [alarm]
    stats = [one["MetricStat"] for one in alarm.get("Metrics", []) if "MetricStat" in one]
    return [stat["Metric"] | {"Statistic": stat["Stat"]} for stat in stats]


def dimensions(metric: Template) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}


@cache
def written(stage: str) -> dict[str, tuple[str, set[tuple[tuple[str, str], ...]]]]:
    """By metric: namespace, and the dimension sets that stand in the lines which a stage's functions really write."""
    told = {
        one["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for one in resources(templates(stage)["realtime"], "AWS::Lambda::Function").values()
    }
    (service,) = told
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        metrics = EmfMetrics(service)
        for metric, facts in METRICS.items():
            for lane in Lane if facts.by_lane else (None,):
                metrics.count(metric, 1, lane=lane)
        metrics.flush()
    found: dict[str, tuple[str, set[tuple[tuple[str, str], ...]]]] = {}
    for line in map(json.loads, out.getvalue().splitlines()):
        for directive in line["_aws"]["CloudWatchMetrics"]:
            sets = {tuple(sorted((name, line[name]) for name in names)) for names in directive["Dimensions"]}
            for one in directive["Metrics"]:
                namespace, known = found.setdefault(one["Name"], (directive["Namespace"], set()))
                assert namespace == directive["Namespace"]
                known.update(sets)
    return found


Written = dict[str, tuple[str, set[tuple[tuple[str, str], ...]]]]


def assert_written(name: str, namespace: str, dims: dict[str, str], written: Written) -> None:
    assert name in written, f"nobody writes {name}"
    assert namespace == written[name][0] == NAMESPACE
    assert tuple(sorted(dims.items())) in written[name][1], f"{name} is never written with {dims}"


@pytest.mark.parametrize("stage", STAGES)
def test_every_alarm_listens_to_a_metric_that_is_written(stage: str) -> None:
    for name, alarm in alarms(stage).items():
        for metric in watched(alarm):
            if metric["Namespace"] == NAMESPACE:
                assert_written(metric["MetricName"], metric["Namespace"], dimensions(metric), written(stage))
            else:
                assert metric["Namespace"] in AWS, name
                known = DETAILED.get(metric["Namespace"])
                assert known is None or set(dimensions(metric)) <= known, name


@pytest.mark.parametrize("stage", STAGES)
def test_every_graph_shows_a_metric_that_is_written(stage: str) -> None:
    shown = set()
    for one in resources(templates(stage)["watch"], "AWS::CloudWatch::Dashboard").values():
        for row in _metrics(one["Properties"]["DashboardBody"]):
            if row[0] == NAMESPACE:
                dims = {row[i]: row[i + 1] for i in range(2, len(row) - 1, 2) if isinstance(row[i], str)}
                assert_written(row[1], row[0], dims, written(stage))
                shown.add(row[1])
    assert {Metric.ACCEPTED_TO_FIRST_POST, Metric.OUTBOX_OLDEST_AGE, Metric.WEDDINGS_TODAY, Metric.POSTS} <= shown
    assert {Metric.CONNECTIONS_EXPECTED, Metric.CAPACITY_CHANGED, Metric.QUOTA_SHORTAGES, Metric.BUDGET_CUTS} <= shown


def _metrics(body: Template) -> list[list[Any]]:
    """The rows of a dashboard's graphs; a template's references become a word."""
    text = "".join(part if isinstance(part, str) else "token" for part in body["Fn::Join"][1])
    widgets = json.loads(text)["widgets"]
    rows = [row for widget in widgets for row in widget["properties"].get("metrics", [])]
    return [row for row in rows if isinstance(row[0], str)]


@pytest.mark.parametrize("stage", STAGES)
def test_the_reference_page_names_the_alarms_of_each_metric(stage: str) -> None:
    lanes = tuple(lane.word.capitalize() for lane in Lane)
    for metric, facts in METRICS.items():
        found = {
            next((name.removeprefix(lane) for lane in lanes if name.startswith(lane)), name)
            for name, alarm in alarms(stage).items()
            for one in watched(alarm)
            if (one["Namespace"], one["MetricName"]) == (NAMESPACE, metric)
        }
        assert found == set(facts.alarms), metric


@pytest.mark.parametrize("stage", STAGES)
def test_every_alarm_tells_somebody_what_to_do(stage: str) -> None:
    composites = resources(templates(stage)["watch"], "AWS::CloudWatch::CompositeAlarm").values()
    rules = json.dumps([one["Properties"]["AlarmRule"] for one in composites])
    for name, alarm in alarms(stage).items():
        assert alarm.get("AlarmActions") or alarm["LogicalId"] in rules, f"{name} tells nobody"
        found = RUNBOOK.search(alarm["AlarmDescription"])
        assert found, f"{name} names no runbook"
        assert (ROOT / found[1]).is_file(), f"{name}: there is no {found[1]}"
        assert len(alarm["AlarmDescription"]) <= 1024


def metric_of(alarm: Template) -> str:
    return str(watched(alarm)[0]["MetricName"])


@pytest.mark.parametrize("lane", Lane)
def test_on_a_wedding_day_a_lanes_limits_are_its_promise_and_else_twice_that(lane: Lane) -> None:
    name, policy, made = lane.word.capitalize(), LANES[lane], alarms("prod")
    for what, metric, promise in (
        ("Oldest", "ApproximateAgeOfOldestMessage", policy.dwell_s),
        ("Depth", "ApproximateNumberOfMessagesVisible", policy.depth),
        ("FirstPost", Metric.ACCEPTED_TO_FIRST_POST, policy.first_post_ms),
    ):
        usual, tight = made[f"{name}{what}"], made[f"{name}{what}WeddingDay"]
        assert metric_of(usual) == metric_of(tight) == metric
        assert (usual["Threshold"], tight["Threshold"]) == (2 * promise, promise)
        assert "AlarmActions" not in tight, "it counts on wedding days only"
    assert made[f"{name}FirstPost"]["ExtendedStatistic"] == "p95"
    assert made[f"{name}Concurrency"]["Threshold"] == 0.8 * MAX_CONCURRENCY
    assert made[f"{name}DeadLetters"]["Threshold"] == made[f"{name}DeadLettersWaiting"]["Threshold"] == 0


@pytest.mark.parametrize("stage", STAGES)
def test_the_tighter_limits_ring_on_wedding_days_alone(stage: str) -> None:
    made = alarms(stage)
    rule = _rule(made["WeddingDayLimits"])
    switch, tighter = re.fullmatch(r'\(ALARM\("(\w+)"\) AND \((.+)\)\)', rule).groups()  # type: ignore[union-attr]
    assert _name(switch) == "WeddingDay"
    named = {_name(one) for one in re.findall(r'ALARM\("(\w+)"\)', tighter)}
    assert named == {name for name in made if name.endswith("WeddingDay") and name != "WeddingDay"}
    day = made["WeddingDay"]
    assert (day["MetricName"], day["Threshold"]) == (Metric.WEDDINGS_TODAY, 1)
    assert day["TreatMissingData"] == "ignore", "between two rounds of the planner the day goes on"
    assert "AlarmActions" not in day


@pytest.mark.parametrize("stage", STAGES)
def test_weddings_at_risk_is_urgent_and_made_of_what_endangers_a_critical_broadcast(stage: str) -> None:
    made = alarms(stage)
    risk = made["WeddingsAtRisk"]
    named = {_name(one) for one in re.findall(r'ALARM\("(\w+)"\)', _rule(risk))}
    assert named == set(AT_RISK)
    assert {"CriticalOldest", "CriticalFirstPost", "CriticalDeadLetters", "ApiDown", "Relay"} <= named
    (urgent,) = [name for name in resources(templates(stage)["watch"], "AWS::SNS::Topic") if "Urgent" in name]
    assert risk["AlarmActions"] == risk["OKActions"] == made["WeddingDayLimits"]["AlarmActions"] == [{"Ref": urgent}]


def _rule(composite: Template) -> str:
    """Its text, each alarm by its logical id."""
    parts = composite["AlarmRule"]["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else part["Fn::GetAtt"][0] for part in parts)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("name", "metric", "runbook"),
    [
        ("CalendarAway", Metric.CALENDAR_AWAY, "planner"),
        ("QuotaShortage", Metric.QUOTA_SHORTAGES, "quota-increase"),
        ("BudgetCut", Metric.BUDGET_CUTS, "planner"),
    ],
)
def test_what_the_plan_has_to_say_rings_after_one_round(stage: str, name: str, metric: Metric, runbook: str) -> None:
    made = alarms(stage)[name]
    assert (made["MetricName"], made["Threshold"], made["EvaluationPeriods"]) == (metric, 0, 1)
    assert made["Period"] == 15 * 60
    assert made["AlarmDescription"].endswith(f"docs/runbooks/{runbook}.md")
    (normal,) = [topic for topic in resources(templates(stage)["watch"], "AWS::SNS::Topic") if "Normal" in topic]
    assert made["AlarmActions"] == [{"Ref": normal}]


def test_a_calendar_that_cannot_be_read_is_urgent_on_a_wedding_day_alone() -> None:
    made = alarms("prod")
    assert made["CalendarAwayWeddingDay"]["LogicalId"] in _rule(made["WeddingDayLimits"])
    assert "CalendarAway" not in AT_RISK, "capacity that was planned is there all the same"


def test_what_reacts_to_load_is_watched_where_it_is() -> None:
    assert "ReactErrors" not in alarms("dev")
    made = alarms("prod")["ReactErrors"]
    assert (made["MetricName"], made["Threshold"]) == ("Errors", 0)
    (name,) = dimensions(made)
    assert name == "FunctionName"


@pytest.mark.parametrize("stage", STAGES)
def test_what_must_beat_rings_when_it_is_silent(stage: str) -> None:
    made = alarms(stage)
    silent = {name for name, alarm in made.items() if alarm.get("TreatMissingData") == "breaching"}
    assert {"Relay", "Planner", "ApiDown", "CacheNode1Cpu"} <= silent
    assert not {name for name in silent if name.startswith(("Critical", "High", "Normal", "Low"))}


@pytest.mark.parametrize("stage", STAGES)
def test_a_dashboard_shows_every_alarm_and_no_more_in_one_place_than_cloudwatch_takes(stage: str) -> None:
    """Dashboard Body Structure, "Properties of an Alarm Widget Object": 1 to 100 ARNs."""
    (performance,) = (
        one["Properties"]["DashboardBody"]
        for name, one in resources(templates(stage)["watch"], "AWS::CloudWatch::Dashboard").items()
        if "Performance" in name
    )
    parts = performance["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else part.get("Fn::GetAtt", ["token"])[0] for part in parts)
    shown = [one["properties"]["alarms"] for one in json.loads(text)["widgets"] if one["type"] == "alarm"]
    assert all(1 <= len(some) <= 100 for some in shown)
    assert {name for some in shown for name in some} == {one["LogicalId"] for one in alarms(stage).values()}


@pytest.mark.parametrize("stage", STAGES)
def test_a_share_has_one_numerator_so_that_what_is_not_written_cannot_hide_what_is(stage: str) -> None:
    for alarm in alarms(stage).values():
        for one in alarm.get("Metrics", []):
            if "Expression" in one:
                assert re.fullmatch(r"100 \* part_\w+ / whole_\w+|DIFF\(primary\)", one["Expression"])


@pytest.mark.parametrize("stage", STAGES)
def test_topics_are_encrypted_with_a_key_that_alarms_may_use_and_take_nothing_in_the_clear(stage: str) -> None:
    watch = templates(stage)["watch"]
    (key,) = resources(watch, "AWS::KMS::Key")
    statements = watch["Resources"][key]["Properties"]["KeyPolicy"]["Statement"]
    using = [one for one in statements if {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(one["Action"])]
    assert {name for one in using for name in _services(one)} == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    topics = resources(watch, "AWS::SNS::Topic")
    assert len(topics) == 2
    assert all(one["Properties"]["KmsMasterKeyId"] == {"Fn::GetAtt": [key, "Arn"]} for one in topics.values())
    policies = resources(watch, "AWS::SNS::TopicPolicy").values()
    for statements in [one["Properties"]["PolicyDocument"]["Statement"] for one in policies]:
        refused = [one for one in statements if one["Effect"] == "Deny"]
        assert [one["Condition"] for one in refused] == [{"Bool": {"aws:SecureTransport": "false"}}]
        let_in = [one for one in statements if one["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]
        assert [one["Action"] for one in let_in] == ["sns:Publish"]
        assert let_in[0]["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def _services(statement: Template) -> list[str]:
    named = statement["Principal"]["Service"]
    return [named] if isinstance(named, str) else list(named)


def test_a_fail_over_of_the_database_is_urgent() -> None:
    watch = templates("prod")["watch"]
    (rule,) = resources(watch, "AWS::Events::Rule").values()
    pattern, (target,) = rule["Properties"]["EventPattern"], rule["Properties"]["Targets"]
    assert pattern["source"] == ["aws.rds"]
    assert "failover" in pattern["detail"]["EventCategories"]
    assert "Urgent" in target["Arn"]["Ref"]
    assert "docs/runbooks/aurora-failover.md" in json.dumps(target["InputTransformer"])


def test_every_node_of_the_cache_is_watched_by_the_id_that_elasticache_gives_it() -> None:
    def ids(stage: str) -> set[str]:
        nodes = [alarm for name, alarm in alarms(stage).items() if re.fullmatch(r"CacheNode\d+Cpu", name)]
        return {dimensions(one)["CacheClusterId"]["Fn::Join"][1][-1] for one in nodes}

    assert ids("dev") == {"-001"}
    assert ids("prod") == {f"-{shard:04}-{member:03}" for shard in (1, 2, 3) for member in (1, 2)}


def test_more_nodes_than_a_template_holds_are_refused() -> None:
    stage = dataclasses.replace(STAGE_TABLE["dev"], cache_shards=61)
    with pytest.raises(ConfigError, match="61 nodes; 60 can be watched"):
        next(nodes(None, stage))  # type: ignore[arg-type]


def test_whoever_is_named_gets_both_topics_by_mail() -> None:
    def mails(email: str) -> list[Template]:
        stack = cdk.Stack()
        Topics(stack, "Topics", email=email)
        made = resources(dict(assertions.Template.from_stack(stack).to_json()), "AWS::SNS::Subscription")
        return [one["Properties"] for one in made.values()]

    named = mails("ops@example.com")
    assert [(one["Protocol"], one["Endpoint"]) for one in named] == [("email", "ops@example.com")] * 2
    assert len({json.dumps(one["TopicArn"]) for one in named}) == 2
    assert not mails("")


def test_what_the_runbooks_name_is_in_the_templates_once() -> None:
    named = {
        (room, place.replace("${LANE}", lane))
        for page in (ROOT / "docs" / "runbooks").glob("*.md")
        for room, place in re.findall(r"\$\(name (\w+) ([\w${}]+)\)", page.read_text(encoding="utf-8"))
        for lane in ("Critical", "High", "Normal", "Low")
    }
    assert len(named) > 10
    assert "Url" in templates("prod")["edge"]["Outputs"], "names.sh asks for it"
    for room, place in named:
        logical = templates("prod")[room]["Resources"]
        found = [one for one in logical if one.startswith(place) and len(one) == len(place) + 8]
        assert len(found) == 1, (room, place, found)


def test_two_stages_in_one_account_do_not_ring_each_other() -> None:
    ours = [
        {
            dimensions(one)["service"]
            for alarm in alarms(stage).values()
            for one in watched(alarm)
            if "service" in dimensions(one)
        }
        for stage in STAGES
    ]
    assert ours == [{service_name(stage)} for stage in STAGES]
