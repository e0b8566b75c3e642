"""`carillon import` as its user knows it: files in, people in the directory, bad rows named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from carillon.cli import main
from tests.integration.served import ALL, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.served import Served

EXAMPLES = Path(__file__).parents[2] / "examples"
HEAD = "wedding_id,wedding_name,starts_at,wedding_time_zone,user_id,name,role\n"
W1 = "W1,Ann & Bo,2027-06-12 15:00,Europe/Lisbon"


@pytest.fixture
def api(fresh_postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serve(fresh_postgres) as served:
        monkeypatch.setenv("CARILLON_API_URL", served.url)
        monkeypatch.setenv("CARILLON_TOKEN", f"ops|{ALL}|")
        yield served


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    def write(name: str, text: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def _everything(api: Served) -> list[Any]:
    return [api.database.all(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("users", "weddings", "wedding_team")]


def test_the_example_is_imported_whole_and_again_changes_nothing(
    api: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(EXAMPLES / "june-saturday.csv"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    counts = api.database.one(
        "SELECT (SELECT count(*) FROM users) AS people, (SELECT count(*) FROM weddings) AS weddings"
    )
    assert counts is not None
    assert (counts["people"], counts["weddings"]) == (told["named"]["people"], told["named"]["weddings"])
    assert counts["people"] >= 1_500
    assert counts["weddings"] >= 20
    before = _everything(api)
    assert main(["import", str(EXAMPLES / "june-saturday.csv")]) == 0
    assert _everything(api) == before
    assert "0 new, 0 changed" in capsys.readouterr().out


def test_the_smaller_example_says_the_same_as_the_larger_one(api: Served) -> None:
    assert main(["import", str(EXAMPLES / "june-saturday.csv")]) == 0
    before = _everything(api)
    assert main(["import", str(EXAMPLES / "june-saturday.ndjson")]) == 0
    assert _everything(api) == before


def test_a_supplier_works_on_several_weddings_of_the_example(api: Served) -> None:
    assert main(["import", str(EXAMPLES / "june-saturday.csv")]) == 0
    seen = api.get("/v1/weddings", supplier="photo-lisbon")["items"]
    assert len(seen) > 1


def test_bad_rows_are_named_and_the_rest_is_stored(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        f"{W1},ann,Ann Lee,couple",
        "W1,,,,bo,Bo,best man",
        'W1,,,,cy,"Cy\nLong",guest',
        "W1,Ann & Bob,,,di,Di,guest",
        "W404,,,,ed,Ed,guest",
        "W1,,,,flo,Flo,guest,one cell too many",
        ",,,,,,",
        "W1,,,,gus,Gus,guest",
    ]
    assert main(["import", write("x.csv", HEAD + "\n".join(rows))]) == 1
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "line 3: role: 'best man' is none of couple, planner, vendor, guest",
        "line 4: name: 'Cy\\nLong' is no name: 1 to 200 characters, no control characters",
        "line 6: wedding_name: says 'Ann & Bob', but line 2 said 'Ann & Bo'",
        "line 7: wedding_id: wedding 'W404' is not known yet: give its wedding_name, starts_at and wedding_time_zone",
        "line 8: has 8 cells under 7 columns",
    ]
    assert "7 rows: 2 stored, 5 bad" in told.out
    assert [user["id"] for user in api.get("/v1/users")["items"]] == ["ann", "gus"]


def test_a_dry_run_finds_the_same_and_stores_nothing(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("x.csv", HEAD + f"{W1},ann,Ann,couple\nW404,,,,bo,Bo,guest\n")
    assert main(["import", path, "--dry-run"]) == 1
    told = capsys.readouterr()
    assert "2 rows: 1 would be stored, 1 bad" in told.out
    assert "line 3: wedding_id: wedding 'W404' is not known yet" in told.err
    assert api.get("/v1/users")["items"] == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolons.csv", (HEAD + f"{W1},ann,Ann,couple\n").replace(",", ";")),
        ("tabs.csv", (HEAD + f"{W1},ann,Ann,couple\n").replace(",", "\t")),
        ("windows.csv", b"\xef\xbb\xbf" + (HEAD + f"{W1},ann,Ann,couple\n").replace("\n", "\r\n").encode()),
        ("no-newline-at-the-end.csv", HEAD + f"{W1},ann,Ann,couple"),
        (
            "x.jsonl",
            json.dumps(dict(zip(HEAD.strip().split(","), f"{W1},ann,Ann,couple".split(","), strict=True))) + "\n\n",
        ),
    ],
)
def test_files_as_programs_and_spreadsheets_write_them(
    api: Served, write: Callable[..., str], name: str, content: str | bytes
) -> None:
    assert main(["import", write(name, content)]) == 0
    assert api.get("/v1/weddings/W1")["starts_at"] == "2027-06-12T14:00:00Z"
    assert api.get("/v1/weddings/W1/team")["items"][0]["user_id"] == "ann"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", "wedding_id,nmae\n", "there is no column 'nmae'"),
        ("x.csv", "\n", "its first line must name wedding_id or user_id"),
        ("x.csv", "", "x.csv holds no rows"),
        ("x.csv", HEAD, "x.csv holds no rows"),
        ("x.ndjson", "", "x.ndjson holds no rows"),
        ("x.ndjson", "\n\n", "x.ndjson holds no rows"),
        ("x.xlsx", "", "neither .csv nor .ndjson"),
    ],
)
def test_a_file_that_makes_no_sense_is_a_usage_error(
    write: Callable[..., str], capsys: pytest.CaptureFixture[str], name: str, content: str, says: str, api: Served
) -> None:
    assert main(["import", write(name, content)]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert "stored already" not in told, "nothing was"


def test_a_quote_too_many_costs_its_own_row_alone(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{W1},ann,Ann,couple", 'W1,,,,bo,"Bo,guest', 'W1,,,,cy,"Cy" Lee,guest', 'W1,,,,di,5" Di,guest']
    rows += [f"W1,,,,g{number},Guest,guest" for number in range(50)]
    assert main(["import", write("x.csv", HEAD + "\n".join([*rows, 'W1,,,,ed,"Ed,guest']))]) == 1
    told = capsys.readouterr()
    assert told.err.splitlines() == [
        "line 3: opens a quote that is never closed",
        "line 4: is not CSV: ',' expected after '\"'",
        "line 56: opens a quote that is never closed",
    ]
    assert "55 rows: 52 stored, 3 bad" in told.out
    assert api.get("/v1/users/di")["name"] == '5" Di'


def test_two_quotes_too_many_do_not_take_what_stands_between_them(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{W1},ann,Ann,couple", 'W1,,,,bo,"Bo,guest', "W1,,,,cy,Cy,guest", 'W1,,,,di,Di",guest']
    rows += ['W1,,,,ed,"Ed', 'Long",guest', "W1,,,,flo,Flo,best man"]
    assert main(["import", write("x.csv", HEAD + "\n".join(rows))]) == 1
    told = capsys.readouterr()
    assert [line.partition(":")[0] for line in told.err.splitlines()] == ["line 3", "line 6", "line 8"]
    assert [user["id"] for user in api.get("/v1/users")["items"]] == ["ann", "cy", "di"]


@pytest.mark.parametrize("name", ["x.csv", "x.ndjson"])
def test_another_encoding_is_told_by_line(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    rows = {
        "x.csv": "user_id,name,role\nann,Ann,guest\nbo,B\xf6,guest\n",
        "x.ndjson": '\n{"user_id":"ann","name":"Ann","role":"guest"}\n{"user_id":"bo","name":"B\xf6","role":"guest"}',
    }
    assert main(["import", write(name, rows[name].encode("latin-1"))]) == 1
    assert capsys.readouterr().err == "line 3: is not UTF-8\n"
    assert [user["id"] for user in api.get("/v1/users")["items"]] == ["ann"]


@pytest.mark.parametrize("place", ["-", "/dev/stdin"])
def test_a_pipe_is_read(api: Served, place: str) -> None:
    content = HEAD + f"{W1},ann,Ann,couple\n"
    typed = [sys.executable, "-m", "carillon.cli", "import", place, "--format", "csv"]
    done = subprocess.run(typed, input=content, text=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [user["id"] for user in api.get("/v1/users")["items"]] == ["ann"]


def test_only_what_was_stored_is_counted(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("x.csv", HEAD + f"{W1},ann,Ann,couple\nW404,,,,bo,Bo,guest\nW1,,,,ed,Ed,best man\n")
    for typed in (["--dry-run"], []):
        assert main(["import", path, *typed]) == 1
        assert "1 weddings, 1 people" in capsys.readouterr().out
    assert main(["import", path, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["named"] == {"weddings": 1, "people": 1, "places": 1}


def test_who_comes_later_lives_where_the_wedding_is_too(api: Served, write: Callable[..., str]) -> None:
    assert main(["import", write("x.csv", HEAD + f"{W1},ann,Ann,couple\n")]) == 0
    assert main(["import", write("y.csv", "wedding_id,user_id,name,role\nW1,bo,Bo,guest\n,cy,Cy,guest\n")]) == 0
    zones = {user["id"]: user["time_zone"] for user in api.get("/v1/users")["items"]}
    assert zones == {"ann": "Europe/Lisbon", "bo": "Europe/Lisbon", "cy": "UTC"}


def test_a_missing_file_is_a_usage_error(api: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "/nowhere/x.csv"]) == 2
    assert "/nowhere/x.csv cannot be read: No such file or directory" in capsys.readouterr().err


def test_broken_lines_of_a_program_are_bad_rows(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        b'{"user_id": "ann", "name": "Ann", "role": "guest"}',
        b"[1]",
        b"{",
        b'{"user_id": "bo", "name": "B\xff", "role": "guest"}',
        b'{"user_id": "cy", "name": "C\\u0000", "role": "guest"}',
        b'{"user_id": ["di"]}',
    ]
    assert main(["import", write("x.ndjson", b"\n".join(lines)), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [bad["line"] for bad in told["bad"]] == [2, 3, 4, 5, 6]
    assert told["stored"] == 1


def test_a_large_import_is_cut_into_chunks_that_lean_on_each_other(
    api: Served, write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The wedding is described in the first row only, and the rows of later chunks still know it."""
    rows = [f"{W1},u0,Person 0,guest", *(f"W1,,,,u{number},Person {number},guest" for number in range(1, 10_000))]
    rows += ["W1,,,,u0,Another,guest"]
    assert main(["import", write("x.csv", HEAD + "\n".join(rows))]) == 1
    assert "line 10002: name: says 'Another', but line 2 said 'Person 0'" in capsys.readouterr().err
    row = api.database.one("SELECT count(*) AS people FROM wedding_team WHERE wedding_id = 'W1'")
    assert row == {"people": 10_000}


def test_an_import_without_a_system_says_where_it_looked(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("carillon.cli.client.time.sleep", lambda _: None)
    monkeypatch.setenv("CARILLON_TOKEN", "x")
    assert main(["--api", "http://127.0.0.1:1", "import", write("x.csv", HEAD + f"{W1},ann,Ann,couple\n")]) == 4
    assert "http://127.0.0.1:1 (from --api) does not answer" in capsys.readouterr().err
