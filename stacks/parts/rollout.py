"""New code takes over from old code: at once or bit by bit, and back again when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.parts.acknowledge import acknowledge
from stacks.parts.measured import MINUTE, share
from stacks.parts.thresholds import ERROR_SHARE

if TYPE_CHECKING:
    from stacks.parts.function import ProductFunction
    from stacks.stage import Stage

CODEDEPLOY_POLICY: Final = "service-role/AWSCodeDeployRoleForLambdaLimited"


class Rollout(Construct):
    """What moves the aliases of a stack to new versions.

    Sockets stay open all the while: API Gateway holds them, and both versions serve their frames.

    Args:
        scope: the stack.
        construct_id: what it is called in the template.
        stage: a gradual one gives a tenth of the calls to the new version for five minutes, then all.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage) -> None:
        super().__init__(scope, construct_id)
        config = codedeploy.LambdaDeploymentConfig
        self._config = config.CANARY_10_PERCENT_5_MINUTES if stage.gradual else config.ALL_AT_ONCE
        self._application = codedeploy.LambdaApplication(self, "Application")
        self._role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"))
        acknowledge(
            self._role,
            f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{CODEDEPLOY_POLICY}]",
            "AWS keeps it in step with what CodeDeploy does to an alias and its provisioned concurrency",
        )

    def add(self, function: ProductFunction) -> codedeploy.LambdaDeploymentGroup:
        """Have new versions of `function` rolled out, and back when they fail."""
        return codedeploy.LambdaDeploymentGroup(
            function,
            "Deployment",
            application=self._application,
            role=self._role,
            alias=function.alias,
            deployment_config=self._config,
            alarms=[_failing(function)],
            auto_rollback=codedeploy.AutoRollbackConfig(
                failed_deployment=True, stopped_deployment=True, deployment_in_alarm=True
            ),
        )


def _failing(function: ProductFunction) -> cloudwatch.Alarm:
    errors, calls = function.alias.metric_errors(period=MINUTE), function.alias.metric_invocations(period=MINUTE)
    return cloudwatch.Alarm(
        function,
        "Failing",
        metric=share(errors, calls, "Calls that fail, in percent"),
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
