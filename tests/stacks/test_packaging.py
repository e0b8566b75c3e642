"""What is shipped to the functions: whole, small, the same from any machine, and quick to import."""

from __future__ import annotations

import marshal
import platform
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadtest.bench_cold import ARCHITECTURES, build, handlers, importing
from stacks.parts import bundle
from stacks.parts.code import Built
from tests.stacks.synthesised import resources, templates

if TYPE_CHECKING:
    from types import CodeType

SPARE_BYTES = 30_000_000
ELF_MACHINES = {"arm64": 183, "x86_64": 62}
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "us-east-1",
    "CARILLON_CALLBACK_ENDPOINT": "https://api.test/live",
    "CARILLON_DATABASE_URL": "postgresql://database.test/carillon",
    "CARILLON_JWKS_URL": "https://issuer.test/jwks",
    "CARILLON_TOKEN_ISSUER": "https://issuer.test",
    "CARILLON_VALKEY_URL": "valkey://cache.test",
}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The folders that a function has on its path, code first, as a deploy makes them for this machine."""
    return build(tmp_path_factory.mktemp("shipped"))


@pytest.fixture(scope="module")
def layers(shipped: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages by architecture."""
    here = ARCHITECTURES[platform.machine()]
    (other,) = ELF_MACHINES.keys() - {here}
    folder = tmp_path_factory.mktemp("other")
    bundle.build_layer(folder, other)
    return {here: Path(shipped[1]), other: folder / "python"}


def run_as_function(path: list[str], module: str, program: str = "") -> str:
    """What a fresh interpreter prints that imports a handler and sees no other folder; fails when it fails."""
    command = [bundle.interpreter(), "-I", "-S", "-B", "-W", "error", "-c", f"{importing(module, path)}\n{program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=SETTINGS)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("module", handlers())
def test_a_handler_finds_all_it_imports_in_code_and_layer(module: str, shipped: list[str]) -> None:
    assert run_as_function(shipped, module, f"print(callable({module}.handler))") == "True\n"


@pytest.mark.parametrize("module", ["lambdas.deliver", "lambdas.connect", "lambdas.frame"])
def test_the_hot_path_never_imports_boto3(module: str, shipped: list[str]) -> None:
    """Not even when its ports are built, as in a function's init phase; it alone costs more than all else together."""
    program = "from carillon import wiring; wiring.ports(); print([n for n in sys.modules if n.startswith('boto')])"
    assert run_as_function(shipped, module, program) == "[]\n"


def test_a_token_is_verified_with_the_packages_that_are_shipped(shipped: list[str]) -> None:
    """The package cryptography works without the parts of cffi that are left out."""
    program = (
        "import jwt\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        "key = ec.generate_private_key(ec.SECP256R1())\n"
        "token = jwt.encode({'sub': 'u1'}, key, algorithm='ES256')\n"
        "print(jwt.decode(token, key.public_key(), algorithms=['ES256'])['sub'])"
    )
    assert run_as_function(shipped, "lambdas.connect", program) == "u1\n"


@pytest.mark.parametrize("architecture", ELF_MACHINES)
def test_a_layer_is_for_its_architecture(architecture: str, layers: dict[str, Path]) -> None:
    libraries = list(layers[architecture].rglob("*.so*"))
    assert libraries
    for library in libraries:
        header = library.read_bytes()[:20]
        assert header[:4] == b"\x7fELF"
        assert struct.unpack_from("<H", header, 18) == (ELF_MACHINES[architecture],), library.name


@pytest.mark.parametrize("architecture", ELF_MACHINES)
def test_a_layer_holds_little_beside_native_libraries(architecture: str, layers: dict[str, Path]) -> None:
    files = [path for path in layers[architecture].rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files if ".so" not in path.name) < SPARE_BYTES
    names = {path.name for path in layers[architecture].iterdir()}
    assert not names & {"boto3", "botocore", "pydantic", "cffi", "pycparser", "bin"}
    assert not [path for path in files if path.suffix == ".pyi" or "tests" in path.parts]


def test_licences_stay(layers: dict[str, Path]) -> None:
    for layer in layers.values():
        for notes in layer.glob("*.dist-info"):
            assert [path for path in notes.rglob("*") if "LICENSE" in path.name.upper()], notes.name


def test_doubles_and_the_command_line_are_not_shipped(shipped: list[str]) -> None:
    rooms = {path.name for path in (Path(shipped[0]) / "carillon").iterdir()}
    assert not rooms & {"testing", "cli", "client"}
    assert (Path(shipped[0]) / "carillon" / "sql" / "migrations").is_dir()


def test_all_modules_come_with_bytecode_that_says_where_they_live(shipped: list[str]) -> None:
    """A function cannot write any; unchecked, because the files' times are lost on the way."""
    for folder, lives_in in zip(shipped, ("/var/task", "/opt/python"), strict=True):
        sources = list(Path(folder).rglob("*.py"))
        assert sources
        for source in sources:
            cached = (source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc").read_bytes()
            assert struct.unpack_from("<I", cached, 4) == (0b01,), f"{source}: not unchecked-hash"
            compiled: CodeType = marshal.loads(cached[16:])  # noqa: S302 - made a moment ago
            assert compiled.co_filename == f"{lives_in}/{source.relative_to(folder)}"


# The same files are the same asset


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is shipped, in a folder of another name, which `bundle` takes for the repository."""
    for package in bundle.PACKAGES:
        shutil.copytree(bundle.ROOT / package, tmp_path / package)
    monkeypatch.setattr(bundle, "ROOT", tmp_path)
    return tmp_path


def test_the_same_code_has_the_same_hash_in_another_folder(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = bundle.code_hash()
    (elsewhere / "lambdas" / "__pycache__").mkdir(exist_ok=True)
    (elsewhere / "lambdas" / "__pycache__" / "left.pyc").write_bytes(b"of another interpreter")
    (elsewhere / "carillon" / "testing" / "double.py").write_text("")
    assert bundle.code_hash() == there
    monkeypatch.undo()
    assert bundle.code_hash() == there


@pytest.mark.parametrize("change", ["edited", "renamed", "added"])
def test_any_change_of_the_code_is_another_hash(change: str, elsewhere: Path) -> None:
    before = bundle.code_hash()
    module = elsewhere / "lambdas" / "deliver.py"
    match change:
        case "edited":
            module.write_text(module.read_text() + "\n")
        case "renamed":
            module.rename(module.with_name("delivers.py"))
        case "added":
            (elsewhere / "carillon" / "sql" / "new.sql").write_text("")
    assert bundle.code_hash() != before


def test_the_layers_hash_is_its_pins_and_architecture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {architecture: bundle.layer_hash(architecture) for architecture in bundle.PLATFORMS}
    assert len(set(before.values())) == 2
    lines = bundle.REQUIREMENTS.read_text()
    monkeypatch.setattr(bundle, "REQUIREMENTS", tmp_path / "requirements-layer.txt")
    bundle.REQUIREMENTS.write_text(f"# another remark\n{lines}")
    assert bundle.layer_hash("arm64") == before["arm64"]
    bundle.REQUIREMENTS.write_text(lines.replace("orjson==", "orjson==1"))
    assert bundle.layer_hash("arm64") != before["arm64"]


def test_every_function_of_every_stack_has_the_one_code_asset() -> None:
    keys = [
        one["Properties"]["Code"].get("S3Key")
        for template in templates("dev").values()
        for one in resources(template, "AWS::Lambda::Function").values()
        if str(one["Properties"].get("Handler", "")).startswith("lambdas.")
    ]
    assert len(keys) > len(handlers()), "a consumer per lane has the same handler"
    assert len(set(keys)) == 1


def test_a_build_that_fails_says_so_instead_of_asking_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "REQUIREMENTS", tmp_path / "requirements-layer.txt")
    bundle.REQUIREMENTS.write_text(f"orjson @ {(tmp_path / 'gone.whl').as_uri()}\n")
    build_layer = Built(lambda out: bundle.build_layer(out, "arm64"))
    with pytest.raises(bundle.PackagingError, match=r"(?s)must have a wheel.*gone"):
        build_layer.try_bundle(str(tmp_path))
