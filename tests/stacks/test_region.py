"""Two Regions from configuration alone: who is joined to whom, who holds the writer, and what a lost Region leaves."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from carillon.config import ApiSettings, LaneUrls, PlanSettings, StoreSettings, variable
from carillon.errors import ConfigError
from carillon.model import Lane
from stacks import stage as stages
from tests.stacks.synthesised import Template, resources, templates

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE, THERE = "us-east-1", "eu-west-1"
DOMAIN = {"domain": "ring.example.org", "hosted_zone_id": "Z1", "hosted_zone_name": "example.org"}


@pytest.fixture(scope="module")
def two() -> dict[str, Template]:
    return templates("prod", regions=f"{HERE},{THERE}", **DOMAIN)


@pytest.fixture(scope="module")
def alone() -> dict[str, Template]:
    return templates("prod", regions=f"{HERE},{THERE}", alone=THERE, **DOMAIN)


def one(template: Template, kind: str) -> Template:
    (found,) = resources(template, kind).values()
    return dict(found["Properties"])


def functions(template: Template) -> dict[str, dict[str, Any]]:
    """The variables of a stack's functions, by logical id."""
    return {
        name: body["Properties"].get("Environment", {}).get("Variables", {})
        for name, body in resources(template, "AWS::Lambda::Function").items()
    }


def asked(value: Any) -> Iterator[tuple[str, str]]:
    """(stack, Region) of every output of another stack that a value is made of."""
    if isinstance(value, dict):
        if "Fn::GetStackOutput" in value:
            output = value["Fn::GetStackOutput"]
            yield output["StackName"], output.get("Region", "")
        for part in value.values():
            yield from asked(part)
    if isinstance(value, list):
        for part in value:
            yield from asked(part)


def test_each_region_has_all_stacks_but_one_pool_of_users(two: dict[str, Template]) -> None:
    rooms = {"network", "queues", "edge", "data", "realtime", "service", "capacity", "watch", "region"}
    assert rooms <= set(two)
    assert {f"{THERE}-{room}" for room in rooms} <= set(two)
    assert f"{THERE}-identity" not in two
    variables = next(iter(functions(two[f"{THERE}-realtime"]).values()))
    connect = next(found for name, found in functions(two[f"{THERE}-realtime"]).items() if name.startswith("Connect"))
    assert ("carillon-prod-identity", HERE) in set(asked(connect))
    assert "CARILLON_TOKEN_ISSUER" in connect
    assert variables


def test_one_region_has_nothing_of_the_second() -> None:
    single = templates("prod")
    assert "region" not in single
    assert not resources(single["data"], "AWS::RDS::GlobalCluster")
    for found in functions(single["realtime"]).values():
        assert not {name for name in found if "PEER" in name or "HOME" in name}


def test_the_second_cluster_follows_the_first_and_has_no_log_in_of_its_own(two: dict[str, Template]) -> None:
    made = one(two["data"], "AWS::RDS::GlobalCluster")
    assert made["DeletionProtection"] is True
    first, second = (one(two[name], "AWS::RDS::DBCluster") for name in ("data", f"{THERE}-data"))
    assert "cluster:" in json.dumps(made["SourceDBClusterIdentifier"])
    assert second["GlobalClusterIdentifier"] == made["GlobalClusterIdentifier"]
    assert not {"MasterUsername", "MasterUserPassword", "DatabaseName", "ReplicationSourceIdentifier"} & set(second)
    assert (second["EngineVersion"], second["StorageEncrypted"]) == (first["EngineVersion"], True)
    assert not resources(two[f"{THERE}-data"], "AWS::SecretsManager::Secret")
    assert not resources(two[f"{THERE}-data"], "Custom::CarillonMigration")
    assert len(resources(two[f"{THERE}-data"], "AWS::RDS::DBInstance")) >= 2


def test_readers_grow_where_the_writer_is(two: dict[str, Template], alone: dict[str, Template]) -> None:
    """Aurora User Guide, "Limitations of Aurora Global Database": no auto scaling of a secondary cluster's readers."""
    kind = "AWS::ApplicationAutoScaling::ScalableTarget"
    assert len(resources(two["data"], kind)) == 1
    assert not resources(two[f"{THERE}-data"], kind)
    assert len(resources(alone[f"{THERE}-data"], kind)) == 1


def test_the_second_region_writes_to_the_first_and_reads_at_home(two: dict[str, Template]) -> None:
    for name, found in functions(two[f"{THERE}-realtime"]).items():
        if variable(StoreSettings, "database_url") in found:
            assert set(asked(found[variable(StoreSettings, "database_url")])) == {("carillon-prod-data", HERE)}, name
            reads = set(asked(found[variable(StoreSettings, "database_read_url")]))
            assert reads == {(f"carillon-prod-{THERE}-data", THERE)}
    granted = json.dumps(
        [
            statement["Resource"]
            for policy in resources(two[f"{THERE}-realtime"], "AWS::IAM::Policy").values()
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement["Action"] == "rds-db:connect"
        ]
    )
    assert f"arn:aws:rds-db:{HERE}:" in granted
    assert f"arn:aws:rds-db:{THERE}:" in granted


@pytest.mark.parametrize(("mine", "region", "other"), [("", HERE, THERE), (f"{THERE}-", THERE, HERE)])
def test_each_region_knows_the_others_lanes_and_may_send_there(
    two: dict[str, Template], mine: str, region: str, other: str
) -> None:
    prefix = "" if other == HERE else f"{THERE}-"
    for lane in Lane:
        consumer = next(
            found for name, found in functions(two[f"{mine}realtime"]).items() if name.startswith(lane.word.title())
        )
        assert consumer[variable(StoreSettings, "peer_region")] == other
        assert consumer[variable(StoreSettings, "home_region")] == HERE
        urls = consumer[variable(StoreSettings, "peer_queue_urls")]
        assert set(asked(urls)) == {(f"carillon-prod-{prefix}queues", other)}
        assert set(asked(consumer[variable(StoreSettings, "queue_urls")])) == {(f"carillon-prod-{mine}queues", region)}
        policies = resources(two[f"{mine}realtime"], "AWS::IAM::Policy")
        own = next(body for name, body in policies.items() if name.startswith(lane.word.title()))
        sends = [
            text
            for statement in own["Properties"]["PolicyDocument"]["Statement"]
            if statement["Action"] == "sqs:SendMessage"
            for text in [json.dumps(statement["Resource"])]
        ]
        assert any(f"arn:aws:sqs:{other}:" in text and f"-{lane.word}.fifo" in text for text in sends)
        others = [one_lane.word for one_lane in Lane if one_lane is not lane]
        assert not any(f"-{word}.fifo" in text for word in others for text in sends), "no other lane than its own"


def test_the_api_there_begins_broadcasts_here_and_may_ask_for_the_lanes(two: dict[str, Template]) -> None:
    container = one(two[f"{THERE}-service"], "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]
    said = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert said[variable(StoreSettings, "home_region")] == HERE
    statements = [
        statement
        for policy in resources(two[f"{THERE}-service"], "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "sqs:GetQueueAttributes" in statement["Action"]
    ]
    asked_for = json.dumps([statement["Resource"] for statement in statements])
    for lane in Lane:
        assert f":carillon-prod-queues-{lane.word}.fifo" in asked_for


def test_the_lanes_in_the_environment_can_be_read(two: dict[str, Template]) -> None:
    text = next(iter(functions(two["realtime"]).values()))[variable(StoreSettings, "peer_queue_urls")]
    joined = "".join(part if isinstance(part, str) else "https://x" for part in text["Fn::Join"][1])
    assert set(LaneUrls(joined).lanes) == {lane.word for lane in Lane}


def test_the_networks_are_apart_and_joined(two: dict[str, Template]) -> None:
    ranges = {name: one(two[f"{name}network"], "AWS::EC2::VPC")["CidrBlock"] for name in ("", f"{THERE}-")}
    assert not ipaddress.ip_network(ranges[""]).overlaps(ipaddress.ip_network(ranges[f"{THERE}-"]))
    peering = one(two["region"], "AWS::EC2::VPCPeeringConnection")
    assert peering["PeerRegion"] == THERE
    for mine, theirs in (("", f"{THERE}-"), (f"{THERE}-", "")):
        routes = [body["Properties"] for body in resources(two[f"{mine}region"], "AWS::EC2::Route").values()]
        assert {route["DestinationCidrBlock"] for route in routes} == {ranges[theirs]}
        tables = {json.dumps(route["RouteTableId"]) for route in routes}
        assert len(tables) == len(routes) == 6, "three private subnets that ask, three isolated ones that answer"
        rules = json.dumps(
            [
                group["Properties"].get("SecurityGroupIngress", [])
                for group in resources(two[f"{mine}network"], "AWS::EC2::SecurityGroup").values()
            ]
        )
        assert ranges[theirs] in rules


def test_sockets_have_one_name_that_leads_to_the_nearer_region_that_is_well(two: dict[str, Template]) -> None:
    for mine, region, domain in (("", HERE, DOMAIN["domain"]), (f"{THERE}-", THERE, f"{THERE}.{DOMAIN['domain']}")):
        stack = two[f"{mine}realtime"]
        assert one(stack, "AWS::ApiGatewayV2::DomainName")["DomainName"] == f"socket.{DOMAIN['domain']}"
        check = one(stack, "AWS::Route53::HealthCheck")["HealthCheckConfig"]
        assert (check["FullyQualifiedDomainName"], check["ResourcePath"]) == (domain, "/readyz")
        records = [body["Properties"] for body in resources(stack, "AWS::Route53::RecordSet").values()]
        assert {record["Type"] for record in records} == {"A", "AAAA"}
        for record in records:
            assert (record["Region"], record["SetIdentifier"]) == (region, region)
            assert record["HealthCheckId"]
    container = one(two[f"{THERE}-service"], "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]
    said = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert said["CARILLON_WEBSOCKET_URL"] == f"wss://socket.{DOMAIN['domain']}"


def test_a_region_alone_asks_nothing_of_the_lost_one(alone: dict[str, Template], two: dict[str, Template]) -> None:
    """CloudFormation reads other stacks' outputs when it deploys; what asked the lost Region could not be deployed.

    CloudFront's own Region is another matter: a stack that is not changed is not deployed.
    """
    for name, template in alone.items():
        if name != f"{THERE}-edge":
            assert HERE not in {region for _, region in asked(template["Resources"])}, name
    assert alone[f"{THERE}-edge"]["Resources"] == two[f"{THERE}-edge"]["Resources"]
    assert all(name.startswith(THERE) for name in alone), "the lost Region's stacks are left as they are"
    found = next(iter(functions(alone[f"{THERE}-realtime"]).values()))
    assert set(asked(found[variable(StoreSettings, "database_url")])) == {(f"carillon-prod-{THERE}-data", THERE)}
    assert variable(StoreSettings, "peer_region") not in found
    assert one(alone[f"{THERE}-data"], "AWS::RDS::DBCluster") == one(two[f"{THERE}-data"], "AWS::RDS::DBCluster")
    assert alone[f"{THERE}-network"]["Resources"] == two[f"{THERE}-network"]["Resources"]


def policies(template: Template, role: str) -> str:
    """What a role may do, as text."""
    found = resources(template, "AWS::IAM::Policy").values()
    return json.dumps([body for body in found if {"Ref": role} in body["Properties"]["Roles"]])


@pytest.mark.parametrize("door", ["plan", "react"])
def test_where_the_writer_is_elsewhere_planning_and_reacting_reach_it_and_leave_readers_alone(
    two: dict[str, Template], alone: dict[str, Template], door: str
) -> None:
    """Aurora scales no readers in a Region that follows; a Region left alone holds the writer, and scales its own."""

    def of(template: Template) -> dict[str, Any]:
        found = resources(template, "AWS::Lambda::Function").values()
        return next(body["Properties"] for body in found if body["Properties"]["Handler"] == f"lambdas.{door}.handler")

    far = of(two[f"{THERE}-capacity"])
    told = far["Environment"]["Variables"]
    assert told[variable(PlanSettings, "readers_scale")] == "false"
    assert set(asked(told[variable(StoreSettings, "database_url")])) == {("carillon-prod-data", HERE)}
    rights = policies(two[f"{THERE}-capacity"], far["Role"]["Fn::GetAtt"][0])
    assert "rds:CreateDBInstance" not in rights
    connects = [
        statement
        for body in json.loads(rights)
        for statement in body["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "rds-db:connect"
    ]
    assert {place for statement in connects for place in asked(statement)} >= {("carillon-prod-data", HERE)}
    left = of(alone[f"{THERE}-capacity"])["Environment"]["Variables"]
    assert left[variable(PlanSettings, "readers_scale")] == "true"


def test_a_changed_calendar_is_told_to_the_planner_of_the_same_region(two: dict[str, Template]) -> None:
    """The other Region's sees it at its next round, within 15 minutes."""
    for prefix, region in (("", HERE), (f"{THERE}-", THERE)):
        container = one(two[f"{prefix}service"], "AWS::ECS::TaskDefinition")["ContainerDefinitions"][0]
        said = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
        queue = said[variable(ApiSettings, "calendar_queue")]
        feed = one(two[f"{prefix}capacity"], "AWS::Lambda::EventSourceMapping")["EventSourceArn"]
        assert set(asked(queue)) == set(asked(feed)) == {(f"carillon-prod-{prefix}queues", region)}


@pytest.mark.parametrize(
    "given", [{"alone": THERE}, {"alone": "ap-south-1", "regions": f"{HERE},{THERE}"}, {"alone": HERE}]
)
def test_only_one_of_two_regions_can_be_alone(given: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="alone="):
        stages.read(({"stage": "dev"} | given).get)


def test_what_the_runbook_names_is_in_the_templates_once(two: dict[str, Template]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "runbooks" / "region-failover.md").read_text(encoding="utf-8")
    named = set(re.findall(r"name (\$LEFT-)?(\w+) (\w+)\)", page))
    assert len(named) >= 6
    for far, room, place in named:
        logical = two[f"{THERE}-{room}" if far else room]["Resources"]
        assert len([one for one in logical if one.startswith(place) and len(one) == len(place) + 8]) == 1, (room, place)
    for stack in re.findall(r"carillon-\$STAGE-\$LEFT-(\w+)", page):
        assert f"{THERE}-{stack}" in two or stack == "identity", stack
