"""The demo: its requests, and the check of hand-made ratings against a scripted truth."""

from collections import Counter
from dataclasses import replace

import pytest

from evals.definition import Truth, read_definition
from evals.demo import DemoOutcome, check_truth, demo_requests, draw_demo, run_demo
from evals.imageset import ImageSetError, read_image_set

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
    return [Truth("Text", "text.cer", "signs", better, "because")]


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
    rows = [row for _, _, row in demo_requests(read_definition("demo"))]
    counts = Counter((row["suite"], row["system"]) for row in rows)
    sizes = {"demo-scenes": 48, "demo-identity": 28, "demo-signs": 14, "demo-labels": 12, "demo-repeats": 36}
    assert counts == {(suite, system): size for suite, size in sizes.items() for system in (A, B)}
    assert len({tuple(row) for row in rows}) == 1


def test_the_drawn_image_set_passes_its_reader_and_keeps_identical_repeats_apart(tmp_path):
    small = replace(read_definition("demo"), suites=("demo-repeats",), size="512")
    done = []
    folder = draw_demo(tmp_path / "set", small, lambda label, n, total: done.append((label, n, total)))
    rows = read_image_set(folder).rows
    assert done[-1] == ("drawing", 72, 72)
    assert len({row["file_name"] for row in rows}) == len(rows) == 72
    borealis = {row["pixel_sha256"] for row in rows if row["system"] == B}
    aurora = {row["pixel_sha256"] for row in rows if row["system"] == A}
    assert (len(borealis), len(aurora)) == (12, 36)
    with pytest.raises(ImageSetError, match="another image set"):
        run_demo(_moved(folder, tmp_path / "run"), lambda label, n, total: None)


def _moved(folder, run):
    run.mkdir()
    folder.rename(run / "images")
    return run
