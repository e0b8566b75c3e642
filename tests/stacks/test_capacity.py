"""The season in the templates: the schedules say what the policy says, the planner may do no more than it must."""

from __future__ import annotations

import json
import re
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
from carillon.names import service_name
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


def function(template: Template, handler: str) -> tuple[str, dict[str, Any]]:
    """A function's logical id and properties."""
    found = resources(template, "AWS::Lambda::Function")
    ((name, one),) = [(name, one) for name, one in found.items() if one["Properties"]["Handler"] == handler]
    return name, one["Properties"]


def planner(template: Template) -> tuple[str, dict[str, Any]]:
    return function(template, "lambdas.plan.handler")


def alias_of(template: Template, name: str) -> str:
    """The logical id of a function's alias."""
    aliases = resources(template, "AWS::Lambda::Alias").items()
    (found,) = [alias for alias, one in aliases if one["Properties"]["FunctionName"] == {"Ref": name}]
    return found


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
        if cause in {"Reconcile", "EveryMinute"}:
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
    made = schedules(dict(assertions.Template.from_stack(stack).to_json()))
    assert set(made) == {"JulyRaise", "JulyLower", "Reconcile"}
    assert made["JulyRaise"]["ScheduleExpression"] == "cron(30 8 ? 7 SAT *)"
    assert made["JulyLower"]["ScheduleExpression"] == "cron(15 12 ? 7 SAT *)"
    assert made["JulyRaise"]["ScheduleExpressionTimezone"] == "Europe/Berlin"
    assert "4 times" in made["JulyRaise"]["Description"]


def test_every_schedule_calls_the_planners_alias_again_and_leaves_what_fails_in_an_encrypted_queue() -> None:
    template = capacity()
    (queue_name,) = resources(template, "AWS::SQS::Queue")
    queue = template["Resources"][queue_name]["Properties"]
    assert queue["SqsManagedSseEnabled"] is True
    alias = alias_of(template, planner(template)[0])
    made = schedules(template)
    made.pop("EveryMinute")
    group = group_of(template, "Season")
    for one in made.values():
        assert one["State"] == "ENABLED"
        assert one["GroupName"] == group["Properties"]["Name"]
        target = one["Target"]
        assert target["Arn"] == {"Ref": alias}
        assert target["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": [queue_name, "Arn"]}
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] < 15 * 60, "older, and the reconciler has been there"
    assert made["Reconcile"]["ScheduleExpression"] == "rate(15 minutes)"
    failures = invoked(template, planner(template)[0])
    assert failures["MaximumRetryAttempts"] == 2
    assert failures["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": [queue_name, "Arn"]}


def group_of(template: Template, what: str) -> dict[str, Any]:
    groups = resources(template, "AWS::Scheduler::ScheduleGroup").items()
    (found,) = [one for name, one in groups if name.startswith(what)]
    return found


def invoked(template: Template, name: str) -> dict[str, Any]:
    """How a function is called when nobody waits for its answer."""
    configs = [one["Properties"] for one in resources(template, "AWS::Lambda::EventInvokeConfig").values()]
    found: dict[str, Any]
    (found,) = [one for one in configs if one["FunctionName"] == {"Ref": name}]
    return found


@pytest.mark.parametrize("what", ["Season", "OneOffs"])
def test_what_is_left_in_a_group_of_schedules_goes_with_the_stack(what: str) -> None:
    group = group_of(capacity(), what)
    assert group["DeletionPolicy"] == "Delete", "its name would be taken when the stack is made again"


def test_each_of_the_schedulers_roles_is_its_groups_alone_and_may_call_one_function() -> None:
    template = capacity()
    plan, react = (function(template, f"lambdas.{door}.handler")[0] for door in ("plan", "react"))
    roles = {
        name: one
        for name, one in resources(template, "AWS::IAM::Role").items()
        if "scheduler.amazonaws.com" in words(one)
    }
    called = {}
    for name, role in roles.items():
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        equal = trust["Condition"]["StringEquals"]
        assert equal["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}
        group = equal["aws:SourceArn"]["Fn::GetAtt"][0]
        statements = allowed(template, name)
        (target,) = statements.pop("lambda:InvokeFunction")
        assert {action.split(":")[0] for action in statements} <= {"sqs"}, "what cannot be called is left in a queue"
        called[name.removesuffix(name[-8:])] = (group[:-8].removesuffix("Group"), target["Ref"])
    assert called == {
        "SeasonCaller": ("Season", alias_of(template, plan)),
        "OneOffsCaller": ("OneOffs", alias_of(template, plan)),
        "ReactiveCaller": ("Season", alias_of(template, react)),
    }


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


def statements(template: Template, action: str) -> list[dict[str, Any]]:
    """All that allow an action, whole."""
    return [
        statement
        for policy in resources(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    ]


def role_of(properties: dict[str, Any]) -> str:
    return str(properties["Role"]["Fn::GetAtt"][0])


def test_the_planner_may_size_the_service_the_four_consumers_and_the_cluster_only() -> None:
    template = capacity()
    _, made = planner(template)
    may = allowed(template, role_of(made))
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
    assert [action for action in may if action.startswith(("iam:", "sts:"))] == ["iam:PassRole"]
    assert "elasticache:Connect" in may, "it reads people into memory ahead of their wedding"
    for action in ("rds:ModifyDBCluster", "rds:DescribeDBClusters"):
        (cluster,) = may[action]
        assert re.search(r':cluster:"?, .*AuroraCluster', words(cluster)), action


def test_of_instances_the_planner_may_make_and_delete_only_one_without_a_name() -> None:
    """Application Auto Scaling tries both before it takes a minimum of readers from its caller."""
    template = capacity()
    may = allowed(template, role_of(planner(template)[1]))

    def instances(action: str) -> list[str]:
        texts = [words(one).removesuffix("]]}").removesuffix('"') for one in may[action] if "cluster" not in words(one)]
        return [text.rsplit(":", 1)[-1] for text in texts if ":db:" in text]

    assert instances("rds:CreateDBInstance") == instances("rds:DeleteDBInstance") == [""]
    assert len(may["rds:CreateDBInstance"]) == 2
    assert len(may["rds:DeleteDBInstance"]) == 1
    assert instances("rds:AddTagsToResource") == ["non-existing-db"]


@pytest.mark.parametrize(("stage", "readers"), [("dev", []), ("prod", ["rds:cluster:ReadReplicaCount"])])
def test_registering_is_kept_to_what_the_plan_sizes(stage: str, readers: list[str]) -> None:
    """Where readers are not scaled there is nothing of them to register, and no right to."""
    template = capacity(stage)
    (statement,) = statements(template, "application-autoscaling:RegisterScalableTarget")
    dimensions = ["ecs:service:DesiredCount", "lambda:function:ProvisionedConcurrency", *readers]
    assert statement["Condition"] == {"StringEquals": {"application-autoscaling:scalable-dimension": dimensions}}
    targets = resources(templates(stage)["data"], "AWS::ApplicationAutoScaling::ScalableTarget").values()
    assert [one["Properties"]["ScalableDimension"] for one in targets] == readers
    assert bool(statements(template, "rds:CreateDBInstance")) is bool(readers)
    assert variables(planner(template)[1])["CARILLON_PLAN_READERS_SCALE"] == str(bool(readers)).lower()


def test_calls_at_exact_times_are_made_in_a_group_of_their_own_as_a_role_passed_to_the_scheduler_alone() -> None:
    template = capacity()
    _, made = planner(template)
    may, told = allowed(template, role_of(made)), variables(made)
    name = group_of(template, "OneOffs")["Properties"]["Name"]
    assert name != group_of(template, "Season")["Properties"]["Name"]
    for action in ("CreateSchedule", "DeleteSchedule"):
        (where,) = may[f"scheduler:{action}"]
        assert f":schedule/{name}/*" in words(where)
    (listed,) = may["scheduler:ListSchedules"]
    assert ":schedule/*/*" in words(listed), "AWS takes no narrower one for listing"
    (passed,) = statements(template, "iam:PassRole")
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}}
    assert told["CARILLON_PLAN_SCHEDULE_GROUP"] == name
    role = passed["Resource"]
    assert role["Fn::GetAtt"][0].startswith("OneOffsCaller")
    assert told["CARILLON_PLAN_SCHEDULE_ROLE"] == role
    (queue,) = resources(template, "AWS::SQS::Queue")
    assert told["CARILLON_PLAN_SCHEDULE_DEAD_LETTERS"] == {"Fn::GetAtt": [queue, "Arn"]}


def variables(properties: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = properties["Environment"]["Variables"]
    return told


def api(stage: str) -> dict[str, Any]:
    (task,) = resources(templates(stage)["service"], "AWS::ECS::TaskDefinition").values()
    (container,) = task["Properties"]["ContainerDefinitions"]
    return {one["Name"]: one["Value"] for one in container["Environment"]}


def sizes(told: dict[str, Any]) -> config.CapacitySettings:
    """Read as the door reads them, so that names and types are right as well."""
    return config.read(config.CapacitySettings, {name: words(value).strip('"') for name, value in told.items()})


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_planner_knows_its_stages_sizes_caps_quotas_and_budget(stage: str) -> None:
    _, made = planner(capacity(stage))
    known, options = sizes(variables(made)), STAGES[stage]
    assert (known.season, known.time_zone) == (options.season, options.time_zone)
    assert (known.min_tasks, known.max_tasks) == (options.min_tasks, options.max_tasks)
    assert known.task_cores == options.task_cpu / 1024
    assert known.lane_max == MAX_CONCURRENCY
    set_aside = MAX_CONCURRENCY if options.reserved_lanes else None
    assert {known.reserved.size(lane.word) for lane in Lane} == {set_aside}
    assert made.get("ReservedConcurrentExecutions") == (1 if options.reserved_lanes else None), "one round at a time"
    assert (known.warm, known.warm_peaks) == (options.warm_consumers, options.warm_peaks)
    assert (known.min_acu, known.max_acu) == (options.database_min_acu, options.database_max_acu)
    assert (known.readers, known.max_readers) == (options.readers, options.max_readers)
    assert known.concurrency == options.lambda_concurrency
    assert (known.requests_s, known.connects_s) == (options.callback_rps, options.connects_s)
    assert (known.budget_usd, known.over_budget) == (options.plan_budget_usd, options.plan_over_budget)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_whoever_plans_reacts_or_forecasts_is_told_the_same_sizes(stage: str) -> None:
    template = capacity(stage)
    doors = [one["Properties"] for one in resources(template, "AWS::Lambda::Function").values()]
    told = [variables(one) for one in doors if one["Handler"].startswith("lambdas.")]
    assert len({repr(sizes(one)) for one in [*told, api(stage)]}) == 1
    assert len(told) == (2 if STAGES[stage].warm_consumers else 1)


def test_the_planner_knows_what_it_turns() -> None:
    template = capacity()
    told = variables(planner(template)[1])
    assert "AuroraCluster" in words(told["CARILLON_PLAN_DATABASE"])
    for lane in Lane:
        assert f"{lane.word}=" in words(told["CARILLON_PLAN_FUNCTIONS"])
    assert words(told["CARILLON_PLAN_FUNCTIONS"]).count(":live") == len(Lane)
    assert "CARILLON_VALKEY_URL" in told


def test_a_round_begins_when_the_calendar_has_changed() -> None:
    """One for a thousand hints of an import, five seconds after the first."""
    template = capacity()
    (feed,) = (one["Properties"] for one in resources(template, "AWS::Lambda::EventSourceMapping").values())
    called = words(feed["FunctionName"])
    assert alias_of(template, planner(template)[0]) in called
    assert ":live" in called
    assert "Calendar" in words(feed["EventSourceArn"])
    assert (feed["BatchSize"], feed["MaximumBatchingWindowInSeconds"]) == (1000, 5)
    assert feed["ScalingConfig"] == {"MaximumConcurrency": 2}
    taken = allowed(template, role_of(planner(template)[1]))["sqs:ReceiveMessage"]
    assert len(taken) == 1
    assert "Calendar" in words(taken)
    told = api("prod")[config.variable(config.ApiSettings, "calendar_queue")]
    assert "Calendar" in words(told)


def test_load_is_reacted_to_each_minute_and_a_minute_missed_is_not_made_up_for() -> None:
    template = capacity()
    name, made = function(template, "lambdas.react.handler")
    schedule = schedules(template)["EveryMinute"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["GroupName"] == group_of(template, "Season")["Properties"]["Name"]
    assert schedule["Target"]["Arn"] == {"Ref": alias_of(template, name)}
    assert schedule["Target"]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}
    assert invoked(template, name)["MaximumRetryAttempts"] == 0
    assert made["Timeout"] < 60
    assert made["ReservedConcurrentExecutions"] == 1
    told = variables(made)
    assert {"CARILLON_QUEUE_URLS", "CARILLON_PLAN_FUNCTIONS", "CARILLON_DATABASE_URL"} <= set(told)
    assert told["POWERTOOLS_SERVICE_NAME"] == service_name("prod")


def test_what_reacts_may_order_warm_consumers_and_nothing_else() -> None:
    template = capacity()
    may = allowed(template, role_of(function(template, "lambdas.react.handler")[1]))
    changing = {action for action in may if not action.split(":")[1].startswith(("Get", "Describe", "List"))}
    assert {action for action in changing if not action.startswith(("ec2:", "logs:"))} == {
        "lambda:PutProvisionedConcurrencyConfig",
        "lambda:DeleteProvisionedConcurrencyConfig",
        "rds-db:connect",
    }
    aliases = may["lambda:PutProvisionedConcurrencyConfig"]
    assert len(aliases) == len(Lane)
    assert all("Live" in words(one) for one in aliases)
    assert len(may["sqs:GetQueueAttributes"]) == len(Lane)
    wide = {action for action, what in may.items() if "*" in what and not action.startswith("ec2:")}
    assert wide == {"application-autoscaling:DescribeScalableTargets", "cloudwatch:GetMetricData"}


def test_nothing_reacts_where_no_consumer_is_ever_warm() -> None:
    """Without warm consumers there is nothing to order; target tracking grows the tasks."""
    assert (STAGES["dev"].warm_consumers, STAGES["dev"].warm_peaks) == (False, False)
    template = capacity("dev")
    handlers = {one["Properties"]["Handler"] for one in resources(template, "AWS::Lambda::Function").values()}
    assert "lambdas.react.handler" not in handlers
    assert "EveryMinute" not in schedules(template)


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
