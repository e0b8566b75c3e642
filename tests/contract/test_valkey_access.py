"""The product on a real Valkey with no more rights than the access string of the stacks, which ElastiCache enforces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from valkey import Valkey
from valkey.exceptions import NoPermissionError, ValkeyError

from carillon.adapters.connection_index import ValkeyConnectionIndex, ValkeyLimits
from carillon.adapters.governor import ValkeyGovernor
from carillon.adapters.valkey_client import connect
from carillon.config import CallbackSettings
from carillon.model import Connection, Lane
from local import ports
from local.processes import Child
from local.valkey import find_binary
from stacks.parts.valkey import ACCESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def cluster(store_folder: Path) -> Iterator[str]:
    """The URL of a cluster of one node."""
    port, bus = ports.any_free(), ports.any_free()
    options = ["--bind", ports.HOST, "--port", str(port), "--cluster-port", str(bus), "--cluster-enabled", "yes"]
    options += ["--dir", str(store_folder), "--save", "", "--cluster-config-file", f"nodes-{port}.conf"]
    child = Child("Valkey", [find_binary(None), *options], log_path=store_folder / "cluster.log")
    with Valkey(host=ports.HOST, port=port) as admin:
        child.wait_ready(lambda: _answers(admin), timeout_s=20)
        admin.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        child.wait_ready(lambda: admin.execute_command("CLUSTER INFO")["cluster_state"] == "ok", timeout_s=20)
    yield f"valkey://{ports.HOST}:{port}/0"
    child.stop()


def _answers(admin: Valkey) -> bool:
    try:
        return bool(admin.ping())
    except ValkeyError:
        return False


@pytest.fixture(params=["node", "cluster"])
def client(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Logged in as a user with exactly those rights."""
    clustered = request.param == "cluster"
    url = request.getfixturevalue("cluster" if clustered else "valkey")
    with Valkey.from_url(url) as admin:
        admin.flushall()
        admin.execute_command("ACL", "SETUSER", "app", *ACCESS.split(), ">token")
        made = connect(url.replace("valkey://", "valkey://app:token@"), cluster=clustered, timeout_s=2)
        yield made
        made.close()
        admin.execute_command("ACL", "DELUSER", "app")


def test_the_index_is_built_read_and_changed(client: Any) -> None:
    anna, bob = Connection("c1", "anna"), Connection("c2", "bob")
    index = ValkeyConnectionIndex(client, lambda: [anna])
    assert index.lookup(["anna"]) is None
    assert index.lookup(["anna"]) == [anna]
    index.add(bob)
    assert index.lookup(["bob"]) == [bob]
    index.remove([bob])
    assert index.lookup(["bob"]) == []


def test_limits_and_the_budget_are_kept(client: Any) -> None:
    limits = ValkeyLimits(client)
    assert [limits.allow("connect", "anna", 1, 60) for _ in range(2)] == [True, False]
    settings = CallbackSettings(endpoint="http://x", rate=10, burst=10)
    first, second = (ValkeyGovernor(client, settings).rate(Lane.NORMAL) for _ in range(2))
    assert (first.lease(8).granted, second.lease(8).granted) == (8, 0), "both draw from the one budget in Valkey"


@pytest.mark.parametrize(
    "command", ["KEYS *", "FLUSHALL", "CONFIG GET *", "ACL LIST", "SCAN 0", "GET other:key", "SUBSCRIBE x"]
)
def test_nothing_else_is_allowed(client: Any, command: str) -> None:
    with pytest.raises(NoPermissionError):
        client.execute_command(*command.split())
