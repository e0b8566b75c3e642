"""How the client is put together for ElastiCache; that it works with a real Valkey is shown in the contract tests."""

from __future__ import annotations

from carillon.adapters.apigateway.credentials import Credentials
from carillon.adapters.iam_tokens import AMAZON, CacheLogin
from carillon.adapters.valkey_client import _CheckedPool, connect

LOGIN = CacheLogin(
    "valkeys://app@cache.example:6379",
    name="group",
    region="eu-west-1",
    credentials=lambda: Credentials("AKIDEXAMPLE", "secret"),
)


def test_with_a_token_the_server_must_prove_who_it_is() -> None:
    options = connect("valkeys://app@cache.example:6379", cluster=False, timeout_s=1, login=LOGIN)
    given = options.connection_pool.connection_kwargs
    assert (given["host"], given["credential_provider"], given["ssl_ca_certs"]) == ("cache.example", LOGIN, AMAZON)
    assert given["ssl_check_hostname"] is True
    assert "username" not in given
    made = options.connection_pool.make_connection()
    assert (made.check_hostname, made.cert_reqs.name) == (True, "CERT_REQUIRED")


def test_the_nodes_of_a_cluster_are_checked_too() -> None:
    pool = _CheckedPool.from_url("valkeys://cache.example:6379", ssl_ca_certs=AMAZON, credential_provider=LOGIN)
    assert pool.make_connection().check_hostname is True
