"""Functions the gateway's worker processes run in these tests."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def _record(event: Event) -> None:
    """Append the event to the file the test watches."""
    path = os.environ.get("RECORD_FILE")
    if path:
        line = json.dumps(event) + "\n"
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line)


def connect(event: Event, context: Any) -> Any:
    _record(event)
    query = event.get("queryStringParameters") or {}
    if "raise" in query:
        raise RuntimeError("no")
    time.sleep(float(query.get("sleep", 0)))
    answer = {"statusCode": int(query.get("status", 200))}
    if "body" in query:
        answer["body"] = query["body"]
    if "subprotocol" in query:
        answer["headers"] = {"Sec-WebSocket-Protocol": query["subprotocol"]}
    return answer


def disconnect(event: Event, context: Any) -> Any:
    _record(event)
    return {"statusCode": 200}


def record(event: Event, context: Any) -> Any:
    _record(event)
    return {"statusCode": 200}


def whole_event(event: Event, context: Any) -> Any:
    return {"statusCode": 200, "body": json.dumps(event)}


def body(event: Event, context: Any) -> Any:
    return {"statusCode": 200, "body": event["body"]}


def echo(event: Event, context: Any) -> Any:
    return event


def context_seen(event: Event, context: Any) -> Any:
    return {
        "function_name": context.function_name,
        "aws_request_id": context.aws_request_id,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "invoked_function_arn": context.invoked_function_arn,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "function_version": context.function_version,
    }


def large_body(event: Event, context: Any) -> Any:
    return {"statusCode": 200, "body": "x" * json.loads(event["body"])["size"]}


def fail(event: Event, context: Any) -> Any:
    raise KeyError("the stub fails on purpose")


def no_status(event: Event, context: Any) -> Any:
    return {"body": "x"}


def nothing(event: Event, context: Any) -> Any:
    return None


def not_json(event: Event, context: Any) -> Any:
    return {"statusCode": 200, "body": object()}


def die(event: Event, context: Any) -> Any:
    os._exit(3)


def pid(event: Event, context: Any) -> Any:
    return os.getpid()


def sleep(event: Event, context: Any) -> Any:
    time.sleep(json.loads(event["body"])["seconds"] if "body" in event else event["seconds"])
    return {"statusCode": 200, "body": "slept"}


def wait_for_file(event: Event, context: Any) -> Any:
    """Run until the file named in the body appears."""
    path = Path(json.loads(event["body"])["file"] if "body" in event else event["file"])
    give_up = time.monotonic() + 20
    while not path.exists() and time.monotonic() < give_up:
        time.sleep(0.005)
    return {"statusCode": 200, "body": "went on"}


def echo_slowly_when_odd(event: Event, context: Any) -> Any:
    """Take longer for odd numbers, so that a server which does not wait would answer out of order."""
    number = json.loads(event["body"])["number"]
    if number % 2:
        time.sleep(0.01)
    return {"statusCode": 200, "body": str(number)}


def variable(event: Event, context: Any) -> Any:
    return os.environ.get(event["name"])


def modules(event: Event, context: Any) -> Any:
    return event["name"] in sys.modules
