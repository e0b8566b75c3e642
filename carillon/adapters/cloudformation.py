"""Answers CloudFormation, which waits for a custom resource at a signed address.

Source: CloudFormation User Guide, "Custom resource response objects".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT_S: Final = 4.0
_TRIES: Final = 3
_LONGEST_REASON: Final = 1_500
"""The whole answer may have 4,096 bytes, of which text beyond ASCII takes six a character."""


def done(event: Mapping[str, Any], data: Mapping[str, str]) -> None:
    """The resource is there; `data` are its attributes.

    Raises:
        OSError: the address did not take the answer.
    """
    _answer(event, {"Status": "SUCCESS", "Data": data})


def failed(event: Mapping[str, Any], reason: str, *, log: str) -> None:
    """The resource could not be made; CloudFormation shows the reason and rolls back.

    Raises:
        OSError: the address did not take the answer.
    """
    text = reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}..."
    _answer(event, {"Status": "FAILED", "Reason": f"{text} (log stream {log})"})


def _answer(event: Mapping[str, Any], said: Mapping[str, Any]) -> None:
    named = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    # The same id at each update, or CloudFormation would take the resource for replaced and delete the former.
    mine = {"PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"]}
    body = json.dumps(named | mine | dict(said)).encode()
    for attempt in range(_TRIES):
        # The signature is over an empty content type.
        request = Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")  # noqa: S310 - CloudFormation's
        try:
            with urlopen(request, timeout=_TIMEOUT_S):  # noqa: S310 - as above
                return
        except OSError:
            if attempt == _TRIES - 1:
                raise
