"""A team's own prompts become a suite: a text, a table in any of its forms, or a suite that is there already."""

import json

import pytest

from evals.imageset.tables import TableError
from evals.suites.own_prompts import read_own_prompts
from evals.suites.suite import PromptItem, Relation, SceneObject, read_suite, suite_names
from evals.suites.writing import suite_sha256, write_suite

SIGN = {"prompt_id": "sign", "prompt": "A sign, TEA over CAKE", "expected_text": ["TEA", "CAKE"], "shop": "north"}
SCENE = {
    "id": "scene",
    "prompt": "Two red cups left of a bowl",
    "objects": [{"class": "cup", "count": 2, "color": "red"}, {"class": "bowl", "count": 1}],
    "relations": [{"first": "cup", "relation": "to the left of", "second": "bowl"}],
    "tags": ["table", "two"],
    "text_is_complete": True,
}
CSV = """\
id;Prompt;expected_text;objects;relations;tags;text_is_complete;shop
sign;A sign, TEA over CAKE;TEA|CAKE;;;;;north
scene;Two red cups left of a bowl;;"[{""name"": ""cup"", ""count"": 2, ""colour"": ""red""}, {""name"": ""bowl""}]";\
"[{""first"": ""cup"", ""relation"": ""left of"", ""second"": ""bowl""}]";table|two;TRUE;
"""
FORMS = {
    "p.jsonl": "".join(json.dumps(row) + "\n" for row in (SIGN, SCENE)),
    "p.json": json.dumps([SIGN, SCENE | {"caption": None}]),
    "p.csv": CSV,
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_table_says_the_same(name, tmp_path):
    (tmp_path / name).write_text(FORMS[name])
    suite, unused = read_own_prompts(tmp_path / name)
    sign, scene = suite.items
    assert (suite.name, unused) == ("p", ["shop"])
    assert sign == PromptItem(suite="p", id="sign", prompt=SIGN["prompt"], expected_text=("TEA", "CAKE"))
    assert scene == PromptItem(
        suite="p",
        id="scene",
        prompt=SCENE["prompt"],
        objects=(SceneObject(name="cup", count=2, colour="red"), SceneObject(name="bowl")),
        relations=(Relation(first="cup", relation="left of", second="bowl"),),
        tags=("table", "two"),
        text_is_complete=True,
    )


def test_a_text_is_a_prompt_a_line_numbered_and_written_as_a_suite_it_is_the_same(tmp_path):
    (tmp_path / "Our prompts.txt").write_text("\ufeffa cat\n\n  # a hash, and a [bracket]\r\n2024\n" + "x\n" * 8)
    suite, _ = read_own_prompts(tmp_path / "Our prompts.txt")
    assert suite.name == "our-prompts"
    assert [(item.id, item.prompt) for item in suite.items[:3]] == [
        ("p01", "a cat"), ("p02", "# a hash, and a [bracket]"), ("p03", "2024"),
    ]  # fmt: skip
    write_suite(suite, tmp_path / "our-prompts.yaml")
    assert read_own_prompts(tmp_path / "our-prompts.yaml") == (suite, [])


REFUSED = {
    "no file": ("p.txt", None, r"p\.txt: there is no such file"),
    "nothing": ("p.txt", "\n \n", r"p\.txt: it holds no rows"),
    "another kind": ("p.docx", "x", r"p\.docx: no table of prompts; let it end in \.txt, \.csv"),
    "no column": ("p.csv", "text,id\na,b\n", r"p\.csv, line 1: there is no column 'prompt' in the heading line"),
    "no prompt": ("p.csv", "id,prompt\na,b\nc,\n", r"p\.csv, line 3: it has no prompt; fill in that column"),
    "two of an id": ("p.csv", "id,prompt\na,b\na,c\n", r"p\.csv, line 3: the prompt 'a' was given before"),
    "no number": ("p.csv", "prompt,sequence_id,shot\na,b,first\n", r"line 2: column 'shot': 'first' is not a number"),
    "no JSON": ("p.csv", "prompt,edit\na,b\n", r"line 2: column 'edit': 'b' is not JSON"),
    "no truth": ("p.csv", "prompt,text_is_complete\na,maybe\n", r"column 'text_is_complete': 'maybe' is not true or"),
    "half a sequence": ("p.csv", "prompt,shot\na,1\n", r"line 2: column 'sequence_id': it is missing"),
    "no picture": (
        "p.csv",
        "prompt,reference_images\na,x.png\n",
        r"line 2: column 'reference_images': the file 'x.png' does not exist",
    ),
    "an edit of nothing": (
        "p.jsonl",
        '{"prompt": "a", "edit": {"does": "recolor", "target": "cup", "to": "red"}}',
        r"line 1: column 'edit', field 'does': there is no edit 'recolor'; did you mean 'recolour'\?",
    ),
    "not UTF-8": ("p.txt", b"\xff\xfe", r"p\.txt, line 1: it is not UTF-8 text"),
    "no list": ("p.json", "{}", r"p\.json, line 1: it is no list of prompts"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_one_sentence_with_its_line(case, tmp_path):
    name, content, sentence = REFUSED[case]
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TableError, match=sentence) as refusal:
        read_own_prompts(tmp_path / name)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_is_the_same_when_it_is_written_and_read(name, tmp_path):
    write_suite(read_suite(name), tmp_path / f"{name}.yaml")
    assert read_suite(tmp_path / f"{name}.yaml") == read_suite(name)
    assert suite_sha256(read_suite(tmp_path / f"{name}.yaml")) == suite_sha256(read_suite(name))
