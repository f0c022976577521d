"""At the door: whatever is brought, one sentence and exit code 2 before anything is computed, and never a traceback."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.imageset.imageset import MOST_SYSTEMS, write_atomically, write_image_set

SSIM = ("--metrics", "reproducibility.ssim")
DEEP = "[" * 100_000 + "]" * 100_000
NOT_UTF8 = os.fsdecode(b"n\xff")
EVAL = "name: small\nsystems: [flux-2-pro@bfl, flux-2-klein-4b@bfl]\nsuites: [demo-signs]\nseed: 7\n"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with an image set, and a run that was scored from it."""
    folder = tmp_path_factory.mktemp("door")
    random = np.random.default_rng(1)
    samples = [
        (
            PIL.Image.fromarray(random.integers(0, 255, (32, 32, 3), dtype=np.uint8)),
            {"system": system, "suite": "s", "prompt": "p", "seed": 1, "repeat": repeat},
        )
        for system in "ab"
        for repeat in (0, 1)
    ]
    write_image_set(folder / "set", samples)
    assert run("score", folder / "set", *SSIM, "--out", folder / "run").exit_code == 0
    assert run("rate", folder / "run").exit_code == 0
    return folder


@pytest.fixture
def work(prepared, tmp_path, monkeypatch):
    shutil.copytree(prepared / "set", tmp_path / "set")
    shutil.copytree(prepared / "run", tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def refused(*arguments):
    done = run(*arguments)
    assert (done.exit_code, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done.output
    assert done.stderr.startswith("twinlens: ")
    assert len(done.stderr) < 900
    return done.stderr


def first_row(**changes):
    lines = Path("set/metadata.jsonl").read_text().splitlines()
    return json.dumps(json.loads(lines[0]) | changes)


def in_metadata(make):
    def write():
        lines = Path("set/metadata.jsonl").read_text().splitlines()
        Path("set/metadata.jsonl").write_text("\n".join([make(), *lines[1:]]))

    return write


def in_requests(make):
    return lambda: Path("set/requests.jsonl").write_text(make())


def in_file(name, text):
    return lambda: Path(name).write_bytes(text.encode() if isinstance(text, str) else text)


def too_many_pictures():
    (picture, *_) = Path("set/images").iterdir()
    row = json.loads(first_row())
    rows = []
    for n in range(MOST_SYSTEMS + 1):
        shutil.copy(picture, f"set/images/{n}.png")
        rows.append(row | {"system": f"m{n}", "file_name": f"images/{n}.png"})
    Path("set/metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))


def too_many_refusals():
    rows = [{"system": f"m{n}", "outcome": "refused"} for n in range(MOST_SYSTEMS + 1)]
    Path("set/requests.jsonl").write_text("\n".join(map(json.dumps, rows)))


SUITE = "name: mine\nversion: 1\npurpose: A\nmade: B\nlimits: C\nitems:\n  - {id: a, prompt: b}\n"
MANY = ", ".join(f"m{n}@bfl" for n in range(100_000))
BROUGHT = {
    "metadata: nesting": (in_metadata(lambda: f'{{"file_name": {DEEP}}}'), "score set", "row 1: is not valid JSON"),
    "metadata: half a character": (in_metadata(lambda: first_row(prompt="\ud800")), "score set", "half a character"),
    "metadata: half a character in a path": (
        in_metadata(lambda: first_row(file_name="\udcff.png")),
        "score set",
        "half a character",
    ),
    "metadata: a key twice": (
        in_metadata(lambda: first_row()[:-1] + ', "system": "z"}'),
        "score set",
        "'system' is given twice",
    ),
    "metadata: 5000 digits": (in_metadata(lambda: f'{{"seed": {"9" * 5000}}}'), "score set", "row 1: is not valid"),
    "metadata: not UTF-8": (in_file("set/metadata.jsonl", b"\xff\xfe"), "score set", "is not UTF-8 text"),
    "metadata: too many systems": (too_many_pictures, "score set", f"names {MOST_SYSTEMS + 1} systems and at most"),
    "requests: nesting": (in_requests(lambda: DEEP), "score set", "requests.jsonl row 1: is not valid JSON"),
    "requests: a key twice": (in_requests(lambda: '{"a": 1, "a": 2}'), "score set", "'a' is given twice"),
    "requests: too many systems": (too_many_refusals, "score set", "requests.jsonl: column 'system' names"),
    "eval: a billion repeats": (in_file("e.yaml", EVAL + "repeats: 1000000000\n"), "estimate e.yaml", "at most 1000"),
    "eval: a long number": (in_file("e.yaml", EVAL + f"repeats: {'9' * 5000}\n"), "estimate e.yaml", "'repeats'"),
    "eval: 100,000 systems": (
        in_file("e.yaml", EVAL.replace("flux-2-pro@bfl, flux-2-klein-4b@bfl", MANY)),
        "estimate e.yaml",
        "there is no system 'm0@bfl'",
    ),
    "eval: nesting": (in_file("e.yaml", f"a: {DEEP}"), "estimate e.yaml", "nested more than 50 levels deep"),
    "eval: a key twice": (in_file("e.yaml", EVAL + "seed: 8\n"), "estimate e.yaml", "it was given before, in line 4"),
    "eval: a list for a key": (in_file("e.yaml", EVAL + "? [a]\n: 1\n"), "estimate e.yaml", "a field's name is a text"),
    "eval: half a character": (in_file("e.yaml", 'name: "\\ud800"'), "estimate e.yaml", "not YAML"),
    "eval: not UTF-8": (in_file("e.yaml", b"\xff\xfe"), "estimate e.yaml", "cannot be read as UTF-8"),
    "eval: a Python object": (in_file("e.yaml", "a: !!python/name:os.system x"), "estimate e.yaml", "not used here"),
    "weights: a row that is not there": (
        in_file("w.yaml", "s:reproducibilty: 1\n"),
        "rate run --weights w.yaml",
        "w.yaml, line 1, field 's:reproducibilty': there is no row of the star table 's:reproducibilty'; did you mean",
    ),
    "weights: below zero": (
        in_file("w.yaml", "s:reproducibility: -1\n"),
        "report run --out o --weights w.yaml",
        "-1 is too small; it is at least 0",
    ),
    "weights: a list": (
        in_file("w.json", "[1]"),
        "rate run --weights w.json --json",
        "w.json, line 1: the file holds",
    ),
    "weights: no file": (lambda: None, "rate run --weights nope.yaml", "nope.yaml: there is no such file"),
    "suite: a million seeds": (
        in_file("mine.yaml", SUITE + "seeds: 1000000\n"),
        "suites show mine.yaml",
        "at most 1000",
    ),
}
PROVENANCE = {
    **{f"provenance: {text[:9]!r}": text for text in ("[]", "null", "1", '"x"', "{", "", "{}", '{"image_set": []}')},
    **{"provenance: nesting": DEEP, "provenance: not UTF-8": b"\xff\xfe", "provenance: 5000 digits": "9" * 5000},
    **{"provenance: a key twice": '{"a": 1, "a": 2}', "provenance: half a character": '{"a": "\\ud800"}'},
}
BROUGHT |= {case: (in_file("run/provenance.json", text), "rate run", "is damaged") for case, text in PROVENANCE.items()}
PATHS = {
    f"{name}: {what}": (lambda: None, f"{command} {sign}", sentence)
    for what, sign, sentence in (("empty", "EMPTY", "the path is empty"), ("not UTF-8", "BYTES", "is not UTF-8 text"))
    for name, command in {
        "out of score": "score set --out",
        "out of report": "report run --out",
        "out of generate": "generate demo --simulated --out",
        "out of run": "run demo --simulated --out",
        "out of demo": "demo --out",
        "out of audit": "audit --out",
        "run of rate": "rate",
        "run of verify": "verify",
        "runs of compare": "compare run",
        "set of score": "score --out x",
    }.items()
}


@pytest.mark.parametrize("case", BROUGHT | PATHS)
def test_what_is_wrong_is_one_sentence_and_exit_code_2_and_nothing_is_written(case, work):
    bring, command, sentence = (BROUGHT | PATHS)[case]
    bring()
    arguments = [{"EMPTY": "", "BYTES": NOT_UTF8}.get(word, word) for word in command.split()]
    if command == "score set":
        arguments += ["--out", "out"]
    before = sorted(work.rglob("*"))
    assert sentence in refused(*arguments)
    assert sorted(work.rglob("*")) == before


@pytest.mark.parametrize("name", ["ratings.json", "provenance.json"])
@pytest.mark.parametrize("content", [DEEP, "[]", "9" * 5000], ids=["nesting", "list", "digits"])
def test_damage_that_can_be_computed_anew_is(name, content, work):
    (work / "run" / name).write_text(content)
    if name == "provenance.json":
        assert run("score", "set", *SSIM, "--out", "run").exit_code == 0
    assert run("rate", "run").exit_code == 0


def test_a_folder_that_is_not_utf8_text_is_refused_before_anything_is_computed(work, monkeypatch):
    (work / "set").rename(work / NOT_UTF8)
    monkeypatch.chdir(work / NOT_UTF8)
    assert "is not UTF-8 text" in refused("score", ".", "--out", "../out")
    assert not (work / "out").exists()


@pytest.mark.parametrize(("path", "sentence"), [("nope", "twinlens: nope: there is no folder"), (".", "twinlens: .: ")])
def test_a_folder_is_named_once(path, sentence, work):
    assert refused("score", path, "--out", "out").startswith(sentence)


@pytest.mark.parametrize(
    ("command", "fails", "kept"),
    [
        ("score set --out out --metrics reproducibility.ssim", "evals.scoring.stage.write_atomically", "features"),
        ("report run --out out", "evals.reporting.report.write_atomically", None),
        ("generate demo --simulated --out out", "evals.generation.freezing.write_atomically", "every answer so far"),
    ],
)
def test_a_full_disk_names_the_file_and_only_what_goes_on_is_said_to(command, fails, kept, work, monkeypatch):
    def full(path, content):
        monkeypatch.setattr(os, "fsync", no_space)
        write_atomically(path, content)

    def no_space(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fails, full)
    message = refused(*command.split())
    assert "twinlens: out/" in message
    assert ": no space left on device" in message
    assert ("the same command goes on" in message) == (kept is not None)
    assert kept is None or kept in message
    assert not list((work / "out").glob(".*.new"))


@pytest.mark.parametrize("error", [KeyError("x"), MemoryError(), RecursionError("a\nb"), AssertionError()])
def test_a_defect_is_a_sentence_too_and_is_shown_whole_on_request(error, work, monkeypatch):
    def broken(*arguments):
        raise error

    monkeypatch.setattr("evals.rating.stage.rate_run", broken)
    with pytest.raises(type(error)):
        run("rate", "run", "--json")
    monkeypatch.delenv("TWINLENS_TRACEBACK")
    assert f"{type(error).__name__}: " in (message := refused("rate", "run", "--json"))
    assert "test_door.py, line " in message
