"""Ports: free ones, the last run's, and an error that names what to set."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from local import ports
from local.errors import PortTakenError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_free_port_can_be_listened_on() -> None:
    port = ports.any_free()
    with socket.create_server((ports.HOST, port)):
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_the_last_runs_port_is_taken_again_while_it_is_free(tmp_path: Path) -> None:
    note = tmp_path / "port"
    first = ports.for_server(0, note)
    assert ports.for_server(0, note) == first
    with socket.create_server((ports.HOST, first)):
        assert ports.for_server(0, note) != first


def test_a_note_that_cannot_be_read_is_written_anew(tmp_path: Path) -> None:
    note = tmp_path / "port"
    note.write_text("what port?")
    assert ports.for_server(0, note) == int(note.read_text())


def test_a_restarted_server_waits_until_its_port_is_left(tmp_path: Path) -> None:
    port = ports.any_free()
    holder = socket.create_server((ports.HOST, port))
    leaving = threading.Timer(0.05, holder.close)
    leaving.start()
    assert ports.for_server(port, tmp_path / "port") == port
    assert ports.is_free(port)
    leaving.join()


def test_a_taken_port_names_its_variable() -> None:
    with (
        socket.create_server((ports.HOST, 0)) as taken,
        pytest.raises(PortTakenError, match="set CARILLON_API_PORT to a free port"),
    ):
        ports.require(taken.getsockname()[1], "CARILLON_API_PORT")
