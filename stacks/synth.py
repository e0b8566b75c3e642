"""Synthesises every stage with all checks on: the CDK's own template validation, cdk-nag, cfn-lint.

    python -m stacks.synth [--out build/cdk]

Each variant's templates are left in a folder of their own under `--out`. Ends with status 1 when a check finds
anything. The variants are the three stages, and prod in two Regions with a domain.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from stacks import stage as stages
from stacks.command_line import ROOT, WITHOUT_BUNDLING, context
from stacks.compose import compose

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOMAIN: Final = {"domain": "ring.example.org", "hosted_zone_id": "Z0EXAMPLE", "hosted_zone_name": "example.org"}
VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    "dev": {"stage": "dev"},
    "staging": {"stage": "staging"},
    "prod": {"stage": "prod"},
    "prod-two-regions": {"stage": "prod", "regions": "us-east-1,eu-west-1", **_DOMAIN},
}


def synthesise(overrides: Mapping[str, str], out: Path) -> None:
    """Make the templates of one variant in `out`, looked at by cdk-nag and the CDK's own validation.

    Args:
        overrides: what `-c` would say.
        out: folder for the cloud assembly.

    Raises:
        RuntimeError: a check found something, which is printed.
    """
    app = cdk.App(outdir=str(out), context={**context(), **WITHOUT_BUNDLING, **overrides})
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    compose(app, stages.read(app.node.try_get_context))
    app.synth()


def _lint(templates: list[Path], folder: Path) -> bool:
    """Whether cfn-lint finds nothing in copies that say `Fn::ImportValue` for `Fn::GetStackOutput`.

    It does not know yet that the newer function may stand wherever the older one may.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for template in templates:
        copy = folder / f"{template.parent.name}-{template.name}"
        copy.write_text(json.dumps(_with_imports(json.loads(template.read_text()))))
        copies.append(copy)
    program = Path(sys.executable).with_name("cfn-lint")
    command: list[str | Path] = [program, "--ignore-checks", *_IGNORED, "--", *copies]
    return subprocess.run(command, check=False, cwd=ROOT).returncode == 0  # noqa: S603 - ours


_IGNORED: Final = ("W3005",)
"""W3005 calls a dependency superfluous that a reference implies too; the CDK writes both."""


def _with_imports(value: Any) -> Any:
    match value:
        case {"Fn::GetStackOutput": {"StackName": stack, "OutputName": output, **_rest}}:
            return {"Fn::ImportValue": f"{stack}:{output}"}
        case dict():
            return {key: _with_imports(one) for key, one in value.items()}
        case list():
            return [_with_imports(one) for one in value]
    return value


def main() -> int:
    """Make and check all variants."""
    parser = argparse.ArgumentParser(prog="python -m stacks.synth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "cdk", help="where the templates go")
    out = parser.parse_args().out
    templates: list[Path] = []
    clean = True
    for name, overrides in VARIANTS.items():
        started = time.monotonic()
        try:
            synthesise(overrides, out / name)
        except RuntimeError as error:
            if "ValidationFailed" not in str(error):
                raise
            clean = False  # the CDK has printed what it found
        templates += sorted((out / name).glob("*.template.json"))
        _say(f"{name}: synthesised and checked in {time.monotonic() - started:.0f} s")
    _say(f"cfn-lint: {len(templates)} templates")
    return 0 if _lint(templates, out / "lint") and clean else 1


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
