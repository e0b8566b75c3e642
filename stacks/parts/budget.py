"""A monthly budget of the account: whoever makes the system expensive, by attack or by mistake, is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTICES: Final = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
"""Billing data is eight to twelve hours old; the forecast looks ahead, once there are five weeks of data."""
_BUDGETS: Final = "budgets.amazonaws.com"


class Budget(Construct):
    """The budget, and the topic that hears of it.

    It counts the whole account: a filter by tag would count nothing until somebody activates the tag for billing.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        usd: a month.
        email: who is told by mail; empty leaves the topic to be subscribed to.

    Attributes:
        topic: what passing 80 % and 100 % is published to.
    """

    def __init__(self, scope: Construct, construct_id: str, *, usd: int, email: str) -> None:
        super().__init__(scope, construct_id)
        self.topic = self._topic()
        if email:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        budgets.CfnBudget(
            self,
            "Month",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=usd, unit="USD"),
            ),
            notifications_with_subscribers=list(self._notices()),
        ).node.add_dependency(self.topic.node.find_child("Policy"))

    def _notices(self) -> Iterator[budgets.CfnBudget.NotificationWithSubscribersProperty]:
        for kind, percent in NOTICES:
            yield budgets.CfnBudget.NotificationWithSubscribersProperty(
                notification=budgets.CfnBudget.NotificationProperty(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[
                    budgets.CfnBudget.SubscriberProperty(address=self.topic.topic_arn, subscription_type="SNS")
                ],
            )

    def _topic(self) -> sns.Topic:
        """AWS Budgets must be let in, to the topic and to its key, for this account's budgets only."""
        stack = cdk.Stack.of(self)
        budget_arn = stack.format_arn(
            service="budgets", region="", resource="*", arn_format=cdk.ArnFormat.NO_RESOURCE_NAME
        )
        only = {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": budget_arn}}
        caller = iam.ServicePrincipal(_BUDGETS)
        key = kms.Key(
            self,
            "Key",
            enable_key_rotation=True,
            description="Notices of the budget",
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        # In a key's own policy `*` is the key, and no more.
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[caller], actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=["*"], conditions=only
            )
        )
        topic = sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[caller], actions=["sns:Publish"], resources=[topic.topic_arn], conditions=only
            )
        )
        return topic
