"""Own pictures and own prompts: from two folders, or a text file, to a page with stars in one or two commands."""

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import yaml
from click.testing import CliRunner

from evals.cli.main import main
from evals.definition import read_definition
from evals.imageset.imageset import read_image_set
from evals.imageset.validation import loader_warnings
from evals.suites.drawing.text import draw_sign

WORDS = ("BREAD", "TEA", "OPEN", "SALE", "COFFEE", "CLOSED", "FISH", "SOAP")
SYSTEMS = "flux-2-pro@bfl,flux-2-klein-4b@bfl"
REHEARSED = ("flux-2-pro@simulated-bfl", "flux-2-klein-4b@simulated-bfl")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, code=0):
    done = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def refused(*arguments):
    done = run(*arguments, code=2)
    assert done.stderr.count("\n") == 1
    return done.stderr


def draw_folder(path, letters, other_names):
    Path(path).mkdir()
    for n, word in enumerate(WORDS):
        picture = PIL.Image.new("RGB", (384, 384), "#9cc4e4")
        draw_sign(picture, [word[:letters]], np.random.default_rng(n))
        picture.save(f"{path}/{other_names.get(word, word.lower())}.png")


def test_two_folders_are_a_page_in_three_commands_though_two_names_differ():
    draw_folder("whole", None, {})
    draw_folder("cut", 2, {"FISH": "fishes", "SOAP": "zzz"})
    rows = [f"{word.lower()},A sign that reads {word},{word}" for word in WORDS]
    Path("prompts.csv").write_text("\n".join(["prompt_id,prompt,expected_text", *rows, "gone,A thing,THING"]))
    done = run("import", "whole=whole", "cut=cut", "--prompts", "prompts.csv", "--out", "set")
    for line in (
        "whole: 8 pictures, cut: 8 pictures",
        "paired: 6 prompts have a picture of every system",
        "not paired, whole lacks 2:\n  fishes.png (it has fish.png; the same?)\n  zzz.png\n",
        "not paired, cut lacks 2:\n  fish.png (it has fishes.png; the same?)\n  soap.png\n",
        "prompts without a picture, 1:\n  prompts.csv, line 10\n",
        "no prompt is known of 2 pictures: prompt adherence cannot be measured without it",
        "score: twinlens score set",
    ):
        assert line in done.stdout
    assert "set-scored" in run("score", "set", "--metrics", "text.similarity").stdout
    run("report", "set-scored", "--out", "page")
    page = " ".join(re.sub(r"<[^>]+>", " ", Path("page/index.html").read_text()).split())
    assert re.search(r"over 6 (common )?prompts", page)
    assert "over 6 common prompts" in Path("page/tables.html").read_text()
    (row,) = json.loads(run("rate", "set-scored", "--json").stdout)["stars"]["rows"]
    stars = {cell["system"]: cell["stars"] for cell in row["cells"]}
    assert stars["whole"] > stars["cut"] + 1


def test_without_prompts_nothing_is_measured_against_names():
    for system in ("a", "b"):
        draw_folder(system, None, {})
    run("import", "A=a", "B=b", "--out", "set")
    assert "is measured in no row that has prompt_is_file_name" in refused("score", "set", "--metrics", "adherence")


def test_a_text_of_prompts_is_a_page_with_stars_in_one_command():
    prompts = [
        f"a {colour} {thing}" for thing in ("cup", "clock", "jar") for colour in ("red", "blue", "pink", "white")
    ]
    Path("mine.txt").write_text("\n".join(prompts))
    command = ("run", "--systems", SYSTEMS, "--prompts", "mine.txt", "--size", "512", "--simulated", "--out", "R")
    document = json.loads(run(*command, "--json").stdout)
    assert document["generation"]["outcomes"] == {system: {"ok": 12} for system in REHEARSED}
    rows = {row["id"]: row for row in document["ratings"]["stars"]["rows"]}
    assert list(rows) == ["adherence", "cost", "latency"]
    page = Path(document["report"]).read_text()
    assert all(f"{cell['stars']:.1f} ({cell['low']:.1f} to" in page for cell in rows["cost"]["cells"])
    run("verify", "R")
    frozen = Path("R/suites/mine.yaml").read_text()
    Path("R/suites/mine.yaml").write_text(frozen.replace("red", "rad"))
    assert "suites/mine.yaml" in run("verify", "R", code=1).output
    Path("R/suites/mine.yaml").write_text(frozen)
    # From now on it is an eval like any other, and the same command goes on.
    assert "R/suites/mine.yaml" in str(read_definition("R/eval.yaml").suite_path("mine"))
    assert json.loads(run("generate", *command[1:], "--json").stdout) == document["generation"]
    Path("mine.txt").write_text("\n".join([*prompts[:-1], "a white goat"]))
    again = run("generate", *command[1:], "--json")
    assert json.loads(again.stdout) == document["generation"]
    assert "note: suite 'mine' has changed since the run began; it goes on with R/suites/mine.yaml" in again.stderr
    assert json.loads(run("generate", "R/eval.yaml", "--simulated", "--out", "R", "--json").stdout)["spent_usd"] > 0


def test_an_imported_benchmark_is_asked_with_twenty_prompts_of_all_its_kinds():
    kinds = ("single_object", "two_object", "counting", "colors", "position", "color_attr")
    things = ("cup", "clock", "bottle", "vase")
    rows = [
        {"tag": kind, "prompt": f"{kind} {n}", "include": [{"class": things[n % 4], "count": 1}]}
        for kind in kinds
        for n in range(20)
    ]
    Path("evaluation_metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("suites", "import", "geneval", "evaluation_metadata.jsonl", "--out", "geneval.yaml")
    asked = ("--systems", SYSTEMS, "--prompts", "geneval.yaml", "--size", "512", "--limit", "20", "--simulated")
    assert json.loads(run("generate", *asked, "--dry-run", "--json", "--out", "R").stdout)["n_images"] == 40
    assert not Path("R").exists()
    run("generate", *asked, "--out", "R")
    ids = [{row["prompt_id"] for row in read_image_set("R/images").rows if row["system"] == name} for name in REHEARSED]
    assert ids[0] == ids[1]
    assert {item_id.rsplit("-", 1)[0] for item_id in ids[0]} == {kind.replace("_", "-") for kind in kinds}
    frozen = read_definition("R/eval.yaml")
    assert (len(ids[0]), frozen.limit, len(frozen.suite("geneval").items)) == (20, 20, 20)
    assert [row.id for row in frozen.rows] == ["adherence", "structure", "cost", "latency"]
    assert "holds a run of another eval" in refused("generate", *asked[:-3], "--simulated", "--out", "R")


def test_rows_follow_from_the_columns():
    from evals.generation.new_eval import write_new_eval

    PIL.Image.new("RGB", (8, 8)).save("cat.png")
    edit = {"does": "recolour", "target": "cat", "to": "red"}
    rows = [
        {"prompt": "a", "expected_text": "A"},
        {"prompt": "b", "sequence_id": "mia", "shot": 1},
        {"prompt": "c", "palette": ["red"]},
        {"prompt": "d", "reference_images": ["cat.png"], "edit": edit, "mask": "cat.png"},
        {"prompt": "e", "reference_images": ["cat.png"]},
    ]
    Path("all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("draft").mkdir()
    path, notes = write_new_eval(Path("draft"), SYSTEMS.split(","), "all.jsonl")
    written = [row["id"] for row in yaml.safe_load(path.read_text())["rows"]]
    names = ["adherence", "text", "identity", "identity-reference", "editing", "palette", "cost", "latency"]
    assert (written, notes) == (names, [])
    assert read_definition(path).suite("all").items[3].mask.read_bytes() == Path("cat.png").read_bytes()


def test_a_column_that_is_nearly_a_known_one_is_refused_where_prompts_are_asked_and_told_in_a_set():
    row = {"prompt": "A sign", "expected_tekst": ["TEA"], "customer": "A"}
    Path("p.jsonl").write_text(json.dumps(row))
    asked = refused("estimate", "--systems", SYSTEMS, "--prompts", "p.jsonl")
    meant = "column 'expected_tekst' is read by nothing; did you mean 'expected_text'?"
    assert meant in asked
    assert loader_warnings([{**row, "file_name": "a.png", "suite": "s", "prompt_id": "p"}]) == [meant]
    Path("p.jsonl").write_text(json.dumps({"prompt": "A sign", "customer": "A"}))
    assert json.loads(run("estimate", "--systems", SYSTEMS, "--prompts", "p.jsonl", "--json").stdout)["n_images"] == 2


WRONG_USE = {
    "neither": ("run --out R", "Missing argument 'EVAL'; name an eval, or give --systems and --prompts."),
    "no prompts": (f"run --systems {SYSTEMS} --out R", "name an eval, or give --prompts."),
    "both": ("run demo --prompts p.txt --out R", "EVAL says what is asked; leave it out, or --systems, --prompts"),
    "unknown": (
        "run --systems flux-2-por@bfl --prompts p.txt --out R",
        "there is no system 'flux-2-por@bfl'",
    ),
    "no host": (
        "run --systems flux-2-pro --prompts p.txt --out R",
        "'flux-2-pro' is not a system; the host",
    ),
    "twice": (f"run --systems {SYSTEMS},flux-2-pro@bfl --prompts p.txt --out R", "'flux-2-pro@bfl' is listed twice"),
    "size": (f"run --systems {SYSTEMS} --prompts p.txt --size 3K --out R", "--size: there is no size '3K'"),
    "no file": (f"run --systems {SYSTEMS} --prompts q.txt --out R", "q.txt: there is no such file"),
    "limit": ("run demo --limit 0 --out R", "'0' is neither a number of prompts, such as 20, nor a share of them"),
    "not NAME=DIR": ("import a b --out S", "'a' is not NAME=DIR, such as flux=pictures/flux."),
    "a name twice": ("import A=a A=b --out S", "'A' is given twice"),
    "one folder": ("import A=a --out S", "at least two systems"),
    "no YAML": ("init --out eval.txt", "let it end in .yaml"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_is_one_line_and_writes_nothing(case, folder):
    Path("p.txt").write_text("a cat\n")
    arguments, sentence = WRONG_USE[case]
    assert sentence in refused(*arguments.split())
    assert [path.name for path in folder.iterdir()] == ["p.txt"]


def test_init_writes_an_eval_that_loads_and_is_rehearsed():
    assert "twinlens run eval.yaml --out runs/eval --simulated" in run("init").stdout
    assert "exists already" in refused("init")
    assert json.loads(run("estimate", "eval.yaml", "--json").stdout)["n_images"] == 2 * 30
    Path("small.yaml").write_text(Path("eval.yaml").read_text().replace("limit: 10", "limit: 1"))
    done = run("generate", "small.yaml", "--simulated", "--out", "R", "--json")
    assert [counts["ok"] for counts in json.loads(done.stdout)["outcomes"].values()] == [3, 3]
