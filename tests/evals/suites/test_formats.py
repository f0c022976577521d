"""Benchmarks' published files become suites: small files of the same layout, with prompts of our own."""

import json
from pathlib import Path

import pytest

from evals.suites.formats import FORMATS, import_suite, read_format
from evals.suites.suite import Relation, SceneObject, Suite, SuiteError, read_suite

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


def written(folder: Path, name: str, content: str | tuple[dict, ...]) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    lines = content if isinstance(content, str) else "".join(json.dumps(each) + "\n" for each in content)
    path.write_bytes(lines.encode())
    return path


def geneval(*rows: dict) -> tuple[dict, ...]:
    return tuple({"prompt": f"our own prompt {number}", **row} for number, row in enumerate(rows))


def prompts(suite: Suite) -> dict[str, str]:
    return {item.id: item.prompt for item in suite.items}


def tags(suite: Suite) -> list[tuple[str, ...]]:
    return [item.tags for item in suite.items]


def test_partiprompts_are_a_table_with_tabs_whose_quotes_belong_to_the_prompt(tmp_path):
    suite = read_format("partiprompts", written(tmp_path, "PartiPrompts.tsv", PARTI), "mine")
    assert prompts(suite) == {
        "outdoor-scenes-2": "a lighthouse on a cliff",
        "food-beverage-3": '"Soup", says a board by the door',
    }
    assert tags(suite) == [("outdoor-scenes", "basic"), ("food-beverage", "writing-symbols")]
    assert {item.suite for item in suite.items} == {"mine"}


def test_drawbench_is_a_table_with_commas(tmp_path):
    suite = read_format("drawbench", written(tmp_path, "DrawBench.csv", "\ufeff" + DRAW), "mine")
    assert prompts(suite) == {"colors-2": "A green goat, and a blue gate.", "counting-3": 'Four "quiet" clocks'}
    assert tags(suite) == [("colors",), ("counting",)]


def test_genevals_counts_colours_and_positions_become_objects_and_relations(tmp_path):
    source = written(tmp_path, "evaluation_metadata.jsonl", geneval(*GENEVAL))
    counting, colours, position, excluding = read_format("geneval", source, "mine").items
    assert counting.objects == (SceneObject(name="kite", count=3),)
    assert counting.absent == ()
    assert colours.objects == (SceneObject(name="kite", colour="purple"),)
    assert position.objects == (SceneObject(name="sink"), SceneObject(name="sheep"))
    assert position.relations == (Relation(first="sheep", relation="right of", second="sink"),)
    assert excluding.absent == ("car",)
    assert (excluding.id, excluding.prompt, excluding.tags) == ("two-object-00003", "our own prompt 3", ("two-object",))


def test_dpg_bench_is_read_from_its_table_with_one_prompt_for_many_questions(tmp_path):
    suite = read_format("dpg-bench", written(tmp_path, "dpg_bench.csv", DPG), "mine")
    assert prompts(suite) == {"own7": "A ferry, white\nand old.", "own9": "A bus stop."}


def test_dpg_bench_is_read_from_its_folder_of_texts(tmp_path):
    for name, text in (("12.txt", "A pier in the rain.\n"), ("3.txt", "A dry well."), ("notes.md", "no prompt")):
        written(tmp_path / "prompts", name, text)
    assert prompts(read_format("dpg-bench", tmp_path / "prompts", "mine")) == {
        "12": "A pier in the rain.",
        "3": "A dry well.",
    }


def test_t2i_compbench_is_a_list_of_prompts_whose_file_is_the_category(tmp_path):
    suite = read_format("t2i-compbench", written(tmp_path, "3d_spatial_val.txt", "a hen behind a cart\n\na cat\n"), "m")
    assert prompts(suite) == {"3d-spatial-1": "a hen behind a cart", "3d-spatial-3": "a cat"}
    assert tags(suite) == [("3d-spatial",)] * 2


def test_of_a_t2i_compbench_folder_only_the_prompts_for_validation_are_asked(tmp_path):
    for name in ("color_train.txt", "color_val.txt", "color_val_seen.txt", "color.txt", "shape_val.txt"):
        written(tmp_path / "dataset", name, f"a prompt of {name}\n")
    assert prompts(read_format("t2i-compbench", tmp_path / "dataset", "m")) == {
        "color-1": "a prompt of color_val.txt",
        "shape-1": "a prompt of shape_val.txt",
    }


def test_longtext_benchs_texts_become_expected_text_with_its_language(tmp_path):
    english, chinese = read_format("longtext-bench", written(tmp_path, "t.jsonl", LONGTEXT), "mine").items
    assert english.expected_text == ("Shut the gate.", "Beware of geese.")
    assert (english.id, english.language, english.tags) == ("sign-4", "en", ("sign", "short"))
    assert (chinese.expected_text, chinese.language) == (("欢迎光临",), "zh-Hans")


def test_a_single_text_of_several_lines_is_expected_line_by_line(tmp_path):
    row = {**LONGTEXT[0], "text": "Shut the gate.\n\nBeware of geese."}
    (item,) = read_format("longtext-bench", written(tmp_path, "t.jsonl", (row,)), "mine").items
    assert item.expected_text == ("Shut the gate.", "Beware of geese.")


def test_oneig_bench_numbers_its_prompts_anew_in_each_category(tmp_path):
    suite = read_format("oneig-bench", written(tmp_path, "OneIG-Bench.csv", ONEIG), "mine")
    assert prompts(suite) == {
        "anime-stylization-003": "A fox in a paper coat",
        "text-rendering-003": 'A van, painted "Fresh Eels"',
    }
    assert tags(suite) == [("anime-stylization", "np", "woodcut"), ("text-rendering", "t")]


@pytest.mark.parametrize("field", ["prompt_en", "prompt_cn"])
def test_oneig_bench_is_read_as_json_in_either_language(tmp_path, field):
    rows = [{"category": "Portrait", "id": "000", field: "茶", "type": "NP", "prompt_length": "short", "class": None}]
    suite = read_format("oneig-bench", written(tmp_path, "OneIG-Bench.json", json.dumps(rows)), "mine")
    assert prompts(suite) == {"portrait-000": "茶"}


SOURCES = {
    "partiprompts": ("PartiPrompts.tsv", PARTI),
    "drawbench": ("DrawBench.csv", DRAW),
    "geneval": ("evaluation_metadata.jsonl", geneval(*GENEVAL)),
    "dpg-bench": ("dpg_bench.csv", DPG),
    "t2i-compbench": ("color_val.txt", "a red hen\nyes\n12\n'quoted: # no comment\n"),
    "longtext-bench": ("text_prompts.jsonl", LONGTEXT),
    "oneig-bench": ("OneIG-Bench.csv", ONEIG),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_written_suite_is_read_back_as_it_was_imported(tmp_path, name):
    source = written(tmp_path, *SOURCES[name])
    out = tmp_path / "mine.yaml"
    imported = import_suite(name, source, out)
    assert imported == read_suite(out) == read_format(name, source, "mine")
    assert FORMATS[name].published_at in imported.made
    assert FORMATS[name].licence in imported.made
    assert source.name in imported.made


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
    (
        "partiprompts",
        "Promt\tCategory\tChallenge\nx\ty\tz\n",
        r"bad, line 1: there is no column 'prompt'; did you mean",
    ),
    ("partiprompts", "Prompt\tCategory\tChallenge\nx\ty\tz\n\ty\tz\n", r"bad, line 3: 'prompt' holds no text"),
    ("partiprompts", "Prompt\tCategory\tChallenge\nx\ty\tz\tn\tm\n", r"bad, line 2: it has 5 cells for 3 columns"),
    ("partiprompts", "", r"bad: it holds no prompts"),
    ("drawbench", "Prompts,Category\n\n", r"bad: it holds no prompts"),
    ("drawbench", 'Prompts,Category\nx,y\n"open,y\n', r"bad, line 3: not a table that can be read"),
    ("drawbench", 'Prompts,Category\n"two\nlines",y\n,y\n', r"bad, line 4: 'prompts' holds no text"),
    ("drawbench", 'Prompts,Category\n,"two\nlines"\n', r"bad, line 2: 'prompts' holds no text"),
    ("drawbench", b"Prompts,Category\nx,y\n\xff,y\n", r"bad, line 3: it is not UTF-8 text"),
    ("geneval", wrong() + "\n{\n", r"bad, line 2: not JSON: expecting property name"),
    ("geneval", wrong() + "\n[1]\n", r"bad, line 2: it holds no fields"),
    ("geneval", "\n" + wrong(prompt=3), r"bad, line 2: 'prompt' holds no text"),
    ("geneval", wrong(prompt="\ud800"), r"bad, line 1: 'prompt' holds half a character"),
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


@pytest.mark.parametrize(("name", "content", "told"), BAD)
def test_a_bad_file_is_refused_in_one_sentence_that_says_where(tmp_path, name, content, told):
    source = tmp_path / "bad"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SuiteError, match=told) as refusal:
        import_suite(name, source, tmp_path / "mine.yaml")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "mine.yaml").exists()


@pytest.mark.parametrize("content", ["{}", "[1]", "[", '[{"category": "A"}]'])
def test_json_that_is_no_list_of_prompts_is_refused(tmp_path, content):
    with pytest.raises(SuiteError, match=r"^bad\.json, (line|entry) 1: "):
        read_format("oneig-bench", written(tmp_path, "bad.json", content), "mine")


def test_a_missing_file_and_a_folder_where_a_file_is_meant_are_refused(tmp_path):
    with pytest.raises(SuiteError, match="there is no such file"):
        read_format("geneval", tmp_path / "nowhere", "mine")
    with pytest.raises(SuiteError, match="is a folder; name the file in it"):
        read_format("geneval", tmp_path, "mine")
    with pytest.raises(SuiteError, match="it holds no prompts"):
        read_format("t2i-compbench", tmp_path, "mine")


def test_an_unknown_format_and_a_suite_that_cannot_be_written_are_refused(tmp_path):
    source = written(tmp_path, "DrawBench.csv", DRAW)
    with pytest.raises(SuiteError, match="there is no format 'drawbnch'; did you mean 'drawbench'"):
        import_suite("drawbnch", source, tmp_path / "mine.yaml")
    with pytest.raises(SuiteError, match=r"let it end in \.yaml"):
        import_suite("drawbench", source, tmp_path / "mine")
    kept = written(tmp_path, "mine.yaml", "kept")
    with pytest.raises(SuiteError, match="exists already"):
        import_suite("drawbench", source, kept)
    assert kept.read_text() == "kept"
