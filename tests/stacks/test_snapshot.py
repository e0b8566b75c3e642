"""Nothing in prod's templates changes unseen: each is kept in `snapshots/`, with hashes of content made equal.

python -m tests.stacks.test_snapshot      # writes them anew, for the change to be read and committed
"""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.stacks.synthesised import templates

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER: Final = Path(__file__).with_name("snapshots")
STAGE: Final = "prod"
SHOWN: Final = 40
_CONTENT: Final = re.compile(r"\b[0-9a-f]{64}\b|(?<=CurrentVersion)[0-9A-F]{8}[0-9a-f]{32}|\b[0-9a-f]{32}\b")


def normal(template: Mapping[str, Any]) -> str:
    """A template as text: sorted, without what depends on the content of code and assets."""
    kept = {key: value for key, value in template.items() if key not in {"Parameters", "Rules"}}
    return _CONTENT.sub("HASH", json.dumps(kept, indent=1, sort_keys=True)) + "\n"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def test_every_stack_has_its_snapshot() -> None:
    assert names() == sorted(templates(STAGE))


@pytest.mark.parametrize("stack", names())
def test_a_template_is_as_it_was_last_read(stack: str) -> None:
    was, now = (FOLDER / f"{stack}.json").read_text(), normal(templates(STAGE)[stack])
    changes = list(difflib.unified_diff(was.splitlines(), now.splitlines(), "committed", "now", lineterm="", n=1))
    told = "\n".join(changes[:SHOWN])
    assert not changes, f"{told}\nIf it is meant: python -m tests.stacks.test_snapshot, and commit what it writes"


def test_hashes_of_content_do_not_show() -> None:
    first, second = ("a" * 64, "b" * 64)
    assert normal({"Key": f"{first}.zip"}) == normal({"Key": f"{second}.zip"})
    assert normal({"Timeout": 15}) != normal({"Timeout": 16})


def write() -> None:
    """Write all snapshots anew."""
    FOLDER.mkdir(exist_ok=True)
    made = templates(STAGE)
    for gone in set(names()) - set(made):
        (FOLDER / f"{gone}.json").unlink()
    for stack, template in made.items():
        (FOLDER / f"{stack}.json").write_text(normal(template))


if __name__ == "__main__":
    write()
