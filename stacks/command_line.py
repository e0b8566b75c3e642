"""What the CDK command line hands to the app: cdk.json's context, and `-c key=value` before it.

For our own commands about a stage, which have to mean the same stage as `cdk deploy` does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from carillon.errors import ConfigError
from stacks import stage as stages

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
WITHOUT_BUNDLING: Final[Mapping[str, Any]] = {"aws:cdk:bundling-stacks": []}
"""The layer is built when it is deployed, and by its own test; its content changes no template."""


def context(stage: str | None = None, pairs: Iterable[str] = ()) -> dict[str, Any]:
    """All context values.

    Args:
        stage: what `-c stage=` says, if anything.
        pairs: the other `-c`, as `key=value`.
    """
    kept: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    given = dict(pair.partition("=")[::2] for pair in pairs)
    return kept | given | ({"stage": stage} if stage else {})


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let a command take `--stage` and the CDK's own `-c`."""
    parser.add_argument("--stage", required=True)
    parser.add_argument("-c", "--context", action="append", default=[], metavar="KEY=VALUE", help="as for the CDK")


def stage_of(arguments: argparse.Namespace) -> stages.Stage:
    """The stage that the options mean.

    Raises:
        ConfigError: it is unknown, or a value is not possible.
    """
    if any(pair.startswith("stage=") for pair in arguments.context):
        raise ConfigError("name the stage once: make ... STAGE=prod, or --stage prod, without -c stage=")
    given = context(arguments.stage, arguments.context)
    stages.check_names(given)
    return stages.read(given.get)
