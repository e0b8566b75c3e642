"""Who may sign in to a deployed system, and what the doors are told about it."""

from __future__ import annotations

from typing import Any

import pytest

from carillon import config
from carillon.names import Scope
from carillon.protocol.sign_in import CLI_ADDRESS
from tests.stacks.synthesised import Template, resources, templates

ISSUER = {
    "issuer": "https://login.example/tenant",
    "jwks_url": "https://login.example/tenant/keys",
    "audience": "api://carillon",
    "sign_in_client": "console",
    "sign_in_origins": "https://tokens.example",
    "subject_claim": "employee",
    "scope_claim": "roles",
}
DOMAIN = {"domain": "ring.example.org", "hosted_zone_id": "Z1", "hosted_zone_name": "example.org"}
TWO_REGIONS = {"regions": "us-east-1,eu-west-1", **DOMAIN}
POOL = "AWS::Cognito::UserPool"
CLIENT = "AWS::Cognito::UserPoolClient"


def only(template: Template, kind: str) -> dict[str, Any]:
    """Properties of the one resource of a kind."""
    (found,) = resources(template, kind).values()
    properties: dict[str, Any] = found["Properties"]
    return properties


def variables(template: Template) -> dict[str, Any]:
    """The environment of the API's container."""
    (task,) = resources(template, "AWS::ECS::TaskDefinition").values()
    container = next(one for one in task["Properties"]["ContainerDefinitions"] if one["Essential"])
    return {one["Name"]: one["Value"] for one in container["Environment"]}


def test_nobody_signs_up_and_a_password_alone_opens_nothing() -> None:
    pool = only(templates("dev")["identity"], POOL)
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("ON", ["SOFTWARE_TOKEN_MFA"])
    assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] >= 14
    assert (pool["UserPoolTier"], pool["UserPoolAddOns"]["AdvancedSecurityMode"]) == ("PLUS", "ENFORCED")


def test_an_invitation_says_where_to_go() -> None:
    text = str(only(templates("dev")["identity"], POOL)["AdminCreateUserConfig"]["InviteMessageTemplate"])
    assert all(part in text for part in ("/console/", "{username}", "{####}"))


def test_a_user_name_is_the_directory_id_which_tells_capitals_apart() -> None:
    pool = only(templates("dev")["identity"], POOL)
    assert pool["UsernameConfiguration"] == {"CaseSensitive": True}
    assert pool["AliasAttributes"] == ["email"]
    assert "UsernameAttributes" not in pool


def test_the_groups_are_the_scopes() -> None:
    groups = resources(templates("dev")["identity"], "AWS::Cognito::UserPoolGroup").values()
    assert {group["Properties"]["GroupName"] for group in groups} == set(Scope)


def test_the_console_has_no_secret_and_comes_back_to_known_addresses() -> None:
    client = only(templates("dev")["identity"], CLIENT)
    assert client["GenerateSecret"] is False
    assert (client["AllowedOAuthFlows"], client["AllowedOAuthScopes"]) == (["code"], ["openid"])
    assert client["CallbackURLs"] == [*client["LogoutURLs"], CLI_ADDRESS]
    pages = [str(url).rstrip("'])}").rsplit("/", 2)[-2] for url in client["LogoutURLs"]]
    assert pages == ["console", "dashboard"]


def test_a_stolen_refresh_token_is_noticed_and_ends_with_the_day() -> None:
    client = only(templates("dev")["identity"], CLIENT)
    assert client["RefreshTokenRotation"]["Feature"] == "ENABLED"
    # Cognito takes no client that rotates and allows the older way to renew beside it.
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in client["ExplicitAuthFlows"]
    assert client["ExplicitAuthFlows"]
    assert (client["AccessTokenValidity"], client["RefreshTokenValidity"]) == (60, 12 * 60)


def test_the_sign_in_pages_have_a_style_without_which_they_are_an_error() -> None:
    template = templates("dev")["identity"]
    assert only(template, "AWS::Cognito::UserPoolDomain")["ManagedLoginVersion"] == 2
    assert only(template, "AWS::Cognito::ManagedLoginBranding")["UseCognitoProvidedValues"] is True


def test_two_accounts_never_want_the_same_sign_in_domain() -> None:
    domain = only(templates("dev")["identity"], "AWS::Cognito::UserPoolDomain")["Domain"]
    start, unique = domain["Fn::Join"][1]
    assert start == "carillon-dev-"
    assert "StackId" in str(unique)


@pytest.mark.parametrize(("stage", "kept"), [("dev", "Delete"), ("prod", "Retain")])
def test_people_outlive_the_stack_where_data_does(stage: str, kept: str) -> None:
    (pool,) = resources(templates(stage)["identity"], POOL).values()
    assert pool["DeletionPolicy"] == kept
    assert pool["Properties"]["DeletionProtection"] == ("ACTIVE" if kept == "Retain" else "INACTIVE")


def test_the_doors_are_told_which_claims_cognito_uses() -> None:
    told = variables(templates("dev")["service"])
    fixed = config.environment(config.TokenSettings, subject_claim="username", scope_claim="cognito:groups")
    asked = config.environment(config.ApiSettings, sign_in_scope="openid")
    assert {**told, **fixed, **asked} == told
    audience, client = (config.environment(room, **{field: ""}).popitem()[0] for room, field in _CLIENT)
    assert told[audience] == told[client]


_CLIENT = ((config.TokenSettings, "audience"), (config.ApiSettings, "sign_in_client"))


def test_the_page_may_call_cognito_and_the_pool_s_own_domain_and_no_other() -> None:
    policies = str(resources(templates("dev")["edge"], "AWS::CloudFront::ResponseHeadersPolicy"))
    assert "https://cognito-idp.us-east-1.amazonaws.com https://carillon-dev-" in policies
    assert "https://*" not in policies


def test_an_issuer_of_one_s_own_is_passed_on_whole() -> None:
    made = templates("dev", **ISSUER)
    assert not resources(made["identity"], POOL)
    assert not resources(made["identity"], CLIENT)
    told = variables(made["service"])
    trusted = {name: ISSUER[name] for name in ("issuer", "jwks_url", "audience", "subject_claim", "scope_claim")}
    console = {name: ISSUER[name] for name in ("sign_in_client",)}
    expected = config.environment(config.TokenSettings, **trusted) | config.environment(config.ApiSettings, **console)
    assert {**told, **expected} == told
    policies = str(resources(made["edge"], "AWS::CloudFront::ResponseHeadersPolicy"))
    assert "https://login.example https://tokens.example" in policies


def test_both_regions_sign_people_in_with_one_pool() -> None:
    made = templates("prod", **TWO_REGIONS)
    assert not [name for name, template in made.items() if resources(template, POOL) and name != "identity"]
    first, second = variables(made["service"]), variables(made["eu-west-1-service"])
    (issuer,) = config.environment(config.TokenSettings, issuer="")
    assert "cognito-idp" in str(first[issuer]) or "identity" in str(first[issuer])
    assert first[issuer] == second[issuer]
    pages = only(made["identity"], CLIENT)["LogoutURLs"]
    addresses = ("https://ring.example.org", "https://eu-west-1.ring.example.org")
    assert pages == [f"{address}/{page}/" for address in addresses for page in ("console", "dashboard")]
    policy = str(resources(made["eu-west-1-edge"], "AWS::CloudFront::ResponseHeadersPolicy"))
    assert "https://cognito-idp.us-east-1.amazonaws.com https://*.auth.us-east-1.amazoncognito.com" in policy
