"""The data folder is ours alone, held by one run, and nothing else is ever wiped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.data_dir import DataDir
from local.errors import AlreadyRunningError, DataDirError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_run_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    first = DataDir(tmp_path / "data")
    with pytest.raises(AlreadyRunningError, match="CARILLON_DATA_DIR"):
        DataDir(tmp_path / "data")
    first.release()
    DataDir(tmp_path / "data").release()


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("my life's work")
    with pytest.raises(DataDirError, match="did not make"):
        DataDir(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(DataDirError, match="CARILLON_DATA_DIR"):
        DataDir(tmp_path / "data")


def test_wiping_removes_the_data_and_keeps_the_hold(tmp_path: Path) -> None:
    held = DataDir(tmp_path / "data")
    (held.folder / "postgres").mkdir()
    (held.folder / "postgres" / "rows").write_text("x")
    (held.folder / "run.json").write_text("{}")
    held.wipe()
    assert not (held.folder / "postgres").exists()
    assert not (held.folder / "run.json").exists()
    with pytest.raises(AlreadyRunningError):
        DataDir(tmp_path / "data")
    held.release()


def test_wiping_does_not_follow_links_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    held = DataDir(tmp_path / "data")
    (held.folder / "link").symlink_to(outside)
    held.wipe()
    assert (outside / "precious").exists()
    held.release()
