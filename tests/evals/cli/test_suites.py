"""The commands of `twinlens suites`: a list by default, exit code 1 where a suite has faults, 2 where use is wrong."""

import json
from pathlib import Path

import PIL.Image
import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.suites.formats import FORMATS
from evals.suites.suite import read_suite, suite_names

FAULTY = """\
name: faulty
version: 1
purpose: A suite with one fault that the check finds.
made: Written by hand for a test of the command.
limits: It holds five prompts and measures nothing.
items:
  - {id: cup, prompt: A mug in a room, objects: [{name: cup}], tags: [indoor]}
  - {id: sign, prompt: 'A sign: "OPEN"', expected_text: [OPEN], language: en}
  - {id: gate, prompt: A gate in the snow, absent: [dog], reference_images: [gate.png]}
  - {id: boat-1, prompt: A boat leaves, sequence_id: boat, shot: 1}
  - {id: boat-2, prompt: The wreck on a reef, sequence_id: boat, shot: 2}
"""


@pytest.fixture
def faulty(tmp_path: Path) -> str:
    path = tmp_path / "faulty.yaml"
    path.write_text(FAULTY, encoding="utf-8")
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "gate.png")
    return str(path)


def run(*arguments: str):
    return CliRunner().invoke(main, ["suites", *arguments], catch_exceptions=False)


def test_without_a_command_every_suite_is_listed_on_a_screen_and_the_demos_apart(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    done = run()
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    usual, of_demo = lines[: lines.index("")], lines[lines.index("") + 2 :]
    assert [line.split()[0] for line in usual] == [name for name in suite_names() if not name.startswith("demo-")]
    assert [line.split()[0] for line in of_demo] == [name for name in suite_names() if name.startswith("demo-")]
    assert (len(lines) <= 40, max(map(len, lines)) <= 80) == (True, True)
    assert [suite["name"] for suite in json.loads(run("--json").stdout)] == suite_names()


def test_show_prints_the_card_and_every_prompt(faulty):
    shown = run("show", faulty).stdout
    assert shown.startswith("faulty v1, 5 items\npurpose: A suite with one fault")
    assert "\ncup  [indoor; 1 cup]\n  A mug in a room\n" in shown
    assert '\nsign  [text in en: OPEN]\n  A sign: "OPEN"\n' in shown
    assert "\ngate  [no dog]\n" in shown
    assert "\nboat-2  [boat shot 2]\n" in shown
    gate = json.loads(run("show", faulty, "--json").stdout)["items"][2]
    assert gate["reference_images"] == [str(Path(faulty).with_name("gate.png"))]


def test_show_says_how_often_a_suite_is_asked():
    assert "asked:   with 2 seed(s), 3 time(s) each" in run("show", "repeatability").stdout
    assert "first shot is sent along" in run("show", "identity-reference").stdout


@pytest.mark.parametrize("name", suite_names())
def test_show_as_json_is_one_document_of_every_suite(name):
    document = json.loads(run("show", name, "--json").stdout)
    assert [item["id"] for item in document["items"]] == [item.id for item in read_suite(name).items]


def test_check_passes_faultless_suites_with_code_0():
    done = run("check", "demo-signs", "demo-scenes")
    number = sum(len(read_suite(name).items) for name in ("demo-signs", "demo-scenes"))
    assert (done.exit_code, done.stdout) == (0, f"2 suites, {number} items: no problems\n")
    assert json.loads(run("check", "demo-signs", "--json").stdout)["problems"] == []


def test_check_names_faults_with_code_1(faulty):
    done = run("check", faulty, "demo-signs")
    assert done.exit_code == 1
    sentence, count = done.stdout.splitlines()
    assert sentence.startswith("faulty, item 'cup': neither prompt nor caption names the object 'cup'; ")
    assert count.endswith(" items: 1 problem")
    as_json = run("check", faulty, "--json")
    assert as_json.exit_code == 1
    assert [(each["suite"], each["item"]) for each in json.loads(as_json.stdout)["problems"]] == [("faulty", "cup")]


def test_check_counts_what_a_benchmark_has_hundreds_of(tmp_path):
    source, out = tmp_path / "geneval.jsonl", tmp_path / "mine.yaml"
    row = {"tag": "counting", "prompt": "a photo of a bench", "include": [{"class": "bench", "count": 1}]}
    source.write_text(f"{json.dumps(row)}\n" * 300)
    run("import", "geneval", str(source), "--out", str(out))
    done = run("check", str(out))
    line, count = done.stdout.splitlines()
    assert line.startswith(
        "mine: 299 items ask nearly what another one asks, first 'counting-00001': its prompt is nearly"
    )
    assert (done.exit_code, count) == (1, "1 suite, 300 items: 299 problems")
    assert len(run("check", str(out), "-v").stdout.splitlines()) == 300


def test_import_writes_a_suite_that_check_and_show_take(tmp_path):
    source, out = tmp_path / "DrawBench.csv", tmp_path / "mine.yaml"
    rows = ("A goat on a stile", "Rain on a tin roof", "Nine blue kites", "A clock without hands", "Fish for sale")
    source.write_text("Prompts,Category\n" + "".join(f"{row},Ours\n" for row in rows), encoding="utf-8")
    done = run("import", "DrawBench", str(source), "--out", str(out))
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, f"suite: {out} (5 items)")
    assert "no licence stated" in done.stdout
    assert run("check", str(out)).stdout == "1 suite, 5 items: no problems\n"
    assert "ours-4" in run("show", str(out)).stdout
    again = run("import", "drawbench", str(source), "--out", str(tmp_path / "other.yaml"), "--json")
    assert json.loads(again.stdout) == {"suite": str(tmp_path / "other.yaml"), "items": 5}


def test_a_bad_file_to_import_is_one_line_with_code_2(tmp_path):
    source = tmp_path / "DrawBench.csv"
    source.write_text("Prompts,Category\n,Ours\n", encoding="utf-8")
    done = run("import", "drawbench", str(source), "--out", str(tmp_path / "mine.yaml"))
    assert done.exit_code == 2
    assert done.stderr == "twinlens: DrawBench.csv, line 2: 'prompts' holds no text\n"


@pytest.mark.parametrize(
    "arguments",
    [("show", "demo-sings"), ("check", "demo-sings"), ("import", "x", "y", "--out", "z.yaml"), ("remove", "logic")],
    ids=" ".join,
)
def test_wrong_use_is_one_line_with_code_2(arguments):
    done = run(*arguments)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


def test_help_names_every_format():
    told = run("import", "--help").stdout
    assert [name for name in FORMATS if name not in told] == []
