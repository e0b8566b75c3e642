"""The architecture's picture shows what the templates say, and is drawn anew when they change."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from carillon.model import Lane
from carillon.policy.lanes import LANES, MAX_RECEIVES
from stacks import stage as stages
from stacks.command_line import ROOT
from stacks.extract import extract
from stacks.picture import STAGE, Node, arrows, draw, nodes
from tests.stacks.synthesised import whole

PICTURE = ROOT / "docs" / "images" / "architecture.svg"


def boxes() -> dict[str, tuple[str, ...]]:
    return {node.name: node.lines for node in nodes(whole(STAGE))}


def test_the_committed_picture_is_what_the_templates_say() -> None:
    drawn = draw(nodes(whole(STAGE)), arrows(extract(whole(STAGE))))
    assert drawn == PICTURE.read_text(), "draw it anew with `make docs`"


def test_numbers_in_it_are_those_of_the_stage_and_the_lanes() -> None:
    shown, stage = boxes(), stages.STAGES[STAGE]
    assert f"{stage.min_tasks} to {stage.max_tasks} Fargate tasks" in shown["api"]
    assert f"{1 + stage.readers} instances" in shown["postgres"]
    assert f"{stage.cache_shards} shards, {stage.cache_replicas} replica each" in shown["valkey"]
    for lane in Lane:
        assert f"hidden {LANES[lane].visibility_s} s" in shown[lane.word]
        assert f"{MAX_RECEIVES} receives" in shown[lane.word]


def test_every_arrow_leads_from_a_box_to_a_box() -> None:
    shown = set(boxes())
    assert {end for pair in arrows(extract(whole(STAGE))) for end in pair} <= shown


def test_it_is_well_formed_and_no_text_leaves_its_box() -> None:
    ET.fromstring(PICTURE.read_text())  # noqa: S314 - our own file
    longest = max(len(line) for lines in boxes().values() for line in lines)
    assert longest <= 30, "at 13 px a letter takes 6 of the box's 184"


def test_what_is_written_in_a_box_is_escaped() -> None:
    assert "A &amp; B" in draw([Node("one", 0, ("A & B",))], [])
    assert len(re.findall(r'class="s"', draw([Node("one", 0, ("a", "b", "c"))], []))) == 2
