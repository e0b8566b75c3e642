"""Children: readiness with a deadline, reasons from their logs, a stop that is sure."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

import pytest

from local.errors import NotReadyError
from local.processes import LARGEST_LOG_BYTES, Child, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """A function that starts a Python program as a child."""
    children: list[Child] = []

    def start_child(program: str, name: str = "a child") -> Child:
        child = Child(name, [sys.executable, "-c", program], log_path=tmp_path / "logs" / f"{name}.log")
        children.append(child)
        return child

    yield start_child
    for child in children:
        child.stop(signal.SIGKILL)


def test_it_is_ready_when_its_condition_holds(start: Callable[..., Child]) -> None:
    child = start("import time; print('up', flush=True); time.sleep(60)")
    child.wait_ready(lambda: child.output() == "up", timeout_s=10)
    assert child.alive


def test_one_that_ends_at_its_start_is_told_with_its_last_words(start: Callable[..., Child]) -> None:
    child = start("import sys; sys.exit('no database here')")
    with pytest.raises(NotReadyError, match=r"a child ended with 1 at its start(.|\n)*no database here"):
        child.wait_ready(lambda: False, timeout_s=10)


def test_only_the_words_of_this_start_are_told(start: Callable[..., Child]) -> None:
    first = start("print('of the first start')")
    wait_until(lambda: not first.alive, timeout_s=10, what="the end of the first")
    second = start("print('of the second')")
    wait_until(lambda: not second.alive, timeout_s=10, what="the end of the second")
    assert second.output() == "of the second"


def test_one_that_does_not_become_ready_is_given_up(start: Callable[..., Child]) -> None:
    child = start("import time; time.sleep(60)")
    with pytest.raises(NotReadyError, match=r"not ready after 0\.05 s"):
        child.wait_ready(lambda: False, timeout_s=0.05)


def test_one_that_does_not_stop_is_killed_with_all_it_started(start: Callable[..., Child]) -> None:
    child = start(
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(other.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    child.wait_ready(lambda: bool(child.output()), timeout_s=10)
    grandchild = int(child.output())
    child.stop(timeout_s=0.05)
    assert child.exit_status == -signal.SIGKILL
    wait_until(lambda: gone(grandchild), timeout_s=10, what="the end of what it started")


def gone(pid: int) -> bool:
    """Whether a process has ended, be it that nobody has reaped it yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    child = Child("nothing", [tmp_path / "nothing"], log_path=tmp_path / "nothing.log")
    with pytest.raises(NotReadyError, match="No such file"):
        child.wait_ready(lambda: False, timeout_s=10)


def test_a_log_grown_large_is_put_aside(tmp_path: Path, start: Callable[..., Child]) -> None:
    log = tmp_path / "logs" / "talker.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (LARGEST_LOG_BYTES + 1))
    child = start("print('short')", name="talker")
    wait_until(lambda: not child.alive, timeout_s=10, what="its end")
    assert log.read_text() == "short\n"
    assert log.with_suffix(".log.old").stat().st_size > LARGEST_LOG_BYTES


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(NotReadyError, match=r"waited 0\.01 s for the bells, in vain"):
        wait_until(lambda: False, timeout_s=0.01, what="the bells")
