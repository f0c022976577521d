"""The capabilities: every answer has a source, the main systems are covered, mistakes are told with their line."""

import pytest

from evals.capabilities import ANSWERS, read_capabilities
from evals.data_files import data_path
from evals.generation.facts import FactsError

CAPABILITIES = read_capabilities()


@pytest.mark.parametrize("capability", CAPABILITIES.values(), ids=lambda capability: capability.id)
def test_every_answer_has_a_sentence_and_a_source_unless_it_is_unknown(capability):
    assert capability.question.endswith("?")
    for cell in capability.cells:
        assert cell.answer in ANSWERS
        assert cell.says.endswith(".") or cell.says.endswith('"')
        assert cell.sources or cell.answer == "unknown"


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
