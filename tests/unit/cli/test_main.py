"""The command line by itself: help, usage, where it looks for the system, and what it says when there is none."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from carillon.cli import main, parser, show
from carillon.cli.errors import CommandError
from carillon.cli.place import find
from carillon.cli.progress import progress

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = re.findall(r"^    (\w+)(?:  |$)", parser().format_help(), re.MULTILINE)
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("CARILLON_API_URL", "CARILLON_TOKEN", "CARILLON_DATA_DIR", "CARILLON_API_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_all_commands_are_there() -> None:
    wanted = "import listen send status cancel weddings users segments broadcasts inbox preferences verify token docs"
    wanted += " capacity forecast simulate"
    assert set(wanted.split()) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: carillon {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "typed",
    [
        [],
        ["dance"],
        ["send"],
        ["send", "--name", "x", "--priority", "urgent", "--everyone"],
        ["docs"],
        ["preferences"],
        ["weddings", "--limit", "-1"],
        ["users", "--limit", "many"],
        ["listen", "--user", "ann", "--count", "0"],
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(typed)
    assert ended.value.code == 2
    assert "usage: carillon" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["send", "--name", "x"], "exactly one of"),
        (["send", "--name", "x", "--wedding", "W1", "--everyone"], "exactly one of"),
        (["send", "--name", "x", "--user", "a", "--role", "guest"], "--role needs --wedding"),
        (["send", "--name", "x", "--everyone", "--data", "{"], "--data is not JSON"),
        (["send", "--name", "x", "--everyone", "--data", "[]"], "--data must be a JSON object"),
        (["send", "--name", "x", "--everyone", "--data", '{"x": NaN}'], "NaN is no JSON number"),
        (["send", "--name", "x", "--everyone", "--data", "[" * 100_000], "--data is not JSON"),
        (["send", "--name", "x", "--everyone", "--data", "@/nowhere"], "/nowhere cannot be read"),
        (["send", "--name", "x", "--everyone", "--send-at", "tomorrow"], "'tomorrow' is no time"),
        (["send", "--name", "x", "--everyone", "--send-at", "2027-06-12T15:00"], "has no offset"),
        (["verify", "--since", "yesterday"], "'yesterday' is no time"),
        (["weddings", ""], "an id cannot be empty"),
        (["status", ""], "an id cannot be empty"),
        (["preferences", "get", ""], "an id cannot be empty"),
        (["erase", "ann"], "erasing ann cannot be taken back"),
    ],
)
def test_mistakes_are_caught_before_anything_is_sent(
    typed: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--api", NOWHERE, *typed]) == 2
    assert says in capsys.readouterr().err


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"carillon \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_system_that_is_away_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--api", NOWHERE, "weddings"]) == 4
    told = capsys.readouterr().err
    assert "unavailable: http://127.0.0.1:1 (from --api) does not answer" in told
    assert "make run" in told
    assert "Traceback" not in told


def test_a_program_gets_the_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--api", NOWHERE, "weddings", "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "unavailable"


@pytest.mark.parametrize("url", ["http://[", "127.0.0.1:8080", "ftp://x", "http://", "http://x:port"])
def test_a_url_that_is_none_is_a_usage_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--api", url, "weddings"]) == 2
    assert "is no URL" in capsys.readouterr().err


def test_the_system_is_found_where_it_was_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find(None).url == "http://127.0.0.1:8080"
    (tmp_path / ".carillon").mkdir()
    run = tmp_path / ".carillon" / "run.json"
    run.write_text('{"api_url": "http://127.0.0.1:5/", "ws_url": "ws://x"}')
    assert (find(None).url, find(None).run["ws_url"]) == ("http://127.0.0.1:5", "ws://x")
    run.write_text("{half")
    assert find(None).url == "http://127.0.0.1:8080"
    monkeypatch.setenv("CARILLON_API_PORT", "0")
    assert find(None).url == "http://127.0.0.1:8080", "any free port: only run.json would know"
    monkeypatch.setenv("CARILLON_API_PORT", "9090")
    assert find(None).url == "http://127.0.0.1:9090"
    monkeypatch.setenv("CARILLON_API_URL", "http://127.0.0.1:6/")
    assert find(None).url == "http://127.0.0.1:6"
    assert find("http://127.0.0.1:7/").url == "http://127.0.0.1:7"


@pytest.mark.parametrize(("text", "past", "span"), [("10m", False, 600), ("2h", True, -7200), ("+3d", False, 259_200)])
def test_times_may_be_said_from_now(text: str, past: bool, span: int) -> None:  # noqa: FBT001
    told = datetime.fromisoformat(show.moment(text, past=past))
    assert abs(told - datetime.now(UTC) - timedelta(seconds=span)) < timedelta(seconds=30)


def test_a_time_with_an_offset_stays_as_it_was_said() -> None:
    assert show.moment("2027-06-12T15:00:00+02:00") == "2027-06-12T15:00:00+02:00"
    with pytest.raises(CommandError):
        show.moment("10 minutes")


def test_names_keep_the_joiners_that_they_are_written_with(capsys: pytest.CaptureFixture[str]) -> None:
    show.table([{"name": "\u0645\u06cc\u200c\u0646\u0627\u202e"}], ("name",))
    assert capsys.readouterr().out.splitlines()[1] == "\u0645\u06cc\u200c\u0646\u0627\\u202e"


def test_columns_are_aligned_and_cannot_play_with_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show.table([{"id": "a", "name": "x\x1b[2Jy"}, {"id": "longer", "name": None}], ("id", "name"))
    assert capsys.readouterr().out.splitlines() == ["id      name", "a       x\\x1b[2Jy", "longer  -"]


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("carillon.cli.progress._LINE_EVERY_S", 0.0)
    with progress("import x", 10, quiet=False) as advance:
        advance(5)
    assert capsys.readouterr().err == "import x: 5 of 10 lines\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress("import x", 10, quiet=False) as advance:
        advance(10)
    assert "10/10 lines" in capsys.readouterr().err
    with progress("import x", 10, quiet=True) as advance:
        advance(10)
    with progress("import -", None, quiet=False) as advance:
        advance(10)
    assert "10 lines" in capsys.readouterr().err
    with progress("import x", 10, quiet=True) as advance:
        advance(10)
    assert capsys.readouterr().err == ""
