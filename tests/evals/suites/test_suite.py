"""Suites: the ones that come with TwinLens are good, and every mistake is refused in one sentence that says where."""

from pathlib import Path

import PIL.Image
import pytest

from evals.data_files import data_path
from evals.suites.items import DrawnSource, Edit, PackageSource
from evals.suites.suite import Relation, SceneObject, SuiteError, read_suite

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


def write(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_suite_that_comes_with_twinlens_is_read_once():
    assert read_suite("scenes") is read_suite("scenes")


def test_a_reference_that_is_no_picture_is_refused_at_the_door(tmp_path):
    (tmp_path / "cat.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    with pytest.raises(SuiteError, match=r"cat\.png is not an image"):
        read_suite(write(tmp_path, GOOD + "  - id: own\n    prompt: Paint it\n    reference_images: cat.png\n"))


def test_an_edit_of_a_picture_of_ones_own_needs_no_source(tmp_path):
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    edit = "    edit: {does: restyle, target: picture, to: oil}"
    text = GOOD + f"  - id: own\n    prompt: Paint it\n    reference_images: cat.png\n{edit}\n"
    assert read_suite(write(tmp_path, text)).item("own").edit == Edit(does="restyle", target="picture", to="oil")
    with pytest.raises(SuiteError, match="field 'source': it is missing; an edit needs a source or reference_images"):
        read_suite(write(tmp_path, text.replace("    reference_images: cat.png\n", "")))


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


def test_a_suite_of_ones_own_is_read_with_everything_in_it(tmp_path):
    suite = read_suite(write(tmp_path, GOOD))
    assert suite.item("shop").expected_text == ("OPEN",)
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
    ("id: shop", "id: 3", r"line 7, item '3', field 'id': 3 is not text; put it in quotes"),
    ("id: hero-2", "id: hero-1", r"line 9, item 'hero-1'.*: 'hero-1' is listed twice \(first in line 8\)"),
    ("shot: 2", "shot: 1", r"line 9, item 'hero-2', field 'shot': shot 1 of 'hero' is listed twice \(first in line 8"),
    (", shot: 2", "", r"line 9, item 'hero-2', field 'shot': it is missing; sequence_id and shot belong together"),
    ("language: en", "language: English", r"field 'language': 'English' is not a language code"),
    ("expected_text: OPEN", "expected_text: [24]", r"field 'expected_text': 24 is not text; put it in quotes"),
    ("expected_text: OPEN", "expected_text: []", r"field 'expected_text': the list is empty"),
    ("position: left", "position: lft", r"line 12, .*'position': there is no position 'lft'; did you mean 'left'\?"),
    ("count: 2", "count: 0", r"field 'count': 0 is too small"),
    ("objects: [{name: car", "objects: [car, {name: car", r"line 12, .*it holds no fields; write them as"),
    ("tags: [quiet, indoor]", "tags: [quiet, quiet]", r"line 16, .*'tags': 'quiet' is listed"),
    ("material: ceramic", "colour: 3", r"line 17, .*object 'cup', field 'colour': 3 is not text"),
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
    ("source: {package: skimage,", "src: {package: skimage,", r"line 29, .*field 'src': there is no such field"),
    ("package: skimage", "package: os.path", r"line 29, .*'os.path' is not the name of a package"),
    ("data/coffee.png", "../coffee.png", r"line 29, .*'\.\./coffee.png' leads out of the package"),
    ("[0.5, 0.1, 0.75, 1]", "[0.5, 0.1, 0.25, 1]", r"line 29, .*'box': write \[left, top"),
    ("[0.5, 0.1, 0.75, 1]", "[0, 0, .nan, 1]", r"line 29, .*'box': write \[left, top"),
    (", box: [0.5, 0.1, 0.75, 1]", "", r"line 29, .*'box': it is missing"),
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
    [
        ("", "holds no fields"),
        ("- a\n", "holds no fields"),
        (GOOD.split("items:")[0] + "items: []\n", "the list is empty"),
    ],
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
