"""The reference pages say what the code says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from carillon.cli import main
from carillon.errors import every_error

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[3]


def test_the_pages_in_the_repository_have_not_drifted() -> None:
    assert main(["docs", "--check", "--root", str(ROOT)]) == 0, "run `carillon docs --write`"
    named = ["--settings", "local.settings:LocalSettings"]
    assert main(["docs", "--check", "--root", str(ROOT), *named]) == 0, "to name them changes nothing"


def test_a_page_that_drifted_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 1
    assert main(["docs", "--write", "--root", str(tmp_path)]) == 0
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 0
    page = tmp_path / "docs" / "ERRORS.md"
    page.write_text(page.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["docs", "--check", "--root", str(tmp_path)]) == 1
    assert "ERRORS.md differs from the code" in capsys.readouterr().err


def test_every_error_and_setting_is_on_its_page() -> None:
    errors = (ROOT / "docs" / "ERRORS.md").read_text(encoding="utf-8")
    assert all(f"`{error.code}`" in errors for error in every_error() if error.__module__ == "carillon.errors")
    config = (ROOT / "docs" / "CONFIG.md").read_text(encoding="utf-8")
    assert "`CARILLON_DATABASE_URL` | text | required" in config
    assert "`CARILLON_API_PORT`" in config


def test_settings_that_are_not_there_are_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    for place in ("nowhere:Nothing", "carillon.names:NAMESPACE", "x"):
        assert main(["docs", "--check", "--settings", place]) == 2
        assert f"--settings {place!r}" in capsys.readouterr().err
