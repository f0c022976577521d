"""The capabilities: every answer has a source, the main systems are covered, mistakes are told with their line."""

import pytest

from evals.facts.capabilities import LEVELS, ClaimedDiscount, read_capabilities, read_companies
from evals.facts.models import read_facts
from evals.facts.sources import FactsError
from tests.refusals import refusal_of

CAPABILITIES = read_capabilities()
DISCOUNT = ClaimedDiscount(from_images=500_000, least=0.20, most=0.35)


@pytest.mark.parametrize("capability", CAPABILITIES.values(), ids=lambda capability: capability.id)
def test_every_shipped_answer_is_a_sentence_and_every_rubric_has_five(capability):
    assert capability.question.endswith("?")
    assert all(sentence.endswith(".") for sentence in capability.rubric)
    for cell in capability.cells:
        assert cell.says.endswith((".", '"'))
        if capability.rubric and not capability.computed and cell.answer in ("yes", "partly"):
            assert 1 < cell.level < LEVELS + (cell.answer == "yes")


def test_every_host_is_a_company_and_every_model_is_told_where_it_can_be_run():
    facts = read_facts()
    assert set(facts.hosts) - set(read_companies()) == {"local", "comfyui"}  # those are one's own machine
    for offer in facts.offers.values():
        assert CAPABILITIES["deployment"].of(offer.model, offer.host) is not None, offer.system


def test_only_batches_have_a_discount_and_it_is_half():
    told = {id_: cell.discount for id_, each in CAPABILITIES.items() for cell in each.cells if cell.discount}
    assert told == {"batch": 0.5}


def test_a_volume_discount_that_names_no_source_is_a_claim_and_no_answer():
    cell = CAPABILITIES["volume_discount"].of("flux-2-pro", "bfl")
    assert (cell.answer, cell.level, cell.claimed) == ("unknown", None, DISCOUNT)
    assert "article" in [source.id for source in cell.sources]


def test_the_systems_that_are_compared_first_are_answered_and_what_an_eval_declares_has_a_rubric():
    systems = ("flux-2-pro@bfl", "flux-2-max@bfl", "gemini-nano-banana-2.1@google", "gemini-3-pro-image@google")
    for name in (
        "seed", "editing", "references", "lora", "sla", "open_weights", "deployment", "steps", "batch", "provenance",
        "resolution", "text_answers",
    ):  # fmt: skip
        for system in systems:
            assert CAPABILITIES[name].of(*system.split("@")) is not None, (name, system)
    assert all(CAPABILITIES[name].rubric for name in ("lora", "sla", "deployment", "open_weights", "batch"))


@pytest.mark.parametrize(
    ("capability", "answer", "system"),
    [
        ("sla", "unknown", "flux-2-pro@bfl"),
        ("sla", "yes", "gemini-3-pro-image@vertex"),
        ("steps", "yes", "flux-2-flex@bfl"),
        ("steps", "no", "flux-2-pro@bfl"),
        ("seed", "no", "flux-3-image@bfl"),
        ("open_weights", "yes", "flux-2-klein-4b@bfl"),
        ("rate_limit", None, "flux-2-pro@replicate"),  # not looked into
    ],
)
def test_known_answers(capability, answer, system):
    cell = CAPABILITIES[capability].of(*system.split("@"))
    assert (cell and cell.answer) == answer


SMALL = """\
read: 2026-11-23
companies: {bfl: Black Forest Labs}
capabilities:
  speed:
    question: Is it fast?
    rubric: [Very slow., Slow., Middling., Fast., Very fast.]
    cells:
      - models: [flux-2-pro, flux-2-max]
        hosts: [bfl, fal]
        answer: partly
        level: 3
        says: It depends.
        sources: [docs, blog]
      - {models: flux-1-dev, hosts: local, answer: no, level: 1, says: Not at all., sources: docs}
      - {models: flux-3-image, answer: unknown, says: Not looked into.}
  batch:
    question: Does waiting save?
    cells:
      - {models: flux-2-pro, answer: yes, discount: 0.5, says: Half., sources: docs}
  volume_discount:
    question: Does the price fall?
    cells:
      - {models: flux-2-pro, answer: unknown, claimed: {from_images: 10, least: 0.2, most: 0.3}, says: It is said.}
  deployment:
    question: Where can it be run?
    computed: companies
    rubric: [Nowhere., On one., On two., On three., Anywhere.]
    cells:
      - {models: flux-2-pro, answer: partly, says: On four., sources: docs}
"""


def test_a_file_is_read_with_its_sources_and_with_bare_yes_and_no_as_texts(written):
    speed = read_capabilities(written("capabilities.yaml", SMALL))["speed"]
    assert speed.id == "speed"
    cell = speed.of("flux-2-max", "fal")
    assert (cell.answer, cell.level, [source.id for source in cell.sources]) == ("partly", 3, ["docs", "blog"])
    assert speed.of("flux-1-dev", "local").answer == "no"
    assert speed.of("flux-2-max", "replicate") is None


@pytest.mark.parametrize(
    ("passage", "put", "line", "problem"),
    [
        ("flux-2-max]", "flux-2-mox]", 8, "there is no model 'flux-2-mox'; did you mean 'flux-2-max'?"),
        ("[bfl, fal]", "[bfl, fall]", 9, "there is no host 'fall'; did you mean 'fal'?"),
        ("hosts: local", "hosts: replicate", 14, "there is no host of flux-1-dev 'replicate'"),
        ("[docs, blog]", "[docs, blok]", 13, "there is no source 'blok'; did you mean 'blog'?"),
        ("        sources: [docs, blog]\n", "", 8, "it is missing"),
        ("models: flux-1-dev, hosts: local", "models: flux-2-pro, hosts: fal", 14, "flux-2-pro@fal is answered twice"),
        ("level: 3", "level: 1", 11, "1 does not go with the answer 'partly'; no is level 1, and only no is"),
        ("level: 3", "level: 5", 11, "5 does not go with the answer 'partly'; the highest is for yes"),
        ("level: 3", "discount: 0.5", 11, "it belongs to the capability 'batch' alone"),
        ("        level: 3\n", "", 8, "the level is missing"),
        ("answer: unknown, says", "answer: unknown, level: 2, says", 15, "nobody knows the answer; leave it out"),
        ("yes, discount", "yes, level: 2, discount", 19, "the capability's cells have no levels; leave it out"),
        ("Very slow., ", "", 6, "it has 4 levels; write 5"),
        ("    rubric: [Nowhere., On one., On two., On three., Anywhere.]\n", "", 26, "no rubric whose level"),
        ("discount: 0.5", "discount: 50", 19, "50 is no share between 0 and 1; half is 0.5"),
        ("most: 0.3", "most: 0.1", 23, "0.1 is less than the least, 0.2"),
        ("answer: unknown, claimed", "answer: yes, sources: docs, claimed", 23, "no claim is needed; leave it out"),
        ("{bfl: ", "{bfll: ", 2, "there is no host 'bfll'; did you mean 'bfl'?"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_where(written, passage, put, line, problem):
    sentence = refusal_of(read_capabilities, FactsError, written("capabilities.yaml", SMALL), passage, put)
    assert sentence.startswith(f"capabilities.yaml, line {line}, ")
    assert problem in sentence
