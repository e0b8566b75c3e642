"""What CloudFront's firewall lets through: AWS's own rules, request rates per address, sizes of bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from carillon.errors import CarillonError, RateLimitedError, TooLargeError
from carillon.protocol.web import IMPORT, LARGEST_BODY, LARGEST_IMPORT, problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stacks.stage import Stage

WINDOW_S: Final = 300
"""Over which requests are counted."""
TOKENLESS: Final = 300
"""Requests to the API in that time without a token: every one of them is refused, so only a fault or a probe sends
more."""
COUNTED: Final = (
    *("SizeRestrictions_BODY", "CrossSiteScripting_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"),
    "NoUserAgent_HEADER",
)
"""Rules of AWS's common set that only count. They judge bodies as if they were forms and stop at 8 KB, and a broadcast
that carries a link or an import of 8 MB is neither: the API reads a body as JSON, checks every field and never puts it
into a page. And a business's own program need not say what it is called."""
_PLAIN: Final = [waf.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")]


class Firewall(Construct):
    """A web ACL for CloudFront; AWS wants it in us-east-1, whatever the stage's Region.

    Args:
        scope: a stack in us-east-1.
        construct_id: what it is called in the template.
        stage: how many requests an address may make.

    Attributes:
        arn: what a distribution is given.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        rules = [
            _managed("AWSManagedRulesKnownBadInputsRuleSet"),
            _managed("AWSManagedRulesCommonRuleSet", count=COUNTED),
            _rate("Flood", limit=stage.requests_per_ip),
            _rate("Tokenless", limit=TOKENLESS, scope_down_statement=_tokenless()),
            _refuse("Body", _larger_than(LARGEST_BODY, on_import=False), "too_large", TooLargeError.status),
            _refuse("Import", _larger_than(LARGEST_IMPORT, on_import=True), "too_large", TooLargeError.status),
        ]
        acl = waf.CfnWebACL(
            self,
            "Acl",
            scope="CLOUDFRONT",
            default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
            visibility_config=_visibility("Firewall"),
            rules=[waf.CfnWebACL.RuleProperty(priority=at, **rule) for at, rule in enumerate(rules)],
            custom_response_bodies={
                "rate": _problem(RateLimitedError, f"too many requests from this address in {WINDOW_S} s"),
                "too_large": _problem(TooLargeError, "the body is larger than allowed; send it in parts"),
            },
        )
        self.arn = acl.attr_arn


def _managed(name: str, *, count: tuple[str, ...] = ()) -> dict[str, Any]:
    group = waf.CfnWebACL.ManagedRuleGroupStatementProperty(
        name=name,
        vendor_name="AWS",
        rule_action_overrides=[
            waf.CfnWebACL.RuleActionOverrideProperty(
                name=rule, action_to_use=waf.CfnWebACL.RuleActionProperty(count={})
            )
            for rule in count
        ]
        or None,
    )
    return {
        "name": name,
        "statement": waf.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
        "override_action": waf.CfnWebACL.OverrideActionProperty(none={}),
        "visibility_config": _visibility(name),
    }


def _rate(name: str, *, limit: int, **options: Any) -> dict[str, Any]:
    rate = waf.CfnWebACL.RateBasedStatementProperty(
        aggregate_key_type="IP", limit=limit, evaluation_window_sec=WINDOW_S, **options
    )
    return _refuse(
        name,
        waf.CfnWebACL.StatementProperty(rate_based_statement=rate),
        "rate",
        RateLimitedError.status,
        {"Retry-After": str(WINDOW_S)},
    )


def _refuse(
    name: str,
    statement: waf.CfnWebACL.StatementProperty,
    body: str,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A rule that answers in the shape of every other refusal, so that clients need not know that this one exists."""
    answer = waf.CfnWebACL.CustomResponseProperty(
        response_code=status,
        custom_response_body_key=body,
        response_headers=[
            waf.CfnWebACL.CustomHTTPHeaderProperty(name=key, value=value) for key, value in (headers or {}).items()
        ]
        or None,
    )
    return {
        "name": name,
        "statement": statement,
        "action": waf.CfnWebACL.RuleActionProperty(block=waf.CfnWebACL.BlockActionProperty(custom_response=answer)),
        "visibility_config": _visibility(name),
    }


def _tokenless() -> waf.CfnWebACL.StatementProperty:
    """To the API without the header that a token comes in. Lengths are compared, as an absent header has none."""
    header = waf.CfnWebACL.StatementProperty(
        size_constraint_statement=waf.CfnWebACL.SizeConstraintStatementProperty(
            comparison_operator="GT",
            size=0,
            field_to_match=_header("authorization"),
            text_transformations=_PLAIN,
        )
    )
    return _all(_path("/v1/", "STARTS_WITH"), _not(header))


def _larger_than(size_bytes: int, *, on_import: bool) -> waf.CfnWebACL.StatementProperty:
    """A body that says it is ten times too large or more.

    WAF reads the first 16 KB of a body and cannot compare a header as a number, but knows how many digits
    Content-Length has. The API itself counts exactly; here its tasks are spared what is far beyond.
    """
    length = waf.CfnWebACL.StatementProperty(
        size_constraint_statement=waf.CfnWebACL.SizeConstraintStatementProperty(
            comparison_operator="GT",
            size=len(str(size_bytes)),
            field_to_match=_header("content-length"),
            text_transformations=_PLAIN,
        )
    )
    path = _path(IMPORT, "EXACTLY")
    return _all(length, path if on_import else _not(path))


def _header(name: str) -> waf.CfnWebACL.FieldToMatchProperty:
    return waf.CfnWebACL.FieldToMatchProperty(single_header={"Name": name})


def _path(text: str, how: str) -> waf.CfnWebACL.StatementProperty:
    return waf.CfnWebACL.StatementProperty(
        byte_match_statement=waf.CfnWebACL.ByteMatchStatementProperty(
            field_to_match=waf.CfnWebACL.FieldToMatchProperty(uri_path={}),
            positional_constraint=how,
            search_string=text,
            text_transformations=_PLAIN,
        )
    )


def _not(statement: waf.CfnWebACL.StatementProperty) -> waf.CfnWebACL.StatementProperty:
    return waf.CfnWebACL.StatementProperty(not_statement=waf.CfnWebACL.NotStatementProperty(statement=statement))


def _all(*statements: waf.CfnWebACL.StatementProperty) -> waf.CfnWebACL.StatementProperty:
    return waf.CfnWebACL.StatementProperty(
        and_statement=waf.CfnWebACL.AndStatementProperty(statements=list(statements))
    )


def _visibility(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )


def _problem(error: type[CarillonError], detail: str) -> waf.CfnWebACL.CustomResponseBodyProperty:
    document = problem(code=error.code, status=error.status, detail=detail, instance="")
    return waf.CfnWebACL.CustomResponseBodyProperty(content_type="APPLICATION_JSON", content=json.dumps(document))
