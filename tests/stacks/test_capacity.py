"""The season in the templates: the schedules say what the policy says, the planner may do no more than it must."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from carillon import config
from carillon.model import Lane
from carillon.policy import season
from carillon.policy.lanes import MAX_CONCURRENCY
from carillon.policy.profiles import PROFILES, SATURDAY
from stacks.parts.season import SeasonSchedules
from stacks.stage import STAGES
from tests.stacks.synthesised import Template, resources, templates

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
YEAR = 2027


def capacity(stage: str = "prod") -> Template:
    return templates(stage)["capacity"]


def schedules(template: Template) -> dict[str, dict[str, Any]]:
    """By what they are for."""
    found = resources(template, "AWS::Scheduler::Schedule").values()
    return {json.loads(one["Properties"]["Target"]["Input"])["cause"]: one["Properties"] for one in found}


def planner(template: Template) -> tuple[str, dict[str, Any]]:
    found = resources(template, "AWS::Lambda::Function")
    ((name, function),) = [
        (name, one) for name, one in found.items() if one["Properties"]["Handler"] == "lambdas.plan.handler"
    ]
    return name, function["Properties"]


def words(value: Any) -> str:
    """A template's value as text, whatever it is joined of."""
    return json.dumps(value)


def fires(expression: str, zone: ZoneInfo) -> list[datetime]:
    """When an EventBridge cron of fixed minute, hour, month and weekdays fires in a year, in UTC."""
    minute, hour, day, month, weekdays, year = expression.removeprefix("cron(").removesuffix(")").split()
    assert (day, year) == ("?", "*")
    first = datetime(YEAR, 1, 1, int(hour), int(minute), tzinfo=zone)
    days = (first + timedelta(days=index) for index in range(366))
    return [
        moment.astimezone(UTC)
        for moment in days
        if moment.year == YEAR and str(moment.month) == month and DAYS[moment.weekday()] in weekdays.split(",")
    ]


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_over_a_whole_year_the_schedules_raise_and_lower_when_the_policy_says(stage: str) -> None:
    """Played through hour by quarter: after each raise and before its lowering just that peak is on."""
    options = STAGES[stage]
    profile, zone = season.profile(options.season), season.zone(options.time_zone)
    events: dict[datetime, str] = {}
    for cause, one in schedules(capacity(stage)).items():
        if cause == "Reconcile":
            continue
        assert one["ScheduleExpressionTimezone"] == options.time_zone
        for moment in fires(one["ScheduleExpression"], zone):
            assert moment not in events
            events[moment] = cause
    on = ""
    now = datetime(YEAR, 1, 1, tzinfo=zone).astimezone(UTC)
    raised = 0
    while now.astimezone(zone).year == YEAR:
        cause = events.pop(now, "")
        if cause:
            on = cause.removesuffix("Raise") if cause.endswith("Raise") else ""
            raised += bool(on)
        peak = season.peak_at(profile, now, zone)
        assert (peak.name if peak else "") == on, now
        now += timedelta(minutes=15)
    assert events == {}
    assert raised == sum(
        datetime(YEAR, 1, 1, tzinfo=UTC).replace(month=peak.month, day=day).weekday() in peak.weekdays
        for peak in season.peaks(profile)
        for day in range(1, 31 if peak.month in (6, 9) else 32)
    )


def test_another_profile_or_time_zone_changes_the_schedules() -> None:
    """The construct alone: a whole synth would say no more, and takes seconds."""
    stack = cdk.Stack(cdk.App(), "alone", env=cdk.Environment(region="eu-central-1"))
    version = "arn:aws:lambda:eu-central-1:1:function:plan:1"
    alias = lambda_.Alias(
        stack, "Live", alias_name="live", version=lambda_.Version.from_version_arn(stack, "Version", version)
    )
    profile = replace(PROFILES["channels"], months={7: 4.0}, peak_days=(SATURDAY,), peak_hours=(9, 12))
    SeasonSchedules(
        stack,
        "Season",
        peaks=season.peaks(profile),
        time_zone="Europe/Berlin",
        target=alias,
        dead_letters=sqs.Queue(stack, "DeadLetters"),
    )
    made = schedules(assertions.Template.from_stack(stack).to_json())
    assert set(made) == {"JulyRaise", "JulyLower", "Reconcile"}
    assert made["JulyRaise"]["ScheduleExpression"] == "cron(30 8 ? 7 SAT *)"
    assert made["JulyLower"]["ScheduleExpression"] == "cron(15 12 ? 7 SAT *)"
    assert made["JulyRaise"]["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert "4 times" in made["JulyRaise"]["Description"]


def test_every_schedule_calls_the_planners_alias_again_and_leaves_what_fails_in_an_encrypted_queue() -> None:
    template = capacity()
    (group,) = resources(template, "AWS::Scheduler::ScheduleGroup").values()
    assert group["DeletionPolicy"] == "Delete", "its name would be taken when the stack is made again"
    (queue_name,) = resources(template, "AWS::SQS::Queue")
    queue = template["Resources"][queue_name]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    aliases = resources(template, "AWS::Lambda::Alias")
    for one in schedules(template).values():
        assert one["State"] == "ENABLED"
        assert one["GroupName"] == group["Properties"]["Name"]
        target = one["Target"]
        assert target["Arn"]["Ref"] in aliases
        assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [queue_name, "Arn"]}
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] < 15 * 60, "older, and the reconciler has been there"
    assert schedules(template)["Reconcile"]["ScheduleExpression"] == "rate(15 minutes)"
    (failures,) = resources(template, "AWS::Lambda::EventInvokeConfig").values()
    assert failures["Properties"]["MaximumRetryAttempts"] == 2
    assert failures["Properties"]["DestinationConfig"]["OnFailure"]["Destination"] == {
        "Fn::GetAtt": [queue_name, "Arn"]
    }


def test_the_scheduler_may_call_the_planner_and_nothing_else() -> None:
    template = capacity()
    ((role_name, role),) = [
        (name, one)
        for name, one in resources(template, "AWS::IAM::Role").items()
        if "scheduler.amazonaws.com" in words(one)
    ]
    (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert set(trust["Condition"]["StringEquals"]) == {"aws:SourceAccount", "aws:SourceArn"}
    statements = allowed(template, role_name)
    assert statements.pop("lambda:InvokeFunction") == [{"Ref": next(iter(resources(template, "AWS::Lambda::Alias")))}]
    assert {action.split(":")[0] for action in statements} == {"sqs"}


def allowed(template: Template, role: str) -> dict[str, list[Any]]:
    """What a role may do, by action."""
    found: dict[str, list[Any]] = {}
    for policy in resources(template, "AWS::IAM::Policy").values():
        if {"Ref": role} not in policy["Properties"]["Roles"]:
            continue
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            actions, what = statement["Action"], statement["Resource"]
            for action in actions if isinstance(actions, list) else [actions]:
                found.setdefault(action, []).extend(what if isinstance(what, list) else [what])
    return found


def test_the_planner_may_size_the_service_and_the_four_consumers_only() -> None:
    template = capacity()
    name, function = planner(template)
    may = allowed(template, function["Role"]["Fn::GetAtt"][0])
    assert not [action for action in may if "*" in action]
    wide = {action for action, what in may.items() if "*" in what}
    assert {action for action in wide if not action.startswith("ec2:")} == {
        "application-autoscaling:DescribeScalableTargets"
    }
    assert len(may["lambda:PutFunctionConcurrency"]) == len(may["lambda:PutProvisionedConcurrencyConfig"]) == len(Lane)
    (service,) = may["ecs:UpdateService"]
    assert "-service" in words(service)
    (targets,) = may["application-autoscaling:RegisterScalableTarget"]
    assert "scalable-target/*" in words(targets)
    assert not [action for action in may if action.startswith(("iam:", "sts:", "elasticache:"))]
    assert name in template["Resources"]


def test_registering_is_kept_to_tasks_and_warm_consumers() -> None:
    statements = [
        statement
        for policy in resources(capacity(), "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "application-autoscaling:RegisterScalableTarget"
    ]
    assert [statement["Condition"] for statement in statements] == [
        {
            "StringEquals": {
                "application-autoscaling:scalable-dimension": [
                    "ecs:service:DesiredCount",
                    "lambda:function:ProvisionedConcurrency",
                ]
            }
        }
    ]


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_planner_knows_its_caps(stage: str) -> None:
    """Read as the function reads them, so that names and types are right as well."""
    _, function = planner(capacity(stage))
    variables = {name: words(value).strip('"') for name, value in function["Environment"]["Variables"].items()}
    settings = config.read(
        config.PlanSettings,
        variables | {"CARILLON_PLAN_SERVICE": "a/b", "CARILLON_PLAN_FUNCTIONS": "critical=a:live"},
    )
    options = STAGES[stage]
    assert (settings.min_tasks, settings.max_tasks) == (options.min_tasks, options.max_tasks)
    assert settings.lane_max == MAX_CONCURRENCY
    if options.reserved_lanes:
        assert {settings.reserved.size(lane.word) for lane in Lane} == {MAX_CONCURRENCY}
        assert function["ReservedConcurrentExecutions"] == 1, "one round at a time"
    else:
        assert "CARILLON_PLAN_RESERVED" not in variables
        assert "ReservedConcurrentExecutions" not in function
    assert (settings.warm, settings.warm_peaks) == (options.warm_consumers, options.warm_peaks)
    for lane in Lane:
        assert f"{lane.word}=" in variables["CARILLON_PLAN_FUNCTIONS"]
    assert variables["CARILLON_PLAN_FUNCTIONS"].count(":live") == len(Lane)


def test_the_templates_rest_is_the_planners_rest() -> None:
    """Between two peaks the planner finds nothing to change in what was just deployed."""
    realtime, service = templates("prod")["realtime"], templates("prod")["service"]
    targets = [
        one["Properties"]
        for template in (realtime, service)
        for one in resources(template, "AWS::ApplicationAutoScaling::ScalableTarget").values()
    ]
    tasks = next(one for one in targets if one["ServiceNamespace"] == "ecs")
    options = STAGES["prod"]
    assert (tasks["MinCapacity"], tasks["MaxCapacity"]) == (options.min_tasks, options.max_tasks)
    warm = sorted((one["MinCapacity"], one["MaxCapacity"]) for one in targets if one["ServiceNamespace"] == "lambda")
    assert warm == [(size, MAX_CONCURRENCY) for size in (2, 4, 6, 8)]


def test_a_budget_is_watched_and_its_notices_reach_the_topic() -> None:
    template = capacity()
    (budget,) = resources(template, "AWS::Budgets::Budget").values()
    limit = budget["Properties"]["Budget"]
    assert limit["BudgetLimit"] == {"Amount": STAGES["prod"].budget_usd, "Unit": "USD"}
    assert (limit["BudgetType"], limit["TimeUnit"]) == ("COST", "MONTHLY")
    (topic_name,) = resources(template, "AWS::SNS::Topic")
    notices = budget["Properties"]["NotificationsWithSubscribers"]
    told = {(one["Notification"]["NotificationType"], one["Notification"]["Threshold"]) for one in notices}
    assert {("ACTUAL", 80), ("ACTUAL", 100)} <= told
    assert {words(one["Subscribers"]) for one in notices} == {
        words([{"Address": {"Ref": topic_name}, "SubscriptionType": "SNS"}])
    }
    key_name = template["Resources"][topic_name]["Properties"]["KmsMasterKeyId"]["Fn::GetAtt"][0]
    for policy in (
        template["Resources"][key_name]["Properties"]["KeyPolicy"],
        *(one["Properties"]["PolicyDocument"] for one in resources(template, "AWS::SNS::TopicPolicy").values()),
    ):
        (statement,) = [one for one in policy["Statement"] if "budgets" in words(one.get("Principal"))]
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
