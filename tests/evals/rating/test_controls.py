"""Statistics of the controls against scipy and worked examples, and their intervals over prompts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.rating.comparison import with_prompts
from evals.rating.controls import auc, control_statistics, d_prime

values = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


@given(values, values)
def test_auc_is_mann_whitney_u_over_the_number_of_pairs(own, control):
    expected = stats.mannwhitneyu(own, control).statistic / (len(own) * len(control))
    assert auc(own, control) == pytest.approx(expected)
    assert auc(own, control, better="lower") == pytest.approx(1 - expected)


def test_auc_of_a_worked_example():
    assert auc([0.01, 0.02, 0.015, 0.03], [0.35, 0.4, 0.28, 0.5, 0.02], better="lower") == 0.925


def test_auc_of_ties_is_chance_and_of_nothing_is_undefined():
    assert auc([1, 1], [1, 1, 1]) == 0.5
    assert np.isnan(auc([], [1.0]))
    assert np.isnan(auc([1.0], []))


@given(values, values)
def test_d_prime_is_the_difference_in_standard_deviations(own, control):
    spread = np.sqrt((np.var(own) + np.var(control)) / 2)
    if spread == 0:
        assert np.isnan(d_prime(own, control))
    else:
        assert d_prime(own, control) == pytest.approx((np.mean(own) - np.mean(control)) / spread)
        assert d_prime(own, control, better="lower") == pytest.approx(-d_prime(own, control))


def test_d_prime_of_two_normal_populations_is_their_distance():
    rng = np.random.default_rng(0)
    assert d_prime(rng.normal(2, 1, 20_000), rng.normal(0, 1, 20_000)) == pytest.approx(2, abs=0.05)


def statistics(table, seed=0):
    found = control_statistics(with_prompts(table), seed)
    return {(row["control"], row["statistic"], row["system"]): row for row in found}


def with_control(own, controls, control, metric, systems=("left",), per_prompt=1):
    """Return rows of own and control values, ``per_prompt`` of each to a prompt."""
    return [
        {"system": system, "prompt_id": f"p{n // per_prompt:03d}", "metric": metric, "control": name, "value": value}
        for system in systems
        for name, several in ((None, own), (control, controls))
        for n, value in enumerate(several)
    ]


def test_shuffled_prompts_give_an_auc_over_all_systems(score_table):
    rng = np.random.default_rng(0)
    own, shuffled = rng.normal(31, 2, 40), rng.normal(27, 2, 40)
    table = score_table(with_control(own, shuffled, "shuffled_prompt", "adherence.clip", ("left", "right")))
    (row,) = statistics(table).values()
    assert (row["control"], row["statistic"], row["system"], row["n"]) == ("shuffled_prompt", "auc", None, 40)
    assert row["value"] == pytest.approx(auc(own, shuffled))
    assert 0.8 < row["low"] < row["value"] < row["high"] <= 1


def test_impostors_give_auc_and_d_prime(score_table):
    rng = np.random.default_rng(1)
    own, impostors = rng.normal(0.7, 0.1, 20), rng.normal(0.1, 0.1, 20)
    found = statistics(score_table(with_control(own, impostors, "impostor", "identity.reference")))
    assert found["impostor", "auc", None]["value"] == pytest.approx(auc(own, impostors))
    row = found["impostor", "d_prime", None]
    assert row["value"] == pytest.approx(d_prime(own, impostors))
    assert row["low"] < row["value"] < row["high"]


def test_rendered_text_and_identical_images_give_means_over_prompts(score_table):
    rows = with_control([0.5] * 6, [0.0, 0.0, 0.0, 0.0, 0.0, 0.6], "rendered_text", "text.cer", ("left", "right"))
    rows += with_control([3.0] * 5, [0.0] * 5, "identical_image", "reproducibility.mean_difference")
    found = statistics(score_table(rows))
    rendered = found["rendered_text", "mean", None]
    assert (rendered["value"], rendered["n"]) == (pytest.approx(0.1), 6)
    identical = found["identical_image", "mean", None]
    assert (identical["value"], identical["low"], identical["high"]) == (0, 0, 0)


def test_seed_ratio_is_same_over_different_for_each_system(score_table):
    metric = "reproducibility.mean_difference"
    different = np.linspace(30, 60, 12)
    rows = [
        *with_control(different / 10, different, "different_seed", metric, ("steady",)),
        *with_control(different, different, "different_seed", metric, ("loose",)),
        *with_control(different * 0, different, "different_seed", metric, ("exact",)),
    ]
    found = statistics(score_table(rows))
    ratios = {system: found["different_seed", "seed_ratio", system] for system in ("steady", "loose", "exact")}
    assert [round(row["value"], 12) for row in ratios.values()] == [0.1, 1, 0]
    assert ratios["steady"]["low"] == pytest.approx(0.1)
    assert found["different_seed", "auc", "exact"]["value"] == 1
    assert found["different_seed", "auc", "loose"]["value"] == 0.5


def test_seed_ratio_is_a_ratio_of_means_over_the_prompts_that_have_both(score_table):
    metric = "reproducibility.mean_difference"
    rows = with_control([1.0, 9.0, 2.0, 2.0, 2.0], [10.0, 30.0, 20.0, 20.0, 20.0], "different_seed", metric)
    rows.append({"prompt_id": "p900", "metric": metric, "value": 255.0})
    row = statistics(score_table(rows))["different_seed", "seed_ratio", "left"]
    assert (row["n"], row["value"]) == (5, pytest.approx(16 / 100))
    assert row["low"] < row["value"] < row["high"]


def test_seed_ratio_is_undefined_where_all_seeds_give_one_picture(score_table):
    rows = with_control([0.0] * 6, [0.0] * 6, "different_seed", "reproducibility.mean_difference")
    row = statistics(score_table(rows))["different_seed", "seed_ratio", "left"]
    assert (row["value"], row["low"], row["high"]) == (None, None, None)


def test_only_the_mean_difference_has_a_seed_ratio(score_table):
    rows = with_control([0.9] * 6, [0.2] * 6, "different_seed", "reproducibility.ssim")
    assert set(statistics(score_table(rows))) == {("different_seed", "auc", "left")}


def test_auc_interval_is_over_prompts_not_over_rows(score_table):
    rng = np.random.default_rng(2)
    own, control = rng.normal(1, 1, 15), rng.normal(0, 1, 15)

    def width(per_prompt):
        rows = with_control(
            own.repeat(8), control.repeat(8), "shuffled_prompt", "adherence.clip", per_prompt=per_prompt
        )
        (row,) = statistics(score_table(rows)).values()
        return row["high"] - row["low"]

    assert width(per_prompt=8) > 2 * width(per_prompt=1)


def test_auc_interval_covers_chance_for_a_metric_that_cannot_tell(score_table):
    covered = 0
    for seed in range(60):
        own, control = np.random.default_rng(seed).normal(size=(2, 20))
        table = score_table(with_control(own, control, "shuffled_prompt", "adherence.clip"))
        (row,) = statistics(table).values()
        covered += row["low"] <= 0.5 <= row["high"]
    assert covered >= 52, "57 expected, with a standard deviation of 1.7"


def test_few_prompts_have_a_value_and_no_interval(score_table):
    (row,) = statistics(score_table(with_control([1.0] * 4, [0.0] * 4, "shuffled_prompt", "adherence.clip"))).values()
    assert (row["value"], row["low"], row["high"]) == (1, None, None)


def test_a_control_without_any_value_is_undefined_and_still_listed(score_table):
    rows = with_control([0.5] * 6, [None] * 6, "impostor", "identity.reference")
    rows = [{**row, "reason": "no_face" if row["value"] is None else None} for row in rows]
    rows += with_control([0.1] * 6, [None] * 6, "rendered_text", "text.cer")
    found = statistics(score_table(rows))
    assert [row["value"] for row in found.values()] == [None, None, None]


def test_another_systems_seeds_do_not_enter_a_systems_statistics(score_table):
    metric = "reproducibility.mean_difference"
    alone = with_control(np.linspace(1, 3, 8), np.linspace(9, 30, 8), "different_seed", metric, ("left",))
    other = with_control(np.full(8, 99.0), np.full(8, 1.0), "different_seed", metric, ("right",))
    before, after = statistics(score_table(alone)), statistics(score_table(alone + other))
    assert all(after[key] == row for key, row in before.items())
