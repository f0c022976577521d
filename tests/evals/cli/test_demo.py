"""The demo: its requests, and the check of hand-made ratings against a scripted truth."""

import json
from collections import Counter

import pytest

from evals.cli.demo import DemoOutcome, check_truth, generate_demo
from evals.definition import Truth, read_definition
from evals.generation.plan import plan_requests
from evals.imageset.imageset import read_image_set

A, B = "aurora-1@demo", "borealis-2@demo"


def verdict_of(scripted=A, better=None, **row):
    """Return the verdict on a scripted truth by ratings in which another metric says the opposite."""
    mean = {A: -0.1, B: 0.1, None: 0.01}[better]  # an error rate: less is better
    row = {"mean": mean, "low": mean - 0.05, "high": mean + 0.05, "reasons": {}, **row}
    ratings = {
        "rows": [{"metric": "text.cer", "suite": "signs", "system": A, "reasons": row.pop("reasons")}],
        "differences": [
            {"metric": "text.wer", "suite": "signs", "mean": -9.0, "low": -10.0, "high": -8.0, "n_prompts": 9},
            {"metric": "text.cer", "suite": "signs", "system_a": A, "system_b": B, "n_prompts": 4, **row},
        ],
    }
    truth = Truth(dimension="Text", metric="text.cer", suite="signs", better=scripted, why="because")
    (verdict,) = check_truth(ratings, [truth])
    return verdict


@pytest.mark.parametrize(
    ("scripted", "measured", "agrees"),
    [(A, A, True), (A, B, False), (A, None, False), ("tie", None, True), ("tie", B, False)],
)
def test_a_verdict_agrees_when_the_better_system_is_the_scripted_one(scripted, measured, agrees):
    verdict = verdict_of(scripted, measured)
    assert (verdict.measured, verdict.agrees) == (measured or "tie", agrees)


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ({"low": None}, "4 prompts are too few for an interval"),
        (
            {"mean": None, "low": None, "reasons": {"encoder_unavailable": 20, "no_text": 1}},
            "not scored: the encoder's weights are not on this machine",
        ),
        ({"metric": "text.wer"}, "the metric was not measured in this run"),
    ],
)
def test_what_was_not_measured_gives_no_verdict_but_the_reason(row, note):
    verdict = verdict_of("tie", **row)
    assert (verdict.agrees, verdict.measured, verdict.note) == (None, None, note)
    assert verdict.sentence().startswith("unknown ")


def test_one_contradiction_is_enough_and_unknowns_are_none():
    right, wrong, unknown = verdict_of(better=A), verdict_of(better=B), verdict_of(low=None)
    for verdicts, truth_found in (((right, right), True), ((right, wrong), False), ((unknown,), True)):
        assert DemoOutcome(None, None, verdicts).truth_found is truth_found


def test_the_demo_asks_both_systems_for_the_same_things():
    demo = read_definition("demo")
    requests = [request for request in plan_requests(demo) if request.size == demo.size]
    counts = Counter((request.suite, request.system) for request in requests)
    asked = {system: {suite: n for (suite, of), n in counts.items() if of == system} for system in (A, B)}
    assert asked[A] == asked[B]
    assert set(asked[A]) == set(demo.suites)


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


@pytest.mark.parametrize(
    "lost",
    [{"submitted", "accepted", "completed"}, {"accepted", "completed"}],
    ids=["stopped before they were sent", "killed while the simulators were at work"],
)
def test_a_demo_that_was_cut_off_makes_what_is_missing(tmp_path, small_demo, lost):
    folder = generate_demo(tmp_path / "run").folder
    ledger, rows = folder / "ledger.jsonl", read_image_set(folder).rows
    whole = {row["sample_id"]: row["prompt_id"] for row in rows}
    events = list(map(json.loads, ledger.read_text().splitlines()))
    later = sorted(set(whole.values()))[1::2]
    missing = {sample_id for sample_id, prompt_id in whole.items() if prompt_id in later}
    kept = [event for event in events if event.get("sample_id") not in missing or event["event"] not in lost]
    assert len(kept) < len(events)
    ledger.write_text("".join(json.dumps(event) + "\n" for event in kept))
    not_yet_there = [row["file_name"] for row in rows if row["sample_id"] in missing]
    for name in ("requests.jsonl", "metadata.jsonl", *not_yet_there):
        (folder / name).unlink()
    assert generate_demo(tmp_path / "run").outcomes == {A: {"ok": 36}, B: {"ok": 36}}
    again = {row["sample_id"]: row["pixel_sha256"] for row in read_image_set(folder).rows}
    assert again.keys() == whole.keys()
    assert len(set(again.values())) == 48
