"""Folders of pictures become an image set: what pairs is right, what does not is told, what is hostile stays out."""

import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.files import regular_files
from evals.imageset.folders import name_key
from evals.imageset.imageset import ImageSetError, read_image_set, read_requests
from evals.imageset.importing import Lack, import_folders
from evals.imageset.tables import TableError, text_of


def draw(path, shade=0):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = sum(map(ord, str(path))) + shade
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def two(*names):
    for name in names:
        draw(f"a/{name}")
        draw(f"b/{name}")


def imported(**options):
    return import_folders({"A": Path("a"), "B": Path("b")}, Path("set"), **options)


def rows(**columns):
    """Return the rows of the set that was written, by system and original order."""
    found = read_image_set("set").rows
    return [row for row in found if all(row.get(name) == value for name, value in columns.items())]


def test_pictures_pair_by_name_and_both_sides_list_what_does_not():
    two("red_cup.png", "signs/open.png")
    draw("a/blue_dog.png")
    draw("a/alone.png")
    draw("b/blue-dogs.png")
    made = imported()
    assert (made.pictures, made.common_prompts) == ({"A": 4, "B": 3}, 2)
    assert made.lacks == {
        "A": [Lack("blue-dogs.png", "blue_dog.png")],
        "B": [Lack("alone.png", None), Lack("blue_dog.png", "blue-dogs.png")],
    }
    assert {row["prompt_id"] for row in rows(system="A")} == {"red cup", "signs/open", "blue dog", "alone"}
    assert all(row["prompt"] == row["prompt_id"] and row["prompt_is_file_name"] for row in rows())
    assert made.without_prompt == 7
    # Nothing in a name of the set tells the system, not even in another order.
    assert {Path(row["file_name"]).parent for row in rows()} == {Path("images")}
    assert not any("cup" in row["file_name"] for row in rows())


def test_unicode_forms_and_extensions_are_one_name_and_capitals_are_not():
    draw("a/cafe\u0301.png")
    draw("b/caf\u00e9.jpg")
    draw("a/Sun.png")
    draw("b/sun.png")
    made = imported()
    assert made.common_prompts == 1
    assert made.lacks == {"A": [Lack("sun.png", "Sun.png")], "B": [Lack("Sun.png", "sun.png")]}
    assert name_key("a/v1.5 night.png") == "a/v1.5 night"


def test_three_systems_are_compared_on_what_all_have():
    two("one.png", "two.png")
    draw("c/two.png")
    made = import_folders({"A": Path("a"), "B": Path("b"), "C": Path("c")}, Path("set"))
    assert made.common_prompts == 1
    assert made.lacks == {"A": [], "B": [], "C": [Lack("one.png", None)]}


METADATA = [
    {"file_name": "x1.png", "prompt": "A  red cup", "expected_text": "CUP", "seed": 5, "shop": "north"},
    {"file_name": "x2.png", "prompt": "A dog", "reference_images": ["refs/dog.png"], "mask": "refs/mask.png"},
]


def describe(folder, listed):
    Path(folder, "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))


def test_metadata_pairs_by_prompt_whatever_files_are_called_and_its_files_come_along():
    for name in ("x1.png", "x2.png", "refs/dog.png", "refs/mask.png"):
        draw(f"a/{name}")
    describe("a", METADATA)
    draw("b/first.png")
    draw("b/second.png")
    Path("b/metadata.csv").write_text(
        "file_name,prompt,expected_text,seed\nfirst.png,A red cup,CUP,5\nsecond.png,A cat,,\n"
    )
    made = imported()
    assert (made.pictures, made.common_prompts, made.without_prompt) == ({"A": 2, "B": 2}, 1, 0)
    cup, dog = rows(system="A")
    assert (cup["expected_text"], cup["seed"], cup["shop"]) == (["CUP"], 5, "north")
    assert Path("set", dog["mask"]).read_bytes() == Path("a/refs/mask.png").read_bytes()
    assert [Path("set", name).read_bytes() for name in dog["reference_images"]] == [Path("a/refs/dog.png").read_bytes()]
    assert [row.get("expected_text") for row in rows(system="B")] == [["CUP"], None]


def test_one_folders_metadata_describes_the_same_names_in_the_other_but_not_its_seeds():
    two("x1.png")
    describe("a", METADATA[:1])
    assert imported().common_prompts == 1
    (row,) = rows(system="B")
    assert (row["prompt"], row["expected_text"], row.get("seed")) == ("A  red cup", ["CUP"], None)


def test_a_table_of_prompts_names_pictures_by_file_or_by_prompt_id_and_says_what_it_has_no_picture_of():
    two("red_cup.png", "open.png", "more.png")
    draw("refs/open.png")
    Path("p.csv").write_text(
        "prompt_id;file_name;prompt;expected_text;reference_images;text_is_complete\n"
        "red cup;;A red cup;;;\n"
        ";open.png;A door sign;OPEN|DAILY;refs/open.png;true\n"
        "gone;;A thing;;;\n"
    )
    made = imported(prompts=Path("p.csv"))
    assert (made.common_prompts, made.without_prompt, made.unused_prompts) == (3, 2, ["p.csv, line 4"])
    (sign,) = rows(system="A", prompt_id="open")
    assert (sign["prompt"], sign["expected_text"], sign["text_is_complete"]) == ("A door sign", ["OPEN", "DAILY"], True)
    assert rows(prompt="A red cup")[1]["prompt_id"] == "red cup"


def test_several_pictures_of_a_prompt_may_lie_in_a_folder_of_its_name():
    two("00007/samples/0.png", "00007/samples/1.png")
    Path("p.csv").write_text("prompt_id,prompt\n00007,A bench\n")
    made = imported(prompts=Path("p.csv"))
    assert (made.common_prompts, made.without_prompt, made.unused_prompts) == (1, 0, [])
    assert [(row["prompt_id"], row["repeat"]) for row in rows(system="B")] == [("00007", 0), ("00007", 1)]


def test_several_pictures_of_a_prompt_are_numbered():
    two("x1.png", "x2.png")
    for system in "ab":
        describe(system, [{"file_name": name, "prompt": "A cup"} for name in ("x1.png", "x2.png")])
    assert imported().common_prompts == 1
    assert sorted((row["system"], row["repeat"]) for row in rows()) == [("A", 0), ("A", 1), ("B", 0), ("B", 1)]


def test_refusals_of_one_folder_come_along_and_the_other_had_none():
    two("x1.png")
    asked = [
        {"outcome": "ok", "prompt_id": "x1"},
        {"outcome": "refused", "prompt_id": "x2", "sample_id": "s", "odd": 1},
    ]
    Path("a/requests.jsonl").write_text("".join(json.dumps({"system": "m", **row}) + "\n" for row in asked))
    imported()
    found = read_image_set("set")
    assert found.outcomes == {"A": {"refused": 1}}
    requests = [(row["system"], row["prompt_id"], row["outcome"]) for row in read_requests(found.folder)]
    assert requests == [("A", "x1", "ok"), ("A", "x2", "refused"), ("B", "x1", "ok")]


def link_out():
    draw("elsewhere/x.png")
    os.symlink("../elsewhere/x.png", "a/bad.png")


def link_to_folder():
    os.symlink("..", "a/bad")


def no_picture():
    Path("a/bad.png").write_text("#!/bin/sh\n")


def cut_off():
    whole = Path("a/one.png").read_bytes()
    PIL.Image.open("a/one.png").save("a/bad.jpg", quality=90)
    Path("a/bad.jpg").write_bytes(Path("a/bad.jpg").read_bytes()[:200])
    assert whole


def postscript():
    Path("a/bad.png").write_text("%!PS-Adobe-3.0 EPSF-3.0\n")


def huge():
    with open("a/bad.png", "wb") as file:
        file.truncate(3 << 30)


def pipe():
    os.mkfifo("a/bad.png")


def two_extensions():
    draw("a/one.webp")


def two_cases():
    draw("a/One.png")


def two_forms():
    draw("a/cafe\u0301.png")
    draw("a/caf\u00e9.png")


def half_seeds():
    draw("a/bad.png")
    describe("a", [{"file_name": "bad.png", "prompt": "p", "seed": 1.5}])


def no_such_reference():
    draw("a/bad.png")
    describe("a", [{"file_name": "bad.png", "prompt": "p", "reference_images": ["../b/one.png"]}])


def no_such_row():
    describe("a", [{"file_name": "gone.png", "prompt": "p"}])


HOSTILE = {
    link_out: "a/bad.png: 'bad.png' leads out of the folder through a link; copy the file into the folder",
    link_to_folder: "a/bad: is a link to a folder, which is not followed",
    no_picture: "a/bad.png: is not an image that can be read",
    cut_off: "a/bad.jpg: is truncated",
    postscript: "a/bad.png: is not an image that can be read",
    huge: "a/bad.png: has 3,072 MiB, over the limit of 1,024",
    pipe: "a/bad.png: is no regular file",
    two_extensions: "has the name of",
    two_cases: "has the name of",
    two_forms: "has the name of",
    half_seeds: "a/bad.png: column 'seed': 1.5 is not a whole number",
    no_such_reference: "a/bad.png: names a file that is not taken: '../b/one.png' leads out of the folder",
    no_such_row: "metadata.jsonl, line 1: the file 'gone.png' does not exist",
}


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_what_cannot_be_used_is_one_sentence_or_is_left_out_and_listed(make):
    two("one.png", "two.png")
    make()
    with pytest.raises(ImageSetError, match=r"^[^\n]*$") as refusal:
        imported()
    assert HOSTILE[make] in str(refusal.value)
    assert not Path("set").exists()
    assert not list(Path().glob(".set*"))
    made = imported(skip_bad=True)
    assert any(HOSTILE[make] in str(problem) for problem in made.skipped)
    assert made.common_prompts == (1 if make in (two_extensions, two_cases) else 2)


def nothing(path):
    Path(path).mkdir()
    Path(path, "notes.txt").write_text("none")
    return {"A": Path("a"), "B": Path(path)}


REFUSED = {
    "one system": (lambda: {"A": Path("a")}, "set: one system is compared with nothing"),
    "the same folder": (lambda: {"A": Path("a"), "B": Path("b/../a")}, "it is given for A and for B"),
    "no folder": (lambda: {"A": Path("a"), "B": Path("nope")}, "nope: there is no folder of that name"),
    "no pictures": (lambda: nothing("c"), "c: it holds 1 other files and no picture; check the path"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("skip_bad", [False, True])
def test_without_two_folders_of_pictures_nothing_is_written(case, skip_bad):
    two("one.png")
    folders, sentence = REFUSED[case]
    with pytest.raises(ImageSetError) as refusal:
        import_folders(folders(), Path("set"), skip_bad=skip_bad)
    assert sentence in str(refusal.value)
    assert not Path("set").exists()


def test_a_folder_that_is_taken_stays_as_it_is():
    two("one.png")
    for out in ("b", "a/set", "."):
        with pytest.raises(ImageSetError, match=r"already exists|it lies in the pictures of"):
            import_folders({"A": Path("a"), "B": Path("b")}, Path(out))
    assert sorted(map(str, Path("a").rglob("*"))) == ["a/one.png"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("prompt\nA cup\n", "there is no column 'file_name' or 'prompt_id' in the heading line"),
        ("prompt_id,prompt\none,A\none,B\n", "p.csv, line 3: 'one' was given before, in p.csv, line 2"),
    ],
)
def test_a_table_that_names_no_pictures_or_one_twice_is_refused(text, sentence):
    two("one.png")
    Path("p.csv").write_text(text)
    with pytest.raises(TableError) as refusal:
        imported(prompts=Path("p.csv"))
    assert sentence in str(refusal.value)


def test_names_that_may_be_meant_are_sought_for_as_many_as_are_printed():
    two(*(f"flux-{n:03}.png" for n in range(30)))
    for path in Path("b").iterdir():
        path.rename(path.with_name(path.name.replace("flux-", "fluxx-")))
    assert [lack.near is not None for lack in imported().lacks["A"]] == [True] * 10 + [False] * 20
    for option, sentence in (("-v", "were sought for the first 10 only"), ("--json", '"near_sought": 10')):
        done = CliRunner().invoke(main, ["import", "A=a", "B=b", "--out", f"set{option}", option])
        assert sentence in done.output


def test_the_folder_that_one_stands_in_and_a_link_are_no_new_folder(monkeypatch):
    two("one.png")
    Path("empty").mkdir()
    Path("link").symlink_to("empty")
    with pytest.raises(ImageSetError, match="it is a link"):
        import_folders({"A": Path("a"), "B": Path("b")}, Path("link"))
    monkeypatch.chdir("empty")
    with pytest.raises(ImageSetError, match="it has no name of its own"):
        import_folders({"A": Path("../a"), "B": Path("../b")}, Path("."))


def test_columns_of_a_folder_that_are_nearly_known_ones_are_kept_and_told_when_the_set_is_read():
    two("one.png")
    row = {"file_name": "one.png", "prompt": "A cup", "tag": "x"}
    for system in "ab":
        Path(f"{system}/metadata.jsonl").write_text(json.dumps(row) + "\n")
    image_set = read_image_set(imported().folder)
    assert [each["tag"] for each in image_set.rows] == ["x", "x"]
    assert any("'tag' is read by nothing" in each for each in image_set.warnings)
    Path("p.jsonl").write_text(json.dumps(row))
    with pytest.raises(TableError, match="'tag' is read by nothing"):
        import_folders({"A": Path("a"), "B": Path("b")}, Path("other"), prompts=Path("p.jsonl"))


def test_tables_with_a_row_a_picture_may_be_larger_than_other_files(monkeypatch):
    two("one.png")
    Path("a/metadata.jsonl").write_text('{"file_name": "one.png", "prompt": "A cup"}')
    monkeypatch.setattr(regular_files.read_regular, "__defaults__", (8,))
    assert len(text_of(Path("a/metadata.jsonl"))) > 8
    Path("set").mkdir()
    draw("set/one.png")
    row = {"file_name": "one.png", "prompt": "A cup", "system": "A"}
    Path("set/metadata.jsonl").write_text(json.dumps(row))
    assert len(read_image_set(Path("set")).rows) == 1
