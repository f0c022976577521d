"""The commands that ask for pictures: what a user sees when it works, when it is stopped, and when it is refused."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

import evals
import evals.generation.pictures
from evals.cli.generate import print_generation
from evals.cli.main import main
from evals.definition import read_definition
from evals.facts.models import read_facts
from evals.files.data_files import data_path
from evals.generation.ledger import read_events
from evals.generation.stage import Generation
from evals.imageset.contract import LEDGER
from evals.imageset.imageset import read_image_set

SMALL = """\
name: small
systems:
  - flux-2-pro@bfl
  - flux-2-klein-4b@bfl
suites: [tiny]
seed: 7
size: 512
encoders: {text: "rapidocr:pp-ocrv6-small"}
"""
TINY = """\
name: tiny
version: 1
purpose: A few signs.
made: By hand.
limits: For tests only.
items:
  - {id: bread, prompt: A shop sign that reads BREAD, expected_text: BREAD}
  - {id: tea, prompt: A shop sign that reads TEA, expected_text: TEA}
"""
KEYS = sorted(variable for host in read_facts().hosts.values() for variable in host.key_variables)
REHEARSAL = ("generate", "small.yaml", "--simulated", "--out", "R")
LEDGER_FILE = Path("R/images") / LEDGER


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Work in an empty folder with an eval and a suite of one's own, and without keys."""
    shutil.copytree(data_path("suites"), tmp_path / "suites")
    (tmp_path / "suites/tiny.yaml").write_text(TINY)
    (tmp_path / "small.yaml").write_text(SMALL)
    monkeypatch.setattr("evals.suites.suite.data_path", lambda name: tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for variable in KEYS:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def write(name, **changes):
    text = SMALL
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    Path(name).write_text(text)
    return name


def run(*arguments):
    return CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)


def refused(*arguments):
    done = run(*arguments)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("twinlens: ")
    return done.stderr.strip()


def contents(path):
    return {file: file.read_bytes() for file in sorted(Path(path).rglob("*")) if file.is_file()}


def rehearsed(*arguments):
    done = run(*REHEARSAL, *arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


def outcomes(document):
    return {outcome for counts in document["outcomes"].values() for outcome in counts}


def test_a_rehearsal_makes_an_image_set_for_nothing_and_the_same_command_again_asks_for_nothing():
    done = run(*REHEARSAL)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "simulated, nothing was spent; at real prices at most: 0.0880 USD" in done.stdout
    systems = ("flux-2-pro@simulated-bfl", "flux-2-klein-4b@simulated-bfl")
    assert Counter(row["system"] for row in read_image_set("R/images").rows) == dict.fromkeys(systems, 2)
    assert Path("R/eval.yaml").read_text() == SMALL
    before = read_events(LEDGER_FILE)[0]
    again = rehearsed()
    assert [event["event"] for event in read_events(LEDGER_FILE)[0][len(before) :]] == ["opened"]
    assert (again["simulated"], again["outcomes"]) == (True, {system: {"ok": 2} for system in systems})


def test_all_stages_run_and_the_report_calls_the_systems_simulated():
    done = run("run", "small.yaml", "--simulated", "--out", "R", "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert document["generation"]["simulated"] is True
    assert {row["system"] for row in document["ratings"]["rows"]} == set(document["generation"]["outcomes"])
    page = Path(document["report"]).read_text()
    assert "simulated APIs drew these pictures" in page
    assert "flux-2-pro@bfl" not in page
    loaded = evals.load_run("R")
    assert len(loaded.samples) == 4
    assert evals.rate_run(loaded)["rows"]
    assert run("score", "R", "--out", "R", "--metrics", "text.cer").exit_code == 0
    assert run("report", "R", "--out", "elsewhere").exit_code == 0


def test_a_dry_run_sends_and_writes_nothing():
    done = run("generate", "small.yaml", "--out", "R", "--dry-run", "--json")
    assert (done.exit_code, json.loads(done.stdout)["n_images"]) == (0, 4)
    assert not Path("R").exists()
    run(*REHEARSAL, "--budget", "0.05")
    before = contents("R")
    assert run("generate", "small.yaml", "--out", "R", "--dry-run").exit_code == 0
    assert contents("R") == before


def test_an_estimate_tells_images_money_and_what_to_know_of_the_systems():
    write("old.yaml", system=("flux-2-klein-4b@bfl", "gemini-3.1-flash-image@google"))
    done = run("estimate", "old.yaml", "--json")
    estimate = json.loads(done.stdout)
    assert (estimate["n_images"], estimate["expected_cost_usd"]) == (4, pytest.approx(2 * (0.03 + 0.0459), abs=0.001))
    assert "note: gemini-3.1-flash-image@google: it was to be shut down on 2026-10-29" in done.stderr
    assert done.stderr == run("generate", "old.yaml", "--out", "R", "--dry-run").stderr
    assert "no interval is given below 5 prompts" in run("estimate", "old.yaml").stdout


def test_a_budget_leaves_requests_unasked_and_says_so():
    done = run(*REHEARSAL, "--budget", "0.05", "--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "the budget of 0.05 USD allows no more: $0.04 has to be held for what is missing of a prompt" in done.stderr
    assert "raise --budget to $0.09 or more" in done.stderr
    assert document["budget_reached"] is True
    assert 0 < document["spent_usd"] <= 0.05
    pending = sum(counts.get("pending", 0) for counts in document["outcomes"].values())
    assert f"{pending} requests were not asked" in done.stderr
    assert rehearsed()["spent_usd"] == pytest.approx(0.088)


def test_a_run_whose_budget_ends_early_rates_what_all_systems_were_asked():
    suites = ("demo-precise", "demo-imprecise")
    fields = SMALL.replace("[tiny]", f"[{', '.join(suites)}]").replace("klein-4b", "max").partition("encoders:")[0]
    rows = [f"  - {{id: {suite}, title: T, suite: {suite}, metrics: {{adherence.margin: 1}}}}\n" for suite in suites]
    Path("two.yaml").write_text(fields + "rows:\n" + "".join(rows))
    done = run("run", "two.yaml", "--simulated", "--budget", "1.25", "--out", "R", "--json")
    assert (done.exit_code, "the budget of 1.25 USD allows no more" in done.stderr) == (2, True)
    document = json.loads(done.stdout)
    assert 1.15 < document["generation"]["spent_usd"] <= 1.25
    asked = {}
    for row in read_image_set("R/images").rows:
        asked.setdefault(row["system"], Counter())[row["suite"], row["prompt_id"]] += 1
    first, second = asked.values()
    assert first == second
    # The suites took turns, each as often as its share of the prompts.
    n_asked = Counter(suite for suite, _ in first)
    assert n_asked == {"demo-precise": 5, "demo-imprecise": 7}
    for row in document["ratings"]["stars"]["rows"]:
        assert {cell["n_prompts"] for cell in row["cells"]} == {n_asked[row["id"]]}


@pytest.mark.parametrize("systems", ["{}", "\n  - {}\n  - {}", "[{}, {}]"])
def test_one_host_serves_the_models_that_it_has_and_the_run_is_frozen_so(systems):
    named = ("gemini-3-pro-image@google", "flux-2-pro@bfl")
    text = SMALL.partition("systems:")[0] + f"systems: {systems.format(*named)}\nsuites: [tiny]  # mine\nseed: 7\n"
    Path("eval.yaml").write_text(text)
    generation = json.loads(run("generate", "eval.yaml", "--host", "fal", "--simulated", "--out", "R", "--json").stdout)
    models = [name.partition("@")[0] for name in named if name in text]
    assert list(generation["outcomes"]) == [f"{model}@simulated-fal" for model in models]
    frozen = Path("R/eval.yaml")
    assert read_definition(frozen).systems == tuple(f"{model}@fal" for model in models)
    assert "# mine" in frozen.read_text()
    again = run("generate", "eval.yaml", "--host", "fal", "--simulated", "--out", "R", "--json")
    assert json.loads(again.stdout)["outcomes"] == generation["outcomes"]
    assert "another eval" in run("generate", "eval.yaml", "--simulated", "--out", "R").stderr


def test_what_one_host_does_not_serve_is_told():
    done = run("estimate", "flux2-vs-nano-banana", "--host", "fal", "--json")
    models = ("flux-2-pro", "flux-2-max", "gemini-nano-banana-2.1", "gemini-3-pro-image")
    costs = {system["system"]: system["expected_cost_usd"] for system in json.loads(done.stdout)["systems"]}
    assert list(costs) == [f"{model}@fal" for model in models]
    assert min(costs.values()) > 0
    done = run("estimate", "flux2-vs-nano-banana", "--host", "replicate")
    assert "gemini-nano-banana-2.1 is left out: it is not known on replicate" in done.stderr
    refusals = {"replicat": "did you mean 'replicate'?", "comfyui": "comfyui serves none of flux-2-pro"}
    for host, sentence in refusals.items():
        done = run("estimate", "flux2-vs-nano-banana", "--host", host)
        assert (done.exit_code, sentence in done.stderr) == (2, True)
    assert "invents its systems" in run("estimate", "demo", "--host", "fal").stderr


def test_a_budget_of_nothing_asks_for_nothing():
    assert run(*REHEARSAL, "--budget", "0").exit_code == 2
    assert [event["event"] for event in read_events(LEDGER_FILE)[0]] == ["opened"]


def test_lost_answers_are_listed_with_what_they_may_have_cost(capsys):
    row = {"system": "a@b", "suite": "s", "prompt_id": "p", "seed": 1, "repeat": 0, "reason": "ReadTimeout"}
    unknown = [row | {"may_have_cost_usd": 0.03}] * 12
    print_generation(Generation(Path("R/images"), {"a@b": {"unknown": 12}}, 0.36, unknown=unknown))
    shown = capsys.readouterr().out
    assert "12 answers were lost" in shown
    assert shown.count("a@b, s/p, seed 1, repeat 0: up to 0.0300 USD (ReadTimeout)") == 10
    assert "and 2 more, in R/images/requests.jsonl" in shown
    assert "ask for them again with --retry-unknown" in shown


def test_the_last_lines_say_how_many_pictures_are_missing_and_what_to_type(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/twinlens", "generate", "my eval.yaml", "--out", "R"])
    outcomes = {"a@h": {"ok": 9, "failed": 9, "pending": 2}}
    print_generation(Generation(Path("R/images"), outcomes, 0.5, n_passing=9))
    assert capsys.readouterr().out.endswith(
        "11 of 20 pictures are missing (2 were not asked for, 9 failed for reasons that pass); ask for them with the "
        "same command:\n  twinlens generate 'my eval.yaml' --out R\n"
    )
    print_generation(Generation(Path("R/images"), {"a@h": {"ok": 11, "failed": 9}}, 0.5))
    assert "missing" not in capsys.readouterr().out


SYSTEM = "flux-2-klein-4b@bfl"
WRONG_SYSTEMS = {
    "typo": ("flux-2-por@bfl", "there is no system 'flux-2-por@bfl'; did you mean flux-2-pro@bfl?"),
    "no host": ("flux-2-pro", "the host is missing; write flux-2-pro@bfl or flux-2-pro@replicate"),
    "retired": ("gemini-3-pro-image-preview@google", "was shut down on 2026-06-25; write gemini-3-pro-image@google"),
}


@pytest.mark.parametrize("command", ["estimate", "generate", "run"])
@pytest.mark.parametrize("case", WRONG_SYSTEMS)
def test_a_wrong_system_is_refused_with_its_line_and_what_was_meant(case, command):
    given, sentence = WRONG_SYSTEMS[case]
    write("wrong.yaml", system=(SYSTEM, given))
    more = [] if command == "estimate" else ["--simulated", "--out", "R"]
    message = refused(command, "wrong.yaml", *more)
    assert re.match(r"twinlens: wrong\.yaml, line 4\b", message), message
    assert sentence in message
    assert not Path("R").exists()


IMPOSSIBLE = {
    "size": ({"system": (SYSTEM, "gemini-3-pro-image@google")}, "line 4: gemini-3-pro-image@google has no 512"),
    "references": (
        {"system": (SYSTEM, "flux-1.1-pro@bfl"), "suite": ("[tiny]", "[identity-reference]")},
        "line 4: flux-1.1-pro@bfl takes no reference images, suite 'identity-reference' sends 1",
    ),
    "suite": ({"suite": ("[tiny]", "[tinny]")}, "line 5, field 'suites': there is no suite 'tinny'; did you mean"),
    "no YAML": ({"seed": ("seed: 7", "seed: [7")}, "line 7: not YAML"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_be_done_is_refused_with_its_line_before_anything_is_sent(case):
    changes, sentence = IMPOSSIBLE[case]
    write("wrong.yaml", **changes)
    assert f"wrong.yaml, {sentence}" in refused("generate", "wrong.yaml", "--simulated", "--out", "R")
    assert not Path("R").exists()


def test_a_budget_without_a_price_is_refused_and_the_folder_stays_free():
    write("unpriced.yaml", system=(SYSTEM, "flux-2-dev@replicate"))
    message = refused("generate", "unpriced.yaml", "--simulated", "--budget", "5", "--out", "R")
    assert "no price of flux-2-dev@simulated-replicate in 512 is known" in message
    assert not Path("R").exists()


WRONG_USE = {
    "no eval": ("generate --out R", "Missing argument 'EVAL'"),
    "no folder": ("generate small.yaml", "Missing option '--out'"),
    "unknown eval": ("estimate dmeo", "there is no eval 'dmeo'; did you mean 'demo'?"),
    "no such file": ("run nowhere.yaml --out R", "nowhere.yaml: there is no such file"),
    "folder is a file": ("generate small.yaml --simulated --out small.yaml", "'small.yaml' is a file"),
    "negative budget": ("generate small.yaml --out R --budget -1", "-1.0 is not in the range"),
    "budget of nan": ("generate small.yaml --out R --budget nan", "nan is no amount of money"),
    "endless budget": ("run small.yaml --out R --budget inf", "inf is no amount of money"),
    "misspelt option": ("generate small.yaml --out R --simulate", "(Did you mean one of: '--simulated', '--size'?)"),
    "no key": ("generate small.yaml --out R", "set BFL_API_KEY in the environment (or rehearse without"),
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_is_one_line_and_writes_nothing(case, folder):
    before = contents(folder)
    arguments, sentence = WRONG_USE[case]
    assert sentence in refused(*arguments.split())
    assert contents(folder) == before
    assert not Path("R").exists()


@pytest.mark.parametrize("key", ["", "  ", "two\nlines", "schlüssel"])
def test_a_strange_key_is_refused_by_its_variable_and_not_shown(key, monkeypatch):
    monkeypatch.setenv("BFL_API_KEY", key)
    message = refused("generate", "small.yaml", "--out", "R")
    assert "BFL_API_KEY" in message
    assert not key.strip() or key.split()[0] not in message
    assert not Path("R").exists()


def test_a_folder_with_something_else_in_it_is_left_as_it_is(folder):
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("Years of work")
    assert "is not empty and holds no run" in refused("generate", "small.yaml", "--simulated", "--out", "mine")
    assert list(contents("mine").values()) == [b"Years of work"]


def other_eval():
    write("small.yaml", seed=("seed: 7", "seed: 8"))


def other_suite():
    Path("suites/tiny.yaml").write_text(TINY.replace("reads TEA", "says TEA"))


def damaged_ledger():
    lines = LEDGER_FILE.read_text().splitlines(keepends=True)
    LEDGER_FILE.write_text("".join([*lines[:2], lines[2][:30] + "\n", *lines[3:]]))


def lost_ledger():
    LEDGER_FILE.unlink()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lost_ledger, "4 requests are listed in requests.jsonl, ledger.jsonl knows 0 of them: restore it"),
        (other_eval, "R holds a run of another eval"),
        (other_suite, "one of its suites has changed"),
        (damaged_ledger, "ledger.jsonl, line 3: the ledger is damaged"),
    ],
)
def test_a_run_that_is_not_the_same_any_more_is_refused_and_left_as_it_is(change, sentence):
    run(*REHEARSAL)
    change()
    before = contents("R/images")
    assert sentence in refused(*REHEARSAL)
    assert sentence in refused("run", *REHEARSAL[1:])
    assert contents("R/images") == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user who may not write everywhere")
def test_a_folder_that_may_not_be_written_is_one_line():
    Path("locked").mkdir(mode=0o500)
    assert "permission denied" in refused("generate", "small.yaml", "--simulated", "--out", "locked/R")


def test_a_host_that_is_down_is_told_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr("evals.generation.pacing.RetryPolicy.backoff", lambda policy, attempt: 0.001)
    write("own.yaml", first=("flux-2-pro@bfl", "flux-1-dev@comfyui"), system=(f"  - {SYSTEM}\n", ""))
    done = run("generate", "own.yaml", "--out", "R")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith("twinlens: flux-1-dev@comfyui was stopped: it cannot be reached")
    assert "2 requests were not asked; the same command asks them" in done.stderr


STOPS_ITSELF = """
import os, signal
from evals.cli.main import main
from evals.generation.ledger import Ledger

append, completed = Ledger.append, []

def append_and_stop(ledger, kind, *arguments, **facts):
    append(ledger, kind, *arguments, **facts)
    completed.extend([kind] * (kind == "completed"))
    if len(completed) == 3 and kind == "completed":
        os.kill(os.getpid(), signal.SIGSTOP)

Ledger.append = append_and_stop
main()
"""


def test_ctrl_c_is_one_line_and_exit_130_and_the_same_command_goes_on():
    Path("small.yaml").write_text(SMALL.replace("tiny", "demo-signs").replace("size: 512", "size: 1K"))
    process = subprocess.Popen(
        [sys.executable, "-c", STOPS_ITSELF, *REHEARSAL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    lines = process.communicate()[1].splitlines()
    assert [line for line in lines if not line.startswith("twinlens generate: ")] == [
        "stopping: what is in flight is waited for; once more leaves at once",
        "twinlens: stopped; the same command goes on where it was",
    ]
    assert process.returncode == 130
    assert len(read_image_set("R/images").rows) >= 3
    assert list(rehearsed()["outcomes"].values()) == [{"ok": 14}] * 2
    submitted = [event["sample_id"] for event in read_events(LEDGER_FILE)[0] if event["event"] == "submitted"]
    assert len(submitted) == len(set(submitted)) == 28
