"""What the pinned emulator lacks for our templates is in the tables of shims, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from local.deploy import shims
from local.deploy.place import context
from local.emulator import Cloud

if TYPE_CHECKING:
    from pathlib import Path

# Before the CDK is imported: its validator costs 6 s a synth and runs in `make synth`.
os.environ.setdefault("CDK_VALIDATION", "false")
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

KNOWN = """
import json
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS
print(json.dumps(sorted(_RESOURCE_HANDLERS)))
"""
TRY = """
import json, sys
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS
resource = json.load(sys.stdin)
try:
    _RESOURCE_HANDLERS[resource["Type"]]["create"]("Name", resource["Properties"], "stack")
except ValueError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Every resource of the templates that `make deploy-local` deploys."""
    from tests.stacks.synthesised import templates  # noqa: PLC0415 - the CDK costs a second, and other tests nothing

    cloud = Cloud(tmp_path_factory.mktemp("cloud"), port=1)
    overrides = context(cloud=cloud, database_url="postgresql://db/x", valkey_url="valkey://v/0", jwks_url="file:///k")
    made = templates(overrides.pop("stage"), **overrides)
    return [resource for template in made.values() for resource in template["Resources"].values()]


@pytest.fixture(scope="module")
def types(resources: list[dict[str, Any]]) -> set[str]:
    return {one["Type"] for one in resources}


def in_emulator(python: Path, program: str, given: str = "") -> str:
    done = subprocess.run([python, "-c", program], input=given, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def provisioned(emulator_python: Path) -> set[str]:
    """The types that the emulator's CloudFormation makes itself."""
    return set(json.loads(in_emulator(emulator_python, KNOWN)))


def test_types_that_the_emulator_lacks_are_shimmed_and_no_others(types: set[str], provisioned: set[str]) -> None:
    lacking = {kind for kind in types - provisioned if not kind.startswith("Custom::")}
    tables = {*shims.SHIMS, *shims.MADE}
    to_do = {"put into the tables": sorted(lacking - tables), "take out": sorted(tables - lacking)}
    assert to_do == {"put into the tables": [], "take out": []}


def test_custom_resources_of_the_library_are_shimmed_and_ours_run(types: set[str]) -> None:
    custom = {kind for kind in types if kind.startswith("Custom::")}
    assert sorted(custom - set(shims.CUSTOM_SHIMS)) == ["Custom::CarillonMigration"]
    assert set(shims.CUSTOM_SHIMS) <= custom


@pytest.mark.parametrize(("kind", "name"), shims.PROPERTY_SHIMS)
def test_properties_that_are_shimmed_are_used_and_refused_by_the_emulator(
    kind: str, name: str, resources: list[dict[str, Any]], emulator_python: Path
) -> None:
    used = [one for one in resources if one["Type"] == kind and name in one["Properties"]]
    assert used, f"no template has a {kind} with {name} any more"
    assert name in in_emulator(emulator_python, TRY, json.dumps(used[0]))
