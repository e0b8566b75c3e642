"""The local run's settings: defaults, and errors that name the variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.errors import EX_CONFIG, SettingError
from local.settings import LocalSettings, optional_path, read


def test_defaults_are_the_documented_ones() -> None:
    settings = read({})
    assert (settings.api_port, settings.ws_port, settings.callback_port) == (8080, 8081, 8082)
    assert settings.folder == Path.cwd() / ".carillon"
    assert [settings.workers(lane) for lane in ("critical", "high", "normal", "low")] == [2, 1, 2, 1]
    assert settings.gateway_workers == 3


def test_the_environment_is_read() -> None:
    settings = read({"CARILLON_API_PORT": "9000", "CARILLON_DATA_DIR": "/srv/my data", "CARILLON_POSTGRES_BIN": "/pg"})
    assert settings.api_port == 9000
    assert settings.folder == Path("/srv/my data")
    assert optional_path(settings.postgres_bin) == Path("/pg")
    assert optional_path(settings.valkey_bin) is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CARILLON_API_PORT", "eighty"),
        ("CARILLON_WS_PORT", "70000"),
        ("CARILLON_CALLBACK_PORT", "-1"),
        ("CARILLON_LOCAL_CRITICAL_WORKERS", "0"),
        ("CARILLON_POSTGRES_FSYNC", "perhaps"),
    ],
)
def test_a_wrong_value_names_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=variable) as caught:
        read({variable: value})
    assert caught.value.exit_status == EX_CONFIG


def test_two_doors_on_one_port_are_refused() -> None:
    with pytest.raises(SettingError, match="CARILLON_WS_PORT and CARILLON_API_PORT are both 9000"):
        read({"CARILLON_API_PORT": "9000", "CARILLON_WS_PORT": "9000"})


def test_any_number_of_doors_may_take_a_free_port() -> None:
    assert LocalSettings(api_port=0, ws_port=0, callback_port=0).api_port == 0
