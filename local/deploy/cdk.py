"""The CDK command line of package.json, pointed at the emulated cloud and at nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from local.emulator import ACCOUNT, REGION
from local.errors import LocalError, MissingBinaryError, NotReadyError
from local.ports import HOST
from local.processes import Child, wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / "node_modules" / ".bin" / "cdk"
ACCESS_KEY = "CARILLONDEPLOYLOCAL"
"""The command line remembers which account a key belongs to: a real one must not be taken for the emulated account."""
INSTALL_S = 120.0
NOT_OURS = re.compile(r"(AWS|CDK|CARILLON)_")
QUIET = ("--no-color", "--no-notices", "--no-version-reporting", "--ci")


class DeployError(LocalError):
    """A command of the CDK failed; the message holds the end of what it said."""

    code = "local.deploy"


def credentials(endpoint: str) -> dict[str, str]:
    """The environment by which any AWS client talks to the emulated cloud at `endpoint`, as nobody."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Whatever profile the user has, its endpoints and roles are for the real AWS.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


class Cdk:
    """The command line.

    Args:
        folder: for its caches, the assembly and the log `cdk.log`.
        endpoint: of the emulated cloud.
        context: what is given with `-c`.
    """

    def __init__(self, folder: Path, *, endpoint: str, context: Mapping[str, str]) -> None:
        self.folder = folder
        self.log_path = folder / "cdk.log"
        self._endpoint = endpoint
        self._context = [part for name, value in context.items() for part in ("-c", f"{name}={value}")]

    def install(self, *, timeout_s: float) -> None:
        """Install the pinned version where it is not there yet (`npm ci`).

        Raises:
            MissingBinaryError: there is no npm.
            DeployError: npm failed.
        """
        if _installed() == _pinned():
            return
        npm = shutil.which("npm")
        if npm is None:
            raise MissingBinaryError("the CDK needs Node.js 20 or newer, and npm is not on the PATH.")
        self._finish([npm, "ci", "--no-audit", "--no-fund"], timeout_s=min(timeout_s, INSTALL_S))

    def bootstrap(self, *, timeout_s: float) -> None:
        """Make what every deploy to an account needs: the bucket for assets, the roles."""
        argv: list[str | Path] = [PROGRAM, "bootstrap", f"aws://{ACCOUNT}/{REGION}", *QUIET]
        # Where there is no cdk.json: it would synthesise our stacks, which it does not need.
        self._finish(argv, timeout_s=timeout_s, cwd=self.folder)

    def deploy(self, *, timeout_s: float) -> None:
        """Synthesise and deploy all stacks."""
        self._run("deploy", "--all", "--require-approval", "never", "--concurrency", "4", timeout_s=timeout_s)

    def diff(self, *, timeout_s: float) -> None:
        """Synthesise anew, and fail on any difference to what is deployed."""
        self._run("diff", "--fail", timeout_s=timeout_s)

    def destroy(self, *, timeout_s: float) -> None:
        """Delete all stacks, by the templates that were synthesised last."""
        assembly = self.folder / "cdk.out"
        self._finish([PROGRAM, "destroy", "--all", "--force", "--app", assembly, *QUIET], timeout_s=timeout_s)

    def _run(self, command: str, *options: str, timeout_s: float) -> None:
        output = ["--output", str(self.folder / "cdk.out")]
        self._finish([PROGRAM, command, *options, *output, *QUIET, *self._context], timeout_s=timeout_s)

    def _finish(self, argv: list[str | Path], *, timeout_s: float, cwd: Path = ROOT) -> None:
        name = " ".join(map(str, ("cdk" if argv[0] == PROGRAM else "npm", argv[1])))
        child = Child(name, argv, log_path=self.log_path, env=self.environment(), cwd=cwd)
        try:
            wait_until(
                lambda: not child.alive, timeout_s=timeout_s, what=f"`{name}` to end; its log is {self.log_path}"
            )
        except NotReadyError as error:
            raise DeployError(f"{error}\n{child.output()}") from error
        finally:
            child.stop()
        if child.exit_status:
            raise DeployError(f"`{name}` ended with {child.exit_status}. {self.log_path} ends with:\n{child.output()}")

    def environment(self) -> dict[str, str]:
        """Of the command line: the user's own, without whatever could lead it to the real AWS."""
        kept = {name: value for name, value in os.environ.items() if not NOT_OURS.match(name)}
        temporary = self.folder / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        without_proxy = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), HOST)))
        return kept | credentials(self._endpoint) | {
            "CDK_HOME": str(self.folder / "cdk-home"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            # The templates are validated by `make synth`; here the emulator takes or refuses them.
            "CDK_VALIDATION": "false",
            "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
            "NO_PROXY": without_proxy,
            "no_proxy": without_proxy,
            "TMPDIR": str(temporary),
        }  # fmt: skip


def _pinned() -> str:
    return str(json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"])


def _installed() -> str:
    path = ROOT / "node_modules" / "aws-cdk" / "package.json"
    return str(json.loads(path.read_text())["version"]) if PROGRAM.exists() and path.exists() else ""
