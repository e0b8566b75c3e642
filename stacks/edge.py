"""CloudFront, the firewall, the static pages and the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3

from carillon.protocol.web import API_PATHS, BALANCER_IDLE_S, SCHEME_HEADER, origin
from stacks.identity import sign_in_origins
from stacks.network import HTTP
from stacks.parts.acknowledge import acknowledge
from stacks.parts.balancer import balancer
from stacks.parts.firewall import Firewall
from stacks.parts.pages import Pages, hsts

if TYPE_CHECKING:
    from constructs import Construct

    from stacks.network import NetworkStack
    from stacks.stage import Stage

GLOBAL: Final = "us-east-1"
"""Where CloudFront wants its certificates and firewalls."""
READ_S: Final = 60
"""How long CloudFront waits for an answer: the longest it takes without asking AWS."""
KEPT_S: Final = 30
"""After which pause CloudFront closes a connection to the balancer, which would do so later."""


class EdgeStack(cdk.Stack):
    """What stands before the API.

    Attributes:
        load_balancer: internal; CloudFront alone reaches it.
        listener: where the service adds its rule; until then it answers 503.
        distribution: files by default, the API on its paths.
        url: `https://...` without a slash at the end.
        pages: the files' bucket.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: Stage,
        network: NetworkStack,
        **options: Any,
    ) -> None:
        super().__init__(scope, construct_id, **options)
        assert KEPT_S < BALANCER_IDLE_S
        self._scope, self._stage = scope, stage
        self.logs = self._log_bucket()
        self.load_balancer, self.listener = balancer(self, stage=stage, network=network, logs=self.logs)
        pages = Pages(self, "Pages", stage=stage, log_bucket=self.logs, connect=self._connect())
        self.pages = pages.bucket
        self.distribution = self._distribution(pages)
        self.url = f"https://{self._domain() or self.distribution.distribution_domain_name}"
        self._records()
        cdk.CfnOutput(self, "Url", value=self.url, description="Console and API")

    def _log_bucket(self) -> s3.Bucket:
        """Outlives the stack and empties itself: accesses are wanted most when something was deleted."""
        bucket = s3.Bucket(
            self,
            "Logs",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=True,
            # CloudFront's log delivery knows no bucket policies, only ACLs.
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_PREFERRED,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(self._stage.log_days),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        acknowledge(bucket, "AwsSolutions-S1", "It holds the access logs; a log of their writing would never end")
        return bucket

    def _connect(self) -> list[str]:
        """Whom the console talks to: the WebSocket, whose API is made after this stack, and whoever signs people in."""
        socket = origin(self._stage.websocket_url or self._stage.socket_url) or [
            f"wss://*.execute-api.{self.region}.amazonaws.com"
        ]
        return [*socket, *sign_in_origins(self._stage, self).split()]

    def _domain(self) -> str:
        return self._stage.region_domain(self.region)

    def _distribution(self, pages: Pages) -> cloudfront.Distribution:
        far = self._global_stack()
        made = cloudfront.Distribution(
            self,
            "Distribution",
            comment=self.stack_name,
            default_behavior=pages.behaviour,
            additional_behaviors=dict.fromkeys(API_PATHS, self._api()),
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            web_acl_id=Firewall(far, "Firewall", stage=self._stage).arn,
            log_bucket=self.logs,
            log_file_prefix="cloudfront/",
            **self._names(far),
        )
        acknowledge(
            made, "AwsSolutions-CFR1", "Guests travel: a broadcast must reach whoever is invited, wherever they are"
        )
        acknowledge(
            made,
            "Annotation::@aws-cdk/aws-cloudfront-origins:listBucketSecurityRisk",
            "The address that would list the bucket is redirected before it gets there (stacks/parts/pages.py)",
        )
        if not self._stage.domain:
            acknowledge(
                made,
                "AwsSolutions-CFR4",
                "CloudFront's own domain and certificate take what CloudFront allows; -c domain=... sets TLS 1.2",
            )
        return made

    def _names(self, far: cdk.Stack) -> dict[str, Any]:
        domain = self._domain()
        if not domain:
            return {}
        certificate = acm.Certificate(
            far,
            "Certificate",
            domain_name=domain,
            # A second Region takes the first one's name over when that is lost.
            subject_alternative_names=None if domain == self._stage.domain else [self._stage.domain],
            validation=acm.CertificateValidation.from_dns(self._zone(far, "CertificateZone")),
        )
        return {
            "domain_names": [domain],
            "certificate": certificate,
            "minimum_protocol_version": cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
        }

    def _api(self) -> cloudfront.BehaviorOptions:
        return cloudfront.BehaviorOptions(
            origin=origins.VpcOrigin.with_application_load_balancer(
                self.load_balancer,
                protocol_policy=cloudfront.OriginProtocolPolicy.HTTP_ONLY,
                http_port=HTTP,
                read_timeout=cdk.Duration.seconds(READ_S),
                keepalive_timeout=cdk.Duration.seconds(KEPT_S),
            ),
            # Not redirected: a client that sends its token in the clear must fail, not be helped.
            viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
            allowed_methods=cloudfront.AllowedMethods.ALLOW_ALL,
            compress=True,
            cache_policy=self._api_cache(),
            origin_request_policy=cloudfront.OriginRequestPolicy(
                self,
                "ApiRequest",
                comment="The request as it came, its Host too, and how it came",
                header_behavior=cloudfront.OriginRequestHeaderBehavior.all(SCHEME_HEADER),
                query_string_behavior=cloudfront.OriginRequestQueryStringBehavior.all(),
                cookie_behavior=cloudfront.OriginRequestCookieBehavior.none(),
            ),
            response_headers_policy=cloudfront.ResponseHeadersPolicy(
                self,
                "ApiHeaders",
                comment="The API sends its own; TLS ends here",
                security_headers_behavior=cloudfront.ResponseSecurityHeadersBehavior(strict_transport_security=hsts()),
            ),
        )

    def _api_cache(self) -> cloudfront.CachePolicy:
        """What the API calls cacheable, apart for each token; nothing that it does not."""
        return cloudfront.CachePolicy(
            self,
            "ApiCache",
            comment="As the API's Cache-Control says, nothing without it, and never for another token",
            min_ttl=cdk.Duration.seconds(0),
            default_ttl=cdk.Duration.seconds(0),
            max_ttl=cdk.Duration.hours(1),
            header_behavior=cloudfront.CacheHeaderBehavior.allow_list("Authorization", "Origin"),
            query_string_behavior=cloudfront.CacheQueryStringBehavior.all(),
            cookie_behavior=cloudfront.CacheCookieBehavior.none(),
            enable_accept_encoding_brotli=True,
            enable_accept_encoding_gzip=True,
        )

    def _global_stack(self) -> cdk.Stack:
        if self.region == GLOBAL:
            return self
        return cdk.Stack(self._scope, f"{self.node.id}-global", env=cdk.Environment(region=GLOBAL))

    def _zone(self, scope: Construct, construct_id: str) -> route53.IHostedZone:
        stage = self._stage
        return route53.HostedZone.from_hosted_zone_attributes(
            scope, construct_id, hosted_zone_id=stage.hosted_zone_id, zone_name=stage.hosted_zone_name
        )

    def _records(self) -> None:
        domain = self._domain()
        if not domain:
            return
        zone = self._zone(self, "Zone")
        target = route53.RecordTarget.from_alias(targets.CloudFrontTarget(self.distribution))
        for kind in (route53.ARecord, route53.AaaaRecord):
            kind(self, kind.__name__, zone=zone, record_name=domain, target=target)
