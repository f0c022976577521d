"""Suites: the ones that come with TwinLens are good, and every mistake is refused in one sentence that says where."""

import re
from pathlib import Path

import pytest

from evals.data_files import data_path
from evals.suites import SceneObject, SuiteError, read_suite, suite_names

GOOD = """\
name: mine
version: 1
purpose: To try.
made: By hand.
limits: Small.
items:
  - {id: shop, prompt: A shop, expected_text: OPEN, language: en}
  - {id: hero-1, prompt: The hero waits, sequence_id: hero, shot: 1}
  - {id: hero-2, prompt: The hero runs, sequence_id: hero, shot: 2}
  - id: street
    prompt: Two cars
    objects: [{name: car, count: 2, colour: red, position: left}]
"""


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_that_comes_with_twinlens_passes_its_own_reader(name):
    suite = read_suite(name)
    assert suite.name == name
    assert all(field and len(field) > 20 for field in (suite.purpose, suite.made, suite.limits))
    assert len({item.prompt for item in suite.items}) == len(suite.items)


def test_the_demo_suites_are_large_enough_for_their_purpose():
    assert len(read_suite("demo-signs").items) >= 12
    assert {item.language for item in read_suite("demo-signs").items} == {"en", "de", "fr"}
    assert {len(item.expected_text) for item in read_suite("demo-signs").items} == {1, 2, 3}
    assert len(read_suite("demo-scenes").items) >= 20
    shots: dict[str, list[int]] = {}
    for item in read_suite("demo-identity").items:
        shots.setdefault(item.sequence_id, []).append(item.shot)
    assert len(shots) >= 6
    assert all(numbers == [1, 2, 3, 4] for numbers in shots.values())
    repeats = read_suite("demo-repeats")
    assert (len(repeats.items), repeats.seeds, repeats.repeats) == (6, 2, 3)


def test_expected_text_stands_in_the_prompt():
    for name in ("demo-signs", "demo-labels"):
        for item in read_suite(name).items:
            asked = " ".join(re.findall(r'"([^"]+)"', item.prompt))
            assert asked.split() == " ".join(item.expected_text).split(), item.id


def test_a_suite_of_ones_own_is_read_with_everything_in_it(tmp_path):
    suite = read_suite(write(tmp_path, GOOD))
    assert suite.item("shop").expected_text == ("OPEN",)
    assert (suite.item("hero-2").sequence_id, suite.item("hero-2").shot) == ("hero", 2)
    assert suite.item("street").objects == (SceneObject("car", 2, "red", "left"),)
    assert (suite.seeds, suite.repeats) == (1, None)


MISTAKES = [
    ("version: 1", "verison: 1", r"line 2, field 'verison': there is no such field; did you mean 'version'\?"),
    ("version: 1", "version: one", r"line 2, field 'version': 'one' is not a whole number"),
    ("version: 1", "version: true", r"line 2, field 'version': True is not a whole number"),
    ("version: 1", "version: 0", r"line 2, field 'version': 0 is too small; it is at least 1"),
    ("purpose: To try.\n", "", r"field 'purpose': it is missing"),
    ("purpose: To try.", "purpose:", r"field 'purpose': it is missing"),
    ("purpose: To try.", "purpose: ''", r"line 3, field 'purpose': the text is empty"),
    ("name: mine", "name: yours", r"line 1, field 'name': 'yours' is not the file's name; call the suite 'mine'"),
    ("limits: Small.", "made: Again.", r"line 5, field 'made': it was given before, in line 4"),
    ("id: shop, prompt: A shop", "id: shop, promt: A shop", r"line 7, .*did you mean 'prompt'\?"),
    ("id: shop, prompt: A shop, ", "id: shop, ", r"line 7, item 'shop', field 'prompt': it is missing"),
    ("id: shop", "id: no", r"line 7, entry 1 of items, field 'id': False is not text; put it in quotes"),
    ("id: hero-2", "id: hero-1", r"line 9, entry 3 of items, field 'id': 'hero-1' was given before, in line 8"),
    ("shot: 2", "shot: 1", r"line 9, entry 3 of items, field 'shot': shot 1 of 'hero' was given before, in line 8"),
    (", shot: 2", "", r"line 9, item 'hero-2', field 'shot': it is missing; sequence_id and shot belong together"),
    ("language: en", "language: English", r"field 'language': 'English' is not a language code"),
    ("expected_text: OPEN", "expected_text: [24]", r"field 'expected_text': 24 is not a text; put it in quotes"),
    ("expected_text: OPEN", "expected_text: []", r"field 'expected_text': the list is empty"),
    ("position: left", "position: lft", r"line 12, .*'position': there is no position 'lft'; did you mean 'left'\?"),
    ("count: 2", "count: 0", r"field 'count': 0 is too small"),
    ("objects: [{name: car", "objects: [car, {name: car", r"line 12, .*line 12 holds no fields; write them as"),
    ("limits: Small.", "limits: [Small.", r"mine.yaml, line \d+: not YAML: "),
    ("limits: Small.", "limits: *gone", r"mine.yaml: not YAML|aliases"),
    ("limits: Small.", "limits: &a x\nseeds: *a", r"line 6: aliases \(\*name\) are not used here"),
]


@pytest.mark.parametrize(("right", "wrong", "sentence"), MISTAKES)
def test_a_mistake_is_refused_in_one_sentence_with_file_line_and_field(tmp_path, right, wrong, sentence):
    assert right in GOOD
    with pytest.raises(SuiteError, match=sentence) as refusal:
        read_suite(write(tmp_path, GOOD.replace(right, wrong, 1)))
    assert str(refusal.value).startswith("mine.yaml")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "holds no fields"), ("- a\n", "holds no fields"), (GOOD.split("items:")[0] + "items: []\n", "at least one")],
)
def test_an_empty_suite_is_refused(tmp_path, text, sentence):
    with pytest.raises(SuiteError, match=sentence):
        read_suite(write(tmp_path, text))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(SuiteError, match="there is no such file"):
        read_suite(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SuiteError, match="cannot be read as UTF-8 text"):
        read_suite(tmp_path / "binary.yaml")
    with pytest.raises(SuiteError, match="not YAML that can be read"):
        read_suite(write(tmp_path, "name: " + "[" * 600 + "]" * 600, "deep.yaml"))


def test_an_unknown_suite_says_which_one_was_meant():
    with pytest.raises(SuiteError, match=r"there is no suite 'demo-sign'; did you mean 'demo-signs'\?"):
        read_suite("demo-sign")


def test_the_data_lie_beside_the_package_or_in_it(tmp_path, monkeypatch):
    assert data_path("suites/demo-signs.yaml").is_file()
    monkeypatch.setattr("evals.data_files._PACKAGE", tmp_path / "evals")
    with pytest.raises(FileNotFoundError, match="install TwinLens again"):
        data_path()
    (tmp_path / "evals" / "datasets" / "suites").mkdir(parents=True)
    assert data_path("suites") == tmp_path / "evals" / "datasets" / "suites"
