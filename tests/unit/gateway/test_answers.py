import json
from typing import Any

import pytest

from gateway.answers import ConnectAnswer, MalformedAnswerError, connect_answer, failure, route_response


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ({"statusCode": 200}, ConnectAnswer(200)),
        ({"statusCode": "403", "body": "no"}, ConnectAnswer(403, None, "no")),
        ({"statusCode": 200, "headers": {"sec-websocket-PROTOCOL": "v1"}}, ConnectAnswer(200, "v1")),
        ({"statusCode": 200, "headers": {"Other": "x\r\ny"}}, ConnectAnswer(200)),
        ({"statusCode": 200, "headers": None, "body": None}, ConnectAnswer(200)),
    ],
)
def test_connect_answers(result: Any, answer: ConnectAnswer) -> None:
    assert connect_answer(result) == answer


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        "200",
        {},
        {"statusCode": True},
        {"statusCode": 42},
        {"statusCode": "ok"},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "a\r\nb"}},
        {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "a\n"}},
        {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": ""}},
        {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": 1}},
    ],
)
def test_malformed_connect_answers(result: Any) -> None:
    with pytest.raises(MalformedAnswerError):
        connect_answer(result)


def test_a_route_response_is_the_body() -> None:
    assert route_response({"statusCode": 200, "body": "text"}) == "text"
    assert route_response({"statusCode": 200}) == ""


@pytest.mark.parametrize("result", [None, {"body": "x"}, {"statusCode": 200, "body": 1}])
def test_malformed_route_responses(result: Any) -> None:
    with pytest.raises(MalformedAnswerError):
        route_response(result)


def test_a_failure_names_connection_and_request() -> None:
    assert json.loads(failure("Internal server error", "C=", "R")) == {
        "message": "Internal server error",
        "connectionId": "C=",
        "requestId": "R",
    }
