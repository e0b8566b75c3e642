"""One name for the sockets of both Regions: each phone is led to the nearer one that is well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigatewayv2
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from carillon.protocol.web import READY

if TYPE_CHECKING:
    from stacks.stage import Stage

EVERY_S: Final = 30
"""Between two looks of each of Route 53's checkers; 10 would cost an extra dollar a month."""
MISSES: Final = 3


class SocketDomain(Construct):
    """The name as this Region answers for it.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: the domain and its zone.
        web_stage: the WebSocket API's stage that it leads to.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: Stage, web_stage: apigatewayv2.WebSocketStage
    ) -> None:
        super().__init__(scope, construct_id)
        region = cdk.Stack.of(self).region
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=stage.hosted_zone_id, zone_name=stage.hosted_zone_name
        )
        name = apigatewayv2.DomainName(
            self,
            "Name",
            domain_name=stage.socket_domain,
            certificate=acm.Certificate(
                self,
                "Certificate",
                domain_name=stage.socket_domain,
                validation=acm.CertificateValidation.from_dns(zone),
            ),
            security_policy=apigatewayv2.SecurityPolicy.TLS_1_2,
        )
        apigatewayv2.ApiMapping(self, "Mapping", api=web_stage.api, domain_name=name, stage=web_stage)
        target = targets.ApiGatewayv2DomainProperties(name.regional_domain_name, name.regional_hosted_zone_id)
        for kind in (route53.ARecord, route53.AaaaRecord):
            kind(
                self,
                kind.__name__,
                zone=zone,
                record_name=stage.socket_domain,
                target=route53.RecordTarget.from_alias(target),
                # Latency: the phone's nearer Region, as long as its check passes.
                region=region,
                set_identifier=region,
                health_check=self._check(stage, region),
            )

    def _check(self, stage: Stage, region: str) -> route53.IHealthCheck:
        """Whether the Region could ring anybody: its API, and behind it the writer and the lanes.

        While the writer is away both Regions fail; Route 53 then answers as if both were well, which is right.
        """
        found = self.node.try_find_child("Check")
        if isinstance(found, route53.HealthCheck):
            return found
        return route53.HealthCheck(
            self,
            "Check",
            type=route53.HealthCheckType.HTTPS,
            fqdn=stage.region_domain(region),
            resource_path=READY,
            port=443,
            enable_sni=True,
            request_interval=cdk.Duration.seconds(EVERY_S),
            failure_threshold=MISSES,
        )
