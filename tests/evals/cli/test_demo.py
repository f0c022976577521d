"""The demo: its requests, and the check of hand-made ratings against a scripted truth."""

import json
from collections import Counter

import pytest

from evals.cli.demo import DemoOutcome, check_truth, generate_demo
from evals.definition import Truth, read_definition
from evals.generation.clients import GenerationError
from evals.generation.plan import plan_requests
from evals.imageset.imageset import read_image_set
from evals.suites.suite import read_suite

A, B = "aurora-1@demo", "borealis-2@demo"


def ratings(better=None, mean=0.1, low=0.05, reasons=None):
    return {
        "rows": [{"metric": "text.cer", "suite": "signs", "system": A, "reasons": reasons or {}}],
        "differences": [
            {"metric": "text.wer", "suite": "signs", "mean": 9.0, "low": 8.0, "better_system": B, "n_prompts": 9},
            {"metric": "text.cer", "suite": "signs", "mean": mean, "low": low, "better_system": better, "n_prompts": 4},
        ],
    }


def truth(better):
    return [Truth(dimension="Text", metric="text.cer", suite="signs", better=better, why="because")]


@pytest.mark.parametrize(
    ("scripted", "measured", "agrees"),
    [(A, A, True), (A, B, False), (A, None, False), ("tie", None, True), ("tie", B, False)],
)
def test_a_verdict_agrees_when_the_better_system_is_the_scripted_one(scripted, measured, agrees):
    (verdict,) = check_truth(ratings(measured), truth(scripted))
    assert verdict.measured == (measured or "tie")
    assert verdict.agrees is agrees


def test_too_few_prompts_give_no_verdict():
    (verdict,) = check_truth(ratings(None, low=None), truth("tie"))
    assert (verdict.agrees, verdict.measured) == (None, None)
    assert verdict.note == "4 prompts are too few for an interval"


def test_an_unscored_metric_gives_no_verdict_but_the_most_frequent_reason():
    reasons = {"encoder_unavailable": 20, "no_text": 1}
    (verdict,) = check_truth(ratings(None, mean=None, low=None, reasons=reasons), truth(A))
    assert verdict.agrees is None
    assert verdict.note == "not scored: the encoder's weights are not on this machine"
    assert verdict.sentence().startswith("unknown ")


def test_a_metric_that_was_not_measured_gives_no_verdict():
    (verdict,) = check_truth({"rows": [], "differences": []}, truth(A))
    assert (verdict.agrees, verdict.note) == (None, "the metric was not measured in this run")


def test_one_contradiction_is_enough_and_unknowns_are_none():
    def found(*systems):
        verdicts = [verdict for better in systems for verdict in check_truth(ratings(better), truth(A))]
        return DemoOutcome(None, None, tuple(verdicts)).truth_found

    assert found(A, A)
    assert not found(A, B)
    unknown = check_truth({"rows": [], "differences": []}, truth(A))
    assert DemoOutcome(None, None, tuple(unknown)).truth_found


def test_the_demo_asks_both_systems_for_the_same_things():
    demo = read_definition("demo")
    requests = [request for request in plan_requests(demo) if request.size == demo.size]
    counts = Counter((request.suite, request.system) for request in requests)
    sizes = {
        "demo-scenes": 48,
        "demo-imprecise": 16,
        "demo-precise": 12,
        "demo-cinematic": 12,
        "demo-stories": 18,
        "demo-identity": 28,
        "demo-reference": 21,
        "demo-editing": 16,
        "demo-brands": 18,
        "demo-signs": 14,
        "demo-labels": 12,
        "demo-repeats": 36,
        "demo-speed": 5,
    }
    assert counts == {(suite, system): size for suite, size in sizes.items() for system in (A, B)}


def test_no_two_prompts_of_the_demo_are_the_same_words():
    prompts = [item.prompt for suite in read_definition("demo").suites for item in read_suite(suite).items]
    assert len(set(prompts)) == len(prompts)


@pytest.fixture
def small_demo(monkeypatch):
    small = read_definition("demo").model_copy(update={"suites": ("demo-repeats",)})
    monkeypatch.setattr("evals.definition.read_definition", lambda name: small)


def test_the_demos_pictures_come_over_http_and_keep_identical_repeats_apart(tmp_path, small_demo):
    seen = []
    generation = generate_demo(tmp_path / "run", lambda count: seen.append((count.ended, count.total)))
    assert generation.outcomes == {A: {"ok": 72 // 2}, B: {"ok": 72 // 2}}
    assert seen[0] == (0, 72)
    assert seen[-1] == (72, 72)
    rows = read_image_set(generation.folder).rows
    assert len({row["file_name"] for row in rows}) == len(rows) == 72
    by_system = {system: [row for row in rows if row["system"] == system] for system in (A, B)}
    assert len({row["pixel_sha256"] for row in by_system[B]}) == 12
    assert len({row["pixel_sha256"] for row in by_system[A]}) == 36
    assert {row["width"] for row in rows} == {512}
    assert all(row["latency_s"] > 0 and row["cost_usd"] > 0 for row in rows)


def test_a_demo_that_was_stopped_goes_on_with_the_repeats_that_are_missing(tmp_path, small_demo):
    folder = generate_demo(tmp_path / "run").folder
    whole = {row["sample_id"]: row["pixel_sha256"] for row in read_image_set(folder).rows}
    ledger = folder / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    kept = set(list(whole)[::2])
    ledger.write_text("".join(line for line in lines if '"opened"' in line or json.loads(line)["sample_id"] in kept))
    generate_demo(tmp_path / "run")
    again = {row["sample_id"]: row["pixel_sha256"] for row in read_image_set(folder).rows}
    assert set(again) == set(whole)
    assert len(set(again.values())) == 48


def test_a_demo_that_was_killed_starts_over_what_its_simulators_were_at_work_on(tmp_path, small_demo):
    folder = generate_demo(tmp_path / "run").folder
    ledger = folder / "ledger.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    cut_off = {row["sample_id"] for row in read_image_set(folder).rows[::5]}
    ends = ("completed", "accepted")
    kept = [
        line for line in map(json.loads, lines) if line.get("sample_id") not in cut_off or line["event"] not in ends
    ]
    ledger.write_text("".join(json.dumps(line) + "\n" for line in kept))
    again = generate_demo(tmp_path / "run")
    assert again.outcomes == {A: {"ok": 36}, B: {"ok": 36}}
    assert len({row["pixel_sha256"] for row in read_image_set(folder).rows}) == 48


def test_a_folder_that_holds_another_run_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(GenerationError, match="is not empty and holds no run"):
        generate_demo(tmp_path)
