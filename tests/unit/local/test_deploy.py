"""The parts of a deploy on this machine, each without the others: no cloud, no CDK."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import signal
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from carillon.rows import Sheet
from local.data_dir import DataDir
from local.deploy import cdk, repairs, service, shims, smoke
from local.deploy.__main__ import main
from local.deploy.cdk import Cdk, DeployError
from local.deploy.inventory import Inventory
from local.deploy.place import require_runtime
from local.deploy.report import Report
from local.deploy.smoke import Smoke
from local.deploy.steps import Steps
from local.errors import EX_CONFIG, MissingBinaryError, NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDPOINT = "http://127.0.0.1:1"


# steps


def test_a_step_is_told_with_its_time_when_it_succeeds_and_when_it_fails() -> None:
    said: list[str] = []
    steps = Steps(60, said.append)
    with steps.step("good"):
        pass
    with pytest.raises(ValueError, match="broken"), steps.step("bad"):
        raise ValueError("broken")
    assert set(steps.seconds) == {"good", "bad"}
    assert "good: done" in said[0]
    assert "bad: FAILED" in said[1]


def test_no_step_begins_when_the_time_is_over() -> None:
    with pytest.raises(NotReadyError, match="longer than its 0 s"):
        _ = Steps(0, lambda _: None).left_s


# the command line


def command_line(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> Cdk:
    """A CDK whose program is some Python lines."""
    path = folder / "cdk"
    path.write_text(f"#!{sys.executable}\n{program}")
    path.chmod(0o755)
    monkeypatch.setattr(cdk, "PROGRAM", path)
    return Cdk(folder, endpoint=ENDPOINT, context={"stage": "dev"})


def test_nothing_leads_the_command_line_to_the_real_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "CDK_DEFAULT_ACCOUNT", "CARILLON_DATABASE_URL"):
        monkeypatch.setenv(name, "the user's own")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("NO_PROXY", "example.org")
    environment = Cdk(tmp_path, endpoint=ENDPOINT, context={}).environment()
    assert "the user's own" not in environment.values()
    assert environment["AWS_ACCESS_KEY_ID"] == cdk.ACCESS_KEY
    assert environment["AWS_ENDPOINT_URL"] == ENDPOINT
    assert environment["NO_PROXY"] == "example.org,127.0.0.1"
    assert environment["CDK_HOME"].startswith(str(tmp_path))


def test_a_command_gets_all_context_and_never_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import json, pathlib, sys\npathlib.Path(__file__).with_name('argv').write_text(json.dumps(sys.argv[1:]))"
    command_line(tmp_path, monkeypatch, program).deploy(timeout_s=30)
    argv = json.loads((tmp_path / "argv").read_text())
    assert argv[:4] == ["deploy", "--all", "--require-approval", "never"]
    assert argv[-2:] == ["-c", "stage=dev"]


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match=r"`cdk diff` ended with 1\.(.|\n)*differences"):
        command_line(tmp_path, monkeypatch, "print('differences'); raise SystemExit(1)").diff(timeout_s=30)


def test_a_command_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import os, pathlib, time\npathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))\n"
    hanging = command_line(tmp_path, monkeypatch, f"{program}time.sleep(600)")
    with pytest.raises(DeployError, match="`cdk destroy` to end"):
        hanging.destroy(timeout_s=1)
    pid = (tmp_path / "pid").read_text()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


# the run


def test_a_folder_in_use_is_told_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["deploy", "--folder", str(tmp_path)])
    before = signal.getsignal(signal.SIGTERM)
    held = DataDir(tmp_path)
    try:
        assert main() == EX_CONFIG
    finally:
        held.release()
        signal.signal(signal.SIGTERM, before)
    assert "local.already_running: another run uses" in capsys.readouterr().err


def test_the_emulators_python_must_be_the_functions(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 3.9\n")
    python.chmod(0o755)
    with pytest.raises(MissingBinaryError, match=r"is 3\.9"):
        require_runtime(python)


# the service


def test_the_tasks_own_command_runs_on_a_port_of_its_own() -> None:
    argv = service.argv(service.Task(["python", "-m", "api", "--host", "0.0.0.0"], {}), 12_345)  # noqa: S104
    assert argv[:4] == [sys.executable, "-m", "api", "--host"]
    assert argv[-4:-2] == ["--port", "12345"]
    assert argv.index("127.0.0.1") > argv.index("0.0.0.0")  # noqa: S104 - the last one counts


def test_a_task_that_runs_something_else_is_refused() -> None:
    with pytest.raises(DeployError, match="uvicorn"):
        service.argv(service.Task(["uvicorn", "api.main:app"], {}), 12_345)


class Ecs:
    """A cluster with one service, as far as it is asked."""

    def __init__(self, container: dict[str, Any], services: int = 1) -> None:
        self._container = container
        self._services = services

    def list_clusters(self) -> Any:
        return {"clusterArns": ["cluster"]}

    def list_services(self, *, cluster: str) -> Any:
        return {"serviceArns": [f"{cluster}/{number}" for number in range(self._services)]}

    def describe_services(self, *, cluster: str, services: list[str]) -> Any:
        del cluster
        return {"services": [{"taskDefinition": f"task of {name}"} for name in services]}

    def describe_task_definition(self, *, taskDefinition: str) -> Any:  # noqa: N803 - boto3's name
        assert taskDefinition == "task of cluster/0"
        return {"taskDefinition": {"containerDefinitions": [self._container]}}


def deployed(ecs: Ecs) -> Any:
    return service.deployed_task(SimpleNamespace(client=lambda _: ecs))  # type: ignore[arg-type]


def test_command_and_environment_are_the_deployed_tasks() -> None:
    environment = [{"name": "CARILLON_RELAY", "value": "true"}]
    task = deployed(Ecs({"name": "api", "command": ["python", "-m", "api"], "environment": environment}))
    assert task == service.Task(["python", "-m", "api"], {"CARILLON_RELAY": "true"})


@pytest.mark.parametrize(
    ("ecs", "reason"),
    [(Ecs({"name": "api"}), "no command"), (Ecs({}, services=0), "one service"), (Ecs({}, services=2), "one service")],
)
def test_a_service_that_cannot_be_run_is_told(ecs: Ecs, reason: str) -> None:
    with pytest.raises(DeployError, match=reason):
        deployed(ecs)


# shims


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The parts of the emulator that shims and repairs touch, empty."""
    modules = {
        "ministack.services.cloudformation.provisioners": SimpleNamespace(
            _RESOURCE_HANDLERS={kind: {"create": refuse, "delete": refuse} for kind, _ in shims.PROPERTY_SHIMS}
        ),
        "ministack.services.apigateway": SimpleNamespace(_create_route_response=make_route_response),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return SimpleNamespace(handlers=modules["ministack.services.cloudformation.provisioners"]._RESOURCE_HANDLERS)


def make_route_response(api_id: str, route_id: str, _data: Any) -> tuple[int, Any, bytes]:
    return 201, {}, json.dumps({"routeResponseId": f"{api_id}.{route_id}"}).encode()


def refuse(*_arguments: Any) -> Any:
    raise ValueError("the emulator's own")


def test_every_shim_answers_what_templates_ask(emulator: SimpleNamespace) -> None:
    shims.install("000000000000", "us-east-1")
    for kind in shims.KINDS:
        ref, attributes = emulator.handlers[kind]["create"]("Name", {}, "stack")
        assert "Name" in ref or kind == "AWS::EC2::EIP"
        assert all(value and "{" not in value for value in (ref, *attributes.values()))
        emulator.handlers[kind]["delete"](ref, {})


def test_a_type_is_made_but_not_with_a_shimmed_property(emulator: SimpleNamespace) -> None:
    shims.install("000000000000", "us-east-1")
    for kind, name in shims.PROPERTY_SHIMS:
        made = emulator.handlers[kind]
        assert made["create"]("Name", {name: []}, "stack")[0] == "stack-Name"
        made["delete"]("stack-Name", {name: []})
        with pytest.raises(ValueError, match="own"):
            made["create"]("Name", {}, "stack")
        with pytest.raises(ValueError, match="own"):
            made["delete"]("Name", {})


def test_a_route_response_is_made_at_the_route(emulator: SimpleNamespace) -> None:
    shims.install("000000000000", "us-east-1")
    create = emulator.handlers["AWS::ApiGatewayV2::RouteResponse"]["create"]
    properties = {"ApiId": "api", "RouteId": "api/route", "RouteResponseKey": "$default"}
    assert create("Name", properties, "stack") == ("api.route", {})


def test_a_shim_for_what_the_emulator_has_by_now_is_refused(emulator: SimpleNamespace) -> None:
    emulator.handlers["AWS::EC2::EIP"] = {}
    with pytest.raises(RuntimeError, match=r"AWS::EC2::EIP.*out of the tables"):
        shims.install("000000000000", "us-east-1")


# repairs


def gateway(answer: Any, *, answering_routes: tuple[str, ...] = ()) -> Any:
    """An API Gateway whose every route answers the same; a socket is accepted after `$connect`."""

    async def invoke(*_arguments: Any, **_options: Any) -> Any:
        return answer

    async def handle(_scope: Any, _receive: Any, send: Any, api_id: str) -> None:
        await made._invoke_ws_lambda(api_id, "account", "region", {"routeId": "c", "routeKey": "$connect"})
        await send({"type": "websocket.accept"})

    made = SimpleNamespace(
        _invoke_ws_lambda=invoke,
        handle_websocket=handle,
        _route_responses={"api": {route: {"x": {}} for route in answering_routes}},
    )
    return made


def accepted(made: Any) -> dict[str, Any]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(made.handle_websocket({}, receive, send, "api"))
    return sent[0]


@pytest.mark.parametrize(
    ("answer", "accept"),
    [
        ({"statusCode": 200, "headers": {"sec-websocket-protocol": "v1"}}, {"subprotocol": "v1"}),
        ({"statusCode": 200}, {}),
        (None, {}),
    ],
)
def test_the_upgrade_is_answered_with_the_functions_subprotocol(answer: Any, accept: dict[str, Any]) -> None:
    made = gateway(answer)
    repairs.answer_subprotocol(made)
    assert accepted(made) == {"type": "websocket.accept", **accept}


def test_a_route_without_a_response_answers_nothing() -> None:
    made = gateway({"statusCode": 200, "body": "said"}, answering_routes=("frame",))
    repairs.answer_on_wanting_routes(made)

    def body(route: str) -> Any:
        return asyncio.run(made._invoke_ws_lambda("api", "account", "region", {"routeId": route})).get("body")

    assert [body("frame"), body("disconnect")] == ["said", None]


def test_the_api_gets_the_id_that_its_address_was_made_with() -> None:
    seen: list[Any] = []
    handlers = {"AWS::ApiGatewayV2::Api": {"create": lambda *arguments: seen.append(arguments)}}
    repairs.know_the_api(handlers, "ca411100")
    handlers["AWS::ApiGatewayV2::Api"]["create"]("Api", {"Name": "a", "Tags": {"t": "1"}}, "stack")
    assert seen == [("Api", {"Name": "a", "Tags": {"t": "1", "ms-custom-id": "ca411100"}}, "stack")]


@pytest.mark.parametrize(
    ("event", "result", "told"),
    [
        ({"ResponseURL": "http://h/cfn-response/t1"}, {"error": True, "body": "no such module"}, ["t1"]),
        ({"ResponseURL": "http://h/cfn-response/t1"}, {"body": {}}, []),
        ({"Records": []}, {"error": True, "body": "x"}, []),
    ],
)
def test_a_custom_resource_fails_with_its_function(event: Any, result: Any, told: list[str]) -> None:
    lambdas = SimpleNamespace(_execute_function_with_config_scope=lambda _record, _event: result)
    delivered: dict[str, Any] = {}
    repairs.report_failed_functions(lambdas, SimpleNamespace(deliver_response=delivered.__setitem__))
    assert lambdas._execute_function_with_config_scope({}, event) == result
    assert list(delivered) == told
    assert all(answer["Status"] == "FAILED" and result["body"] in answer["Reason"] for answer in delivered.values())


def test_a_custom_resource_is_waited_for_a_minute_whatever_it_asks() -> None:
    asked: list[Any] = []
    custom = SimpleNamespace(invoke_custom_resource=lambda *arguments: asked.append(arguments[2]))
    repairs.bound_custom_resources(custom)
    custom.invoke_custom_resource("Create", "Name", {"ServiceTimeout": 960, "Phase": "pre"})
    assert asked == [{"ServiceTimeout": 60, "Phase": "pre"}]


def test_a_serverless_template_is_taken_without_its_transform() -> None:
    modules: dict[str, Any] = {}
    repairs.take_serverless(modules)
    transform: Callable[..., Any] = modules["samtranslator.translator.transform"].transform
    assert transform({"Transform": "AWS::Serverless-2016-10-31", "Resources": {"A": 1}}, {}, None) == {
        "Resources": {"A": 1}
    }


# the broadcasts


def test_the_wedding_is_one_that_the_import_takes() -> None:
    sheet = Sheet()
    taken = [sheet.add(number, json.loads(line)) for number, line in enumerate(smoke.rows().split(b"\n"), start=1)]
    assert len(taken) == len(smoke.TEAM)


# the report


def test_the_report_says_what_was_deployed_and_how_long_it_took() -> None:
    inventory = Inventory({"carillon-dev-queues": 17}, {"AWS::SQS::Queue": 8, "AWS::EC2::EIP": 9}, {"AWS::EC2::EIP": 9})
    seen = Smoke(connected=2.5, received={"critical": 0.063}, verified=0.1, totals={"delivered": 3})
    report = Report(inventory, ["0001.sql"], seen, {"cdk deploy": 20.0}, 71.0)
    document = json.loads(report.as_json())
    assert document["smoke"] == dataclasses.asdict(seen)
    assert document["shimmed"] == {"AWS::EC2::EIP": 9}
    text = report.as_text()
    for part in ("1 stacks, 17 resources of 2 types", "9 resources of 1 types: EC2::EIP", "critical 63 ms", "71 s"):
        assert part in text
