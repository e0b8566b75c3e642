"""What a deployment costs while nothing happens: counted from its templates, resource by resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from carillon.model import Lane
from carillon.names import METRICS
from stacks.cost.prices import HOURS_A_MONTH, Line, price

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stacks.places import Templates

Properties = dict[str, Any]
METRICS_ASKED: Final = 21
"""Of CloudWatch at each reaction: five of each lane, and the open connections (carillon/adapters/lane_watch.py)."""
REACTION_S: Final = 1.0
"""Of one core's share; an assumption: it waits for AWS most of that time."""
MIN_PROXY_ACU: Final = 8
"""RDS Proxy charges at least for 8 ACU per Aurora Serverless v2 cluster."""


def standing(templates: Templates) -> list[Line]:
    """The charges of an idle month."""
    lines = [
        line
        for kind, count in _RULES.items()
        for properties in templates.of(kind).values()
        for line in count(templates, properties)
    ]
    return lines + _proxy(templates) + _tasks(templates) + _warm(templates) + _react(templates) + [_metrics()]


def _hourly(driver: str, usd_hour: float, count: float, what: str) -> Line:
    return Line(driver, usd_hour * count * HOURS_A_MONTH, f"{count:g} {what} at ${usd_hour:g}/h")


def _monthly(driver: str, name: str, what: str) -> Callable[[Templates, Properties], list[Line]]:
    def count(_templates: Templates, _properties: Properties) -> list[Line]:
        return [Line(driver, price(name), f"{what} at ${price(name):g} a month")]

    return count


def _nat(_templates: Templates, _properties: Properties) -> list[Line]:
    return [
        Line("NAT gateways", price("nat_hour") * HOURS_A_MONTH, f"gateway at ${price('nat_hour'):g}/h"),
        Line(
            "NAT gateways",
            price("public_ipv4_hour") * HOURS_A_MONTH,
            f"public address at ${price('public_ipv4_hour'):g}/h",
        ),
    ]


def _endpoint(_templates: Templates, properties: Properties) -> list[Line]:
    if properties.get("VpcEndpointType") != "Interface":
        return []
    return [_hourly("Interface endpoints", price("interface_endpoint_hour"), len(properties["SubnetIds"]), "zones")]


def _instance(templates: Templates, _properties: Properties) -> list[Line]:
    least = min(
        float(cluster["ServerlessV2ScalingConfiguration"]["MinCapacity"])
        for cluster in templates.of("AWS::RDS::DBCluster").values()
    )
    return [_hourly("Aurora", price("aurora_acu_hour") * least, 1, f"instance of {least:g} ACU at rest")]


def _cache_group(_templates: Templates, properties: Properties) -> list[Line]:
    nodes = int(properties.get("NumNodeGroups", 1)) * (1 + int(properties.get("ReplicasPerNodeGroup", 0)))
    nodes = int(properties.get("NumCacheClusters", nodes))
    kind = properties["CacheNodeType"]
    return [_hourly("ElastiCache", price("cache_hour", kind), nodes, kind)]


def _alarm(_templates: Templates, properties: Properties) -> list[Line]:
    metrics = max(1, sum("MetricStat" in one for one in properties.get("Metrics", ())))
    return [Line("CloudWatch alarms", price("alarm_month") * metrics, f"alarm at ${price('alarm_month'):g} per metric")]


def _firewall(_templates: Templates, properties: Properties) -> list[Line]:
    rules = len(properties.get("Rules", ()))
    usd = price("waf_acl_month") + rules * price("waf_rule_month")
    return [Line("Firewall", usd, f"a web ACL with {rules} rules")]


_RULES: Final[Mapping[str, Callable[[Any, Properties], list[Line]]]] = {
    "AWS::EC2::NatGateway": _nat,
    "AWS::EC2::VPCEndpoint": _endpoint,
    "AWS::RDS::DBInstance": _instance,
    "AWS::ElastiCache::ReplicationGroup": _cache_group,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::CompositeAlarm": _monthly("CloudWatch alarms", "composite_alarm_month", "composite alarm"),
    "AWS::CloudWatch::Dashboard": _monthly("CloudWatch dashboards", "dashboard_month", "dashboard"),
    "AWS::KMS::Key": _monthly("Keys and secrets", "kms_key_month", "key"),
    "AWS::SecretsManager::Secret": _monthly("Keys and secrets", "secret_month", "secret"),
    "AWS::RDS::DBProxyEndpoint": lambda _templates, properties: [
        _hourly(
            "RDS Proxy", price("interface_endpoint_hour"), len(properties["VpcSubnetIds"]), "zones of its readers' door"
        )
    ],
    "AWS::Route53::HealthCheck": _monthly("Health checks", "health_check_month", "health check"),
    "AWS::WAFv2::WebACL": _firewall,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": lambda _templates, _properties: [
        _hourly("Load balancer", price("alb_hour"), 1, "balancer")
    ],
}


def _proxy(templates: Templates) -> list[Line]:
    """At least 8 ACU are charged; what the cluster grows to above that is the load's."""
    proxies = len(templates.of("AWS::RDS::DBProxy"))
    return [_hourly("RDS Proxy", price("rds_proxy_acu_hour"), MIN_PROXY_ACU * proxies, "ACU")] if proxies else []


def _tasks(templates: Templates) -> list[Line]:
    definitions = list(templates.of("AWS::ECS::TaskDefinition").values())
    services = list(templates.of("AWS::ECS::Service").values())
    lines = []
    for definition, service in zip(definitions, services, strict=True):
        count = int(service.get("DesiredCount", least_tasks(templates)))
        usd = task_hour(definition)
        lines.append(
            _hourly("API tasks", usd, count, f"tasks of {definition['Cpu']} CPU units, {definition['Memory']} MB")
        )
    return lines


def least_tasks(templates: Templates) -> int:
    """The scalable target's minimum of the API's service."""
    targets = templates.of("AWS::ApplicationAutoScaling::ScalableTarget").values()
    return next(int(one["MinCapacity"]) for one in targets if one["ScalableDimension"] == "ecs:service:DesiredCount")


def task_hour(definition: Properties) -> float:
    """What one task costs an hour, in USD."""
    kind = definition.get("RuntimePlatform", {}).get("CpuArchitecture", "X86_64")
    vcpu, gigabytes = int(definition["Cpu"]) / 1024, int(definition["Memory"]) / 1024
    return vcpu * price("fargate_vcpu_hour", kind) + gigabytes * price("fargate_gb_hour", kind)


def _metrics() -> Line:
    """Every name is charged once per set of dimensions."""
    count = sum(len(Lane) if facts.by_lane else 1 for facts in METRICS.values())
    usd = price("custom_metric_month")
    return Line("Custom metrics", count * usd, f"{count} metrics at ${usd:g} a month, when all of them are written")


def _warm(templates: Templates) -> list[Line]:
    """Provisioned concurrency at rest, by alias."""
    functions = templates.of("AWS::Lambda::Function")
    lines = []
    for alias in templates.of("AWS::Lambda::Alias").values():
        kept = alias.get("ProvisionedConcurrencyConfig", {}).get("ProvisionedConcurrentExecutions", 0)
        name = templates.text(alias["FunctionName"])
        if kept and name in functions:
            function = functions[name]
            kind = function.get("Architectures", ["x86_64"])[0]
            usd = price("lambda_provisioned_gb_second", kind) * 3600 * function["MemorySize"] / 1024
            lines.append(_hourly("Warm functions", usd, kept, f"environments of {function['MemorySize']} MB"))
    return lines


def _react(templates: Templates) -> list[Line]:
    """A call a minute, where there is something that reacts; the planner's few calls do not show."""
    lines = []
    for function in templates.of("AWS::Lambda::Function").values():
        if templates.text(function.get("Handler", "")) != "lambdas.react.handler":
            continue
        calls, kind = HOURS_A_MONTH * 60, function.get("Architectures", ["x86_64"])[0]
        asked = calls * METRICS_ASKED / 1000
        seconds = calls * REACTION_S * function["MemorySize"] / 1024
        depths = calls * len(Lane) / 1e6
        run = calls / 1e6 * price("lambda_request_million") + seconds * price("lambda_gb_second", kind)
        lines += [
            Line("Reacting to load", asked * price("metric_data_thousand"), f"{asked:,.0f} thousand metrics asked for"),
            Line("Reacting to load", run, f"{calls:,.0f} calls of {REACTION_S:g} s"),
            Line("Reacting to load", depths * price("sqs_fifo_million"), f"{depths:,.3f} M questions to the lanes"),
        ]
    return lines


def priced() -> set[str]:
    """The resource types that cost something while nothing happens."""
    return {*_RULES, *_ELSEWHERE}


_ELSEWHERE: Final = {"AWS::RDS::DBProxy", "AWS::ECS::Service", "AWS::ECS::TaskDefinition", "AWS::Lambda::Alias"}
"""Types that `_proxy`, `_tasks` and `_warm` price; functions cost what they run, `_react`'s at rest."""
_FREE: Final = {
    "AWS::ApiGateway": "Account",
    "AWS::ApiGatewayV2": "Api Integration IntegrationResponse Route RouteResponse Stage",
    "AWS::ApplicationAutoScaling": "ScalableTarget ScalingPolicy",
    "AWS::Budgets": "Budget",
    "AWS::CDK": "Metadata",
    "AWS::CloudFront": (
        "CachePolicy Distribution Function OriginAccessControl OriginRequestPolicy ResponseHeadersPolicy VpcOrigin"
    ),
    "AWS::CodeDeploy": "Application DeploymentGroup",
    "AWS::Cognito": "ManagedLoginBranding UserPool UserPoolClient UserPoolDomain UserPoolGroup",
    "AWS::EC2": (
        "EIP FlowLog InternetGateway Route RouteTable SecurityGroup SecurityGroupEgress SecurityGroupIngress "
        "Subnet SubnetRouteTableAssociation VPC VPCGatewayAttachment"
    ),
    "AWS::ECS": "Cluster",
    "AWS::ElastiCache": "SubnetGroup User UserGroup",
    "AWS::ElasticLoadBalancingV2": "Listener ListenerRule TargetGroup",
    "AWS::Events": "Rule",
    "AWS::IAM": "ManagedPolicy Policy Role",
    "AWS::Lambda": "EventInvokeConfig EventSourceMapping Function LayerVersion Permission Version",
    "AWS::Logs": "LogGroup",
    "AWS::RDS": "DBCluster DBClusterParameterGroup DBProxyTargetGroup DBSubnetGroup EventSubscription",
    "AWS::S3": "Bucket BucketPolicy",
    "AWS::SNS": "Subscription Topic TopicPolicy",
    "AWS::SQS": "Queue QueuePolicy",
    "AWS::Scheduler": "Schedule ScheduleGroup",
    "AWS::SecretsManager": "ResourcePolicy RotationSchedule SecretTargetAttachment",
    "AWS::Serverless": "Application",
    "Custom": "CDKBucketDeployment CarillonMigration",
}
FREE: Final = frozenset(f"{service}::{name}" for service, names in _FREE.items() for name in names.split())
"""Types that cost nothing while nothing happens, or so little that it does not show: what is sent, kept and called is
the load's."""
