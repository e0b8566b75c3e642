"""When a deployment is refused, what is said, and what the exit code means; CloudWatch is moto's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from moto import mock_aws

from carillon.adapters.cloudwatch import EmfMetrics
from carillon.cli import deploy_check, main
from carillon.names import DIMENSION_SERVICE, METRIC_UNITS, NAMESPACE, Metric, service_name
from carillon.policy.season import is_saturday
from stacks import command_line
from stacks.command_line import ROOT
from stacks.deploy_check import main as stage_check
from stacks.stage import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REGION = "us-east-1"
TUESDAY = datetime(2027, 6, 8, 18, tzinfo=UTC)
SATURDAY = datetime(2027, 6, 5, 18, tzinfo=UTC)
WORDS = ["--stage", "prod", "--region", REGION, "--time-zone", "America/New_York", "--threshold", "20"]


@pytest.fixture
def cloudwatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_given: 0)
    monkeypatch.setattr(deploy_check, "_now", lambda: TUESDAY)
    with mock_aws():
        yield boto3.client("cloudwatch", region_name=REGION)


@pytest.fixture
def count(cloudwatch: Any) -> Callable[..., None]:
    """A stage's planner counted so many weddings, so long ago."""

    def put(weddings: int, ago: timedelta, stage: str = "prod") -> None:
        point = {
            "MetricName": Metric.WEDDINGS_TODAY.value,
            "Dimensions": [{"Name": DIMENSION_SERVICE, "Value": service_name(stage)}],
            "Timestamp": TUESDAY - ago,
            "Value": weddings,
            "Unit": METRIC_UNITS[Metric.WEDDINGS_TODAY],
        }
        cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=[point])

    return put


def check(*more: str) -> int:
    return main(["deploy-check", *WORDS, *more])


def failing(monkeypatch: pytest.MonkeyPatch, code: str) -> list[str]:
    """CloudWatch answers every call with an error; returns what was asked."""
    asked: list[str] = []

    def refuse(model: Any, **_named: Any) -> tuple[Any, dict[str, Any]]:
        asked.append(model.name)
        status = 403 if code == "AccessDenied" else 400
        error = {"Code": code, "Message": "not now"}
        answer = {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}}}
        http = type("Http", (), {"status_code": status, "headers": {}, "content": b""})()
        return http, answer

    original = boto3.client

    def client(*given: Any, **named: Any) -> Any:
        made = original(*given, **named)
        made.meta.events.register("before-call.cloudwatch.GetMetricData", refuse)
        return made

    monkeypatch.setattr("carillon.adapters.weddings_metric.boto3.client", client)
    return asked


def test_an_ordinary_day_may_be_deployed(count: Callable[..., None]) -> None:
    count(20, timedelta(hours=1))
    assert check() == 0


def test_a_day_with_many_weddings_is_refused_by_its_most(
    count: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Some were canceled since: the morning's number counts."""
    count(21, timedelta(hours=9, minutes=20))
    count(5, timedelta(hours=9, minutes=10))
    count(3, timedelta(minutes=10))
    assert check() == 3
    said = capsys.readouterr().err
    assert "deploy.frozen: there are 21 weddings today in America/New_York, more than 20" in said
    assert "FORCE=1" in said


def test_yesterdays_weddings_are_over(count: Callable[..., None]) -> None:
    """14:00 in New York: fifteen hours ago was yesterday."""
    count(500, timedelta(hours=15))
    assert check() == 0


def test_saturday_is_refused_without_asking_anybody(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deploy_check, "_now", lambda: SATURDAY)
    asked = failing(monkeypatch, "AccessDenied")
    assert check() == 3
    assert asked == []
    assert "it is Saturday in America/New_York" in capsys.readouterr().err


def test_a_first_deployment_is_allowed_and_says_so(cloudwatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert check() == 0
    assert "first deployment" in capsys.readouterr().err


def test_a_day_without_weddings_is_no_first_deployment(
    count: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    count(0, timedelta(minutes=10))
    assert check() == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("code", ["AccessDenied", "ThrottlingException"])
def test_when_nobody_knows_it_refuses_and_says_what_to_do(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str
) -> None:
    failing(monkeypatch, code)
    assert check() == 4
    said = capsys.readouterr().err
    assert "deploy.unknown" in said
    assert code in said
    assert "cloudwatch:GetMetricData" in said


def test_half_an_answer_is_none(
    cloudwatch: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    half = {"Id": "weddings", "StatusCode": "InternalError", "Values": [], "Timestamps": []}
    monkeypatch.setattr(
        "carillon.adapters.weddings_metric.boto3.client",
        lambda *_given, **_named: SimpleNamespace(get_metric_data=lambda **_asked: {"MetricDataResults": [half]}),
    )
    assert check() == 4
    assert "answered in part: InternalError" in capsys.readouterr().err


def test_without_credentials_it_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(deploy_check, "_now", lambda: TUESDAY)
    assert check() == 4
    assert "credentials" in capsys.readouterr().err


@pytest.mark.parametrize("why", ["Saturday", "weddings", "CloudWatch"])
def test_force_overrides_and_says_what(
    count: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    why: str,
) -> None:
    count(99, timedelta(hours=1))
    if why == "Saturday":
        monkeypatch.setattr(deploy_check, "_now", lambda: SATURDAY)
    if why == "CloudWatch":
        failing(monkeypatch, "AccessDenied")
    assert check("--force") == 0
    said = capsys.readouterr().err
    assert said.startswith("FORCE: prod is deployed although")
    assert why in said


def test_another_stages_weddings_forbid_nothing(count: Callable[..., None]) -> None:
    count(500, timedelta(hours=1), stage="staging")
    assert check() == 0


def test_a_zone_that_is_none_is_a_usage_error(cloudwatch: Any) -> None:
    assert check("--time-zone", "Europe/Nowhere") == 2


def test_the_metric_is_found_where_the_planner_writes_it(
    count: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The embedded format names namespace and dimensions; the check asks for those."""
    metrics = EmfMetrics(service_name("prod"))
    metrics.count(Metric.WEDDINGS_TODAY, 7)
    metrics.flush()
    line = capsys.readouterr().out
    assert f'"Namespace":"{NAMESPACE}"' in line.replace(" ", "")
    assert f'"Dimensions":[["{DIMENSION_SERVICE}"]]' in line.replace(" ", "")
    assert f'"{DIMENSION_SERVICE}":"{service_name("prod")}"' in line.replace(" ", "")


class CloudWatch(BaseHTTPRequestHandler):
    """Answers that there were 21 weddings, in the protocol that boto3 speaks with CloudWatch."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        result = {"Id": "weddings", "StatusCode": "Complete", "Values": [21.0]}
        body = json.dumps({"MetricDataResults": [result]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given: Any) -> None:
        """Nothing to standard error, which the test reads."""


@pytest.fixture(scope="module")
def cloudwatch_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), CloudWatch) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def not_saturday() -> str:
    """A time zone where it is another day now, so that the test passes on every day of the week."""
    return next(name for name in ("Etc/GMT+12", "Etc/GMT-14") if not is_saturday(datetime.now(UTC), ZoneInfo(name)))


def make_deploy(url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`make deploy` of prod with 21 weddings today; what would be the CDK says its arguments instead."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL_CLOUDWATCH": url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    done = ("-o", "setup", "-o", "node_modules", f"PYTHON={sys.executable}", "CDK=echo the CDK is asked to")
    command = ["make", "--no-print-directory", *done, "deploy", "STAGE=prod", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("context", ["", "-c freeze_weddings=20", "--force"])
def test_make_deploy_stops_at_the_refusal(cloudwatch_url: str, context: str) -> None:
    """`cdk deploy --force` means something else, so that it overrides nothing."""
    done = make_deploy(cloudwatch_url, f"ARGS=-c time_zone={not_saturday()} {context}")
    assert done.returncode == 2
    assert "Error 3" in done.stderr
    assert f"there are 21 weddings today in {not_saturday()}, more than 20" in done.stderr
    assert "the CDK is asked" not in done.stdout


def test_make_deploy_goes_on_below_the_threshold_of_its_own_arguments(cloudwatch_url: str) -> None:
    words = f"-c time_zone={not_saturday()} -c freeze_weddings=21"
    done = make_deploy(cloudwatch_url, f"ARGS={words}")
    assert done.stderr == ""
    assert done.stdout == f"the CDK is asked to deploy --all --force -c stage=prod {words}\n"


def test_make_deploy_with_force_says_what_it_overrides(cloudwatch_url: str) -> None:
    done = make_deploy(cloudwatch_url, f"ARGS=-c time_zone={not_saturday()}", "FORCE=1")
    assert done.returncode == 0
    assert "FORCE: prod is deployed although there are 21 weddings today" in done.stderr
    assert "the CDK is asked to deploy" in done.stdout


def test_the_stages_own_values_are_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make deploy` runs first, its `-c` included and whatever else is the CDK's left out."""
    asked: list[list[str]] = []

    def run(command: list[str], **_named: Any) -> SimpleNamespace:
        asked.append(command[command.index("deploy-check") :])
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr("stacks.deploy_check.subprocess.run", run)
    words = "--stage prod -c regions=eu-west-1 --require-approval never --context season=channels --override"
    monkeypatch.setattr(sys, "argv", ["deploy_check", *words.split()])
    assert stage_check() == 3
    prod = STAGES["prod"]
    place = ["--region", "eu-west-1", "--time-zone", prod.time_zone, "--threshold", str(prod.freeze_weddings)]
    assert asked == [["deploy-check", "--stage", "prod", *place, "--force"]]


def test_what_cdk_json_sets_counts_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A team keeps its own values there (docs/DEPLOY.md), and the CDK deploys by them."""
    (tmp_path / "cdk.json").write_text('{"context": {"stage": "dev", "time_zone": "Europe/Berlin", "readers": 3}}')
    monkeypatch.setattr(command_line, "ROOT", tmp_path)
    given = SimpleNamespace(stage="prod", context=["readers=4"])
    stage = command_line.stage_of(given)
    assert (stage.name, stage.time_zone, stage.readers) == ("prod", "Europe/Berlin", 4)


def test_a_stage_that_is_none_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["deploy_check", "--stage", "nope"])
    assert stage_check() == 2
    assert "dev, staging, prod" in capsys.readouterr().err
