"""Benchmarks' published files become suites: small files of the same layout, with prompts of our own."""

import json
from pathlib import Path

import pytest

from evals.imageset.tables import TableError
from evals.suites.formats import FORMATS, import_suite, read_format
from evals.suites.suite import Relation, SceneObject, read_suite

PARTI = (
    "Prompt\tCategory\tChallenge\tNote\n"
    "a lighthouse on a cliff\tOutdoor Scenes\tBasic\t\n"
    '"Soup", says a board by the door\tFood & Beverage\tWriting & Symbols\tour own note\n'
)
DRAW = 'Prompts,Category\n"A green goat, and a blue gate.",Colors\n"Four ""quiet"" clocks",Counting\n'
GENEVAL = (
    {"tag": "counting", "include": [{"class": "kite", "count": 3}], "exclude": [{"class": "kite", "count": 4}]},
    {"tag": "colors", "include": [{"class": "kite", "count": 1, "color": "purple"}]},
    {
        "tag": "position",
        "include": [{"class": "sink", "count": 1}, {"class": "sheep", "count": 1, "position": ["right of", 0]}],
    },
    {"tag": "two_object", "include": [{"class": "bus", "count": 1}], "exclude": [{"class": "car", "count": 1}]},
)
DPG = (
    "item_id,text,keywords,proposition_id,dependency,category_broad,category_detailed,tuple,question_natural_language\n"
    'own7,"A ferry, white\nand old.",,1,0,entity,whole,entity - whole (ferry),Is there a ferry?\n'
    'own7,"A ferry, white\nand old.",,2,1,attribute,color,"attribute - color (ferry, white)",Is the ferry white?\n'
    "own9,A bus stop.,,1,0,entity,whole,entity - whole (bus stop),Is there a bus stop?\n"
)
LONGTEXT = (
    {
        "prompt_id": 4,
        "category": "sign",
        "length": "short",
        "prompt": 'A gate sign: "Shut the gate." and "Beware of geese."',
        "text": ["Shut the gate.", "Beware of geese."],
    },
    {"prompt_id": 5, "category": "poster", "length": "long", "prompt": "海报:“欢迎光临”", "text": ["欢迎光临"]},
)
ONEIG = (
    "category,id,prompt_en,type,prompt_length,class\n"
    "Anime_Stylization,003,A fox in a paper coat,NP,short,woodcut\n"
    'Text_Rendering,003,"A van, painted ""Fresh Eels""",T,short,None\n'
)


def written(folder: Path, name: str, content: str | bytes | tuple[dict, ...]) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if isinstance(content, tuple):
        content = "".join(json.dumps(each) + "\n" for each in content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def geneval(*rows: dict) -> tuple[dict, ...]:
    return tuple({"prompt": f"our own prompt {number}", **row} for number, row in enumerate(rows))


def oneig_json(field: str) -> str:
    row = {"category": "Portrait", "id": "000", field: "茶", "type": "NP", "prompt_length": "short", "class": None}
    return json.dumps([row])


# Format, file, its content, and the prompts with their tags.
READ = [
    ("partiprompts", "PartiPrompts.tsv", PARTI, {
        "outdoor-scenes-2": ("a lighthouse on a cliff", "outdoor-scenes", "basic"),
        "food-beverage-3": ('"Soup", says a board by the door', "food-beverage", "writing-symbols"),
    }),
    ("drawbench", "DrawBench.csv", "\ufeff" + DRAW, {
        "colors-2": ("A green goat, and a blue gate.", "colors"), "counting-3": ('Four "quiet" clocks', "counting"),
    }),
    ("dpg-bench", "dpg_bench.csv", DPG, {"own7": ("A ferry, white\nand old.",), "own9": ("A bus stop.",)}),
    ("t2i-compbench", "3d_spatial_val.txt", "a hen behind a cart\n\na cat\n", {
        "3d-spatial-1": ("a hen behind a cart", "3d-spatial"), "3d-spatial-3": ("a cat", "3d-spatial"),
    }),
    ("oneig-bench", "OneIG-Bench.csv", ONEIG, {
        "anime-stylization-003": ("A fox in a paper coat", "anime-stylization", "np", "woodcut"),
        "text-rendering-003": ('A van, painted "Fresh Eels"', "text-rendering", "t"),
    }),
    ("oneig-bench", "english.json", oneig_json("prompt_en"), {"portrait-000": ("茶", "portrait", "np")}),
    ("oneig-bench", "chinese.json", oneig_json("prompt_cn"), {"portrait-000": ("茶", "portrait", "np")}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "file", "content", "items"), READ, ids=[file for _, file, _, _ in READ])
def test_a_benchmarks_table_or_list_is_read_with_its_prompts_and_tags(tmp_path, name, file, content, items):
    suite = read_format(name, written(tmp_path, file, content), "mine")
    assert {item.id: (item.prompt, *item.tags) for item in suite.items} == items
    assert {item.suite for item in suite.items} == {"mine"}


def test_genevals_counts_colours_and_positions_become_objects_and_relations(tmp_path):
    source = written(tmp_path, "evaluation_metadata.jsonl", geneval(*GENEVAL))
    counting, colours, position, excluding = read_format("geneval", source, "mine").items
    assert (counting.objects, counting.absent) == ((SceneObject(name="kite", count=3),), ())
    assert colours.objects == (SceneObject(name="kite", colour="purple"),)
    assert position.objects == (SceneObject(name="sink"), SceneObject(name="sheep"))
    assert position.relations == (Relation(first="sheep", relation="right of", second="sink"),)
    assert excluding.absent == ("car",)
    assert (excluding.id, excluding.prompt, excluding.tags) == ("two-object-00003", "our own prompt 3", ("two-object",))


def test_of_a_folder_only_its_prompts_are_read_and_of_t2i_compbench_those_for_validation(tmp_path):
    for name, text in (("12.txt", "A pier in the rain.\n"), ("3.txt", "A dry well."), ("notes.md", "no prompt")):
        written(tmp_path / "dpg", name, text)
    texts = read_format("dpg-bench", tmp_path / "dpg", "mine").items
    assert {item.id: item.prompt for item in texts} == {"12": "A pier in the rain.", "3": "A dry well."}
    for name in ("color_train.txt", "color_val.txt", "color_val_seen.txt", "color.txt", "shape_val.txt"):
        written(tmp_path / "t2i", name, f"a prompt of {name}\n")
    lists = read_format("t2i-compbench", tmp_path / "t2i", "mine").items
    assert [item.prompt for item in lists] == ["a prompt of color_val.txt", "a prompt of shape_val.txt"]


def test_longtext_benchs_texts_become_expected_text_line_by_line_with_its_language(tmp_path):
    of_lines = {**LONGTEXT[0], "prompt_id": 6, "text": "Shut the gate.\n\nBeware of geese."}
    source = written(tmp_path, "t.jsonl", (*LONGTEXT, of_lines))
    english, chinese, lines = read_format("longtext-bench", source, "mine").items
    assert english.expected_text == lines.expected_text == ("Shut the gate.", "Beware of geese.")
    assert (english.id, english.language, english.tags) == ("sign-4", "en", ("sign", "short"))
    assert (chinese.expected_text, chinese.language) == (("欢迎光临",), "zh-Hans")


SOURCES = {
    **{name: (file, content) for name, file, content, _ in READ[:5]},
    "t2i-compbench": ("color_val.txt", "a red hen\nyes\n12\n'quoted: # no comment\n"),
    "geneval": ("evaluation_metadata.jsonl", geneval(*GENEVAL)),
    "longtext-bench": ("text_prompts.jsonl", LONGTEXT),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_written_suite_is_read_back_as_it_was_imported(tmp_path, name):
    source = written(tmp_path, *SOURCES[name])
    out = tmp_path / "mine.yaml"
    imported = import_suite(name, source, out)
    assert imported == read_suite(out) == read_format(name, source, "mine")
    assert all(part in imported.made for part in (FORMATS[name].published_at, FORMATS[name].licence, source.name))


def test_a_written_suite_is_pleasant_to_read(tmp_path):
    out = tmp_path / "mine.yaml"
    import_suite("geneval", written(tmp_path, "m.jsonl", geneval(*GENEVAL)), out)
    text = out.read_text("utf-8")
    assert "- id: position-00002\n  prompt: our own prompt 2\n  tags: [position]\n" in text
    assert "  - {name: kite, count: 3}\n" in text
    assert "  - {first: sheep, relation: right of, second: sink}\n" in text


def wrong(**changes) -> str:
    return json.dumps({"prompt": "ours", "tag": "t", "include": [{"class": "kite", "count": 1}], **changes})


THING, OTHER = {"class": "kite", "count": 1}, {"class": "bee", "count": 1}
BAD = [
    ("partiprompts", "Promt\tCategory\tChallenge\nx\ty\tz\n", r"line 1: there is no column 'prompt'; did you mean"),
    ("partiprompts", "Prompt\tCategory\tChallenge\nx\ty\tz\n\ty\tz\n", r"bad, line 3: 'prompt' holds no text"),
    ("partiprompts", "Prompt\tCategory\tChallenge\nx\ty\tz\tn\tm\n", r"bad, line 2: it has 5 cells for 3 columns"),
    ("drawbench", "Prompts,Category\n\n", r"bad: it holds no prompts"),
    ("drawbench", 'Prompts,Category\nx,y\n"open,y\n', r"bad, line 3: not a table that can be read"),
    ("drawbench", 'Prompts,Category\n"two\nlines",y\n,y\n', r"bad, line 4: 'prompts' holds no text"),
    ("drawbench", 'Prompts,Category\n,"two\nlines"\n', r"bad, line 2: 'prompts' holds no text"),
    ("drawbench", b"Prompts,Category\nx,y\n\xff,y\n", r"bad, line 3: it is not UTF-8 text"),
    ("geneval", wrong() + "\n{\n", r"bad, line 2: not JSON: expecting property name"),
    ("geneval", wrong() + "\n[1]\n", r"bad, line 2: it holds no fields"),
    ("geneval", "\n" + wrong(prompt=3), r"bad, line 2: 'prompt' holds no text"),
    ("geneval", wrong(prompt="\ud800"), r"bad, line 1: it holds half a character"),
    ("geneval", wrong(include="kite"), r"bad, line 1: 'include' is no list"),
    ("geneval", wrong(include=[{"class": "kite"}]), r"line 1, include: the count None is not a whole number"),
    ("geneval", wrong(include=[{**THING, "count": True}]), r"the count True is not a whole number"),
    ("geneval", wrong(include=[THING, {**OTHER, "position": ["near", 0]}]), r"\['near', 0\] is none of left of, "),
    ("geneval", wrong(include=[THING, {**OTHER, "position": ["above", 2]}]), r"with the number of another included"),
    ("geneval", wrong(include=[{**THING, "position": ["above", 0]}]), r"with the number of another included"),
    ("geneval", wrong(exclude=[{"class": "kite", "count": 5}]), r"line 1, exclude: 5 or more of 'kite' cannot be"),
    ("dpg-bench", "item_id,text\na,one\na,two\n", r"bad, line 3: the prompt 'a' was given before in other words"),
    ("longtext-bench", '{"prompt_id": 1, "category": "c", "prompt": "p"}', r"bad, line 1: 'text' holds no text"),
    ("oneig-bench", "category,id,prompt_en\nA,1,x\nA,1,y\n", r"bad, line 3: the prompt 'a-1' was given before"),
    ("oneig-bench", "category,id\nA,1\n", r"bad, line 2: 'prompt_en' holds no text"),
]


@pytest.mark.parametrize(("name", "content", "problem"), BAD)
def test_a_bad_file_is_refused_in_one_sentence_that_says_where(tmp_path, name, content, problem):
    with pytest.raises(TableError, match=problem) as refusal:
        import_suite(name, written(tmp_path, "bad", content), tmp_path / "mine.yaml")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("content", ["{}", "[1]", "[", '[{"category": "A"}]'])
def test_json_that_is_no_list_of_prompts_is_refused(tmp_path, content):
    with pytest.raises(TableError, match=r"^bad\.json, (line|entry) 1: "):
        read_format("oneig-bench", written(tmp_path, "bad.json", content), "mine")


def test_what_is_no_source_no_format_or_no_new_yaml_file_is_refused(tmp_path):
    source, kept = written(tmp_path, "DrawBench.csv", DRAW), written(tmp_path, "kept.yaml", "kept")
    folder, out = tmp_path / "empty", tmp_path / "mine.yaml"
    folder.mkdir()
    for name, path, target, problem in (
        ("geneval", tmp_path / "nowhere", out, "there is no such file"),
        ("geneval", folder, out, "is a folder; name the file in it"),
        ("t2i-compbench", folder, out, "it holds no prompts"),
        ("drawbnch", source, out, "there is no format 'drawbnch'; did you mean 'drawbench'"),
        ("drawbench", source, tmp_path / "mine", r"let it end in \.yaml"),
        ("drawbench", source, kept, "exists already"),
    ):
        with pytest.raises(TableError, match=problem):
            import_suite(name, path, target)
    assert kept.read_text() == "kept"
    assert not out.exists()
