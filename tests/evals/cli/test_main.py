"""The command line: quick where it lists, one line and exit code 2 where it is used wrongly, JSON where asked."""

import csv
import errno
import itertools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from evals.cli.errors import READER_GONE
from evals.cli.main import COMMANDS, main
from evals.cli.tables import print_lines, print_table, say
from evals.imageset.decoding import check_header
from evals.imageset.imageset import write_image_set


@pytest.fixture
def repeats(tmp_path: Path) -> Path:
    random, samples = np.random.default_rng(1), []
    for system, prompt, repeat in itertools.product("ab", range(5), (0, 1)):
        pixels = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        facts = {"system": system, "suite": "s", "prompt": f"p{prompt}", "seed": 1, "repeat": repeat}
        samples.append((PIL.Image.fromarray(pixels), facts))
    return write_image_set(tmp_path / "set", samples)


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


MODELS = {"torch", "transformers", "open_clip", "cv2", "pandas", "onnxruntime", "dlib", "insightface"}
ANYTHING = MODELS | {"numpy", "PIL", "httpx2", "aiohttp", "yaml", "rich", "asyncio", "pydantic", "evals.rating"}
LISTS = [["metrics"], ["metrics", "--json"], ["models"], ["models", "--json"], ["suites"], ["suites", "check"]]


def imported(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom evals.cli.main import main\n"
        f"try: main({list(arguments)!r})\nexcept SystemExit as end: assert not end.code, end.code\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_but_the_command(command):
    assert imported(*command, "--help") & ANYTHING == set()


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("nonsense", 2)])
def test_the_program_says_all_and_ends_with_its_code_without_being_taken_apart(argument, code):
    program = (
        "from evals.cli.main import program\n"
        "class Large:\n    def __del__(self): print('taken apart')\n"
        "large = Large()\nprogram()"
    )
    done = subprocess.run([sys.executable, "-c", program, argument], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "taken apart" not in done.stdout
    assert (done.stdout if code == 0 else done.stderr).startswith("twinlens")


@pytest.mark.parametrize("arguments", LISTS, ids=" ".join)
def test_lists_import_no_model(arguments):
    assert imported(*arguments) & MODELS == set()


SSIM = ("--metrics", "reproducibility.ssim")


def test_the_stages_of_a_brought_set_print_and_write_one_document(repeats, tmp_path):
    out = str(tmp_path / "run")
    done = run("score", str(repeats), *SSIM, "--out", out, "--profile")
    assert done.exit_code == 0
    assert "set: 20 images scored" in done.stdout
    stages = [line.split()[0] for line in done.stderr.splitlines()]
    assert {"stage", "decode", "pixels:rgb8", "measure"} <= set(stages)
    assert f"page: twinlens report {out}" in done.stdout
    ratings = json.loads(run("score", str(repeats), *SSIM, "--out", out, "--json").stdout)
    assert {row["system"] for row in ratings["rows"]} == {"a", "b"}
    assert json.loads(run("rate", out, "--json").stdout) == ratings
    assert run("report", out, "--out", str(tmp_path / "report")).exit_code == 0
    assert (tmp_path / "report/index.html").is_file()


def refused(*arguments: str) -> str:
    done = run(*arguments)
    assert (done.exit_code, "Traceback" in done.stderr) == (2, False)
    return done.stderr


WRONG_USE = {
    "no such folder": ("score {tmp}/nowhere --out {tmp}/run", "there is no folder"),
    "not an image set": ("score {tmp} --out {tmp}/run", "metadata.jsonl: does not exist"),
    "unknown metric": ("score {set} --out {tmp}/run --metrics txt", "did you mean 'text'"),
    "metric without its column": ("score {set} --out {tmp}/run --metrics text.cer", "expected_text"),
    "encoder with nothing to do": (
        "score {set} --out {tmp}/run --metrics identity.pairs --encoder rapidocr",
        "no metric that is asked for uses rapidocr",
    ),
    "unknown encoder": ("score {set} --out {tmp}/run --encoder clipp:x", "unknown encoder"),
    "encoder without a model": (
        "score {set} --out {tmp}/run --metrics identity.pairs --encoder insightface",
        "needs a model",
    ),
    "missing pack": (
        "score {set} --out {tmp}/run --metrics identity.pairs --encoder insightface:{tmp}/pack",
        "pack",
    ),
    "two encoders in one role": (
        "score {set} --out {tmp}/run --metrics identity.pairs --encoder dlib --encoder insightface:x",
        "one encoder for identity at a time",
    ),
    "output is a file": ("score {set} --out {set}/metadata.jsonl", "is a file"),
    "output is the set": ("score {set} --out {set}", "in the image set itself"),
    "unknown option": ("score {set} --out {tmp}/run --skipbad", "--skip-bad"),
    "unknown device": ("score {set} --out {tmp}/run --device tpu", "tpu"),
    "rate without a run": ("rate {tmp}/nowhere", "no such folder"),
    "report without a run": ("report {tmp} --out {tmp}/report", "is not a scored run"),
    "non-commercial weights": ("models fetch insightface:buffalo_l", "--accept-licence"),
    "nothing to fetch": ("models fetch dlib:resnet_v1", "nothing that can be fetched"),
    "unknown command": ("scroe", "scroe"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_is_one_line_and_exit_code_2(case, repeats, tmp_path):
    arguments, expected = WRONG_USE[case]
    assert expected in refused(*arguments.replace("{tmp}", str(tmp_path)).replace("{set}", str(repeats)).split())
    assert not (tmp_path / "run/scores.parquet").exists()


NASTY = {
    "markup in names": {"system": "flux [/b] x", "prompt": "[bold] | <b> & **p**"},
    "brackets in names": {"system": "flux [dev]"},
    "line separators": {"prompt": "one\u2028two\u0085three\x0bfour"},
    "right to left": {"system": "\u05d0\u05d1", "prompt": "\u202e backwards"},
    "paths as systems": {"system": "/models/a/dev"},
}


@pytest.mark.parametrize("case", NASTY)
def test_strange_text_passes_through_all_stages(case, repeats, tmp_path):
    rows = [json.loads(line) for line in (repeats / "metadata.jsonl").read_text().split("\n") if line]
    for number, row in enumerate(rows):
        if row["system"] == "b":
            row |= {key: f"{value} {number // 2}" if key == "prompt" else value for key, value in NASTY[case].items()}
    (repeats / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = run("score", str(repeats), *SSIM, "--out", str(tmp_path / "run"))
    assert done.exit_code == 0
    assert run("report", str(tmp_path / "run"), "--out", str(tmp_path / "report")).exit_code == 0
    if "system" in NASTY[case] and case != "right to left":
        assert NASTY[case]["system"] in done.stdout
        assert NASTY[case]["system"] in (tmp_path / "report/comparison.csv").read_text()


STEERING = "\x1b]0;owned\x07\x1b[2J\r\b\x9b31m\x7f\u202e\u2066\u200f"
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def test_names_that_steer_a_terminal_or_turn_text_round_are_shown_and_not_obeyed(repeats, tmp_path):
    evil = repeats.with_name(f"set{STEERING}")
    repeats.rename(evil)
    rows = [json.loads(line) for line in (evil / "metadata.jsonl").read_text().split("\n") if line]
    for row in rows:
        row["prompt_id"] = f"{row['prompt']}{STEERING}"
        row["prompt"] += STEERING
        row["suite"] += STEERING
        row["system"] = {"a": f"=a{STEERING}", "b": "\u05d0\u05d1\u05d2"}[row["system"]]
    (evil / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    refusals = [{"system": rows[0]["system"], "outcome": "refused", "reason": STEERING, "prompt": "x"}]
    (evil / "requests.jsonl").write_text("\n".join(map(json.dumps, refusals)))
    out, report = str(tmp_path / "run"), tmp_path / "report"
    wrong = run("score", str(tmp_path / f"no{STEERING}"), "--out", out)
    outputs = [run("score", str(evil), *SSIM, "--out", out), run("rate", out), run("report", out, "--out", str(report))]
    assert [done.exit_code for done in (wrong, *outputs)] == [2, 0, 0, 0]
    texts = {str(n): done.output for n, done in enumerate((wrong, *outputs))}
    texts |= {
        path.name: path.read_text() for path in report.iterdir() if path.suffix in (".html", ".md", ".json", ".csv")
    }
    texts["json"] = run("rate", out, "--json").stdout
    assert {name: found for name, text in texts.items() if (found := STEERS.findall(text))} == {}
    for name in ("1", "2", "index.html", "report.md", "comparison.csv"):
        assert "\\u001b" in texts[name], name
        assert "\u05d0\u05d1\u05d2" in texts[name], name
    assert rows[0]["system"] in json.loads(texts["json"])["systems"]
    assert rows[0]["system"] in json.loads(texts["report.json"])["ratings"]["systems"]
    systems = {row["system"] for row in csv.DictReader(texts["comparison.csv"].splitlines())}
    assert {system[:3] for system in systems} == {"'=a", "\u05d0\u05d1\u05d2"}


def test_what_a_library_warns_of_is_not_printed(tmp_path):
    tiff = b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0" + (1 << 20).to_bytes(4, "little") + bytes(8)
    for system in "ab":
        (tmp_path / system).mkdir()
        (tmp_path / system / "p.tiff").write_bytes(tiff)
    with pytest.warns(UserWarning, match="larger than file"):
        check_header(tmp_path / "a/p.tiff")
    arguments = [f"{system}={tmp_path / system}" for system in "ab"]
    command = [sys.executable, "-m", "evals.cli.main", "import", *arguments, "--out", str(tmp_path / "set")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not an image that can be read" in done.stderr
    assert "larger than file" not in done.stderr


def test_a_name_is_no_markup_no_emoji_and_no_second_line(capsys):
    name = "a :fire: [bold]b\nwinner: b"
    print_lines([name])
    say(name, name)
    print_table("", ["h"], [[name]], box=None)
    assert {line.strip() for line in capsys.readouterr().out.splitlines()} == {"h", "a :fire: [bold]b winner: b"}


@pytest.mark.parametrize(
    "command", ["audit", "doctor", "nothing", "suites check", "suites show", "rate", "estimate", "models fetch",
                "score x --out", "systems --host", "import a=1 --out"],
)  # fmt: skip
def test_no_argument_writes_more_than_a_line(command):
    done = run(*command.split(), f"n{STEERING}\nFORGED")
    assert done.exit_code in (1, 2)
    assert not STEERS.findall(done.output)
    assert not any(line.startswith("FORGED") for line in done.output.splitlines())


def test_a_run_that_may_only_be_read_is_rated_and_reported_elsewhere(repeats, tmp_path, monkeypatch):
    out, replace = tmp_path / "run", os.replace
    run("score", str(repeats), *SSIM, "--out", str(out))
    ratings = json.loads(run("rate", str(out), "--json").stdout)
    (out / "ratings.json").unlink()

    def read_only(source, target):
        if out in Path(target).parents:
            raise OSError(errno.EROFS, "Read-only file system", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", read_only)
    assert json.loads(run("rate", str(out), "--json").stdout) == ratings
    assert run("report", str(out), "--out", str(tmp_path / "report")).exit_code == 0
    assert not (out / "ratings.json").exists()
    assert (tmp_path / "report/index.html").is_file()


def test_what_a_killed_writer_left_is_cleared_by_the_next_and_what_a_running_one_writes_is_not(repeats, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    out, report = tmp_path / "run", tmp_path / "report"
    for folder in (out, report):
        folder.mkdir()
        for pid in (gone.pid, os.getppid()):
            (folder / f".scores.parquet.{pid}.new").write_bytes(b"half")
            (folder / f".scores.parquet.{pid}.0a1b2c3d4e5f6071.new").write_bytes(b"half")
        (folder / ".lock").touch()
    run("score", str(repeats), *SSIM, "--out", str(out))
    run("report", str(out), "--out", str(report))
    for folder in (out, report):
        left = sorted(path.name for path in folder.glob(".*.new"))
        assert left == [f".scores.parquet.{os.getppid()}.{end}" for end in ("0a1b2c3d4e5f6071.new", "new")]


def test_terminal_without_unicode_costs_no_run(repeats, tmp_path):
    arguments = ["score", str(repeats), *SSIM, "--out", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from evals.cli.main import main; main(sys.argv[1:])", *arguments],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0


def test_refused_set_is_one_line_with_row_and_remedy(repeats, tmp_path):
    lines = (repeats / "metadata.jsonl").read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | {"file_name": "../elsewhere.png"})
    (repeats / "metadata.jsonl").write_text("\n".join(lines))
    message = refused("score", str(repeats), "--out", str(tmp_path / "run"))
    assert message.count("\n") == 1
    assert "row 4" in message
    assert not (tmp_path / "run").exists()
    done = run("score", str(repeats), "--out", str(tmp_path / "run"), "--skip-bad", *SSIM)
    assert done.exit_code == 0
    assert "1 rows skipped" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("streams", ["2>/dev/full", "<&- 2>&-"])
def test_a_standard_error_that_takes_nothing_costs_no_run(repeats, tmp_path, streams):
    command = f"{sys.executable} -m evals.cli.main score {repeats} {' '.join(SSIM)} --profile --out {tmp_path / 'run'}"
    done = subprocess.run(f"{command} {streams}", shell=True, stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, "images scored" in done.stdout) == (0, True)
    assert (tmp_path / "run/ratings.json").is_file()
    refused = subprocess.run(f"{sys.executable} -m evals.cli.main score nothing {streams}", shell=True, check=False)
    assert refused.returncode == 2


@pytest.mark.parametrize("command", ["metrics", "metrics --json", "systems"])
def test_a_reader_that_is_gone_is_no_verdict_and_no_complaint(command):
    reading, writing = os.pipe()
    os.close(reading)
    arguments = [sys.executable, "-m", "evals.cli.main", *command.split()]
    done = subprocess.run(arguments, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, "rror" in done.stderr) == (READER_GONE, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_one_line_and_leaves_no_half_table(repeats, tmp_path):
    code = (
        "import errno, sys\nimport evals.scoring.table as table\n"
        "def full(*a, **k): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "table.os.replace = full\n"
        "from evals.cli.main import main\nmain(sys.argv[1:])"
    )
    arguments = ["score", str(repeats), *SSIM, "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no space left on device" in done.stderr.splitlines()[-1]
    assert done.stderr.count("twinlens: ") == 1
    assert [path.name for path in (tmp_path / "run").iterdir() if path.name != ".lock"] == ["features"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_folder_that_may_not_be_written_is_one_line(repeats, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "permission denied" in refused("score", str(repeats), "--out", str(tmp_path / "locked/run"))


def test_doctor_tries_every_default_encoder_and_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path))
    checks = json.loads(run("doctor", "--json").stdout)["checks"]
    checks = {(check["what"], check["state"]): check["note"] for check in checks}
    assert "dlib:resnet_v1" in checks["identity", "ready"]
    assert "rapidocr" in checks["text", "ready"]
    assert "lpips_alex.onnx" in checks["perceptual", "missing"]
    assert "dlib:resnet_v1" in run("doctor").stdout
