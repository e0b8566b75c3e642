"""Whose tokens are trusted: the stage's issuer, or a Cognito user pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito

from carillon.config import TokenSettings, environment
from carillon.names import Scope
from carillon.protocol.sign_in import CLI_ADDRESS
from carillon.protocol.web import CONSOLE, SIGN_IN_PAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from constructs import Construct

    from stacks.edge import EdgeStack
    from stacks.stage import Stage

ACCESS_TOKEN: Final = cdk.Duration.hours(1)
"""How long a withdrawn right still works at most, and how often every open WebSocket brings a new token."""
SESSION: Final = cdk.Duration.hours(12)
"""One wedding day; then a person signs in again."""
INVITATION: Final = cdk.Duration.days(7)
_GROUPS: Final[Mapping[Scope, str]] = {
    Scope.BROADCAST_WRITE: "May send broadcasts",
    Scope.BROADCAST_CRITICAL: "May send critical broadcasts, which ring through quiet hours",
    Scope.DIRECTORY_WRITE: "May change people, weddings and teams",
    Scope.OPS_READ: "May see every broadcast and who got it",
}


def domain_prefix(stage: Stage, edge: cdk.Stack) -> str:
    """The first label of the pool's sign-in domain.

    Cognito takes no generated one, and it must be unique in the Region among all accounts: eight hexadecimal digits of
    the edge stack's id make it so. They are the edge's, so that the edge can name the domain in its pages' security
    policy before this stack exists.
    """
    unique = cdk.Fn.select(0, cdk.Fn.split("-", cdk.Fn.select(2, cdk.Fn.split("/", edge.stack_id))))
    return f"carillon-{stage.name}-{unique}"


def sign_in_origins(stage: Stage, edge: cdk.Stack) -> str:
    """Whom the console calls to sign people in: what `connect-src` must allow, separated by spaces."""
    if stage.issuer:
        issuer = urlsplit(stage.issuer)
        return f"{issuer.scheme}://{issuer.netloc} {stage.sign_in_origins}".strip()
    pools = {edge.region: domain_prefix(stage, edge)}
    # A second Region uses the first one's pool, and one of its own when the first is lost. Its pages are to be the same
    # then, so they may ask the first one's stacks for nothing: any sign-in domain of that Region is allowed.
    pools.setdefault(stage.regions[0], "*")
    return " ".join(
        f"https://cognito-idp.{region}.amazonaws.com https://{prefix}.auth.{region}.amazoncognito.com"
        for region, prefix in pools.items()
    )


def _other_addresses(stage: Stage, region: str) -> list[str]:
    """The other Region's address, where it can be told before it is there: on a domain of one's own."""
    others = [other for other in stage.regions if other != region] if stage.domain else []
    return [f"https://{stage.region_domain(other)}" for other in others]


def _password() -> cognito.PasswordPolicy:
    return cognito.PasswordPolicy(
        min_length=14,
        require_lowercase=True,
        require_uppercase=True,
        require_digits=True,
        require_symbols=True,
        temp_password_validity=INVITATION,
    )


class IdentityStack(cdk.Stack):
    """Sign-in of a stage: one for all its Regions.

    Attributes:
        user_pool: the pool, or None where the stage names an issuer of its own.
        issuer: the `iss` of tokens.
        jwks_url: where the issuer publishes its keys.
        sign_in_client: client id of the console.
        sign_in_scope: what the console asks for, separated by spaces.
        sign_in_origins: whom the console calls for it, separated by spaces.
    """

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, edge: EdgeStack, **options: Any) -> None:
        super().__init__(scope, construct_id, **options)
        self.user_pool: cognito.UserPool | None = None
        self.sign_in_origins = sign_in_origins(stage, edge)
        self.sign_in_scope = stage.sign_in_scope
        if stage.issuer:
            self.issuer, self.jwks_url, self.sign_in_client = stage.issuer, stage.jwks_url, stage.sign_in_client
            self._audience, self._subject, self._scope = stage.audience, stage.subject_claim, stage.scope_claim
            # CloudFormation takes no stack without a resource, and `cdk diff` would never be empty.
            cdk.CfnWaitConditionHandle(self, "Nothing")
            return
        addresses = [edge.url, *_other_addresses(stage, self.region)]
        pages = [f"{address}{page}" for address in addresses for page in SIGN_IN_PAGES]
        self.user_pool = self._pool(stage, f"{edge.url}{CONSOLE}")
        self.sign_in_client = self._console(self.user_pool, pages).user_pool_client_id
        self._domain(self.user_pool, domain_prefix(stage, edge))
        self.issuer = self.user_pool.user_pool_provider_url
        self.jwks_url = f"{self.issuer}/.well-known/jwks.json"
        self.sign_in_scope = "openid"
        self._audience, self._subject, self._scope = self.sign_in_client, "username", "cognito:groups"
        cdk.CfnOutput(self, "UserPoolId", value=self.user_pool.user_pool_id, description="Where people are invited")

    def settings(self) -> dict[str, str]:
        """Tell a door whose tokens to trust."""
        return environment(
            TokenSettings,
            issuer=self.issuer,
            jwks_url=self.jwks_url,
            audience=self._audience,
            subject_claim=self._subject,
            scope_claim=self._scope,
        )

    def _pool(self, stage: Stage, console_url: str) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "Staff",
            # Whoever may sign up may not yet ring anybody; but nobody who was not invited has business here at all.
            self_sign_up_enabled=False,
            user_invitation=cognito.UserInvitationConfig(
                email_subject="Your Carillon console",
                email_body=f"Sign in at {console_url} as {{username}} with the password {{####}} within seven days.",
            ),
            # The user name is the person's id in the directory, which tells capitals apart.
            sign_in_aliases=cognito.SignInAliases(username=True, email=True),
            sign_in_case_sensitive=True,
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            keep_original=cognito.KeepOriginalAttrs(email=True),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            mfa=cognito.Mfa.REQUIRED,
            mfa_second_factor=cognito.MfaSecondFactor(sms=False, otp=True),
            password_policy=_password(),
            # PLUS is what refuses passwords known to be stolen and sign-ins that look like somebody else's.
            feature_plan=cognito.FeaturePlan.PLUS,
            standard_threat_protection_mode=cognito.StandardThreatProtectionMode.FULL_FUNCTION,
            deletion_protection=stage.retain,
            removal_policy=cdk.RemovalPolicy.RETAIN if stage.retain else cdk.RemovalPolicy.DESTROY,
        )
        for right, description in _GROUPS.items():
            cognito.UserPoolGroup(
                self,
                f"Group{right.name.title().replace('_', '')}",
                user_pool=pool,
                group_name=right.value,
                description=description,
            )
        return pool

    def _console(self, pool: cognito.UserPool, urls: list[str]) -> cognito.UserPoolClient:
        return cognito.UserPoolClient(
            self,
            "Console",
            user_pool=pool,
            generate_secret=False,
            # Nobody signs in this way, but without a flow of ours Cognito adds its own, one of which rotation forbids.
            auth_flows=cognito.AuthFlow(user=True),
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID],
                callback_urls=[*urls, CLI_ADDRESS],
                logout_urls=urls,
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            access_token_validity=ACCESS_TOKEN,
            id_token_validity=ACCESS_TOKEN,
            refresh_token_validity=SESSION,
            # A refresh token works once: a stolen one ends the session instead of living beside it. The grace is for
            # an answer that got lost on the way.
            refresh_token_rotation_grace_period=cdk.Duration.seconds(30),
            enable_token_revocation=True,
            prevent_user_existence_errors=True,
        )

    def _domain(self, pool: cognito.UserPool, prefix: str) -> None:
        domain = pool.add_domain(
            "SignIn",
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=prefix),
            managed_login_version=cognito.ManagedLoginVersion.NEWER_MANAGED_LOGIN,
        )
        # Without a style the pages of this version answer an error.
        style = cognito.CfnManagedLoginBranding(
            self,
            "SignInStyle",
            user_pool_id=pool.user_pool_id,
            client_id=self.sign_in_client,
            use_cognito_provided_values=True,
        )
        style.node.add_dependency(domain)
