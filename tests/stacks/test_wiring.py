"""The local run is wired as the stacks say: the committed extract is theirs, and what breaks there breaks here."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from carillon.model import Lane
from carillon.policy.lanes import LANES
from local import wiring
from local.product import mapping_of, sockets_environment
from stacks.extract import extract
from stacks.places import Templates
from tests.stacks.synthesised import templates, whole

EXTRACTED_FROM = "dev"


def test_the_committed_extract_is_what_the_templates_say() -> None:
    assert extract(whole(EXTRACTED_FROM)) == json.loads(wiring.FILE.read_text()), "write it anew with `make docs`"


def test_stages_differ_in_sizes_not_in_wiring() -> None:
    dev, prod = extract(whole("dev")), extract(whole("prod"))
    assert {key: route.get("handler") for key, route in dev["routes"].items()} == {
        key: route.get("handler") for key, route in prod["routes"].items()
    }
    assert dev["queues"] == prod["queues"]
    assert set(dev["service"]["environment"]) == set(prod["service"]["environment"])


def test_every_lane_has_its_queue_its_dead_letters_and_who_works_them_off() -> None:
    wired = wiring.wiring()
    for lane, policy in LANES.items():
        assert wired.queues[lane.word]["VisibilityTimeout"] == policy.visibility_s
    sources = {source.queue: source for source in wired.sources}
    assert set(sources) == set(wired.queues)
    assert {mapping_of(queue) for queue in sources} == {*Lane.words(), "dead-letters"}
    assert all(source.partial and source.batch_size == 10 for source in sources.values())


def broken(kind: str, **properties: Any) -> Templates:
    """The stage's templates without the resources of that type that have those properties."""
    kept = copy.deepcopy(templates(EXTRACTED_FROM))
    for template in kept.values():
        template["Resources"] = {
            name: one
            for name, one in template.get("Resources", {}).items()
            if one["Type"] != kind or any(one["Properties"].get(key) != value for key, value in properties.items())
        }
    return Templates({f"carillon-{EXTRACTED_FROM}-{name}": one for name, one in kept.items()})


def test_a_mapping_that_is_gone_from_the_stack_leaves_its_lane_without_a_consumer() -> None:
    found = whole(EXTRACTED_FROM)
    place = next(
        mapping for mapping in found.of("AWS::Lambda::EventSourceMapping").values() if "HighLane" in str(mapping)
    )
    raw = next(
        one["Properties"]["EventSourceArn"]
        for template in templates(EXTRACTED_FROM).values()
        for one in template["Resources"].values()
        if one["Type"] == "AWS::Lambda::EventSourceMapping"
        and found.text(one["Properties"]["EventSourceArn"]) == found.text(place["EventSourceArn"])
    )
    without = extract(broken("AWS::Lambda::EventSourceMapping", EventSourceArn=raw))
    assert {one["queue"] for one in without["mappings"]} == set(without["queues"]) - {"high"}


def test_a_setting_that_only_the_stack_knows_stops_the_local_run_by_name() -> None:
    wired = wiring.from_document(json.loads(wiring.FILE.read_text()))
    here = {name: "here" for one in wired.sockets for name in one.environment}
    wired.sockets[0].environment["CARILLON_NEW_PLACE"] = None
    with pytest.raises(wiring.WiringError, match="CARILLON_NEW_PLACE"):
        wiring.environment([one.environment for one in wired.sockets], here)


def test_a_door_is_told_what_its_template_tells_it_and_no_more() -> None:
    here = {name: f"here:{name}" for one in wiring.wiring().sockets for name in one.environment}
    told = sockets_environment(here | {"CARILLON_SECRET_OF_ANOTHER_DOOR": "x"})
    assert told == here


def test_functions_in_one_process_must_be_told_the_same() -> None:
    with pytest.raises(wiring.WiringError, match="CARILLON_X"):
        wiring.environment([{"CARILLON_X": "1"}, {"CARILLON_X": "2"}], {})


def test_an_extract_that_lacks_something_says_what() -> None:
    document = json.loads(wiring.FILE.read_text())
    del document["routes"]
    with pytest.raises(wiring.WiringError, match="routes"):
        wiring.from_document(document)
