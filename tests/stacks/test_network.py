"""The network: who may talk to whom, how one gets out, what is written down, and what it must never have."""

from __future__ import annotations

import json
import re
from typing import Any

import aws_cdk as cdk
import pytest

from carillon.protocol.web import API_PORT
from stacks import stage as stages
from stacks.network import CACHE_PORT, DATABASE_PORT, HTTPS, ZONES, NetworkStack
from stacks.parts.zones import WHOLE
from tests.stacks.synthesised import Template, resources, templates

STAGES = ("dev", "prod")
ALLOWED_IN_A_DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
"""EC2 API Reference, `SecurityGroupRuleDescription`; anything else fails at deploy, and nothing says so before."""


def alone(region: str, **given: str) -> Template:
    """The network of a Region without the other stacks."""
    app = cdk.App()
    stage = stages.read({"stage": "prod", "regions": region, **given}.get)
    made = NetworkStack(app, "network", env=cdk.Environment(region=region), stage=stage)
    return dict(app.synth().get_stack_by_name(made.stack_name).template)


@pytest.fixture(scope="module")
def by_ipv6() -> Template:
    """With the other way out."""
    return alone("us-east-1", egress="ipv6", interface_endpoints="false")


def properties(template: Template, kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in resources(template, kind).values()]


def group_of(value: Any) -> str:
    """The construct id of the security group that a rule names."""
    return str(value["Fn::GetAtt"][0])[:-8]


def between(template: Template, kind: str, other: str) -> set[tuple[str, str, int]]:
    """(whose rule, other side, port) of the rules between groups."""
    return {
        (group_of(one["GroupId"]), group_of(one[other]), one["ToPort"])
        for one in properties(template, f"AWS::EC2::SecurityGroup{kind}")
        if other in one
    }


@pytest.mark.parametrize("stage", STAGES)
def test_only_who_needs_a_store_reaches_it_and_both_sides_say_so(stage: str) -> None:
    network = templates(stage)["network"]
    entering = between(network, "Ingress", "SourceSecurityGroupId")
    stores = {rule for rule in entering if rule[0] in {"Database", "Cache"}}
    assert stores == {
        ("Database", "Clients", DATABASE_PORT),
        ("Database", "Database", DATABASE_PORT),
        ("Database", "Rotation", DATABASE_PORT),
        ("Cache", "Clients", CACHE_PORT),
    }
    assert ("Clients", "Balancer", API_PORT) in entering
    leaving = {(to, who, port) for who, to, port in between(network, "Egress", "DestinationSecurityGroupId")}
    assert leaving == entering


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_open_to_the_world_and_only_https_leaves(stage: str) -> None:
    for group in properties(templates(stage)["network"], "AWS::EC2::SecurityGroup"):
        for rule in group.get("SecurityGroupIngress", []):
            assert "0.0.0.0/0" not in rule.values()
            assert "::/0" not in rule.values()
        for rule in group.get("SecurityGroupEgress", []):
            if rule.get("CidrIp") == "0.0.0.0/0":
                assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", HTTPS, HTTPS)


@pytest.mark.parametrize("stage", STAGES)
def test_ec2_takes_every_description(stage: str) -> None:
    texts = re.findall(r'"(?:Group)?Description": "([^"]*)"', json.dumps(templates(stage)["network"]))
    assert texts
    assert [text for text in texts if not ALLOWED_IN_A_DESCRIPTION.fullmatch(text)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_each_zone_has_a_subnet_of_each_kind_and_nothing_gets_a_public_address(stage: str) -> None:
    subnets = properties(templates(stage)["network"], "AWS::EC2::Subnet")
    kinds = [tag["Value"] for one in subnets for tag in one["Tags"] if tag["Key"] == "aws-cdk:subnet-name"]
    assert {kind: kinds.count(kind) for kind in kinds} == {"public": ZONES, "private": ZONES, "isolated": ZONES}
    assert not any(one.get("MapPublicIpOnLaunch") for one in subnets)
    # By id: one zone, whose letter differs by account, has neither Fargate on arm64 nor VPC origins.
    assert {one["AvailabilityZoneId"] for one in subnets} == set(WHOLE["us-east-1"])
    assert not [one for one in subnets if "AvailabilityZone" in one]


def test_a_region_whose_zones_have_everything_takes_the_first_three() -> None:
    subnets = properties(alone("eu-west-1"), "AWS::EC2::Subnet")
    assert len({json.dumps(one["AvailabilityZone"]) for one in subnets}) == ZONES


@pytest.mark.parametrize("stage", STAGES)
def test_stores_have_no_way_out(stage: str) -> None:
    routes = properties(templates(stage)["network"], "AWS::EC2::Route")
    assert routes
    assert not [one for one in routes if "isolated" in one["RouteTableId"]["Ref"]]


@pytest.mark.parametrize("stage", STAGES)
def test_one_gets_out_by_as_many_nat_gateways_as_the_stage_says(stage: str) -> None:
    network = templates(stage)["network"]
    assert len(resources(network, "AWS::EC2::NatGateway")) == stages.STAGES[stage].nat_gateways
    assert not resources(network, "AWS::EC2::EgressOnlyInternetGateway")


def test_by_ipv6_there_is_no_nat_and_what_has_no_ipv6_has_an_endpoint(by_ipv6: Template) -> None:
    assert not resources(by_ipv6, "AWS::EC2::NatGateway")
    assert len(resources(by_ipv6, "AWS::EC2::EgressOnlyInternetGateway")) == 1
    ways_out = [one for one in properties(by_ipv6, "AWS::EC2::Route") if "EgressOnlyInternetGatewayId" in one]
    assert [one["DestinationIpv6CidrBlock"] for one in ways_out] == ["::/0"] * ZONES
    assert {"secretsmanager", "ecr.api", "ecr.dkr", "logs", "s3"} == services(by_ipv6)
    clients = next(one for one in properties(by_ipv6, "AWS::EC2::SecurityGroup") if "tasks" in one["GroupDescription"])
    assert {"::/0", "0.0.0.0/0"} <= {
        rule.get("CidrIpv6") or rule.get("CidrIp") for rule in clients["SecurityGroupEgress"]
    }


def services(template: Template) -> set[str]:
    """Endpoints by the last part of their service's name."""
    names = [json.dumps(one["ServiceName"]) for one in properties(template, "AWS::EC2::VPCEndpoint")]
    known = ("s3", "sqs", "secretsmanager", "ecr.api", "ecr.dkr", "logs")
    return {next((one for one in known if name.rstrip('"]}').endswith(f".{one}")), name) for name in names}


def test_endpoints_are_there_where_the_stage_pays_for_them() -> None:
    assert services(templates("dev")["network"]) == {"s3"}
    assert services(templates("prod")["network"]) == {"s3", "sqs"}


@pytest.mark.parametrize("stage", STAGES)
def test_no_endpoint_takes_the_names_of_the_websocket_api(stage: str, by_ipv6: Template) -> None:
    """With one, every @connections call from the VPC is answered 403."""
    assert "execute-api" not in json.dumps(templates(stage)["network"]) + json.dumps(by_ipv6)


@pytest.mark.parametrize("stage", STAGES)
def test_all_traffic_is_written_down_for_as_long_as_the_stage_keeps_logs(stage: str) -> None:
    network = templates(stage)["network"]
    (flow,) = properties(network, "AWS::EC2::FlowLog")
    assert flow["TrafficType"] == "ALL"
    (log,) = properties(network, "AWS::Logs::LogGroup")
    assert log["RetentionInDays"] == int(stages.STAGES[stage].log_days)
