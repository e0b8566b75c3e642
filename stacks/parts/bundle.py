"""Makes what a function runs on: a folder with the product's code, and one with the packages of requirements-layer.txt.

No Docker: uv fetches ready wheels for the function's architecture, whatever this machine's is. Both folders carry
bytecode, because a function cannot write any where it lives and would compile every module at every cold start: 0.3 s
of processor time (docs/adr/0014-packaging.md). Knows nothing of the CDK; `code.py` hands the folders to it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from uv import find_uv_bin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT: Final = Path(__file__).resolve().parent.parent.parent
REQUIREMENTS: Final = ROOT / "requirements-layer.txt"
PYTHON: Final = "3.13"
PLATFORMS: Final = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
"""uv's names; Lambda's Amazon Linux 2023 has glibc 2.34, and psycopg publishes no wheels for manylinux2014."""
PACKAGES: Final = ("carillon", "lambdas")
NOT_SHIPPED: Final = ("carillon/testing", "carillon/cli", "carillon/client")
"""Test doubles, and what runs on the user's machine."""
PRUNED: Final = (
    # Commands, type stubs, what an installer noted, bytecode of another place.
    *("bin", "**/__pycache__", "**/*.pyi", "**/py.typed", "**/tests"),
    *("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", ".lock"),
    # cryptography needs cffi's compiled back end alone, which lies beside its folder.
    *("cffi", "pycparser", "pycparser-*.dist-info"),
    # Of Powertools we use the logger and the metrics.
    "aws_lambda_powertools/event_handler",
    *(
        f"aws_lambda_powertools/utilities/{name}"
        for name in ("batch", "circuit_breaker", "data_classes", "data_masking", "feature_flags", "idempotency")
    ),
    *(
        f"aws_lambda_powertools/utilities/{name}"
        for name in ("kafka", "parameters", "parser", "streaming", "validation")
    ),
)
"""Not needed at run time. Licences and METADATA stay: the first are owed, the second tells a package its version."""


class PackagingError(Exception):
    """The functions' code or packages could not be put together; the message says what to do."""


def build_code(out: Path) -> None:
    """Put the product's code into `out`, which is there, with bytecode.

    Raises:
        PackagingError: there is no Python of the functions' version.
    """
    for path in code_files():
        target = out / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _compile(out, "/var/task")


def build_layer(out: Path, architecture: str) -> None:
    """Put the packages into `out`/python, with bytecode.

    Args:
        out: a folder that is there.
        architecture: `arm64` or `x86_64`.

    Raises:
        PackagingError: the registry does not answer or lacks a wheel, or there is no Python of the functions' version.
    """
    site = out / "python"
    _run(
        [
            *(find_uv_bin(), "pip", "install", "--quiet", "--target", str(site)),
            *("--python-platform", PLATFORMS[architecture], "--python-version", PYTHON),
            *("--only-binary", ":all:", "--no-deps", "--requirements", str(REQUIREMENTS)),
        ],
        "Every package of requirements-layer.txt must have a wheel for the functions' architecture and Python",
    )
    for pattern in PRUNED:
        for path in list(site.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _compile(site, "/opt/python")


def code_files() -> Iterator[Path]:
    """The files of the product that are shipped, in order."""
    hidden = tuple(ROOT / folder for folder in NOT_SHIPPED)
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if (
                path.is_file()
                and "__pycache__" not in path.parts
                and not any(path.is_relative_to(one) for one in hidden)
            ):
                yield path


def code_hash() -> str:
    """Tells one state of the code from another: the same files have the same hash in any folder of any machine."""
    return _hash(b"%s\0%s\0" % (path.relative_to(ROOT).as_posix().encode(), path.read_bytes()) for path in code_files())


def layer_hash(architecture: str) -> str:
    """Tells one set of packages from another: a published wheel never changes, so the pins say it all."""
    pins = re.findall(r"^[^#\s].*$", REQUIREMENTS.read_text(), re.MULTILINE)
    return _hash([PLATFORMS[architecture].encode(), *sorted(pin.encode() for pin in pins)])


def interpreter() -> str:
    """An interpreter whose bytecode the functions' runtime reads.

    Raises:
        PackagingError: there is none.
    """
    if sys.version_info[:2] == tuple(map(int, PYTHON.split("."))):
        return sys.executable
    remedy = (
        f"The functions run on Python {PYTHON}: install it (`uv python install {PYTHON}`) to compile their bytecode"
    )
    return _run([find_uv_bin(), "python", "find", PYTHON], remedy).strip()


def _hash(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for part in parts:
        digest.update(b"%d\0" % len(part) + part)
    return digest.hexdigest()


def _compile(folder: Path, lives_in: str) -> None:
    """Unchecked bytecode: a function's files never change, and their times are lost on the way."""
    _run(
        [
            *(interpreter(), "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", lives_in, str(folder)),
        ],
        f"A module does not compile with Python {PYTHON}",
    )


def _run(command: list[str], remedy: str) -> str:
    # A fixed seed: sets in bytecode are written in the order of their hashes.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - our own
    if done.returncode:
        raise PackagingError(f"{remedy}: {' '.join(command)} said\n{done.stdout}{done.stderr}")
    return done.stdout
