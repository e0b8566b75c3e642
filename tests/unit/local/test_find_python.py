"""The script that picks a Python, with interpreters that only pretend."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "find-python"


class Machine:
    """A machine whose only Pythons are the given ones."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {"HOME": str(root / "home"), "PATH": f"{root / 'bin'}:{root / 'more bin'}"}
        (root / "bin").mkdir(parents=True)
        for tool in ("sh", "ls", "sort"):
            (root / "bin" / tool).symlink_to(f"/bin/{tool}" if Path(f"/bin/{tool}").exists() else f"/usr/bin/{tool}")

    def add(self, place: str, version: str) -> Path:
        """A Python at `place` that runs and says it is `version`."""
        return self._script(place, f'echo "{version} $0"')

    def add_shim(self, place: str) -> Path:
        """A Python that is found but does not run, as a shim for a version that is not selected."""
        return self._script(place, "echo 'pyenv: not found' >&2; exit 127")

    def _script(self, place: str, body: str) -> Path:
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def find(self, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *options], env=self.env | env, capture_output=True, text=True, timeout=20, check=False
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "a machine")


def test_the_newest_wins_and_is_told(machine: Machine) -> None:
    machine.add("bin/python3.11", "3.11")
    newest = machine.add("more bin/python3.13", "3.13")
    found = machine.find()
    assert (found.returncode, found.stdout.strip()) == (0, str(newest))
    assert "Using Python 3.13" in found.stderr


def test_the_oldest_on_demand(machine: Machine) -> None:
    oldest = machine.add("bin/python3.11", "3.11")
    machine.add("bin/python3.13", "3.13")
    assert machine.find("--oldest").stdout.strip() == str(oldest)


def test_a_shim_that_fails_is_skipped(machine: Machine) -> None:
    machine.add_shim("bin/python3.13")
    real = machine.add("more bin/python3.12", "3.12")
    assert machine.find().stdout.strip() == str(real)


def test_a_plain_python3_of_the_right_version_is_taken(machine: Machine) -> None:
    machine.add("bin/python3", "3.9")
    real = machine.add("more bin/python3", "3.12")
    assert machine.find().stdout.strip() == str(real)


@pytest.mark.parametrize(
    "place",
    ["home/.pyenv/versions/3.13.1/bin/python", "home/.local/share/uv/python/cpython-3.13.1-linux/bin/python3"],
)
def test_versions_of_pyenv_and_uv_are_found(machine: Machine, place: str) -> None:
    machine.add_shim("bin/python3.13")
    real = machine.add(place, "3.13")
    assert machine.find().stdout.strip() == str(real)


def test_pyenv_elsewhere_is_found(machine: Machine) -> None:
    real = machine.add("py env/versions/3.12.4/bin/python", "3.12")
    assert machine.find(PYENV_ROOT=str(machine.root / "py env")).stdout.strip() == str(real)


def test_the_users_choice_is_taken_or_refused(machine: Machine) -> None:
    machine.add("bin/python3.13", "3.13")
    chosen = machine.add("mine/python", "3.12")
    assert machine.find(CARILLON_PYTHON=str(chosen)).stdout.strip() == str(chosen)
    old = machine.add("mine/old", "3.8")
    refused = machine.find(CARILLON_PYTHON=str(old))
    assert refused.returncode == 78
    assert "CARILLON_PYTHON" in refused.stderr


def test_without_any_it_says_what_to_do(machine: Machine) -> None:
    machine.add("bin/python3", "3.10")
    found = machine.find()
    assert (found.returncode, found.stdout) == (78, "")
    assert "pyenv install 3.13" in found.stderr


def test_the_interpreter_found_here_runs() -> None:
    found = subprocess.run([SCRIPT], env=dict(os.environ), capture_output=True, text=True, timeout=60, check=True)
    told = subprocess.run([found.stdout.strip(), "--version"], capture_output=True, text=True, timeout=10, check=True)
    assert told.stdout.split()[1].rsplit(".", 1)[0] in {"3.11", "3.12", "3.13"}
