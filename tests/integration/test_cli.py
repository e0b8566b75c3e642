"""The command line against a running API, as the tour in the README uses it."""

from __future__ import annotations

import io
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import APIRouter, Body

from carillon.cli import main
from carillon.config import CapacitySettings
from tests.integration.served import ALL, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.served import Served

ROWS = [
    {"wedding_id": "W1", "wedding_name": "Ann & Bo", "starts_at": "2027-06-12T14:00Z", "wedding_time_zone": "UTC"},
    {"wedding_id": "W1", "user_id": "ann", "name": "Ann Lee", "role": "couple"},
    {"wedding_id": "W1", "user_id": "gus", "name": "Gus", "role": "guest"},
]
CAPACITY = CapacitySettings(season="channels", min_acu=4.0, max_acu=64.0)
"""At rest its database carries any month of that season, so that only weddings change it."""


def _issuer() -> APIRouter:
    router = APIRouter()

    @router.post("/dev/token")
    def token(wanted: Annotated[dict[str, Any], Body()]) -> dict[str, str]:
        return {"token": f"{wanted['sub']}|{' '.join(wanted['scopes'])}|{wanted.get('supplier_id') or ''}"}

    return router


@pytest.fixture(scope="module")
def server(postgres: str) -> Iterator[Served]:
    with serve(postgres, routers=[_issuer()], capacity=CAPACITY, websocket_url="ws://127.0.0.1:1/local") as served:
        yield served


@pytest.fixture
def api(server: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    server.empty()
    server.call("POST", "/v1/import", content="\n".join(map(json.dumps, ROWS)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARILLON_API_URL", server.url)
    monkeypatch.delenv("CARILLON_TOKEN", raising=False)
    return server


Run = "Callable[..., tuple[int, str, str]]"


@pytest.fixture
def run(api: Served, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def run(*typed: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(typed)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return code, told.out, told.err

    return run


def test_send_status_cancel(api: Served, run: Run) -> None:
    code, out, _ = run("send", "--wedding", "W1", "--priority", "critical", "--name", "timeline.shifted",
                       "--data", '{"ceremony":"15:30"}', "--escalate-after", "60")  # fmt: skip
    assert code == 0
    broadcast = out.split()[1]
    api.consume()
    code, out, _ = run("status", broadcast, "--unacked")
    assert code == 0
    assert "timeline.shifted (critical): processed" in out
    assert "2 have not acked" in out
    assert "sent 1 times, 2 people are left" in out
    assert re.search(r"^ann +Ann Lee +couple +queued", out, re.MULTILINE)
    told = json.loads(run("status", broadcast, "--unacked", "--json")[1])
    assert [row["user_id"] for row in told["unacked_deliveries"]] == ["ann", "gus"]
    assert run("cancel", broadcast) == (0, f"canceled {broadcast}\n", "")
    assert "canceled" in run("status", broadcast)[1]
    assert json.loads(run("cancel", broadcast, "--json")[1])["state"] == "canceled"


@pytest.mark.parametrize(
    ("typed", "audience"),
    [
        (["--wedding", "W1"], {"type": "wedding", "wedding_id": "W1"}),
        (["--wedding", "W1", "--role", "guest"], {"type": "role", "wedding_id": "W1", "role": "guest"}),
        (["--user", "gus", "--user", "ann", "--user", "gus"], {"type": "users", "user_ids": ["gus", "ann"]}),
        (["--segment", "s"], {"type": "segment", "segment_id": "s"}),
        (["--everyone"], {"type": "everyone"}),
    ],
)
def test_every_audience_can_be_typed(run: Run, typed: list[str], audience: dict[str, Any]) -> None:
    assert run("segments", "--put", "s", "--role", "guest", "--tier", "free", "--status", "planned")[0] == 0
    code, out, _ = run("send", *typed, "--name", "x", "--send-at", "2h", "--expires-at", "1d", "--json")
    assert (code, json.loads(out)["audience"]) == (0, audience)
    assert json.loads(run("broadcasts", "--json")[1])[0]["audience"] == audience
    assert audience["type"] in run("broadcasts")[1]
    of_wedding = json.loads(run("broadcasts", "--wedding", "W1", "--json")[1])
    assert len(of_wedding) == ("wedding_id" in audience)


def test_data_comes_from_a_file_or_the_input(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data.json").write_text('{"from": "file"}', encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO('{"from": "input"}'))
    for place, told in (("@data.json", "file"), ("@-", "input")):
        out = run("send", "--everyone", "--name", "x", "--data", place, "--json")[1]
        assert json.loads(out)["data"] == {"from": told}


def test_a_key_makes_one_broadcast_of_two_commands(run: Run) -> None:
    typed = ("send", "--everyone", "--name", "x", "--idempotency-key", "k1")
    assert run(*typed)[1] == run(*typed)[1]
    code, _, err = run(*typed, "--priority", "high")
    assert code == 3
    assert "idempotency.conflict" in err
    assert "new --idempotency-key" in err


def test_send_waits_until_everybody_acked(api: Served, run: Run) -> None:
    assert run("send", "--everyone", "--name", "x", "--wait", "0.1")[0] == 1
    api.consume()
    api.database.all("UPDATE deliveries SET status = 4")
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            api.consume()
            api.database.all("UPDATE deliveries SET status = 4")

    worker = threading.Thread(target=work)
    worker.start()
    try:
        code, out, _ = run("send", "--everyone", "--name", "x", "--wait")
    finally:
        stop.set()
        worker.join()
    assert code == 0
    assert "0 have not acked" in out


def test_a_preview_sends_nothing(run: Run) -> None:
    code, out, _ = run("send", "--wedding", "W1", "--name", "x", "--preview")
    assert (code, out.splitlines()[1].split()) == (0, ["2", "2", "0", "0", "0"])
    assert json.loads(run("send", "--wedding", "W1", "--name", "x", "--preview", "--json")[1])["expected"] == 2
    assert json.loads(run("broadcasts", "--json")[1]) == []


def test_what_is_refused_says_why(run: Run) -> None:
    code, _, err = run("send", "--wedding", "W404", "--name", "x")
    assert code == 3
    assert "audience.unknown" in err
    assert "carillon weddings" in err
    code, out, err = run("send", "--wedding", "a b", "--name", "Bad Name", "--json")
    assert code == 3
    assert {one["pointer"] for one in json.loads(out)["error"]["errors"]} == {"/audience/wedding_id", "/name"}
    assert "/name: " in err
    assert run("status", "../users/ann")[0] == 3
    assert run("weddings", "W404")[0] == 3


def test_lists(run: Run) -> None:
    assert re.search(r"^W1 +Ann & Bo +2027-06-12T14:00:00Z", run("weddings")[1], re.MULTILINE)
    assert re.search(r"^gus +Gus +guest", run("weddings", "W1")[1], re.MULTILINE)
    assert len(json.loads(run("weddings", "W1", "--json")[1])["team"]) == 2
    assert [user["id"] for user in json.loads(run("users", "--query", "lee", "--json")[1])] == ["ann"]
    code, out, err = run("users", "--limit", "1")
    assert (code, len(out.splitlines()), err) == (0, 2, "1 shown; --limit 0 shows all\n")
    assert len(run("users", "--limit", "0")[1].splitlines()) == 3
    assert run("segments")[0] == 0


def test_preferences_are_changed_one_by_one(run: Run) -> None:
    assert "22:00-08:00 off" in run("preferences", "get", "ann")[1]
    assert "23:00-07:00 on" in run("preferences", "set", "ann", "--quiet", "23:00-07:00")[1]
    told = json.loads(run("preferences", "set", "ann", "--kinds", "wedding,system", "--channels", "none", "--json")[1])
    assert told["kinds"] == ["system", "wedding"]
    assert told["channels"] == []
    assert told["quiet_hours"] == {"enabled": True, "start": "23:00", "end": "07:00"}
    assert "off" in run("preferences", "set", "ann", "--quiet", "off", "--critical-only", "yes")[1]
    assert json.loads(run("preferences", "get", "ann", "--json")[1])["critical_only"] is True
    assert run("preferences", "set", "ann", "--kinds", "party")[0] == 2
    assert run("preferences", "set", "ann", "--quiet", "25:00-07:00")[0] == 3


def test_an_inbox_is_shown_in_pages(api: Served, run: Run) -> None:
    for number in range(205):
        api.call("POST", "/v1/broadcasts", {"audience": {"type": "users", "user_ids": ["ann"]}, "name": f"n{number}"})
    api.consume()
    assert len(json.loads(run("inbox", "ann", "--json", "--limit", "0")[1])) == 205
    assert len(run("inbox", "ann", "--from-start", "--limit", "3")[1].splitlines()) == 4


def test_verify_finds_a_theft(api: Served, run: Run) -> None:
    run("send", "--wedding", "W1", "--name", "x")
    code, out, _ = run("verify", "--wait", "0.1")
    assert (code, "pending 1" in out) == (1, True), "what is under way is not yet right"
    api.consume()
    code, out, _ = run("verify", "--since", "1h")
    assert (code, out.splitlines()[-1]) == (0, "clean")
    api.database.all("DELETE FROM deliveries WHERE user_id = 'ann'")
    code, out, _ = run("verify")
    assert code == 1
    assert "lost 1" in out
    assert "ann" in out
    assert json.loads(run("verify", "--json")[1])["clean"] is False


def test_a_token_for_anything_else(run: Run) -> None:
    assert run("token", "--user", "ann", "--no-scopes")[1] == "ann||\n"
    assert run("token", "--scope", "ops:read", "--supplier", "flowers")[1] == "carillon-cli|ops:read|flowers\n"
    assert json.loads(run("token", "--json")[1])["token"] == f"carillon-cli|{ALL}|"


def test_a_token_of_one_s_own_is_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_TOKEN", "ann||")
    code, _, err = run("weddings")
    assert code == 3
    assert "scope.missing" in err
    monkeypatch.setenv("CARILLON_TOKEN", "nonsense")
    assert "token.invalid" in run("weddings")[2]


def test_a_system_without_a_development_issuer_says_so(
    run: Run, fresh_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(fresh_postgres) as production:
        monkeypatch.setenv("CARILLON_API_URL", production.url)
        code, _, err = run("token")
        assert code == 3
        assert "export CARILLON_TOKEN=$(carillon token --sign-in)" in err


def test_a_person_is_erased_only_when_it_is_meant(run: Run) -> None:
    assert run("erase", "ann")[0] == 2
    assert run("erase", "ann", "--yes") == (0, "ann is erased\n", "")
    assert [user["id"] for user in json.loads(run("users", "--json")[1])] == ["gus"]


def test_an_outage_is_tried_again_and_then_told(api: Served, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("carillon.cli.client.time.sleep", pauses.append)
    api.tokens.away = True
    code, _, err = run("send", "--everyone", "--name", "x")
    assert code == 4
    assert "outage" in err
    assert pauses == [5.0, 5.0, 5.0], "as Retry-After asked"


def test_capacity_shows_what_a_wedding_changes_and_explains_it(api: Served, run: Run) -> None:
    begins = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=12)
    body = {"name": "Big", "starts_at": begins.isoformat(), "time_zone": "UTC", "guests": 100_000}
    assert api.call("PUT", "/v1/weddings/BIG", body).status_code == 201
    code, out, _ = run("capacity")
    assert code == 0
    raised, lowered = (begins + timedelta(hours=hours, minutes=15) for hours in (-2.5, 6))
    assert f"{raised:%a %m-%d %H:%M}  BIG begins at {begins:%H:%M} UTC" in out
    assert f"{lowered:%a %m-%d %H:%M}  nobody of BIG is left at" in out
    assert "database.least_acu 4 -> " in out
    assert "BIG" not in run("capacity", "--hours", "1")[1]
    code, out, _ = run("capacity", "--explain", "BIG")
    assert (code, "it asks for up to 10,000 connections" in out) == (0, True)
    assert json.loads(run("capacity", "--explain", "BIG", "--json")[1])["guests"] == 100_000


def test_a_wedding_that_nobody_knows_is_refused_with_its_id(api: Served, run: Run) -> None:
    code, out, err = run("capacity", "--explain", "nobody")
    assert (code, out) == (3, "")
    assert "not_found: there is no wedding 'nobody'" in err


def test_forecast_has_a_line_for_every_day_of_the_month(api: Served, run: Run) -> None:
    code, out, _ = run("forecast", "--month", "2027-06")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "June 2027, days of UTC, season channels"
    days = [line for line in lines if re.match(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d ", line)]
    assert len(days) == 30
    assert [line.split()[:3] for line in days if line.split()[2] != "0"] == [["Sat", "12", "1"]]
    assert json.loads(run("forecast", "--month", "2027-06", "--json")[1])["totals"]["weddings"] == 1
