"""The HTTP API of the deployed task definition, as a process: the emulator keeps tasks on paper alone."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carillon.protocol.web import READY
from local import ports
from local.deploy.cdk import DeployError, credentials
from local.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.deploy.place import Place

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Task:
    """What a container of the deployed service is started with."""

    command: list[str]
    environment: dict[str, str]


def deployed_task(place: Place) -> Task:
    """The task definition that the deployed service runs.

    Raises:
        DeployError: there is not exactly one service, or its container names no command.
    """
    ecs = place.client("ecs")
    services = [
        service for cluster in ecs.list_clusters()["clusterArns"]
        for arn in ecs.list_services(cluster=cluster)["serviceArns"]
        for service in ecs.describe_services(cluster=cluster, services=[arn])["services"]
    ]  # fmt: skip
    if len(services) != 1:
        raise DeployError(f"one service is expected, {len(services)} are deployed")
    definition = ecs.describe_task_definition(taskDefinition=services[0]["taskDefinition"])["taskDefinition"]
    container = next(one for one in definition["containerDefinitions"] if one.get("essential", True))
    if not container.get("command"):
        raise DeployError(f"the container {container['name']} has no command of its own")
    return Task(
        [*container.get("entryPoint", []), *container["command"]],
        {one["name"]: one["value"] for one in container.get("environment", [])},
    )


def argv(task: Task, port: int) -> list[str]:
    """The task's command for this machine: this Python, a free port, nobody but us at the other end."""
    if task.command[:3] != ["python", "-m", "api"]:
        raise DeployError(f"the task's command {task.command} is not `python -m api`, which is what runs here")
    return [sys.executable, *task.command[1:], "--host", ports.HOST, "--port", str(port), "--grace", "2"]


@contextlib.contextmanager
def serving(place: Place, folder: Path, *, timeout_s: float) -> Iterator[str]:
    """Run the service until the end; answers its URL once it is ready."""
    task, port = deployed_task(place), ports.any_free()
    basic = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    # The task's role and metadata are what AWS adds to a task's environment; here it is the emulated cloud's address.
    environment = basic | credentials(place.cloud.endpoint) | {"PYTHONUNBUFFERED": "1"} | task.environment
    program = Program(
        "the HTTP API",
        argv(task, port),
        env=lambda: environment,
        log_path=folder / "api.log",
        ready=lambda _child: is_ready(port),
    )
    try:
        program.start(timeout_s=timeout_s)
        yield f"http://{ports.HOST}:{port}"
    finally:
        program.stop()


def is_ready(port: int) -> bool:
    """Whether the API says it can do its work."""
    connection = http.client.HTTPConnection(ports.HOST, port, timeout=5)
    try:
        connection.request("GET", READY)
        answer = connection.getresponse()
        return answer.status == http.client.OK and bool(json.loads(answer.read()))
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
