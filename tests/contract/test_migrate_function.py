"""The function that migrates on a deploy: a real database, moto's Secrets Manager, and a listening CloudFormation."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws
from psycopg.conninfo import conninfo_to_dict

from carillon import sql, wiring
from carillon.adapters import owner
from carillon.adapters.postgres import Phase
from carillon.config import MigrationSettings
from carillon.errors import ConfigError, OutageError
from lambdas import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REGION = "eu-west-1"
LATER = "9001.post.later.sql"


class CloudFormation(HTTPServer):
    """Takes answers as the signed address does; refuses the first `refusals` of them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        self.answers: list[dict[str, Any]] = []
        self.content_types: list[str | None] = []
        self.refusals = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/answer?signature=1"


class _Listener(BaseHTTPRequestHandler):
    server: CloudFormation

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        if not refused:
            self.server.answers.append(json.loads(body))
            self.server.content_types.append(self.headers["Content-Type"])
        self.send_response(503 if refused else 200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Not to the test's output."""


@pytest.fixture
def cloudformation() -> Iterator[CloudFormation]:
    server = CloudFormation()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def event(cloudformation: CloudFormation, kind: str = "Create", **more: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": cloudformation.url,
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Migrated",
        "ResourceProperties": {"Phase": "pre"},
        **more,
    }


class Context(SimpleNamespace):
    function_name = "migrate"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn"
    aws_request_id = "id"
    log_stream_name = "2026/11/22/stream"

    def get_remaining_time_in_millis(self) -> int:
        return 120_000


def call(given: dict[str, Any]) -> None:
    migrate.handler(given, Context())  # type: ignore[arg-type]


@pytest.fixture
def database(fresh_postgres: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CARILLON_MIGRATION_URL", fresh_postgres)
    return fresh_postgres


def with_a_migration(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    known = sql.migrations()
    monkeypatch.setattr(sql, "migrations", lambda: [*known, (name, text)])


def test_it_migrates_and_says_what_ran(
    database: str, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_migration(monkeypatch, "9001.pre.more.sql", "CREATE TABLE more ()")
    call(event(cloudformation))
    call(event(cloudformation, "Update", PhysicalResourceId="Migrated"))
    first, second = cloudformation.answers
    assert first == {
        "Status": "SUCCESS",
        "StackId": "stack",
        "RequestId": "request",
        "LogicalResourceId": "Migrated",
        "PhysicalResourceId": "Migrated",
        "Data": {"Ran": "9001.pre.more.sql"},
    }
    assert (second["Status"], second["Data"], second["PhysicalResourceId"]) == ("SUCCESS", {"Ran": ""}, "Migrated")
    assert cloudformation.content_types == ["", ""], "the address is signed for an empty one"


def test_each_phase_runs_its_own(
    database: str, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_migration(monkeypatch, LATER, "CREATE TABLE later ()")
    call(event(cloudformation))
    call(event(cloudformation, ResourceProperties={"Phase": "post"}))
    assert [answer["Data"]["Ran"] for answer in cloudformation.answers] == ["", LATER]


def test_a_migration_that_fails_is_told_with_its_reason_and_leaves_nothing_half(
    database: str, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_a_migration(monkeypatch, "9001.pre.bad.sql", "CREATE TABLE half (); SELECT 1/0")
    call(event(cloudformation))
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert "DivisionByZero" in answer["Reason"]
    assert Context.log_stream_name in answer["Reason"]
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT to_regclass('half')").fetchone() == (None,)


def test_deleting_the_resource_does_nothing(cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "migrations", lambda: pytest.fail("the database was touched"))
    call(event(cloudformation, "Delete", PhysicalResourceId="Migrated"))
    assert cloudformation.answers[0]["Status"] == "SUCCESS"


@pytest.mark.parametrize("properties", [{}, {"Phase": "sometime"}])
def test_a_resource_that_names_no_phase_fails(cloudformation: CloudFormation, properties: dict[str, str]) -> None:
    call(event(cloudformation, ResourceProperties=properties))
    assert cloudformation.answers[0]["Status"] == "FAILED"


def test_a_reason_of_any_length_fits(cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises() -> None:
        raise ConfigError("é" * 100_000)

    monkeypatch.setattr(wiring, "migrations", raises)
    call(event(cloudformation))
    (answer,) = cloudformation.answers
    assert answer["Status"] == "FAILED"
    assert len(json.dumps({"Reason": answer["Reason"][:600]})) < 4_096


def test_an_answer_that_was_not_taken_is_given_again(database: str, cloudformation: CloudFormation) -> None:
    cloudformation.refusals = 2
    call(event(cloudformation))
    assert [answer["Status"] for answer in cloudformation.answers] == ["SUCCESS"]


@pytest.fixture
def secret(fresh_postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Secrets Manager with the database's owner in it, as a cluster's attachment writes it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    parts = conninfo_to_dict(fresh_postgres)
    known = {
        "username": parts["user"],
        "password": parts["password"],
        "host": parts["host"],
        "port": int(str(parts["port"])),
        "dbname": parts["dbname"],
        "engine": "postgres",
    }
    with mock_aws():
        client = boto3.client("secretsmanager", region_name=REGION)
        client.create_secret(Name="owner", SecretString=json.dumps(known))
        yield client, known


SETTINGS = MigrationSettings(owner_secret="owner", region=REGION)
PLAIN = {"sslmode": "disable"}
"""The tests' PostgreSQL speaks no TLS."""


def test_the_owner_logs_in_with_the_secret(secret: tuple[Any, dict[str, Any]]) -> None:
    client, _ = secret
    assert owner.migrations(SETTINGS, client, tls=PLAIN)(Phase.PRE, 60) == []


def test_without_tls_the_owner_does_not_log_in(secret: tuple[Any, dict[str, Any]]) -> None:
    client, _ = secret
    with pytest.raises(psycopg.OperationalError, match="SSL"):
        owner.migrations(SETTINGS, client)(Phase.PRE, 60)


def test_a_password_in_the_middle_of_its_rotation_is_found(secret: tuple[Any, dict[str, Any]]) -> None:
    """The database has the new one already, the current version is still the old one."""
    client, known = secret
    old = json.dumps(known | {"password": "of last month"})
    client.put_secret_value(SecretId="owner", SecretString=old)
    client.put_secret_value(SecretId="owner", SecretString=json.dumps(known), VersionStages=["AWSPENDING"])
    assert owner.migrations(SETTINGS, client, tls=PLAIN)(Phase.PRE, 60) == []


def test_a_wrong_password_is_said_to_be_wrong_and_not_shown(secret: tuple[Any, dict[str, Any]]) -> None:
    client, known = secret
    client.put_secret_value(SecretId="owner", SecretString=json.dumps(known | {"password": "of-last-month"}))
    with pytest.raises(ConfigError, match="log-in is not right") as told:
        owner.migrations(SETTINGS, client, tls=PLAIN)(Phase.PRE, 60)
    assert "of-last-month" not in str(told.value)


def test_a_secret_of_no_cluster_is_refused(secret: tuple[Any, dict[str, Any]]) -> None:
    client, known = secret
    del known["host"]
    client.put_secret_value(SecretId="owner", SecretString=json.dumps(known))
    with pytest.raises(ConfigError, match="host"):
        owner.migrations(SETTINGS, client, tls=PLAIN)(Phase.PRE, 60)


def test_a_secret_that_is_not_there_is_named(secret: tuple[Any, dict[str, Any]]) -> None:
    client, _ = secret
    with pytest.raises(ConfigError, match="another"):
        owner.migrations(MigrationSettings(owner_secret="another", region=REGION), client)(Phase.PRE, 60)


@pytest.fixture
def refusing(secret: tuple[Any, dict[str, Any]]) -> Callable[[str], Any]:
    """A client whose calls AWS answers with that error, after the client's own tries."""
    _, _ = secret

    def client(code: str) -> Any:
        made = boto3.client(
            "secretsmanager", region_name=REGION, config=Config(retries={"mode": "standard", "total_max_attempts": 1})
        )

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")

        made.meta.events.register_first("before-send.secretsmanager.GetSecretValue", refuse)
        return made

    return client


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServiceError"])
def test_throttling_that_does_not_end_is_an_outage(refusing: Callable[[str], Any], code: str) -> None:
    with pytest.raises(OutageError, match=code):
        owner.migrations(SETTINGS, refusing(code))(Phase.PRE, 60)


@pytest.mark.parametrize("code", ["AccessDeniedException", "DecryptionFailure"])
def test_a_right_that_is_missing_is_a_matter_of_configuration(refusing: Callable[[str], Any], code: str) -> None:
    with pytest.raises(ConfigError, match=code):
        owner.migrations(SETTINGS, refusing(code))(Phase.PRE, 60)


def test_secrets_manager_out_of_reach_is_an_outage(refusing: Callable[[str], Any]) -> None:
    client = refusing("unused")

    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://secretsmanager")

    client.meta.events.register_first("before-send.secretsmanager.GetSecretValue", unreachable)
    with pytest.raises(OutageError, match="away"):
        owner.migrations(SETTINGS, client)(Phase.PRE, 60)


def test_throttled_calls_are_tried_again(secret: tuple[Any, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """With the client that the function makes for itself."""
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415

    throttled = iter([True, True])
    calls: list[bool] = []

    def answer(**_: Any) -> AWSResponse | None:
        calls.append(True)
        if next(throttled, False):
            return _throttled()
        return None

    made = boto3.client

    def client(service: str, **options: Any) -> Any:
        one = made(service, **options)
        one.meta.events.register_first("before-send.secretsmanager.GetSecretValue", answer)
        return one

    def _throttled() -> AWSResponse:
        class Raw:
            @staticmethod
            def stream(**_: Any) -> Iterator[bytes]:
                yield b'{"__type": "ThrottlingException", "message": "slow down"}'

        return AWSResponse("https://secretsmanager", 400, {}, Raw())

    monkeypatch.setattr(boto3, "client", client)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    assert owner.migrations(SETTINGS, tls=PLAIN)(Phase.PRE, 60) == []
    assert len(calls) == 3


def test_nothing_set_is_said() -> None:
    with pytest.raises(ConfigError, match="CARILLON_OWNER_SECRET"):
        owner.migrations(MigrationSettings())
