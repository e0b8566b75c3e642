"""Telling the planner that the calendar changed, against moto: one message, and no request that fails because of it."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from carillon.adapters.replanning import SqsReplan

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "us-east-1"
WHY = "wedding „Ännchen & Aron“ was moved"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("sqs", region_name=REGION)


@pytest.fixture
def queue_url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName="calendar")["QueueUrl"])


def received(sqs: Any, queue_url: str) -> list[Any]:
    answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def test_the_planner_gets_the_reason(sqs: Any, queue_url: str) -> None:
    replan = SqsReplan(queue_url, region=REGION, endpoint="")
    replan.changed(WHY)
    replan.changed("500 weddings were imported")
    assert sorted(one["cause"] for one in received(sqs, queue_url)) == ["500 weddings were imported", WHY]


def test_without_a_queue_nothing_is_sent_and_no_client_is_made(caplog: pytest.LogCaptureFixture) -> None:
    """Also where AWS's library is not installed, or has no Region and no keys."""
    program = (
        "import sys\nfrom carillon.adapters.replanning import SqsReplan\n"
        "SqsReplan('', region='', endpoint='').changed('it was moved')\n"
        "sys.exit('botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
    assert caplog.text == ""


def test_a_refusal_is_told_with_its_reason_and_fails_nothing(sqs: Any, caplog: pytest.LogCaptureFixture) -> None:
    url = "https://sqs.us-east-1.amazonaws.com/123456789012/not-there"
    with caplog.at_level(logging.WARNING):
        SqsReplan(url, region=REGION, endpoint="").changed(WHY)
    (told,) = [record.getMessage() for record in caplog.records if record.name == "carillon.adapters.replanning"]
    assert WHY in told
    assert "does not exist" in told


def test_a_queue_that_is_away_is_told_and_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens at a port that was ours a moment ago."""
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{ours.getsockname()[1]}"
    with caplog.at_level(logging.WARNING):
        SqsReplan(f"{endpoint}/0/calendar", region=REGION, endpoint=endpoint).changed(WHY)
    assert "Could not connect" in caplog.text
    assert WHY in caplog.text


def test_after_a_failure_the_next_change_is_sent(sqs: Any, queue_url: str, caplog: pytest.LogCaptureFixture) -> None:
    replan = SqsReplan(queue_url, region=REGION, endpoint="")
    sqs.delete_queue(QueueUrl=queue_url)
    replan.changed("nobody hears this")
    sqs.create_queue(QueueName="calendar")
    replan.changed(WHY)
    assert received(sqs, queue_url) == [{"cause": WHY}]
    assert "nobody hears this" in caplog.text


def test_a_request_that_waits_for_it_waits_for_seconds_at_most() -> None:
    config = SqsReplan("https://a/b", region=REGION, endpoint="")._connected().meta.config
    assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (1, 2, 2)
