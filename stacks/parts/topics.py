"""Who is told: two encrypted topics, one for what gets somebody out of bed and one for what can wait until morning."""

from __future__ import annotations

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

_PUBLISHERS: Final = ("cloudwatch.amazonaws.com", "events.amazonaws.com")
"""Alarms, and the rule that passes the database's events on."""


class Topics(Construct):
    """The topics and their key.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        email: who gets both by mail, once they have confirmed it; empty leaves them to be subscribed to.

    Attributes:
        urgent: weddings are at risk now.
        normal: somebody should look today.
    """

    def __init__(self, scope: Construct, construct_id: str, *, email: str) -> None:
        super().__init__(scope, construct_id)
        # AWS's own key for SNS lets nobody but SNS in, so that no alarm could publish to a topic under it.
        self._key = kms.Key(
            self,
            "Key",
            enable_key_rotation=True,
            description="Alarms on their way to people",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        for publisher in _PUBLISHERS:
            self._key.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal(publisher)],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                    resources=["*"],  # in a key's own policy that is the key, and no more
                )
            )
        self.urgent = self._topic("Urgent", email)
        self.normal = self._topic("Normal", email)

    def _topic(self, construct_id: str, email: str) -> sns.Topic:
        topic = sns.Topic(
            self,
            construct_id,
            display_name=f"Carillon {construct_id.lower()}",
            master_key=self._key,
            enforce_ssl=True,
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Alarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        if email:
            topic.add_subscription(subscriptions.EmailSubscription(email))
        return topic
