"""The static pages: their bucket, what is put there, and how CloudFront serves them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from aws_cdk import aws_s3_deployment as deployment
from constructs import Construct

from carillon.protocol.web import (
    CONTENT_SECURITY_POLICY,
    FIRST_PAGE,
    PAGES,
    SECURITY_HEADERS,
    SHARED_CONTROL,
    page_policy,
)
from stacks.parts.acknowledge import acknowledge, wildcard
from stacks.parts.bundle import ROOT
from stacks.parts.function import retention

if TYPE_CHECKING:
    from collections.abc import Iterable

    from constructs import IConstruct

    from stacks.stage import Stage

STILL: Final = ("*.svg", "*.png", "*.ico", "*.woff2")
"""Files that may be a day old: pictures and fonts."""
STILL_CONTROL: Final = "public, max-age=86400"
HSTS: Final = cdk.Duration.days(365)
_FUNCTION: Final = """\
var FOLDERS = %s;
function to(place) {
  return { statusCode: 302, statusDescription: 'Found', headers: { location: { value: place } } };
}
function handler(event) {
  var request = event.request;
  if (request.uri === '/') return to('%s');
  if (FOLDERS.indexOf(request.uri) >= 0) return to(request.uri + '/');
  if (request.uri.endsWith('/')) request.uri += 'index.html';
  return request;
}
"""


class Pages(Construct):
    """The files of `web/` and the behaviour that serves them.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: whether the files outlive it.
        log_bucket: where the bucket's accesses are written.
        connect: origins that the pages' scripts may talk to, beside their own.

    Attributes:
        bucket: the files.
        behaviour: CloudFront's default behaviour.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, log_bucket: s3.IBucket, connect: Iterable[str]
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.Bucket(
            self,
            "Files",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            server_access_logs_bucket=log_bucket,
            server_access_logs_prefix="pages/",
            # It is empty by then: what was deployed is deleted with the deployment.
            removal_policy=cdk.RemovalPolicy.RETAIN if stage.retain else cdk.RemovalPolicy.DESTROY,
        )
        self.behaviour = cloudfront.BehaviorOptions(
            # With the right to list, a file that is not there is a 404 instead of a 403. The bucket's own address,
            # which would list it, is the one place that the function never lets through.
            origin=origins.S3BucketOrigin.with_origin_access_control(
                self.bucket, origin_access_levels=[cloudfront.AccessLevel.READ, cloudfront.AccessLevel.LIST]
            ),
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
            cache_policy=self._cache(),
            compress=True,
            response_headers_policy=self._headers(connect),
            function_associations=[
                cloudfront.FunctionAssociation(
                    event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=self._function()
                )
            ],
        )
        self._deploy(stage)

    def _cache(self) -> cloudfront.CachePolicy:
        return cloudfront.CachePolicy(
            self,
            "Cache",
            comment="As long as a file's Cache-Control says; compressed once",
            min_ttl=cdk.Duration.seconds(0),
            default_ttl=cdk.Duration.minutes(1),
            max_ttl=cdk.Duration.days(1),
            enable_accept_encoding_brotli=True,
            enable_accept_encoding_gzip=True,
        )

    def _function(self) -> cloudfront.Function:
        folders = json.dumps([f"/{name}" for name in PAGES])
        return cloudfront.Function(
            self,
            "Index",
            comment="The first page, and a folder's index.html",
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            code=cloudfront.FunctionCode.from_inline(_FUNCTION % (folders, FIRST_PAGE)),
        )

    def _headers(self, connect: Iterable[str]) -> cloudfront.ResponseHeadersPolicy:
        values = {**SECURITY_HEADERS, CONTENT_SECURITY_POLICY: page_policy(connect)}
        return cloudfront.ResponseHeadersPolicy(
            self,
            "Headers",
            comment="What the API sends with its own pages",
            security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(
                content_security_policy=cloudfront.ResponseHeadersContentSecurityPolicy(
                    content_security_policy=values.pop(CONTENT_SECURITY_POLICY), override=True
                ),
                content_type_options=_nosniff(values),
                frame_options=cloudfront.ResponseHeadersFrameOptions(
                    frame_option=cloudfront.HeadersFrameOption[values.pop("X-Frame-Options")], override=True
                ),
                referrer_policy=cloudfront.ResponseHeadersReferrerPolicy(
                    referrer_policy=_referrer(values.pop("Referrer-Policy")), override=True
                ),
                strict_transport_security=hsts(),
            ),
            custom_headers_behavior=cloudfront.ResponseCustomHeadersBehavior(
                custom_headers=[
                    cloudfront.ResponseCustomHeader(header=name, value=value, override=True)
                    for name, value in values.items()
                ]
            ),
        )

    def _deploy(self, stage: Stage) -> None:
        # The patterns of folders that are not there yet match nothing.
        folders = [pattern for name in PAGES for pattern in (f"!{name}", f"!{name}/**")]
        files = assets.Asset(
            self,
            "Web",
            path=str(ROOT / "web"),
            exclude=["*", *folders, "**/package.json"],
            ignore_mode=cdk.IgnoreMode.GIT,
        )
        log = logs.LogGroup(self, "Log", retention=retention(stage), removal_policy=cdk.RemovalPolicy.DESTROY)
        role = self._role(files, log)

        def put(construct_id: str, control: str, *, exclude: list[str], include: list[str] | None = None) -> None:
            made = deployment.BucketDeployment(
                self,
                construct_id,
                sources=[deployment.Source.bucket(files.bucket, files.s3_object_key)],
                destination_bucket=self.bucket,
                cache_control=[deployment.CacheControl.from_string(control)],
                retain_on_delete=stage.retain,
                exclude=exclude,
                include=include,
                # The rights that the library would add are wider than what its function does.
                role=role.without_policy_updates(),
                log_group=log,
            )
            made.node.add_dependency(role.node.find_child("DefaultPolicy"))

        put("Code", SHARED_CONTROL, exclude=list(STILL))
        put("Still", STILL_CONTROL, exclude=["*"], include=list(STILL))
        for handler in self._handlers():
            acknowledge(handler, "AwsSolutions-L1", "The CDK's own function, whose runtime follows the library")

    def _handlers(self) -> list[IConstruct]:
        """The one function of both deployments, which the library puts beside us."""
        beside = cdk.Stack.of(self).node.children
        return [one for one in beside if one.node.id.startswith("Custom::CDKBucketDeployment")]

    def _role(self, files: assets.Asset, log: logs.ILogGroup) -> iam.Role:
        """Lets the function take the files from where the CDK put them, and put them into the bucket."""
        role = iam.Role(self, "Deployer", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log.grant_write(role)
        within = self.bucket.arn_for_objects("*")
        for actions, resource in (
            (["s3:GetObject"], files.bucket.arn_for_objects(files.s3_object_key)),
            (["s3:ListBucket", "s3:GetBucketTagging"], self.bucket.bucket_arn),
            (["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], within),
        ):
            role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
        wildcard(role, within, "The files of one bucket, which is there for nothing else")
        return role


def hsts() -> cloudfront.ResponseHeadersStrictTransportSecurity:
    """Browsers come back over TLS for a year."""
    return cloudfront.ResponseHeadersStrictTransportSecurity(
        access_control_max_age=HSTS, include_subdomains=False, override=True
    )


def _nosniff(values: dict[str, str]) -> cloudfront.ResponseHeadersContentTypeOptions:
    del values["X-Content-Type-Options"]  # CloudFront knows one value of it
    return cloudfront.ResponseHeadersContentTypeOptions(override=True)


def _referrer(value: str) -> cloudfront.HeadersReferrerPolicy:
    return cloudfront.HeadersReferrerPolicy[value.replace("-", "_").upper()]
