"""What stands before the API: nobody gets past it, nothing of one person's is kept for another, pages are closed."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from api.app import create_app
from api.services import Services
from carillon.config import ApiSettings
from carillon.errors import ConfigError, OutageError, RateLimitedError, TooLargeError
from carillon.protocol.web import (
    API_PATHS,
    BALANCER_IDLE_S,
    KEEP_ALIVE_S,
    LARGEST_BODY,
    LARGEST_IMPORT,
    SCHEME_HEADER,
    SECURITY_HEADERS,
    SHARED_CONTROL,
)
from stacks.edge import KEPT_S
from stacks.parts.firewall import COUNTED
from stacks.parts.origin_facing import origin_facing
from stacks.parts.pages import STILL, STILL_CONTROL
from tests.stacks.synthesised import Template, resources, templates

DOMAIN = {"domain": "c.example.com", "hosted_zone_id": "Z1", "hosted_zone_name": "example.com"}
FAR = {**DOMAIN, "regions": "eu-west-1", "requests_per_ip": "777"}


def only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = resources(template, kind).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


@pytest.fixture(scope="module", params=["dev", "prod"])
def edge(request: pytest.FixtureRequest) -> Template:
    return templates(request.param)["edge"]


@pytest.fixture(scope="module")
def distribution(edge: Template) -> dict[str, Any]:
    config: dict[str, Any] = only(edge, "AWS::CloudFront::Distribution")["DistributionConfig"]
    return config


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def policy(edge: Template, kind: str, reference: dict[str, str]) -> dict[str, Any]:
    config: dict[str, Any] = resources(edge, f"AWS::CloudFront::{kind}")[reference["Ref"]]["Properties"][
        f"{kind}Config"
    ]
    return config


def behaviour(distribution: dict[str, Any], path: str) -> dict[str, Any]:
    return next(one for one in distribution["CacheBehaviors"] if one["PathPattern"] == path)


# The balancer


def test_the_balancer_is_reached_through_cloudfront_alone(edge: Template, distribution: dict[str, Any]) -> None:
    (name,) = resources(edge, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    assert only(edge, "AWS::ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == "internal"
    origin = only(edge, "AWS::CloudFront::VpcOrigin")["VpcOriginEndpointConfig"]
    assert origin["Arn"] == {"Ref": name}
    assert (origin["OriginProtocolPolicy"], origin["HTTPPort"]) == ("http-only", 80)
    assert [one for one in distribution["Origins"] if "VpcOriginConfig" in one]
    assert not resources(edge, "AWS::EC2::SecurityGroupIngress")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_network_lets_cloudfront_and_nobody_else_to_the_balancer(stage: str) -> None:
    network = templates(stage)["network"]
    groups = resources(network, "AWS::EC2::SecurityGroup")
    (balancer,) = [name for name in groups if name.startswith("Balancer")]
    own = groups[balancer]["Properties"].get("SecurityGroupIngress", [])
    apart = [
        one["Properties"]
        for one in resources(network, "AWS::EC2::SecurityGroupIngress").values()
        if one["Properties"]["GroupId"] == {"Fn::GetAtt": [balancer, "GroupId"]}
    ]
    (rule,) = own + apart
    assert rule["SourcePrefixListId"] == origin_facing("us-east-1")
    assert (rule["FromPort"], rule["ToPort"]) == (80, 80)


def test_a_region_without_a_known_prefix_list_says_how_to_find_it() -> None:
    with pytest.raises(ConfigError, match=r"describe-managed-prefix-lists --region eu-isoe-west-1 .*cloudfront_prefix"):
        origin_facing("eu-isoe-west-1")
    assert origin_facing("eu-isoe-west-1", "pl-1") == "pl-1"


def test_without_the_service_the_listener_answers_a_problem(edge: Template) -> None:
    (action,) = only(edge, "AWS::ElasticLoadBalancingV2::Listener")["DefaultActions"]
    answer = action["FixedResponseConfig"]
    assert (answer["StatusCode"], answer["ContentType"]) == ("503", "application/json")
    document = json.loads(answer["MessageBody"])
    assert (document["code"], document["status"]) == (OutageError.code, OutageError.status)


def test_each_server_outlives_the_idle_connections_of_the_one_before_it(edge: Template) -> None:
    attributes = only(edge, "AWS::ElasticLoadBalancingV2::LoadBalancer")["LoadBalancerAttributes"]
    told = {one["Key"]: one["Value"] for one in attributes}
    assert KEPT_S < int(told["idle_timeout.timeout_seconds"]) == BALANCER_IDLE_S < KEEP_ALIVE_S
    assert told["routing.http.drop_invalid_header_fields.enabled"] == "true"
    assert told["routing.http.preserve_host_header.enabled"] == "true"


# CloudFront


def test_every_path_of_the_api_goes_to_it_and_all_else_is_a_file(distribution: dict[str, Any]) -> None:
    by_id = {one["Id"]: one for one in distribution["Origins"]}
    assert {one["PathPattern"] for one in distribution["CacheBehaviors"]} == set(API_PATHS)
    for one in distribution["CacheBehaviors"]:
        assert "VpcOriginConfig" in by_id[one["TargetOriginId"]]
    assert "OriginAccessControlId" in by_id[distribution["DefaultCacheBehavior"]["TargetOriginId"]]


def test_the_api_has_no_route_that_cloudfront_does_not_send_there() -> None:
    nothing: Any = None
    app = create_app(Services(nothing, nothing, nothing, nothing, ApiSettings(relay=False), *[nothing] * 4))
    patterns = [re.compile(re.escape(path).replace(r"\*", ".*")) for path in API_PATHS]
    static = {"/", *(f"/{name}" for name in ("console", "client", "dashboard"))}
    paths = {str(getattr(route, "path", "")) for route in app.routes} - static - {""}
    assert [path for path in sorted(paths) if not any(pattern.fullmatch(path) for pattern in patterns)] == []


def test_the_token_is_part_of_what_an_answer_is_kept_under(edge: Template, distribution: dict[str, Any]) -> None:
    for path in API_PATHS:
        config = policy(edge, "CachePolicy", behaviour(distribution, path)["CachePolicyId"])
        key = config["ParametersInCacheKeyAndForwardedToOrigin"]
        assert "Authorization" in key["HeadersConfig"]["Headers"]
        assert key["QueryStringsConfig"]["QueryStringBehavior"] == "all"
        # Without a Cache-Control of the API's own nothing is kept, and `no-store` is obeyed.
        assert (config["MinTTL"], config["DefaultTTL"]) == (0, 0)


def test_tokens_do_not_travel_in_the_clear(distribution: dict[str, Any]) -> None:
    assert {one["ViewerProtocolPolicy"] for one in distribution["CacheBehaviors"]} == {"https-only"}
    assert distribution["DefaultCacheBehavior"]["ViewerProtocolPolicy"] == "redirect-to-https"


def test_the_api_sees_the_host_and_how_it_was_asked(edge: Template, distribution: dict[str, Any]) -> None:
    config = policy(edge, "OriginRequestPolicy", behaviour(distribution, "/v1/*")["OriginRequestPolicyId"])
    assert config["HeadersConfig"] == {
        "HeaderBehavior": "allViewerAndWhitelistCloudFront",
        "Headers": [SCHEME_HEADER],
    }
    assert config["CookiesConfig"]["CookieBehavior"] == "none"


def test_every_method_of_the_api_passes(distribution: dict[str, Any]) -> None:
    assert {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} <= set(
        behaviour(distribution, "/v1/*")["AllowedMethods"]
    )
    assert set(distribution["DefaultCacheBehavior"]["AllowedMethods"]) == {"GET", "HEAD"}


def test_modern_protocols_compression_and_logs(edge: Template, distribution: dict[str, Any]) -> None:
    assert distribution["HttpVersion"] == "http2and3"
    assert distribution["IPV6Enabled"] is True
    assert distribution["Logging"]["Prefix"] == "cloudfront/"
    for one in (distribution["DefaultCacheBehavior"], *distribution["CacheBehaviors"]):
        assert one["Compress"] is True
        key = policy(edge, "CachePolicy", one["CachePolicyId"])["ParametersInCacheKeyAndForwardedToOrigin"]
        assert key["EnableAcceptEncodingBrotli"] is key["EnableAcceptEncodingGzip"] is True


# Pages


def test_pages_come_with_the_headers_that_the_api_sends(edge: Template, distribution: dict[str, Any]) -> None:
    config = policy(edge, "ResponseHeadersPolicy", distribution["DefaultCacheBehavior"]["ResponseHeadersPolicyId"])
    secure = config["SecurityHeadersConfig"]
    sent = {one["Header"]: one["Value"] for one in config["CustomHeadersConfig"]["Items"]} | {
        "Referrer-Policy": secure["ReferrerPolicy"]["ReferrerPolicy"],
        "X-Frame-Options": secure["FrameOptions"]["FrameOption"],
        "X-Content-Type-Options": "nosniff" if secure["ContentTypeOptions"]["Override"] else "",
    }
    assert sent == SECURITY_HEADERS
    assert secure["StrictTransportSecurity"]["AccessControlMaxAgeSec"] >= 31_536_000


def test_the_console_may_reach_its_own_parts_and_nothing_else(edge: Template, distribution: dict[str, Any]) -> None:
    config = policy(edge, "ResponseHeadersPolicy", distribution["DefaultCacheBehavior"]["ResponseHeadersPolicyId"])
    told = json.dumps(config["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"])
    assert "default-src 'none'" in told
    assert "wss://*.execute-api.us-east-1.amazonaws.com" in told
    assert ".auth.us-east-1.amazoncognito.com" in told
    assert "'unsafe-inline'" not in told


def test_the_files_are_private_and_encrypted(edge: Template) -> None:
    for bucket in resources(edge, "AWS::S3::Bucket").values():
        properties = bucket["Properties"]
        assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    insecure = [
        statement
        for one in resources(edge, "AWS::S3::BucketPolicy").values()
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    ]
    assert len(insecure) == len(resources(edge, "AWS::S3::Bucket"))


def test_only_this_distribution_reads_the_files(edge: Template) -> None:
    (name,) = resources(edge, "AWS::CloudFront::Distribution")
    allowed = [
        statement
        for one in resources(edge, "AWS::S3::BucketPolicy").values()
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Principal") == {"Service": "cloudfront.amazonaws.com"}
    ]
    assert {action for one in allowed for action in listed(one["Action"])} == {"s3:GetObject", "s3:ListBucket"}
    assert all(name in json.dumps(one["Condition"]) for one in allowed)


def test_pages_are_asked_for_anew_and_pictures_are_kept(edge: Template) -> None:
    put = [one["Properties"] for one in resources(edge, "Custom::CDKBucketDeployment").values()]
    by_control = {one["SystemMetadata"]["cache-control"]: one for one in put}
    assert by_control[SHARED_CONTROL]["Exclude"] == list(STILL)
    assert (by_control[STILL_CONTROL]["Exclude"], by_control[STILL_CONTROL]["Include"]) == (["*"], list(STILL))
    assert all(one["Prune"] for one in put)


def test_whoever_puts_the_files_there_may_do_no_more(edge: Template) -> None:
    (deployer,) = [one["Properties"] for name, one in resources(edge, "AWS::IAM::Policy").items() if "Deployer" in name]
    statements = deployer["PolicyDocument"]["Statement"]
    actions = {action for one in statements for action in listed(one["Action"])}
    assert not [action for action in actions if "*" in action]
    assert not [one for one in statements if one["Resource"] == "*"]
    (handler,) = [one for name, one in resources(edge, "AWS::Lambda::Function").items() if "BucketDeployment" in name]
    (role,) = [name for name in resources(edge, "AWS::IAM::Role") if "Deployer" in name]
    assert handler["Properties"]["Role"] == {"Fn::GetAtt": [role, "Arn"]}


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("/", "302 /console/"),
        ("/console", "302 /console/"),
        ("/console/", "/console/index.html"),
        ("/client", "302 /client/"),
        ("/client/carillon.js", "/client/carillon.js"),
        ("/consoles", "/consoles"),
    ],
)
def test_folders_lead_to_their_page(asked: str, answer: str) -> None:
    code = only(templates("dev")["edge"], "AWS::CloudFront::Function")["FunctionCode"]
    script = (
        f"{code}\nvar found = handler({{request: {{uri: {json.dumps(asked)}}}}});"
        "console.log(found.uri || found.statusCode + ' ' + found.headers.location.value)"
    )
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == answer


def test_files_outlive_a_stage_that_retains_and_logs_outlive_all() -> None:
    for stage, policy_of_files in (("dev", "Delete"), ("prod", "Retain")):
        buckets = resources(templates(stage)["edge"], "AWS::S3::Bucket")
        (files,) = [one for name, one in buckets.items() if name.startswith("PagesFiles")]
        (logs,) = [one for name, one in buckets.items() if name.startswith("Logs")]
        assert files["DeletionPolicy"] == policy_of_files
        assert logs["DeletionPolicy"] == "Retain"
        assert logs["Properties"]["LifecycleConfiguration"]["Rules"][0]["ExpirationInDays"] > 0


# The firewall


@pytest.fixture(scope="module")
def acl(edge: Template) -> dict[str, Any]:
    return only(edge, "AWS::WAFv2::WebACL")


@pytest.fixture(scope="module")
def rules(acl: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["Name"]: one for one in acl["Rules"]}


def test_the_distribution_is_behind_the_firewall(edge: Template, distribution: dict[str, Any]) -> None:
    (name,) = resources(edge, "AWS::WAFv2::WebACL")
    assert only(edge, "AWS::WAFv2::WebACL")["Scope"] == "CLOUDFRONT"
    assert distribution["WebACLId"] == {"Fn::GetAtt": [name, "Arn"]}


def test_an_address_that_asks_too_often_is_told_to_wait(acl: dict[str, Any], rules: dict[str, Any]) -> None:
    for name in ("Flood", "Tokenless"):
        rate = rules[name]["Statement"]["RateBasedStatement"]
        assert rate["AggregateKeyType"] == "IP"
        answer = rules[name]["Action"]["Block"]["CustomResponse"]
        assert answer["ResponseCode"] == RateLimitedError.status
        assert answer["ResponseHeaders"] == [{"Name": "Retry-After", "Value": str(rate["EvaluationWindowSec"])}]
        document = json.loads(acl["CustomResponseBodies"][answer["CustomResponseBodyKey"]]["Content"])
        assert document["code"] == RateLimitedError.code


def test_a_stage_sets_the_rate() -> None:
    template = templates("dev", **FAR)["edge-global"]
    (flood,) = [one for one in only(template, "AWS::WAFv2::WebACL")["Rules"] if one["Name"] == "Flood"]
    assert flood["Statement"]["RateBasedStatement"]["Limit"] == 777


def test_aws_rules_are_on_and_do_not_judge_bodies_as_forms(rules: dict[str, Any]) -> None:
    common = rules["AWSManagedRulesCommonRuleSet"]
    counted = common["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    assert {one["Name"] for one in counted} == set(COUNTED)
    assert all(one["ActionToUse"] == {"Count": {}} for one in counted)
    assert rules["AWSManagedRulesKnownBadInputsRuleSet"]["OverrideAction"] == common["OverrideAction"] == {"None": {}}


def _refused(rules: dict[str, Any], path: str, length: int) -> bool:
    """What WAF does with a body, as far as our two rules say."""

    def holds(statement: dict[str, Any]) -> bool:
        ((kind, inner),) = statement.items()
        match kind:
            case "AndStatement":
                return all(holds(one) for one in inner["Statements"])
            case "NotStatement":
                return not holds(inner["Statement"])
            case "ByteMatchStatement":
                assert inner["PositionalConstraint"] == "EXACTLY"
                return bool(path == inner["SearchString"])
            case "SizeConstraintStatement":
                assert inner["FieldToMatch"] == {"SingleHeader": {"Name": "content-length"}}
                assert inner["ComparisonOperator"] == "GT"
                return bool(len(str(length)) > inner["Size"])
        raise AssertionError(kind)

    return any(holds(rules[name]["Statement"]) for name in ("Body", "Import"))


def test_what_the_api_takes_the_firewall_lets_through(rules: dict[str, Any]) -> None:
    assert not _refused(rules, "/v1/import", LARGEST_IMPORT)
    assert not _refused(rules, "/v1/broadcasts", LARGEST_BODY)


def test_what_is_far_too_large_does_not_reach_a_task(rules: dict[str, Any]) -> None:
    assert _refused(rules, "/v1/import", 10 * LARGEST_IMPORT)
    assert _refused(rules, "/v1/broadcasts", 10 * LARGEST_BODY)
    assert rules["Body"]["Action"]["Block"]["CustomResponse"]["ResponseCode"] == TooLargeError.status


# Domain and Regions


def test_a_domain_gets_its_certificate_records_and_tls() -> None:
    edge = templates("dev", **FAR)["edge"]
    config = only(edge, "AWS::CloudFront::Distribution")["DistributionConfig"]
    assert config["Aliases"] == [DOMAIN["domain"]]
    assert config["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    records = {
        one["Properties"]["Type"]: one["Properties"] for one in resources(edge, "AWS::Route53::RecordSet").values()
    }
    assert {one["Name"] for one in records.values()} == {f"{DOMAIN['domain']}."}
    assert set(records) == {"A", "AAAA"}
    assert edge["Outputs"]["Url"]["Value"] == f"https://{DOMAIN['domain']}"


def test_certificate_and_firewall_are_where_cloudfront_wants_them() -> None:
    made = templates("dev", **FAR)
    edge, far = made["edge"], made["edge-global"]
    assert only(far, "AWS::CertificateManager::Certificate")["ValidationMethod"] == "DNS"
    config = only(edge, "AWS::CloudFront::Distribution")["DistributionConfig"]
    for reference in (config["WebACLId"], config["ViewerCertificate"]["AcmCertificateArn"]):
        assert reference["Fn::GetStackOutput"]["Region"] == "us-east-1"
    assert not resources(edge, "AWS::WAFv2::WebACL")
