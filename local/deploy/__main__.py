"""Deploys all of it into an emulated AWS on this machine, sends a broadcast through it, and takes it down again.

    python -m local.deploy [--within 180] [--folder build/deploy-local] [--json PATH] [--keep]

The CDK command line, the templates, the functions, the queues' event sources, the WebSocket API, PostgreSQL and Valkey
are real; `local/deploy/shims.py` lists what is not. Needs Node.js 20, and what `make setup` installs.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from local import settings
from local.data_dir import DataDir
from local.deploy.cdk import ROOT
from local.deploy.rehearsal import Rehearsal
from local.errors import AlreadyRunningError, DataDirError, LocalError

if TYPE_CHECKING:
    from local.deploy.report import Report

FOLDER = ROOT / "build" / "deploy-local"
WITHIN_S = 180.0


def main() -> int:
    """Run it; 0 when everything held, else the error's status, with all logs kept."""
    parser = argparse.ArgumentParser(prog="python -m local.deploy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--within", type=float, default=WITHIN_S, metavar="S", help="the whole run's time (180)")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, metavar="PATH", help="for data, logs and report (build/deploy-local)"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the report there as well")
    parser.add_argument("--keep", action="store_true", help="keep logs and templates of a good run too")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    try:
        data_dir = DataDir(chosen.folder.absolute())
    except AlreadyRunningError:
        return _fail(AlreadyRunningError(f"another run uses {chosen.folder}: wait, or name another --folder"))
    except DataDirError:
        return _fail(DataDirError(f"{chosen.folder} cannot be written, or is not ours: name another --folder"))
    try:
        report = _rehearse(data_dir, within_s=chosen.within, keep=chosen.keep)
    except LocalError as error:
        return _fail(error)
    finally:
        data_dir.release()
    for path in filter(None, (data_dir.folder / "report.json", chosen.json)):
        path.write_text(report.as_json())
    _say(report.as_text())
    return 0


def _rehearse(data_dir: DataDir, *, within_s: float, keep: bool) -> Report:
    data_dir.wipe()
    rehearsal = Rehearsal(data_dir.folder, settings.read(), within_s=within_s, say=_say)
    try:
        report = rehearsal.run()
    except BaseException:
        _say(f"the logs are in {data_dir.folder}")
        raise
    finally:
        _slim(data_dir.folder)
    if not keep:
        data_dir.wipe()
    return report


def _slim(folder: Path) -> None:
    """Leave logs and templates, not the data, the key and what functions and command line unpacked."""
    for pattern in ("emulator/ministack-*", "postgres/data*", "postgres/password", "issuer", "valkey/dump.rdb", "tmp"):
        for path in folder.glob(pattern):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _say(line: str) -> None:
    print(line, flush=True)


def _fail(error: LocalError) -> int:
    print(f"{error.code}: {error}", file=sys.stderr)
    return error.exit_status


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(143)  # 128 + SIGTERM; everything that was started is stopped on the way out


if __name__ == "__main__":
    sys.exit(main())
