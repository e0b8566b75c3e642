"""`listen` prints events and nothing else on standard output, and ends as it was told to."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from carillon.cli import main
from carillon.model import Kind, Lane
from carillon.protocol.server_frames import EventFrame
from tests.integration.fake_inbox import token

if TYPE_CHECKING:
    from pathlib import Path

POSITION = {"epoch": "e1", "offsets": {"critical": 0, "high": 0, "normal": 2, "low": 0}}


def event(offset: int, *, attempt: int = 1) -> EventFrame:
    return EventFrame(
        channel="inbox",
        lane=Lane.NORMAL,
        epoch="e1",
        offset=offset,
        event_id=f"b{offset}",
        name="timeline.shifted",
        kind=Kind.WEDDING,
        ts=1_812_798_245_678,
        expires_at=None,
        data={"ceremony": "15:30"},
        wedding_id="W1",
        attempt=attempt,
    )


class Client:
    """Plays three events to whoever listens, and notes how it was made."""

    made: Client
    refused: int | None = None

    def __init__(self, url: str, token: Any, **how: Any) -> None:
        self.url, self.token, self.how, self.stopped = url, token, how, False
        Client.made = self

    async def run(self) -> None:
        self.got = await self.token()
        self.how["on_state"](SimpleNamespace(name="live", reason=""))
        for offset in (1, 2, 3):
            if not self.stopped:
                self.how["on_event"](event(offset))
        self.how["on_reminder"](event(1, attempt=2))
        self.how["on_retraction"]("b1", event(4))
        if self.how["on_position"]:
            self.how["on_position"](POSITION)
        self.how["on_state"](SimpleNamespace(name="stopped", reason="goodbye"))
        await asyncio.sleep(0)

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture(autouse=True)
def _player(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("carillon.client.InboxClient", Client)
    monkeypatch.setattr(Client, "refused", None)
    monkeypatch.setenv("CARILLON_TOKEN", "mine")
    monkeypatch.setenv("CARILLON_API_URL", "http://127.0.0.1:1")


LISTEN = ["listen", "--user", "ann", "--websocket", "ws://x"]


def test_people_read_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(LISTEN) == 0
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert len(lines) == 4
    assert '[normal 1] W1 timeline.shifted {"ceremony": "15:30"}' in lines[0]
    assert "timeline.shifted (again, 2)" in lines[3]
    assert told.err.splitlines() == ["-- live", "-- taken back: b1", "-- stopped (goodbye)"]
    assert (Client.made.url, Client.made.got) == ("ws://x", "mine")
    assert Client.made.how["automatic_acks"] is True


def test_programs_read_json_and_stop_after_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*LISTEN, "--json", "--count", "2", "--no-ack"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["offset"] for one in documents[:2]] == [1, 2]
    assert documents[0].items() >= {"lane": "normal", "kind": "wedding", "event_id": "b1", "attempt": 1}.items()
    assert Client.made.how["automatic_acks"] is False


def test_the_position_is_kept_for_the_next_time(tmp_path: Path) -> None:
    state = str(tmp_path / "ann.json")
    assert main([*LISTEN, "--state", state]) == 0
    assert Client.made.how["position"] is None
    assert main([*LISTEN, "--state", state]) == 0
    assert Client.made.how["position"] == POSITION


def test_a_refused_connection_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(Client, "refused", 401)
    assert main(LISTEN) == 3
    assert "the server refused the connection (401)" in capsys.readouterr().err


def test_the_address_is_the_local_system_s_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".carillon").mkdir()
    (tmp_path / ".carillon" / "run.json").write_text('{"api_url": "http://127.0.0.1:1", "ws_url": "ws://local"}')
    monkeypatch.delenv("CARILLON_API_URL")
    assert main(["listen", "--user", "ann"]) == 0
    assert Client.made.url == "ws://local"


def test_without_an_address_the_api_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "--user", "ann"]) == 4
    assert "does not answer" in capsys.readouterr().err


def test_somebody_else_s_token_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARILLON_TOKEN", token("bo"))
    assert main(LISTEN) == 2
    assert "CARILLON_TOKEN is the token of 'bo', not of 'ann'" in capsys.readouterr().err
    monkeypatch.setenv("CARILLON_TOKEN", token("ann"))
    assert main(LISTEN) == 0


@pytest.mark.parametrize("url", ["http://x", "x", "ws://", "ws://[", "ws://x:port"])
def test_what_is_no_websocket_is_a_usage_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "--user", "ann", "--websocket", url]) == 2
    assert "is no WebSocket URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{half",
        b"\xff",
        b'{"epoch": "e", "offsets": {"high": 1e999}}',
        b'{"epoch": "e", "offsets": {"low": -1}}',
    ],
)
def test_a_file_that_holds_no_position_is_left_alone(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ann.json"
    path.write_bytes(content)
    assert main([*LISTEN, "--state", str(path)]) == 2
    assert f"--state: {path} holds no position" in capsys.readouterr().err
    assert path.read_bytes() == content


def test_a_place_that_keeps_no_position_is_told_before_anything_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "nowhere" / "ann.json", tmp_path):
        assert main([*LISTEN, "--state", str(path)]) == 2
        told = capsys.readouterr()
        assert f"--state: {path} cannot be written" in told.err
        assert told.out == ""


def test_a_disk_that_fills_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("carillon.client.StateFile.save", full)
    assert main([*LISTEN, "--state", str(tmp_path / "ann.json")]) == 2
    assert "cannot be written: No space left on device" in capsys.readouterr().err


def test_errors_stay_out_of_the_events(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "--user", "ann", "--json"]) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert "does not answer" in told.err
