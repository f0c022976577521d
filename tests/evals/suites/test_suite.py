"""Suites: the ones that come with TwinLens are good, and every mistake is refused in one sentence that says where."""

import re
from pathlib import Path

import PIL.Image
import pytest

from evals.files.data_files import data_path
from evals.imageset.columns import Edit
from evals.suites.items import DrawnSource, PackageSource
from evals.suites.suite import Relation, SceneObject, SuiteError, read_suite
from tests.refusals import refusal_of

GOOD = """\
name: mine
version: 1
purpose: To try.
made: By hand.
limits: Small.
items:
  - {id: shop, prompt: A shop, expected_text: OPEN, text_is_complete: true, language: en}
  - {id: hero-1, prompt: The hero waits, sequence_id: hero, shot: 1}
  - {id: hero-2, prompt: The hero runs, sequence_id: hero, shot: 2}
  - id: street
    prompt: Two cars
    objects: [{name: car, count: 2, colour: red, position: left}]
  - id: still-life
    prompt: A ceramic cup on a table, no spoon
    caption: A cup on a table
    tags: [quiet, indoor]
    objects: [{name: cup, material: ceramic}, {name: table}]
    absent: [spoon]
    relations: [{first: cup, relation: 'on', second: table}]
    palette: ['#0A3D62', '#f6b93b']
    answer: A cup.
  - id: greener
    prompt: Make the cup green
    source_caption: A red cup
    source: {setting: beach, objects: [{name: cup, colour: red, position: left}, {name: book}]}
    edit: {does: recolour, target: cup, to: green}
  - id: spoonless
    prompt: Remove the spoon
    source: {package: skimage, file: data/coffee.png, box: [0.5, 0.1, 0.75, 1]}
    edit: {does: remove, target: spoon}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_suite_that_comes_with_twinlens_is_read_once():
    assert read_suite("scenes") is read_suite("scenes")


def test_an_edit_of_a_picture_of_ones_own_needs_no_source_but_a_picture(tmp_path):
    edit = "    edit: {does: restyle, target: picture, to: oil}\n"
    path = write(tmp_path, GOOD + f"  - id: own\n    prompt: Paint it\n    reference_images: cat.png\n{edit}")
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    assert read_suite(path).item("own").edit == Edit(does="restyle", target="picture", to="oil")
    (tmp_path / "cat.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    with pytest.raises(SuiteError, match=r"cat\.png is not an image"):
        read_suite(path)
    sentence = refusal_of(read_suite, SuiteError, path, "    reference_images: cat.png\n", "")
    assert "field 'source': it is missing; an edit needs a source or reference_images" in sentence


def test_a_suite_of_ones_own_is_read_with_everything_in_it(tmp_path):
    suite = read_suite(write(tmp_path, GOOD))
    assert suite.item("shop").expected_text == ("OPEN",)
    assert [suite.item(name).text_is_complete for name in ("shop", "hero-1")] == [True, None]
    assert (suite.item("hero-2").sequence_id, suite.item("hero-2").shot) == ("hero", 2)
    assert suite.item("street").objects == (SceneObject(name="car", count=2, colour="red", position="left"),)
    assert (suite.seeds, suite.repeats) == (1, None)
    still = suite.item("still-life")
    assert (still.caption, still.tags, still.answer) == ("A cup on a table", ("quiet", "indoor"), "A cup.")
    assert still.objects == (SceneObject(name="cup", material="ceramic"), SceneObject(name="table"))
    assert (still.absent, still.relations) == (("spoon",), (Relation(first="cup", relation="on", second="table"),))
    assert still.palette == ("#0a3d62", "#f6b93b")
    greener, spoonless = suite.item("greener"), suite.item("spoonless")
    assert greener.source == DrawnSource(
        setting="beach",
        objects=(SceneObject(name="cup", colour="red", position="left"), SceneObject(name="book")),
    )
    assert (greener.edit, greener.source_caption) == (Edit(does="recolour", target="cup", to="green"), "A red cup")
    assert spoonless.source == PackageSource(package="skimage", file="data/coffee.png", box=(0.5, 0.1, 0.75, 1.0))
    assert spoonless.edit == Edit(does="remove", target="spoon")


MISTAKES = [
    ("version: 1", "verison: 1", r"line 2, field 'verison': there is no such field; did you mean 'version'\?"),
    ("version: 1", "version: true", r"line 2, field 'version': True is not a whole number"),
    ("version: 1", "version: 0", r"line 2, field 'version': 0 is too small; it is at least 1"),
    ("purpose: To try.\n", "", r"field 'purpose': it is missing"),
    ("name: mine", "name: yours", r"line 1, field 'name': 'yours' is not the file's name; call the suite 'mine'"),
    ("id: shop, prompt: A shop, ", "id: shop, ", r"line 7, item 'shop', field 'prompt': it is missing"),
    ("id: hero-2", "id: hero-1", r"line 9, item 'hero-1'.*: 'hero-1' is listed twice \(first in line 8\)"),
    ("shot: 2", "shot: 1", r"line 9, item 'hero-2', field 'shot': shot 1 of 'hero' is listed twice \(first in line 8"),
    (", shot: 2", "", r"line 9, item 'hero-2', field 'shot': it is missing; sequence_id and shot belong together"),
    (
        "id: shop,",
        "id: shop, reference_images: dog.png,",
        r"line 7, .*'reference_images': the file 'dog.png' does not exist",
    ),
    ("limits: Small.", "limits: S\nfirst_shot_as_reference: often", r"line 6, field 'first_shot_as_.* is not true or"),
    ("language: en", "language: English", r"field 'language': 'English' is not a language code"),
    ("position: left", "position: lft", r"line 12, .*'position': there is no position 'lft'; did you mean 'left'\?"),
    ("count: 2", "count: 0", r"field 'count': 0 is too small"),
    ("absent: [spoon]", "absent: [table]", r"line 18, .*'absent': 'table' is among the objects, which must be seen"),
    ("relation: 'on'", "relation: 3", r"line 19, .*'relation': 3 is not text; put it in quotes"),
    ("relation: 'on'", "relation: abov", r"line 19, .*there is no relation 'abov'; did you mean 'above'\?"),
    ("second: table", "second: tabel", r"line 19, .*'second': 'tabel' is not among the item's objects"),
    ("second: table", "second: cup", r"line 19, .*'second': 'cup' cannot stand to itself"),
    ("'#f6b93b'", "'#f6b93'", r"line 20, .*field 'palette': '#f6b93' is not a colour such as '#0a3d62'"),
    ("setting: beach", "setting: beech", r"line 25, .*there is no setting 'beech'; did you mean 'beach'\?"),
    ("setting: beach", "setting: beach, side: 2048", r"line 25, .*'side': 2048 is too large"),
    ("setting: beach", "setting: beach, side: 64", r"line 25, .*'side': 64 is too small; it is at least 256"),
    ("name: book", "name: bok", r"line 25, .*the renderer cannot draw a 'bok'; did you mean 'book'\?"),
    ("colour: red, position: left}, {", "colour: rot}, {", r"line 25, .*there is no colour 'rot'"),
    ("{name: book}", "{name: book, position: left}", r"line 25, .*two things cannot stand left"),
    ("{name: book}", "{name: book, count: 2}", r"line 25, .*field 'count': things are drawn once"),
    ("does: recolour", "does: recolor", r"line 26, .*there is no edit 'recolor'; did you mean 'recolour'\?"),
    ("target: cup", "target: cap", r"line 26, .*'target': there is no 'cap' in the source; did you mean 'cup'\?"),
    ("does: recolour", "does: background", r"line 26, .*'background' concerns the whole picture; write 'picture'"),
    (", to: green", "", r"line 26, .*edit, field 'to': it is missing"),
    ("target: spoon}", "target: spoon, to: fork}", r"line 30, .*what is removed becomes nothing; leave it out"),
    ("    edit: {does: remove, target: spoon}\n", "", r"line 27, .*'edit': it is missing; a source"),
    ("package: skimage", "package: os.path", r"line 29, .*'os.path' is not the name of a package"),
    ("data/coffee.png", "../coffee.png", r"line 29, .*'\.\./coffee.png' leads out of the package"),
    ("[0.5, 0.1, 0.75, 1]", "[0.5, 0.1, 0.25, 1]", r"line 29, .*'box': write \[left, top"),
    ("[0.5, 0.1, 0.75, 1]", "[0, 0, .nan, 1]", r"line 29, .*'box': write \[left, top"),
    (", box: [0.5, 0.1, 0.75, 1]", "", r"line 29, .*'box': it is missing"),
]


@pytest.mark.parametrize(("right", "wrong", "sentence"), MISTAKES)
def test_a_mistake_is_refused_in_one_sentence_with_file_line_and_field(tmp_path, right, wrong, sentence):
    assert re.search(sentence, refusal_of(read_suite, SuiteError, write(tmp_path, GOOD), right, wrong))


def test_an_unknown_suite_says_which_one_was_meant():
    with pytest.raises(SuiteError, match=r"there is no suite 'demo-sign'; did you mean 'demo-signs'\?"):
        read_suite("demo-sign")


def test_the_data_lie_beside_the_package_or_in_it(tmp_path, monkeypatch):
    assert data_path("suites/demo-signs.yaml").is_file()
    monkeypatch.setattr("evals.files.data_files._PACKAGE", tmp_path / "evals")
    with pytest.raises(FileNotFoundError, match="install TwinLens again"):
        data_path()
    (tmp_path / "evals" / "datasets" / "suites").mkdir(parents=True)
    assert data_path("suites") == tmp_path / "evals" / "datasets" / "suites"
