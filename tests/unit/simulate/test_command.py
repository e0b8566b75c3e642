"""The command: what it prints, writes and refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from carillon.cli import main as carillon
from carillon.cli import simulating
from simulate.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


def test_json_has_what_programs_look_for_and_the_folder_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--scenario", "spike", "--weddings", "100", "--json", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["strategies"]) == ["fixed", "reactive", "season", "plan"]
    for one in told["strategies"].values():
        assert {"lost", "late", "late_critical", "p99_ms", "cost_usd"} <= set(one)
    assert 0 < told["forecast_accuracy"] <= 1
    assert json.loads((tmp_path / "spike.json").read_text()) == told
    assert "data:image/png;base64," in (tmp_path / "spike.html").read_text()
    pictures = sorted(tmp_path.glob("*.png"))
    assert [one.name for one in pictures] == ["spike-late.png", "spike-phones.png", "spike-room.png"]
    assert all(one.read_bytes().startswith(b"\x89PNG") for one in pictures)


HEAD = "wedding_id,starts_at,time_zone,team,guests\n"


@pytest.mark.parametrize(
    "rows",
    [
        "A,2027-06-12 15:00,Europe/Rome,0,0\n",
        "A,2027-06-12 15:00,Europe/Rome,0,0\nB,2027-06-14 15:00,America/New_York,0,0\n",
    ],
)
def test_weddings_to_which_nobody_comes_are_played_and_nothing_is_late(
    rows: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(HEAD + rows)
    assert main(["--arrivals", str(file), "--json", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["messages"], told["deliveries"], told["peak"]["connections"]) == (0, 0, 0)
    for one in told["strategies"].values():
        assert (one["lost"], one["late"], one["p50_ms"], one["p99_ms"], one["p999_ms"]) == (0, 0, None, None, None)
        assert one["cost_usd"] > 0
    assert "nothing sent" in (tmp_path / "june-saturday-arrivals.html").read_text()


def test_a_file_that_sends_nothing_has_dashes_in_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(HEAD + "A,2027-06-12 15:00,Europe/Rome,0,0\n")
    assert main(["--scenario", "spike", "--arrivals", str(file), "--out", str(tmp_path)]) == 0
    (plan,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("plan"))
    assert plan.split()[1:7] == ["0", "0", "0", "-", "-", "-"]


def test_the_report_of_a_file_leaves_that_of_the_scenario_alone(tmp_path: Path) -> None:
    file, out = tmp_path / "mine.csv", tmp_path / "out"
    out.mkdir()
    file.write_text(HEAD + "A,2027-06-12 15:00,Europe/Rome,8,90\n")
    before = {f"spike{end}": "kept" for end in (".json", ".html", "-late.png", "-phones.png", "-room.png")}
    for name, text in before.items():
        (out / name).write_text(text)
    assert main(["--scenario", "spike", "--arrivals", str(file), "--out", str(out)]) == 0
    assert {name: (out / name).read_text() for name in before} == before
    assert {one.name for one in out.iterdir()} - set(before) == {
        name.replace("spike", "spike-arrivals") for name in before
    }


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--scenario", "july"], "simulate.scenario"),
        (["--weddings", "99"], "simulate.weddings"),
        (["--weddings", "15001"], "simulate.weddings"),
        (["--weddings", "many"], "simulate.weddings"),
        (["--weddings", "200", "--arrivals", "file.csv"], "simulate.weddings"),
        (["--seed", "-1"], "simulate.seed"),
        (["--quota", "0"], "simulate.quota"),
        (["--arrivals", "/nowhere/at/all.csv"], "simulate.arrivals"),
        (["--out", "/dev/null/folder"], "simulate.out"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_code(
    words: list[str], code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [] if "--out" in words else ["--out", str(tmp_path)]
    assert main([*words, *out, "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"]["code"] == code
    assert f"carillon: {code}: " in printed.err


def test_the_command_line_hands_its_words_on_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def call(words: list[str]) -> int:
        called.append(words[1:])
        return 7

    monkeypatch.setattr(simulating.subprocess, "call", call)
    assert carillon(["simulate", "--scenario", "spike", "--json"]) == 7
    assert called == [["-m", "simulate", "--scenario", "spike", "--json"]]


def test_without_the_simulator_the_command_says_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(simulating, "_NEEDS", ("no_such_module",))
    assert carillon(["simulate"]) == 4
    assert "simulate.missing" in capsys.readouterr().err
