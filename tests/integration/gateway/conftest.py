"""Fixtures of the gateway's tests."""

from pathlib import Path

import pytest

from tests.integration.gateway.harness import Records


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """What the recording stubs saw."""
    return Records(tmp_path / "events.jsonl")
