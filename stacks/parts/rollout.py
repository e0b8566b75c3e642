"""New code takes over from old code: at once or bit by bit, and back again when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy

if TYPE_CHECKING:
    from stacks.parts.function import ProductFunction
    from stacks.stage import Stage

ERROR_SHARE: Final = 5
"""Percent of an alias' calls that fail within a minute, above which new code is taken back."""


def roll_out(
    application: codedeploy.LambdaApplication, function: ProductFunction, *, stage: Stage
) -> codedeploy.LambdaDeploymentGroup:
    """Have CodeDeploy move the alias to a new version.

    Sockets stay open all the while: API Gateway holds them, and both versions serve their frames.

    Args:
        application: what the deployments of a stack belong to.
        function: whose alias is moved.
        stage: a gradual one gives a tenth of the calls to the new version for five minutes, then all.
    """
    config = codedeploy.LambdaDeploymentConfig
    return codedeploy.LambdaDeploymentGroup(
        function,
        "Deployment",
        application=application,
        alias=function.alias,
        deployment_config=config.CANARY_10_PERCENT_5_MINUTES if stage.gradual else config.ALL_AT_ONCE,
        alarms=[_failing(function)],
        auto_rollback=codedeploy.AutoRollbackConfig(
            failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
        ),
    )


def _failing(function: ProductFunction) -> cloudwatch.Alarm:
    minute = cdk.Duration.minutes(1)
    share = cloudwatch.MathExpression(
        expression="100 * errors / calls",
        label="Calls that fail, in percent",
        period=minute,
        using_metrics={
            "errors": function.alias.metric_errors(period=minute),
            "calls": function.alias.metric_invocations(period=minute),
        },
    )
    return cloudwatch.Alarm(
        function,
        "Failing",
        metric=share,
        threshold=ERROR_SHARE,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        # No call, no error; and a deployment on a quiet morning must not wait for calls.
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        alarm_description=(
            f"More than {ERROR_SHARE} % of the calls fail. During a deployment CodeDeploy goes back to the version "
            "before by itself; otherwise read the function's log."
        ),
    )
