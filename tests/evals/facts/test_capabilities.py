"""The capabilities: every answer has a source, the main systems are covered, mistakes are told with their line."""

import pytest

from evals.data_files import data_path
from evals.facts.capabilities import ANSWERS, LEVELS, ClaimedDiscount, read_capabilities, read_companies
from evals.facts.models import FactsError, read_facts

CAPABILITIES = read_capabilities()


@pytest.mark.parametrize("capability", CAPABILITIES.values(), ids=lambda capability: capability.id)
def test_every_answer_has_a_sentence_and_a_source_unless_it_is_unknown(capability):
    assert capability.question.endswith("?")
    for cell in capability.cells:
        assert cell.answer in ANSWERS
        assert cell.says.endswith(".") or cell.says.endswith('"')
        assert cell.sources or cell.answer == "unknown"


@pytest.mark.parametrize("capability", CAPABILITIES.values(), ids=lambda capability: capability.id)
def test_a_rubric_has_five_different_sentences_and_every_known_answer_its_level(capability):
    if not capability.rubric:
        assert all(cell.level is None for cell in capability.cells)
        return
    assert len(set(capability.rubric)) == LEVELS
    assert all(sentence.endswith(".") for sentence in capability.rubric)
    for cell in capability.cells:
        assert (cell.level is None) == (cell.answer == "unknown" or capability.computed is not None)


@pytest.mark.parametrize("capability", CAPABILITIES.values(), ids=lambda capability: capability.id)
def test_levels_are_ordered_as_the_answers_are(capability):
    levels = {answer: [cell.level for cell in capability.cells if cell.answer == answer] for answer in ANSWERS}
    if capability.rubric and capability.computed is None:
        assert set(levels["no"]) <= {1}
        assert all(1 < level < LEVELS for level in levels["partly"])
        assert all(level > 1 for level in levels["yes"])


@pytest.mark.parametrize("asked", ["lora", "sla", "deployment", "open_weights", "batch"])
def test_what_an_eval_declares_has_a_rubric(asked):
    assert CAPABILITIES[asked].rubric


def test_every_host_is_a_company_or_ones_own_machine():
    assert set(read_facts().hosts) - set(read_companies()) == {"local", "comfyui"}


def test_every_model_is_told_where_it_can_be_run():
    for offer in read_facts().offers.values():
        assert CAPABILITIES["deployment"].of(offer.model, offer.host) is not None, offer.system


def test_only_batches_have_a_discount_and_it_is_half():
    told = {id_: cell.discount for id_, each in CAPABILITIES.items() for cell in each.cells if cell.discount}
    assert told == {"batch": 0.5}


def test_a_volume_discount_that_names_no_source_is_a_claim_and_no_answer():
    cell = CAPABILITIES["volume_discount"].of("flux-2-pro", "bfl")
    assert (cell.answer, cell.level, cell.claimed) == ("unknown", None, ClaimedDiscount(500_000, 0.20, 0.35))
    assert "article" in [source.id for source in cell.sources]


@pytest.mark.parametrize(
    "system", ["flux-2-pro@bfl", "flux-2-max@bfl", "gemini-nano-banana-2.1@google", "gemini-3-pro-image@google"]
)
@pytest.mark.parametrize(
    "asked",
    [
        "seed",
        "editing",
        "references",
        "lora",
        "sla",
        "open_weights",
        "deployment",
        "steps",
        "batch",
        "provenance",
        "resolution",
        "text_answers",
    ],
)
def test_the_systems_that_are_compared_first_are_answered(asked, system):
    assert CAPABILITIES[asked].of(*system.split("@")) is not None


@pytest.mark.parametrize(
    ("asked", "system", "answer"),
    [
        ("lora", "flux-2-pro@bfl", "no"),
        ("lora", "flux-2-klein-4b@bfl", "partly"),
        ("lora", "gemini-3-pro-image@google", "unknown"),
        ("sla", "flux-2-pro@bfl", "unknown"),
        ("sla", "gemini-3-pro-image@vertex", "yes"),
        ("steps", "flux-2-flex@bfl", "yes"),
        ("steps", "flux-2-pro@bfl", "no"),
        ("seed", "flux-3-image@bfl", "no"),
        ("open_weights", "flux-2-klein-4b@bfl", "yes"),
    ],
)
def test_known_answers(asked, system, answer):
    assert CAPABILITIES[asked].of(*system.split("@")).answer == answer


def test_what_was_not_looked_into_has_no_answer():
    assert CAPABILITIES["rate_limit"].of("flux-2-pro", "replicate") is None


@pytest.mark.parametrize(
    ("found", "put", "said"),
    [
        ("answer: partly", "answer: perhaps", "there is no 'perhaps' here; known are no, partly, unknown, yes"),
        ("models: [flux-3-image]", "models: [flux-4-image]", "did you mean 'flux-3-image'"),
        ("hosts: [local]", "hosts: [lokal]", "did you mean 'local'"),
        ("sources: [bfl-flux3]", "sources: [bfl-flux]", "there is no 'bfl-flux' here; did you mean 'bfl-flux3'"),
        ("        sources: [bfl-flux3]\n", "", "it is missing"),
        ("models: [flux-3-image]", "models: [flux-2-pro]", "flux-2-pro@bfl is answered twice"),
        ("level: 3", "level: 6", "6 is too large; the rubric has 5 levels"),
        ("level: 3", "level: 1", "1 does not go with the answer 'partly'; no is level 1, and only no is"),
        ("level: 3", "level: 5", "5 does not go with the answer 'partly'; the highest is for yes"),
        ("        level: 3\n", "", "the level is missing"),
        ("answer: unknown\n", "level: 2\n        answer: unknown\n", "nobody knows the answer; leave it out"),
        ("      - There is no seed.\n", "", "it has 4 levels; write 5"),
        ("discount: 0.5", "discount: 50", "50 is no share between 0 and 1"),
        ("level: 3", "discount: 0.5\n        level: 3", "it belongs to the capability 'batch' alone"),
        ("most: 0.35", "most: 0.1", "0.1 is less than the least, 0.2"),
        ("least: 0.20", "least: 20", "20 is no share between 0 and 1"),
        ("claimed: {", "level: 2\n        claimed: {", "nobody knows the answer; leave it out"),
        ("computed: companies", "computed: houses", "there is no 'houses' here"),
        ("  fireworks: Fireworks AI", "  firework: Fireworks AI", "did you mean 'fireworks'"),
        ("question: Can it", "questions: Can it", "no such field; did you mean 'question'"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_and_line(tmp_path, found, put, said):
    for name in ("capabilities.yaml", "sources.yaml"):
        text = data_path(f"facts/{name}").read_text(encoding="utf-8")
        if name == "capabilities.yaml":
            line = text[: text.index(found)].count("\n") + 1
            text = text.replace(found, put, 1)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(FactsError) as refused:
        read_capabilities(tmp_path / "capabilities.yaml")
    message = str(refused.value)
    assert said in message
    told = int(message.removeprefix("capabilities.yaml, line ").partition(",")[0])
    assert line - 5 <= told <= line
    assert "\n" not in message
