"""The ratings document: its shape, its warnings, and that odd tables do not break it."""

import json

import numpy as np
import pandas as pd
import pytest

from evals.rating import rate
from evals.rating.ratings import SCHEMA

ROW_KEYS = {
    "metric", "title", "unit", "better", "suite", "system", "encoder", "n_prompts", "n_scored", "n_unscored", "reasons",
    "mean", "low", "high",
}  # fmt: skip
DIFFERENCE_KEYS = {"metric", "suite", "system_a", "system_b", "n_prompts", "mean", "low", "high"}
CONTROL_KEYS = {"metric", "suite", "control", "statistic", "system", "n", "value", "low", "high", "proven_by"}


def prompts(n, **columns):
    return [{"prompt_id": f"p{i:04d}", **columns} for i in range(n)]


def samples(n, system="left", **columns):
    """Return rows of one sample a prompt, so that own and control rows are about the same one."""
    return [{**row, "subject": [f"{system}-{i}"]} for i, row in enumerate(prompts(n, system=system, **columns))]


def noisy(rows, controls, means, spread, seed=0, **columns):
    """Return the rows once as own values about the first mean, and once for each control about the second."""
    rng = np.random.default_rng(seed)
    return [
        {**row, "value": float(rng.normal(means[control is not None], spread)), "control": control, **columns}
        for control in (None, *controls)
        for row in rows
    ]


def full_table(score_table, n=25):
    return score_table(noisy(samples(n) + samples(n, system="right"), ["shuffled_prompt"], (30, 25), 2))


def test_the_document_is_json_with_the_agreed_keys_also_from_parquet(score_table, tmp_path):
    table = full_table(score_table)
    ratings = rate(table)
    table.to_parquet(tmp_path / "scores.parquet")
    assert rate(pd.read_parquet(tmp_path / "scores.parquet")) == ratings
    assert json.loads(json.dumps(ratings, allow_nan=False)) == ratings
    assert set(ratings) == {"schema", "systems", "rows", "differences", "controls", "agreements", "warnings"}
    assert (ratings["schema"], ratings["systems"], ratings["warnings"]) == (SCHEMA, ["left", "right"], [])
    assert [set(row) for row in ratings["rows"]] == [ROW_KEYS, ROW_KEYS]
    assert [set(row) for row in ratings["differences"]] == [DIFFERENCE_KEYS]
    assert [set(row) for row in ratings["controls"]] == [CONTROL_KEYS]
    assert ratings["rows"][0]["title"] == "Prompt adherence, raw"


def test_controls_do_not_enter_the_means(score_table):
    table = full_table(score_table)
    with_controls, without = rate(table), rate(table[table["control"].isna()])
    assert with_controls["rows"] == without["rows"]
    assert without["controls"] == []


def test_the_same_seed_gives_the_same_ratings_and_another_one_close_ones(score_table):
    table = full_table(score_table)
    assert rate(table, seed=1) == rate(table, seed=1)
    first, second = rate(table, seed=1)["rows"][0], rate(table, seed=2)["rows"][0]
    assert first["mean"] == second["mean"]
    assert first["low"] != second["low"]
    assert first["low"] == pytest.approx(second["low"], abs=0.1)


def test_a_table_without_a_value_gives_an_empty_document_or_says_why(score_table):
    empty = rate(score_table([]))
    assert (empty.pop("schema"), set(map(tuple, empty.values()))) == (SCHEMA, {()})
    ratings = rate(score_table(prompts(6, reason="encoder_unavailable", encoder=None)))
    (row,) = ratings["rows"]
    assert (row["mean"], row["reasons"]) == (None, {"encoder_unavailable": 6})
    json.dumps(ratings, allow_nan=False)


def test_few_prompts_are_warned_of_once(score_table):
    rows = prompts(4, value=1.0) + prompts(19, value=1.0, metric="text.cer") + prompts(20, value=1.0, suite="scenes")
    (warning,) = rate(score_table(rows))["warnings"]
    assert warning.endswith("Prompts behind the numbers: precise 4 to 19.")


@pytest.mark.parametrize(
    ("target", "spread", "n", "n_controls", "begins"),
    [
        (0.0, 1.0, 30, 1, "Prompt adherence, raw on suite precise cannot tell on this material"),
        (0.3, 1.0, 300, 5, "Prompt adherence, raw on suite precise tells only weakly on this material"),
        (-1.0, 0.01, 30, 1, "Prompt adherence, raw on suite precise cannot tell on this material"),
        (3.0, 1.0, 30, 1, None),
    ],
    ids=["at chance", "weakly better", "worse than the control", "clearly better"],
)
def test_a_metric_is_called_weak_or_unable_to_tell(score_table, target, spread, n, n_controls, begins):
    rows = noisy(samples(n), ["shuffled_prompt"] * n_controls, (target, 0), spread, seed=3)
    warnings = rate(score_table(rows))["warnings"]
    assert [warning.startswith(begins or "") for warning in warnings] == ([True] if begins else [])


def test_a_seed_without_effect_is_the_systems_finding_not_the_metrics(score_table):
    rows = noisy(prompts(30), ["different_seed"], (40, 40), 5, seed=4, metric="reproducibility.mean_difference")
    (warning,) = rate(score_table(rows))["warnings"]
    assert warning.startswith("left on suite precise: the seed has no effect that can be seen")


def test_repeats_that_differ_in_size_are_named_where_a_seed_ratio_would_be(score_table):
    rows = [
        {**row, "metric": metric, "control": control, "value": value}
        for system in ("left", "one_seed")
        for metric in ("reproducibility.mean_difference", "reproducibility.ssim")
        for control, value in ((None, 0.0), ("different_seed", 40.0))
        for row in samples(20, system)
        if control is None or system == "left"
    ]
    for row in rows:
        if row["control"] is None and row["prompt_id"] < "p0003":
            row.update(value=None, reason="size_differs")
    rows += [row for n in range(3) for row in samples(20, value=1.0, metric="identity.faces", repeat=n)]
    ratings = rate(score_table(rows))
    assert [(row["system"], row["value"]) for row in ratings["controls"]] == [("left", None)] * 3
    (warning,) = (text for text in ratings["warnings"] if "size" in text)
    assert warning.startswith("left on suite precise: 3 of 20 same-seed pairs differ in size")


def test_systems_measured_with_different_encoders_are_warned_of(score_table):
    rows = prompts(20, value=1.0) + prompts(20, value=1.0, system="right", encoder="open_clip:other")
    (warning,) = rate(score_table(rows))["warnings"]
    assert "measured in more than one way" in warning
    assert "open_clip:other, open_clip:tiny" in warning
    # Another engine for the texts of another script, the same for both, is no cause for a warning.
    rows = [
        {**row, "system": system, "encoder": "tesseract:ara" if n < 3 else "rapidocr:x", "value": 0.0}
        for system in ("left", "right")
        for n, row in enumerate(prompts(20, metric="text.cer"))
    ]
    assert rate(score_table(rows))["warnings"] == []


def test_a_metric_of_another_version_is_left_out_and_named(score_table):
    ratings = rate(score_table(prompts(20, value=1.0) + prompts(20, value=1.0, metric="style.of_1999")))
    assert [row["metric"] for row in ratings["rows"]] == ["adherence.clip"]
    assert ratings["warnings"] == ["style.of_1999 is not in this version's catalogue and was left out."]


def test_a_pair_of_images_of_two_systems_belongs_to_neither(score_table):
    rows = prompts(20, value=1.0, metric="identity.pairs") + prompts(5, value=0.0, metric="identity.pairs", system=None)
    ratings = rate(score_table(rows))
    assert ratings["systems"] == ["left"]
    assert [(row["system"], row["mean"]) for row in ratings["rows"]] == [("left", 1.0)]
