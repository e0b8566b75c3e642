"""The schema describes exactly what the parsers take, the page's examples are valid, and neither file is stale."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from carillon.errors import FrameError
from carillon.protocol import schema
from carillon.protocol.client_frames import CLIENT_FRAMES
from carillon.protocol.examples import CLIENT_EXAMPLES, SERVER_EXAMPLES
from carillon.protocol.frames import encode, parse_client, parse_server
from carillon.protocol.server_frames import SERVER_FRAMES
from carillon.protocol.wire import Wire, to_json

ROOT = Path(__file__).parents[3]
REGENERATE = "stale: make it again with `make docs`"


def validator(side: str) -> jsonschema.Draft202012Validator:
    document = schema.document()
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{side}", "$defs": document["$defs"]})


def test_there_is_an_example_of_every_frame() -> None:
    assert {type(example) for example in CLIENT_EXAMPLES} == set(CLIENT_FRAMES)
    assert {type(example) for example in SERVER_EXAMPLES} == set(SERVER_FRAMES)


@pytest.mark.parametrize("example", CLIENT_EXAMPLES, ids=lambda example: example.tag[1])
def test_client_examples_are_valid_and_read_back(example: Wire) -> None:
    validator("client").validate(to_json(example))
    assert parse_client(encode(example)) == example


@pytest.mark.parametrize("example", SERVER_EXAMPLES, ids=lambda example: example.tag[1])
def test_server_examples_are_valid_and_read_back(example: Wire) -> None:
    validator("server").validate(to_json(example))
    assert parse_server(encode(example)) == example


def test_every_example_on_the_page_is_valid() -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", schema.page(), re.DOTALL)]
    assert len(shown) == len(CLIENT_FRAMES) + len(SERVER_FRAMES)
    for frame in shown:
        validator("client" if "action" in frame else "server").validate(frame)


@pytest.mark.parametrize(
    "frame",
    [
        {"action": "subscribe", "channel": "inbox"},
        {"action": "subscribe", "id": True, "channel": "inbox"},
        {"action": "subscribe", "id": 1, "channel": "wedding:W1"},
        {"action": "subscribe", "id": 1, "channel": "inbox", "v": 2},
        {"action": "subscribe", "id": 1, "channel": "inbox", "recover": {"epoch": "k", "offsets": {"urgent": 1}}},
        {"action": "ack", "channel": "inbox", "epoch": "k", "offsets": {"low": -1}},
        {"action": "ack", "channel": "inbox", "epoch": "", "offsets": {}},
        {"action": "refresh", "id": "x" * 65, "token": "t"},
        {"action": "switch", "id": 1},
        {"id": 1},
    ],
    ids=json.dumps,
)
def test_schema_and_parser_refuse_the_same(frame: dict[str, Any]) -> None:
    assert not validator("client").is_valid(frame)
    with pytest.raises(FrameError):
        parse_client(json.dumps(frame))


def test_schema_file_is_fresh() -> None:
    assert (ROOT / "web/client/protocol.schema.json").read_text(encoding="utf-8") == schema.schema_text(), REGENERATE


def test_protocol_page_is_fresh() -> None:
    assert (ROOT / "docs/PROTOCOL.md").read_text(encoding="utf-8") == schema.page(), REGENERATE
