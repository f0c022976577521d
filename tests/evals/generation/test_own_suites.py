"""An eval asks suites that lie beside it; a run keeps them as they were, pictures and all."""

import re
import shutil

import pytest

from evals.definition import DefinitionError, read_definition
from evals.generation.clients import GenerationError
from evals.generation.freezing import definition_for, freeze_definition
from evals.generation.plan import plan_requests, plan_sha256
from evals.suites.references import edit_mask
from tests.refusals import refusal_of

EVAL = """\
# What our shop needs.
name: ours
systems: [flux-2-pro@bfl, gemini-3-pro-image@google]
suites: [demo-signs, ../suites/shop.yaml]  # the second is our own
seed: 7
rows:
  - {id: edits, title: Our edits, suite: shop, metrics: {editing.preserved: 1}}
"""
SHOP = """\
name: shop
version: 1
purpose: What our shop needs.
made: By hand.
limits: Two prompts.
items:
  - {id: sign, prompt: A sign that reads TEA, expected_text: TEA}
  - id: cup
    prompt: Make the cup green
    reference_images: cup.png
    mask: ./mask.png
    edit: {does: recolour, target: cup, to: green}
"""


@pytest.fixture
def mine(tmp_path, scripted):
    for folder in ("evals", "suites"):
        (tmp_path / folder).mkdir()
    (tmp_path / "evals/ours.yaml").write_text(EVAL)
    (tmp_path / "suites/shop.yaml").write_text(SHOP)
    (tmp_path / "suites/cup.png").write_bytes(scripted.png("red"))
    (tmp_path / "suites/mask.png").write_bytes(scripted.png("white"))
    return tmp_path / "evals/ours.yaml"


def test_a_suite_of_ones_own_is_asked_under_its_name(mine, scripted):
    definition = read_definition(mine)
    assert definition.suite_names == ("demo-signs", "shop")
    asked = {request.item.id: request for request in plan_requests(definition) if request.suite == "shop"}
    assert (set(asked), asked["cup"].n_references) == ({"sign", "cup"}, 1)
    assert edit_mask(asked["cup"].item) == scripted.png("white")


def test_a_run_is_of_the_frozen_suite_with_its_pictures_and_comments_whatever_happens_since(mine, tmp_path):
    plan = plan_sha256(plan_requests(read_definition(mine)))
    freeze_definition(mine, tmp_path / "run")
    frozen = (tmp_path / "run/eval.yaml").read_text()
    assert frozen == EVAL.replace("../suites/shop.yaml", '"suites/shop.yaml"')
    assert definition_for(mine, tmp_path / "run")[1] == []

    (tmp_path / "suites/shop.yaml").write_text(SHOP.replace("TEA", "COFFEE"))
    definition, (change,) = definition_for(mine, tmp_path / "run")
    assert change.startswith(f"suite 'shop' has changed since the run began; it goes on with {tmp_path}/run/suites/")
    assert plan_sha256(plan_requests(definition)) == plan
    (tmp_path / "suites/shop.yaml").write_text(SHOP)
    (tmp_path / "suites/cup.png").write_bytes((tmp_path / "suites/mask.png").read_bytes())
    assert len(definition_for(mine, tmp_path / "run")[1]) == 1

    shutil.rmtree(tmp_path / "suites")
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    definition = read_definition(tmp_path / "elsewhere/eval.yaml")
    assert plan_sha256(plan_requests(definition)) == plan
    assert definition_for(tmp_path / "elsewhere/eval.yaml", tmp_path / "elsewhere") == (definition, [])


@pytest.mark.parametrize("head", ["", "limit: 2\n"])
def test_a_limit_of_the_command_line_is_frozen_too(head, mine, tmp_path):
    mine.write_text(head + EVAL.replace("suites/shop", "suites/shop"))
    freeze_definition(mine, tmp_path / "run", 1)
    frozen = read_definition(tmp_path / "run/eval.yaml")
    assert frozen.limit == 1
    assert len(plan_requests(frozen)) == 2 * 2  # two systems, a prompt of each suite
    assert definition_for(mine, tmp_path / "run", 1)[0] == frozen
    with pytest.raises(GenerationError, match="holds a run of another eval"):
        definition_for(mine, tmp_path / "run", 2)


MISTAKES = [
    (
        "shop.yaml]",
        "shup.yaml]",
        r"line 4, field 'suites': there is no file .*shup\.yaml; write the path .* relative to the",
    ),
    ("suite: shop", "suite: shup", r"line 7, row 'edits', field 'suite': .*did you mean 'shop'\?"),
    (
        "[demo-signs, ",
        "[../other/shop.yml, ",
        r"line 4, field 'suites': a suite 'shop' is listed twice; rename the file",
    ),
    ("seed: 7", "limit: few\nseed: 7", r"line 5, field 'limit': 'few' is neither a number of prompts"),
]


@pytest.mark.parametrize(("right", "wrong", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence(right, wrong, sentence, mine, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/shop.yml").write_text(SHOP)
    assert re.search(sentence, refusal_of(read_definition, DefinitionError, mine, right, wrong))


def test_a_defect_names_items_of_ones_own_suite(mine):
    defects = "[{does: refuse, suite: shop, items: cap}]"
    script = f"simulated:\n  - {{system: flux-2-pro@bfl, like: flux-2-pro@bfl, tint: red, defects: {defects}}}\n"
    mine.write_text(EVAL + script)
    with pytest.raises(DefinitionError, match=r"line 9, .*there is no item 'cap'; did you mean 'cup'\?"):
        read_definition(mine)
    mine.write_text(EVAL + script.replace("cap", "cup"))
    assert read_definition(mine).simulated[0].defects[0].items == ("cup",)
