"""The plan: who is asked what, in which order, under which names."""

import PIL.Image
import pytest

from evals.definition import DefinitionError, read_definition
from evals.generation.plan import plan_requests, plan_sha256
from evals.suites.suite import SuiteError, read_suite

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
{more}
items:
  - {{id: a, prompt: A cat{item}}}
"""


def a_suite(tmp_path, more="", item=""):
    (tmp_path / "mine.yaml").write_text(SUITE.format(more=more, item=item))
    return read_suite(tmp_path / "mine.yaml")


def test_reference_images_of_an_item_are_found_beside_the_suite(tmp_path):
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    (item,) = a_suite(tmp_path, item=", reference_images: cat.png").items
    assert item.reference_images == (tmp_path / "cat.png",)


EDITED = ", source: {setting: beach, objects: [{name: cup}]}, edit: {does: %s, target: cup%s}"


def test_the_picture_to_be_edited_is_sent_along_and_part_of_the_requests_name(tmp_path, definition):
    def planned(item, tags=""):
        (tmp_path / "a").mkdir(exist_ok=True)
        a_suite(tmp_path / "a", item=item + tags)
        changed_eval = definition.model_copy(update={"suites": (str(tmp_path / "a" / "mine.yaml"),), "rows": ()})
        return [request for request in plan_requests(changed_eval) if request.system == "a@h" and request.repeat == 0]

    (plain,), (removing,), (painting,) = (
        planned(""),
        planned(EDITED % ("remove", "")),
        planned(EDITED % ("recolour", ", to: blue")),
    )
    assert [request.n_references for request in (plain, removing, painting)] == [0, 1, 1]
    assert len({request.sample_id for request in (plain, removing, painting)}) == 3
    (tagged,) = planned(EDITED % ("remove", ""), ", tags: [easy], caption: Nothing")
    assert tagged.sample_id == removing.sample_id


@pytest.mark.parametrize(
    ("more", "item", "said"),
    [
        ("", ", reference_images: dog.png", "line 8, item 'a', field 'reference_images': there is no file .*dog.png"),
        ("first_shot_as_reference: often", "", "line 6, field 'first_shot_as_reference': 'often' is not true or"),
    ],
)
def test_a_mistake_in_a_suite_is_told_with_its_line(tmp_path, more, item, said):
    with pytest.raises(SuiteError, match=said):
        a_suite(tmp_path, more, item)


def test_a_seed_that_hosts_do_not_take_is_refused(tmp_path):
    (tmp_path / "mine.yaml").write_text(DEFINITION.replace("seed: 7", "seed: 2147483648"))
    with pytest.raises(DefinitionError, match="line 5, field 'seed': 2147483648 is too large"):
        read_definition(tmp_path / "mine.yaml")
