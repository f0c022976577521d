"""Eval definitions: the ones that come with TwinLens are good, and every mistake is refused in one sentence."""

import re

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.definition import DefinitionError, definition_names, read_definition
from tests.refusals import refusal_of

GOOD = """\
name: mine
systems: [flux-2-pro@bfl, gemini-3-pro-image@google]
suites: [demo-signs, demo-scenes]
repeats: 2
seed: 7
size: 1K
encoders: {identity: "dlib:resnet_v1", text: "rapidocr:pp-ocrv6-small"}
rows:
  - {id: signs, title: Text, suite: demo-signs, metrics: {text.cer: 1, text.wer: 0.5}, size: 4K}
  - {id: cost, title: Cost, computed: cost_per_image}
  - {id: lora, title: Fine-tuning, declared: lora}
published: article-2026-07
simulated:
  - {system: flux-2-pro@bfl, like: a@b, tint: "#aabbcc", defects: [{does: misspell, suite: demo-signs, items: bakery}]}
truth:
  - {dimension: Text, metric: text.cer, suite: demo-signs, better: tie, why: It is so}
use_cases:
  - {id: shop, title: A shop, weights: {signs: 2, cost: 1}}
"""


@pytest.fixture
def written(tmp_path):
    def write(text):
        (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
        return tmp_path / "mine.yaml"

    return write


@pytest.fixture
def read(written):
    return lambda text: read_definition(written(text))


@pytest.mark.parametrize("name", definition_names())
def test_every_definition_that_comes_with_twinlens_passes_its_own_reader(name):
    assert read_definition(name).name == name


def test_a_definition_of_ones_own_is_read_with_everything_in_it(read):
    definition = read(GOOD)
    assert (definition.repeats, definition.seed, definition.size) == (2, 7, "1K")
    assert definition.encoders == {"identity": ("dlib:resnet_v1",), "text": ("rapidocr:pp-ocrv6-small",)}
    signs, cost, lora = definition.rows
    assert (signs.metrics, signs.size) == ({"text.cer": 1.0, "text.wer": 0.5}, "4K")
    assert (cost.computed, lora.declared, lora.metrics) == ("cost_per_image", "lora", {})
    assert definition.simulated[0].defects[0].items == ("bakery",)
    assert [(case.id, case.weights, case.why) for case in definition.use_cases] == [
        ("shop", {"signs": 2.0, "cost": 1.0}, "")
    ]


def test_only_names_systems_and_suites_are_needed_and_an_unquoted_number_is_a_size(read):
    definition = read("name: a\nsystems: [a@b]\nsuites: [demo-signs]\n")
    assert (definition.repeats, definition.size, definition.rows, definition.truth) == (1, "1K", (), ())
    assert read(GOOD.replace("size: 1K", "size: 512")).size == "512"


MISTAKES = [
    ("repeats: 2", "repeat: 2", r"line 4, field 'repeat': there is no such field; did you mean 'repeats'\?"),
    ("repeats: 2", "repeats: 0", r"line 4, field 'repeats': 0 is too small; it is at least 1"),
    ("repeats: 2", "repeats: 1.5", r"line 4, field 'repeats': 1.5 is not a whole number"),
    ("seed: 7", "seed: -1", r"line 5, field 'seed': -1 is too small"),
    ("seed: 7", "seed: 2147483648", r"line 5, field 'seed': 2147483648 is too large"),
    ("[flux-2-pro@bfl, g", "[flux-2-pro, g", r"line 2, .*'flux-2-pro' is not a system; the host is missing; write"),
    ("[flux-2-pro@bfl, g", '["FLUX.2 [pro]@bfl", g', r"line 2, .*is called flux-2-pro here; write flux-2-pro@bfl"),
    ("[flux-2-pro@bfl, ", "[gemini-3-pro-image@google, ", r"line 2, .* is listed twice"),
    ("[demo-signs, ", "[demo-sings, ", r"line 3, .*there is no suite 'demo-sings'; did you mean 'demo-signs'\?"),
    ("size: 1K", "size: 3K", r"line 6, field 'size': there is no size '3K'; known are 1.5K, 1K"),
    ("size: 4K", "size: huge", r"line 9, row 'signs', field 'size': there is no size 'huge'; known are"),
    ("identity: ", "identiy: ", r"line 7, encoders, field 'identiy': .*did you mean 'identity'\?"),
    ("dlib:resnet_v1", "rapidocr:x", r"line 7, .*'identity': no encoder library 'rapidocr' measures identity"),
    ("text.cer: 1,", "text.cre: 1,", r"line 9, row 'signs', .*no metric 'text.cre'; did you mean 'text.cer'\?"),
    ("text.wer: 0.5", "text.wer: -1", r"line 9, row 'signs', metrics, field 'text.wer': -1 is too small"),
    ("suite: demo-signs, metrics", "metrics", r"line 9, row 'signs', field 'suite': it is missing"),
    ("suite: demo-signs, metrics", "suite: demo-labels, metrics", r"line 9, row 'signs', field 'suite'"),
    ("text.wer: 0.5}", "identity.self: 1}, combine: geometric", r"line 9, .*identity.self is not of single pictures"),
    ("{text.cer: 1, text.wer: 0.5}", "{text.cer: 1}, combine: geometric", r"line 9, .*takes at least two metrics"),
    ("text.wer: 0.5}", "text.wer: 0.5}, combine: harmonic", r"line 9, row 'signs', field 'combine'"),
    ("id: cost", "id: signs", r"line 10, row 'signs': 'signs' is listed twice \(first in line 9\)"),
    ("computed: cost_per_image", "computed: cost", r"line 10, .*there is no computed row 'cost'"),
    ("declared: lora", "declared: lora, computed: latency", r"line 11, row 'lora': a row has exactly one of metrics"),
    (", declared: lora", "", r"line 11, row 'lora': a row has exactly one of metrics"),
    ("does: misspell", "does: mispell", r"line 14, .*did you mean 'misspell'\?"),
    ("items: bakery", "items: bakry", r"line 14, .*there is no item 'bakry'; did you mean 'bakery'\?"),
    ('"#aabbcc"', "bluish", r"line 14, .*'bluish' is not a colour"),
    ("better: tie", "better: flux-2-pro@bf", r"line 16, .*did you mean 'flux-2-pro@bfl'\?"),
    (
        "signs: 2",
        "sings: 2",
        r"line 18, use case 'shop', weights, .*no row of the eval 'sings'; did you mean",
    ),
    ("signs: 2", "signs: 0", r"line 18, use case 'shop', weights, field 'signs': 0 is too small; it is above 0"),
    ("signs: 2", "signs: 2000000", r"line 18, use case 'shop', weights, field 'signs': 2000000 is too large"),
    ("signs: 2", "signs: .nan", r"line 18, use case 'shop', weights, field 'signs': nan is not a finite number"),
    ("{signs: 2, cost: 1}", "{}", r"line 18, use case 'shop', field 'weights': it is empty"),
    ("title: A shop", "titel: A shop", r"line 18, use case 'shop', .*did you mean 'title'\?"),
    # the line is that of the entry where a list takes several
    (
        "suites: [demo-signs,",
        "suites:\n  [demo-signs,\n   demo-sings,",
        r"line 5, field 'suites': there is no suite 'd",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "sentence"), MISTAKES)
def test_a_mistake_is_refused_in_one_sentence_with_file_line_and_field(written, right, wrong, sentence):
    assert re.search(sentence, refusal_of(read_definition, DefinitionError, written(GOOD), right, wrong))


def test_a_definition_tells_where_each_real_system_is_named_which_makes_no_other_eval(read):
    definition = read(GOOD.replace("[flux-2-pro@bfl, gemini-3-pro-image@google]", "\n  - flux-2-pro@bfl\n  - x@google"))
    places = [definition.where_named(system) for system in ("flux-2-pro@bfl", "x@google", "a@b", "c@d")]
    assert places == ["mine.yaml, line 3", "mine.yaml, line 4", "mine.yaml, line 16", "eval 'mine'"]
    assert read("# moved down a line\n" + GOOD) == read(GOOD)


def test_an_unknown_eval_says_which_one_was_meant():
    with pytest.raises(DefinitionError, match=r"there is no eval 'dmeo'; did you mean 'demo'\?"):
        read_definition("dmeo")


def test_the_demo_scripts_both_systems_and_a_truth_for_every_suite():
    demo = read_definition("demo")
    assert [system.name for system in demo.simulated] == list(demo.systems)
    assert {line.suite for line in demo.truth} == set(demo.suites)
    assert {line.better for line in demo.truth} == {*demo.systems, "tie"}


@pytest.mark.parametrize("name", ["a: b", "x #y", "null", "@a", "plain"])
def test_an_eval_to_start_from_is_called_what_its_file_is(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    assert CliRunner().invoke(main, ["init", "--out", str(path)]).exit_code == 0
    assert read_definition(path).name == name


def test_no_eval_to_start_from_has_a_line_break_in_its_name(tmp_path):
    done = CliRunner().invoke(main, ["init", "--out", str(tmp_path / "x\nseed: 9.yaml")])
    assert (done.exit_code, list(tmp_path.iterdir())) == (2, [])
