"""The plan: who is asked what, in which order, under which names."""

import PIL.Image
import pytest

from evals.definition import DefinitionError, read_definition
from evals.generation.plan import plan_requests, plan_sha256
from evals.suites.suite import read_suite

DEFINITION = """\
name: mine
systems: [a@h, b@h]
suites: [demo-signs, identity-reference]
repeats: 2
seed: 7
size: 1K
rows:
  - {id: signs, title: Text, suite: demo-signs, metrics: {text.cer: 1}, size: 4K}
"""


@pytest.fixture
def definition(tmp_path):
    (tmp_path / "mine.yaml").write_text(DEFINITION)
    return read_definition(tmp_path / "mine.yaml")


def test_systems_take_turns_and_every_request_has_a_name_of_its_own(definition):
    requests = plan_requests(definition)
    assert [request.system for request in requests[:4]] == ["a@h", "b@h", "a@h", "b@h"]
    assert len({request.sample_id for request in requests}) == len(requests)
    assert len(requests) == (14 + 14 + 60) * 2 * 2


def test_a_row_that_asks_for_another_size_is_a_suite_of_its_own(definition):
    requests = plan_requests(definition)
    large = [request for request in requests if request.size == "4K"]
    assert {request.suite for request in large} == {"demo-signs@4K"}
    assert len(large) == 14 * 2 * 2
    assert large[0].side == 4096


def test_a_size_that_a_system_does_not_offer_is_left_out_for_it(definition):
    requests = plan_requests(definition, {"a@h": ("1K",), "b@h": ("1K", "4K")})
    assert {request.system for request in requests if request.size == "4K"} == {"b@h"}


def test_later_shots_carry_the_first_one_of_the_same_system_and_repeat(definition):
    requests = {request.sample_id: request for request in plan_requests(definition)}
    later = [request for request in requests.values() if request.first_shot]
    assert len(later) == 48 * 2 * 2
    for request in later:
        first = requests[request.first_shot]
        assert (first.system, first.repeat, first.seed) == (request.system, request.repeat, request.seed)
        assert (first.item.sequence_id, first.item.shot) == (request.item.sequence_id, 1)
        assert (request.n_references, first.n_references) == (1, 0)


def test_repeats_of_a_sequence_count_on_over_its_seeds(definition, monkeypatch):
    before = plan_requests(definition)
    suites = {name: read_suite(name).model_copy(update={"seeds": 2}) for name in definition.suites}
    monkeypatch.setattr("evals.definition.read_suite", suites.get)
    requests = plan_requests(definition)
    asked = {(request.item.sequence_id is None, request.seed, request.repeat) for request in requests}
    assert {key[1:] for key in asked if not key[0]} == {(7, 0), (7, 1), (8, 2), (8, 3)}
    assert {key[1:] for key in asked if key[0]} == {(7, 0), (7, 1), (8, 0), (8, 1)}
    # The names of pictures that were paid for stay.
    assert {request.sample_id for request in before} < {request.sample_id for request in requests}


def test_a_plan_is_the_same_every_time_and_another_one_when_anything_changes(definition):
    plan = plan_sha256(plan_requests(definition))
    assert plan == plan_sha256(plan_requests(definition))
    for change in ({"seed": 8}, {"repeats": 3}, {"systems": ("a@h",)}, {"suites": ("demo-signs",)}):
        assert plan_sha256(plan_requests(definition.model_copy(update=change))) != plan


SUITE = """\
name: mine
version: 1
purpose: p
made: m
limits: l
items:
  - {id: a, prompt: A cat%s}
"""
EDITED = ", source: {setting: beach, objects: [{name: cup}]}, edit: {does: %s, target: cup%s}"


def test_the_picture_to_be_edited_or_shown_is_sent_along_and_part_of_the_requests_name(tmp_path, definition):
    path = tmp_path / "mine.yaml"

    def planned(fields):
        path.write_text(SUITE % fields)
        changed_eval = definition.model_copy(update={"suites": (str(path),), "rows": ()})
        return next(request for request in plan_requests(changed_eval) if request.system == "a@h")

    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    edits = (EDITED % ("remove", ""), EDITED % ("recolour", ", to: blue"))
    plain, removing, painting, showing = map(planned, ("", *edits, ", reference_images: cat.png"))
    assert [request.n_references for request in (plain, removing, painting, showing)] == [0, 1, 1, 1]
    assert len({request.sample_id for request in (plain, removing, painting, showing)}) == 4
    assert showing.item.reference_images == (tmp_path / "cat.png",)
    assert planned(edits[0] + ", tags: [easy], caption: Nothing").sample_id == removing.sample_id


def test_an_eval_that_asks_for_millions_of_pictures_is_refused_before_they_are_listed(tmp_path):
    fields = "name: mine\nsystems: [flux-2-pro@bfl, flux-2-max@bfl]\nsuites: [precise]\nseed: 7\nrepeats: 1000\n"
    (tmp_path / "mine.yaml").write_text(fields.replace("[precise]", "[precise, scenes, identity, editing, brands]"))
    definition = read_definition(tmp_path / "mine.yaml")
    many = definition.model_copy(update={"systems": tuple(f"m{n}@h" for n in range(200))})
    with pytest.raises(DefinitionError, match="asks for more than 1,000,000 pictures"):
        plan_requests(many)
