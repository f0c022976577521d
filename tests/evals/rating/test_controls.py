"""Statistics of the controls against scipy and worked examples, and their intervals over prompts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.rating.comparison import with_prompts
from evals.rating.controls import control_statistics, d_prime, win_probabilities

values = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30)


def of_one_prompt(side):
    return pd.DataFrame({"prompt": "a red cup", "value": side})


def auc(own, control, better="higher"):
    return win_probabilities(of_one_prompt(own), of_one_prompt(control), ["prompt"], better)["a red cup"]


@given(values, values)
def test_within_a_unit_the_auc_is_mann_whitney_u_over_the_number_of_pairs(own, control):
    expected = stats.mannwhitneyu(own, control).statistic / (len(own) * len(control))
    assert auc(own, control) == pytest.approx(expected)
    assert auc(own, control, better="lower") == pytest.approx(1 - expected)
    assert auc([1, 1], [1, 1, 1]) == 0.5


@pytest.mark.parametrize(("own", "control"), [([], [1.0]), ([1.0], []), ([], [])])
def test_a_unit_without_own_or_control_values_is_passed_over(own, control):
    assert win_probabilities(of_one_prompt(own), of_one_prompt(control), ["prompt"], "higher").empty


@given(st.lists(values, min_size=2, max_size=6), st.data())
def test_d_prime_is_the_difference_in_standard_deviations_over_all_values(own, data):
    control = [data.draw(values) for _ in own]
    sides = [
        pd.DataFrame([(str(n), value) for n, of_prompt in enumerate(side) for value in of_prompt])
        .set_axis(["prompt", "value"], axis=1)
        for side in (own, control)
    ]  # fmt: skip
    first, second = np.concatenate(own), np.concatenate(control)
    spread = np.sqrt((np.var(first) + np.var(second)) / 2)
    found, turned = (d_prime(*sides, better, 0).value for better in ("higher", "lower"))
    if spread < 1e-9:
        assert np.isnan(found)
    else:
        assert found == pytest.approx((first.mean() - second.mean()) / spread)
        assert turned == pytest.approx(-found)


def statistics(table, seed=0):
    found = control_statistics(with_prompts(table), seed)
    return {(row["control"], row["statistic"], row["system"]): row for row in found}


def with_control(own, controls, control, metric, systems=("left",), per_prompt=1):
    """Return rows of own and control values, ``per_prompt`` of each to a prompt, the n-th of both of one sample."""
    return [
        {"system": system, "prompt_id": f"p{n // per_prompt:03d}", "metric": metric, "control": name, "value": value}
        | {"subject": [f"{system}-{n}"]}
        for system in systems
        for name, several in ((None, own), (control, controls))
        for n, value in enumerate(several)
    ]


def decoys(own, control, **more):
    return with_control(own, control, "shuffled_prompt", "adherence.clip", **more)


def test_shuffled_prompts_give_an_auc_over_all_systems(score_table):
    rng = np.random.default_rng(0)
    own, shuffled = rng.normal(31, 2, 40), rng.normal(28, 2, 40)
    table = score_table(decoys(own, shuffled, systems=("left", "right")))
    (row,) = statistics(table).values()
    assert (row["control"], row["statistic"], row["system"], row["n"]) == ("shuffled_prompt", "auc", None, 40)
    assert row["value"] == pytest.approx((own > shuffled).mean())
    assert 0.5 < row["low"] < row["value"] < row["high"] <= 1


def one_image(name, own, *of_decoys, prompt="p"):
    values = [(None, own), *(("shuffled_prompt", value) for value in of_decoys)]
    return [{"subject": [name], "prompt_id": prompt, "control": control, "value": value} for control, value in values]


@pytest.mark.parametrize(
    ("rows", "n", "value"),
    [
        # Some prompts fit every picture better than others: that is neither the picture's merit nor its fault.
        (one_image("a", 2, 0, 1) + one_image("b", 102, 100, 101), 1, 1),
        ([row for n in range(20) for row in one_image(f"{n}", 10 * n, 10 * n - 3, 10 * n - 2, prompt=f"p{n}")], 20, 1),
        (decoys([1.0] * 9, [0.0] * 9, per_prompt=9) + one_image("w", -1, 0, prompt="p1"), 2, 0.5),
        (decoys([1.0] * 6, [0.0] * 6) + one_image("alone", -9, prompt="p7") + one_image("lost", 9, 0)[1:], 6, 1),
    ],
    ids=["own decoys only", "also where prompts differ", "over samples, then prompts", "with decoys only"],
)
def test_an_image_is_held_against_its_own_decoys(score_table, rows, n, value):
    (row,) = statistics(score_table(rows)).values()
    assert (row["n"], row["value"]) == (n, value)
    assert n < 20 or row["high"] == 1


def shots(sequence, own, impostors, system="left", metric="identity.self"):
    """Return rows of a sequence whose shots each have a prompt of their own, as a story's do."""
    return [
        {"system": system, "sequence_id": sequence, "prompt_id": f"{sequence}-{n}", "metric": metric}
        | {"control": control, "value": value, "subject": [f"{system}-{sequence}-{n}", f"other-{n}"]}
        for control, side in ((None, own), ("impostor", impostors))
        for n, value in enumerate(side)
    ]


@pytest.mark.parametrize(
    ("rows", "n", "value"),
    [
        ([row for n in range(6) for row in shots(f"s{n}", [n + 0.3, n + 0.4, n + 0.5], [n + 0.1, n + 0.2])], 6, 1),
        (shots("s", [0.3, 0.9], [0.5, 0.2]), 1, 0.75),
        (shots("s", [0.9], [0.8]) + shots("s", [0.3], [0.2], "right"), 1, 1),
    ],
    ids=["impostors of their own sequence", "of any shot number", "of their own system"],
)
def test_pairs_of_shots_are_held_against_impostors(score_table, rows, n, value):
    row = statistics(score_table(rows))["impostor", "auc", None]
    assert (row["n"], row["value"]) == (n, value)
    assert (row["low"] is None) == (n < 5), "few prompts have a value and no interval"


def test_each_shot_of_a_sequence_is_a_prompt_of_its_own_for_the_seeds(score_table):
    rows = [
        {"sequence_id": "s", "prompt_id": name, "metric": "reproducibility.ssim", "control": control, "value": value}
        for name, own, other in (("plain", 0.9, 0.8), ("busy", 0.3, 0.2))
        for control, value in ((None, own), ("different_seed", other))
    ]
    row = statistics(score_table(rows))["different_seed", "auc", "left"]
    assert (row["n"], row["value"]) == (1, 1)


def test_impostors_give_auc_and_d_prime_of_the_prompts_that_have_both(score_table):
    rng = np.random.default_rng(1)
    own, impostors = rng.normal(0.7, 0.3, 20), rng.normal(0.3, 0.3, 20)
    rows = with_control(own, impostors, "impostor", "identity.reference")
    found = statistics(score_table(rows))
    assert found["impostor", "auc", None]["value"] == pytest.approx((own > impostors).mean())
    row = found["impostor", "d_prime", None]
    assert row["value"] == pytest.approx((own.mean() - impostors.mean()) / np.sqrt((own.var() + impostors.var()) / 2))
    assert row["low"] < row["value"] < row["high"]
    alone = {"prompt_id": "p900", "metric": "identity.reference", "value": -50.0, "subject": ["alone"]}
    assert statistics(score_table([*rows, alone])) == found


def test_rendered_text_and_identical_images_give_means_over_prompts(score_table):
    rows = with_control([0.5] * 6, [0.0, 0.0, 0.0, 0.0, 0.0, 0.6], "rendered_text", "text.cer", ("left", "right"))
    rows += with_control([3.0] * 5, [0.0] * 5, "identical_image", "reproducibility.mean_difference")
    found = statistics(score_table(rows))
    rendered = found["rendered_text", "mean", None]
    assert (rendered["value"], rendered["n"]) == (pytest.approx(0.1), 6)
    identical = found["identical_image", "mean", None]
    assert (identical["value"], identical["low"], identical["high"]) == (0, 0, 0), "levels of 255 are no rate"


def test_a_control_that_never_fails_on_few_prompts_is_not_certain(score_table):
    rows = with_control([1.0] * 6, [1.0] * 6, "rendered_text", "text.exact_lines")
    rows += decoys([1.0] * 6, [0.0] * 6)
    for row in statistics(score_table(rows)).values():
        assert (row["value"], row["high"]) == (1, 1)
        assert row["low"] == pytest.approx(0.6097, abs=1e-4), "Wilson, 6 of 6"


def seeds(same, different, system="left", metric="reproducibility.mean_difference"):
    return with_control(same, different, "different_seed", metric, (system,))


def test_seed_ratio_is_same_over_different_for_each_system(score_table):
    different = np.linspace(30, 60, 12)
    same = {"steady": different / 10, "loose": different, "exact": different * 0}
    found = statistics(score_table([row for system in same for row in seeds(same[system], different, system)]))
    ratios = {system: found["different_seed", "seed_ratio", system] for system in same}
    assert [round(row["value"], 12) for row in ratios.values()] == [0.1, 1, 0]
    assert ratios["steady"]["low"] == pytest.approx(0.1)
    assert [found["different_seed", "auc", system]["value"] for system in ("exact", "loose")] == [1, 0.5]
    # Another system's seeds do not enter it.
    odd = statistics(score_table(seeds(same["steady"], different, "steady") + seeds([99.0] * 8, [1.0] * 8, "odd")))
    assert odd["different_seed", "seed_ratio", "steady"] == ratios["steady"]


def test_seed_ratio_is_a_ratio_of_means_over_the_prompts_that_have_both(score_table):
    rows = seeds([1.0, 9.0, 2.0, 2.0, 2.0], [10.0, 30.0, 20.0, 20.0, 20.0])
    rows.append({"prompt_id": "p900", "metric": "reproducibility.mean_difference", "value": 255.0})
    row = statistics(score_table(rows))["different_seed", "seed_ratio", "left"]
    assert (row["n"], row["value"]) == (5, pytest.approx(16 / 100))
    assert row["low"] < row["value"] < row["high"]
    # Where all seeds give one picture it is undefined.
    row = statistics(score_table(seeds([0.0] * 6, [0.0] * 6)))["different_seed", "seed_ratio", "left"]
    assert (row["value"], row["low"], row["high"]) == (None, None, None)


def test_repeats_that_differ_in_size_leave_no_seed_ratio_and_seeds_that_do_that_of_the_others(score_table):
    metric = "reproducibility.mean_difference"
    rows = seeds([0.0] * 6, [50.0] * 6) + seeds([1.0] * 6, [50.0] * 6, "right")
    for row in (*rows[:5], rows[-1]):
        row.update(value=None, reason="size_differs")
    assert [row["control"] for row in (*rows[:5], rows[-1])] == [None] * 5 + ["different_seed"]
    rows += seeds([0.0] * 6, [9.0] * 6, metric="reproducibility.phash_distance")
    found = control_statistics(with_prompts(score_table(rows)), 0)
    kept = {(row["metric"], row["system"], row["statistic"]): (row["value"], row["n"]) for row in found}
    assert kept == {
        (metric, "left", "auc"): (None, 0), (metric, "left", "seed_ratio"): (None, 0),
        (metric, "right", "auc"): (1, 5), (metric, "right", "seed_ratio"): (0.02, 5),
        ("reproducibility.phash_distance", "left", "auc"): (1, 6),
    }  # fmt: skip


def test_auc_interval_is_over_prompts_not_over_rows(score_table):
    rng = np.random.default_rng(2)
    own, control = rng.normal(0.5, 1, 15), rng.normal(0, 1, 15)

    def width(per_prompt):
        (row,) = statistics(score_table(decoys(own.repeat(8), control.repeat(8), per_prompt=per_prompt))).values()
        return row["high"] - row["low"]

    assert width(per_prompt=8) > 2 * width(per_prompt=1)


def simulated(n_suites, n_prompts, effect, spread, offset=8.0, metric="adherence.clip", control="shuffled_prompt"):
    """Return suites of prompts with two images each, and each image with five decoys.

    Images and decoys of a prompt share its offset; own values are better by a normal effect of the prompt.
    """
    rng = np.random.default_rng(7)
    prompts = (n_suites, n_prompts)
    level, own_level = rng.normal(0, offset, prompts), rng.normal(effect, spread, prompts)
    own = (level + own_level)[..., None, None] + rng.normal(0, 1, (*prompts, 2, 1))
    decoys = level[..., None, None] + rng.normal(0, 1, (*prompts, 2, 5))
    sides = []
    for name, side in ((None, own), (control, decoys)):
        suite, prompt, sample, _ = (place.ravel() for place in np.indices(side.shape))
        names = {"suite": suite.astype(str), "prompt": prompt.astype(str), "sample": sample.astype(str)}
        sides.append(pd.DataFrame(names).assign(control=name, value=side.ravel()))
    table = pd.concat(sides, ignore_index=True)
    return table.assign(system="left", metric=metric, prompt_id=table["prompt"], reason=None)


def coverage(table, statistic, truth):
    rows = [row for row in control_statistics(table, 0) if row["statistic"] == statistic]
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows), "an estimate lies within its interval"
    return np.mean([row["low"] <= truth <= row["high"] for row in rows])


def within_image_auc(effect, spread):
    return stats.norm.cdf(effect / np.sqrt(2 + spread**2))


# The noise of 200 simulations is .015 at .95; other numbers of prompts are simulated below.
@pytest.mark.parametrize(("effect", "spread"), [(0, 2.0), (1, 0.5)])
def test_auc_intervals_hold_the_truth_although_prompts_differ(effect, spread):
    table = simulated(200, 20, effect, spread)
    assert 0.90 <= coverage(table, "auc", within_image_auc(effect, spread)) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize(
    ("effect", "spread", "n_prompts", "expected"),
    [
        (0, 2.0, 5, 0.935), (0, 2.0, 10, 0.987), (0, 2.0, 20, 0.985), (0, 2.0, 50, 0.966),
        (1, 0.5, 5, 0.938), (1, 0.5, 10, 0.966), (1, 0.5, 20, 0.954), (1, 0.5, 50, 0.959),
        (2, 0.5, 10, 0.935), (2, 0.5, 20, 0.944), (2, 0.5, 50, 0.952),
        (3, 1.0, 10, 0.864), (3, 1.0, 20, 0.951), (3, 1.0, 50, 0.961),
    ],
)  # fmt: skip
def test_auc_coverage(effect, spread, n_prompts, expected):
    found = coverage(simulated(1000, n_prompts, effect, spread), "auc", within_image_auc(effect, spread))
    assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("effect", "spread", "n_prompts", "expected"),
    [
        (1, 0.5, 10, 0.930), (1, 0.5, 20, 0.932), (1, 0.5, 50, 0.942),
        (3, 1.0, 10, 0.865), (3, 1.0, 20, 0.892), (3, 1.0, 50, 0.922),
    ],
)  # fmt: skip
def test_d_prime_coverage(effect, spread, n_prompts, expected):
    table = simulated(400, n_prompts, effect, spread, offset=1.0, metric="identity.reference", control="impostor")
    truth = effect / np.sqrt(2 + spread**2 / 2)
    assert coverage(table, "d_prime", truth) == pytest.approx(expected, abs=0.03)


def test_a_control_without_any_value_is_undefined_and_still_listed(score_table):
    rows = with_control([0.5] * 6, [None] * 6, "impostor", "identity.reference")
    rows = [{**row, "reason": "no_face" if row["value"] is None else None} for row in rows]
    rows += with_control([0.1] * 6, [None] * 6, "rendered_text", "text.cer")
    found = statistics(score_table(rows))
    assert [row["value"] for row in found.values()] == [None, None, None]
