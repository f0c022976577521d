"""Similarity along a sequence: the sequence is the unit, and what has no face is in no mean."""

import pandas as pd
import pytest

from evals.rating.shots import similarity_by_shot


def sequence(system, name, similarities, suite="people"):
    """One measurement of ``identity.drift``, the shots named after system, sequence and number."""
    named = {f"{system}-{name}-{shot}": value for shot, value in enumerate(similarities, start=1)}
    row = {"system": system, "suite": suite, "sequence_id": name, "metric": "identity.drift", "control": None}
    return {**row, "details": {"similarities": named}}


def by_shot(*rows):
    ids = list(dict.fromkeys(sample for row in rows for sample in row["details"]["similarities"]))
    samples = pd.DataFrame({"shot": [int(sample.rpartition("-")[2]) for sample in ids]}, index=ids)
    found = similarity_by_shot(pd.DataFrame(rows), samples)
    return {(row["system"], row["shot"]): row for row in found}


def test_each_shot_has_the_mean_over_sequences_and_the_first_is_left_out():
    found = by_shot(sequence("a", "kim", [1.0, 0.8, 0.6]), sequence("a", "sam", [1.0, 0.6, 0.2]))
    assert set(found) == {("a", 2), ("a", 3)}
    assert found["a", 2]["mean"] == pytest.approx(0.7)
    assert found["a", 3]["n_sequences"] == 2
    # Repeats of a sequence are one unit.
    repeated = [sequence("a", "kim", [1.0, 0.9])] * 3
    assert by_shot(*repeated, sequence("a", "sam", [1.0, 0.5]))["a", 2]["mean"] == pytest.approx(0.7)


def test_a_shot_without_a_face_is_in_no_mean_and_never_the_first():
    found = by_shot(sequence("a", "kim", [None, 1.0, None, 0.4]))
    assert {key: row["mean"] for key, row in found.items()} == {("a", 4): 0.4}


def test_there_is_an_interval_from_five_sequences_on_that_holds_the_mean():
    rows = [sequence("a", f"s{n}", [1.0, 0.5 + n / 20]) for n in range(5)]
    assert by_shot(*rows[:4])["a", 2]["low"] is None
    row = by_shot(*rows)["a", 2]
    assert row["low"] < row["mean"] < row["high"] <= 1.0


def test_a_run_without_sequences_has_no_shots():
    table = pd.DataFrame([sequence("a", "kim", [])])
    assert similarity_by_shot(table, pd.DataFrame({"prompt": []})) == []
    assert similarity_by_shot(table.assign(metric="text.cer"), pd.DataFrame({"prompt": []})) == []
