"""What is known to be wrong ends at one star, on every scale; and nobody gains by what chance was measured to give."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.definition import StarRow
from evals.rating.comparison import with_prompts
from evals.rating.controls import control_statistics
from evals.rating.stars.cells import star_cells, star_differences
from evals.rating.stars.chance import chance_of, joint_chance
from evals.rating.stars.prompt_scores import PromptScores, score_prompts
from evals.rating.stars.scales import freeze_scale
from evals.rating.stars.table import rate_rows, rating_inputs
from metrics.catalogue import METRICS, metric

N = 40
EDITING = ("editing.direction", "editing.preserved")


def prompts(metric_id, values, system="right", control=None):
    """Return one score a prompt; a text is the reason why there is none."""
    return [
        {"metric": metric_id, "system": system, "suite": "s", "prompt_id": f"p{n}", "subject": [f"{system}-{n}"],
         "control": control, "encoder": "dlib:resnet_v1",
         **({"reason": value} if isinstance(value, str) else {"value": value})}
        for n, value in enumerate(values)
    ]  # fmt: skip


def ends_of(spec):
    """Return a worst and a best value that the metric may have."""
    low, high = (end if end is not None else default for end, default in zip(spec.range, (0.0, 40.0), strict=True))
    worst, best = (high, low) if spec.better == "lower" else (low, high)
    floor, ceiling = spec.star_scale.floor.declared, spec.star_scale.ceiling.declared
    return worst if floor is None else floor, best if ceiling is None else ceiling


def spread(spec, seed):
    """Return values as wrong arrangements have them: near the worst, some of them quite good."""
    worst, best = ends_of(spec)
    return worst + (best - worst) * np.random.default_rng(seed).beta(2, 6, N)


@pytest.mark.parametrize("spec", [spec for spec in METRICS if spec.known_wrong and spec.star_scale], ids=lambda s: s.id)
def test_every_arrangement_that_is_known_to_be_wrong_ends_at_one_star(spec, score_table):
    wrong = {control: spread(spec, seed) for seed, control in enumerate(spec.known_wrong)}
    rows = prompts(spec.id, [ends_of(spec)[1]] * N)
    for control in spec.controls:
        values = wrong.get(control, [ends_of(spec)[1]] * N)
        rows += prompts(spec.id, values, control=control)
    for control, values in wrong.items():
        rows += prompts(spec.id, np.roll(values, 7), system=f"{control} everywhere")
    scores = score_table(rows)
    measurements = with_prompts(scores)
    scale = freeze_scale(spec, "s", measurements, (), 0.5)
    assert scale["problem"] is None
    assert 0 < scale["chance"] < 0.75
    own = measurements["control"].isna()
    scored = score_prompts(measurements[own], scores[own], None, scale)
    systems = [f"{control} everywhere" for control in wrong]
    right, *others = star_cells(scored, ["right", *systems], seed=0)
    assert right["stars"] == pytest.approx(5.0)
    assert [cell["stars"] for cell in others] == pytest.approx([1.0] * len(others))


@pytest.mark.parametrize("spec", [spec for spec in METRICS if spec.star_scale], ids=lambda spec: spec.id)
def test_every_scale_has_an_arrangement_that_is_known_to_be_wrong(spec):
    assert spec.known_wrong


def test_chance_is_the_best_of_several_controls_and_what_fails_is_worth_nothing(score_table):
    spec = metric("adherence.step_order")
    rows = prompts(spec.id, [0.75, 0.25, 0.5, 0.75], control="exchanged_picture")
    rows += prompts(spec.id, [0.3] * 4, control="shuffled_steps")
    assert chance_of(with_prompts(score_table(rows)), spec, lambda values: (2 * values - 1).clip(0, 1)) == (
        0.25, "measured: exchanged picture, 4 prompts",
    )  # fmt: skip
    text = metric("text.similarity")
    rows = prompts(text.id, [0.4, "no_text", "encoder_failed"], control="shuffled_text")
    assert chance_of(with_prompts(score_table(rows)), text, lambda values: values)[0] == pytest.approx(0.2)
    nothing = chance_of(with_prompts(score_table(rows)).iloc[:0], text, lambda values: values)
    assert nothing == (0.0, "no arrangement that is known to be wrong was measured")


def test_where_wrong_arrangements_get_nearly_everything_nobody_has_stars(score_table):
    rows = prompts("structure.objects", [1.0] * 6) + prompts(
        "structure.objects", [0.8] * 6, control="exchanged_picture"
    )
    scale = freeze_scale(metric("structure.objects"), "s", with_prompts(score_table(rows)), ())
    assert "known to be wrong get 0.80 of the scale here (measured: exchanged picture, 6 prompts)" in scale["problem"]
    assert scale["indistinguishable_from_control"]


def test_chance_moves_stars_and_no_verdict():
    places = pd.DataFrame(np.random.default_rng(1).uniform(0, 1, (12, 2)) * [1.0, 0.6], columns=["a", "b"])
    counts = pd.DataFrame(1, ["a", "b"], ["n_scored", "n_failed", "n_left_out"])
    plain = PromptScores(places, places, places, places, counts, {})
    above = replace(plain, chance=0.2)
    (before,), (after,) = (star_differences(scores, ["a", "b"]) for scores in (plain, above))
    assert after["p_value"] == before["p_value"]
    assert after["stars"] == pytest.approx(before["stars"] / 0.8)
    assert (after["low"], after["high"]) == pytest.approx((before["low"] / 0.8, before["high"] / 0.8))
    assert after["prompts_for_half_a_star"] >= before["prompts_for_half_a_star"]
    for one, other in zip(star_cells(plain, "ab", 0), star_cells(above, "ab", 0), strict=True):
        assert other["stars"] == pytest.approx(1 + (one["stars"] - 1 - 4 * 0.2) / 0.8)
        assert other["stars"] < one["stars"]


@settings(max_examples=15, derandomize=True)
@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_a_system_that_moves_chance_moves_it_for_all_and_passes_nobody(score_table, of_left):
    """Own pictures held against other texts are in everyone's chance: whatever they are, the order stays."""
    rows = prompts("text.similarity", [0.6, 0.9, 0.7, 0.8, 0.5, 0.9], "left")
    rows += prompts("text.similarity", [0.9, 0.9, 0.8, 1.0, 0.7, 0.9], "other")
    rows += prompts("text.similarity", [1.0] * 6, "left", "rendered_text")
    rows += prompts("text.similarity", [0.2] * 6, "other", "shuffled_text")
    rated = []
    for control in ([0.2] * 6, of_left):
        scores = score_table(rows + prompts("text.similarity", control, "left", "shuffled_text"))
        row = StarRow(id="text", title="Text", suite="s", metrics={"text.similarity": 1})
        (one,) = rate_rows([row], rating_inputs(scores, None, ()))
        rated.append(one.row)
    before, after = rated
    moves = [b["stars"] - a["stars"] for b, a in zip(before["cells"], after["cells"], strict=True)]
    assert moves[0] * moves[1] >= 0
    assert after["cells"][0]["stars"] < after["cells"][1]["stars"]
    assert after["differences"][0]["p_value"] == before["differences"][0]["p_value"]
    assert after["differences"][0]["better_system"] == before["differences"][0]["better_system"]


def edits(follows, keeps, system, control=None):
    return prompts(EDITING[0], follows, system, control) + prompts(EDITING[1], keeps, system, control)


@pytest.fixture(scope="session")
def edited(score_table):
    """Return a function from systems' directions and similarities to the row of both."""

    def of(systems, combine="geometric"):
        random = np.random.default_rng(0)
        rows = edits(random.normal(0, 4, 12), random.uniform(0.2, 0.5, 12), "right", "unrelated_picture")
        rows += edits([0.0] * 12, [1.0] * 12, "right", "unedited_source")
        for system, (follows, keeps) in systems.items():
            rows += edits(follows, keeps, system)
        row = StarRow(id="e", title="E", suite="s", metrics=dict.fromkeys(EDITING, 1.0), combine=combine)
        (one,) = rate_rows([row], rating_inputs(score_table(rows), None, ()))
        return {cell["system"]: cell["stars"] for cell in one.row["cells"]}, one.row

    return of


def test_an_edit_that_was_not_done_and_a_picture_of_something_else_are_worth_nothing(edited):
    random = np.random.default_rng(3)
    systems = {
        "right": ([14.0] * 12, [0.97] * 12),
        "half": ([8.0] * 12, [0.8] * 12),
        "source": ([0.0] * 12, [1.0] * 12),
        "unrelated": (random.normal(0, 4, 12), random.uniform(0.2, 0.5, 12)),
    }
    stars, row = edited(systems)
    assert stars["source"] <= 1.2
    assert stars["unrelated"] <= 1.2
    assert 2 < stars["half"] < stars["right"] - 1
    assert row["chance_source"] == "measured: unrelated picture, 12 prompts"
    # The mean of both, as before, gives whoever does nothing a good half of the stars.
    assert edited(systems, "arithmetic")[0]["source"] > 2


@settings(max_examples=20, derandomize=True)
@given(st.integers(0, 11), st.floats(0, 30), st.sampled_from([0, 1]))
def test_a_row_of_a_geometric_mean_never_rises_as_a_metric_falls(edited, prompt, by, which):
    before = [np.linspace(2, 15, 12), np.linspace(0.6, 1, 12)]
    after = [values.copy() for values in before]
    after[which][prompt] -= by
    # No scale hangs on the systems' own values here: both may stand in one table.
    stars, _ = edited({"before": before, "after": after})
    assert stars["after"] <= stars["before"] + 1e-9


def test_pictures_are_combined_one_by_one_before_repeats_are_averaged(edited, score_table):
    """Half of the repeats untouched and half of something else are not half of an edit."""
    systems = {"cheat": ([0.0, 16.0] * 12, [1.0, 0.2] * 12)}
    random = np.random.default_rng(0)
    rows = edits(random.normal(0, 4, 12), random.uniform(0.2, 0.5, 12), "right", "unrelated_picture")
    rows += edits([0.0] * 12, [1.0] * 12, "right", "unedited_source")
    for name, values in zip(EDITING, systems["cheat"], strict=True):
        rows += [
            {**row, "prompt_id": f"p{n // 2}", "repeat": n % 2} for n, row in enumerate(prompts(name, values, "cheat"))
        ]
    row = StarRow(id="e", title="E", suite="s", metrics=dict.fromkeys(EDITING, 1.0), combine="geometric")
    (one,) = rate_rows([row], rating_inputs(score_table(rows), None, ()))
    assert one.row["cells"][0]["n_prompts"] == 12
    assert one.row["cells"][0]["stars"] <= 1.2


@pytest.mark.parametrize("missing", ["no_mask", None], ids=["without a mask", "without a row"])
def test_a_part_that_is_missing_for_one_system_leaves_its_pictures_out_and_raises_nothing(score_table, missing):
    """The same pictures follow what was asked and keep nothing, once with their masks and once without."""
    random = np.random.default_rng(0)
    follows, keeps = np.linspace(8, 14, 12), np.linspace(0.2, 0.6, 12)
    rows = edits(random.normal(0, 4, 12), random.uniform(0.2, 0.5, 12), "right", "unrelated_picture")
    rows += edits([0.0] * 12, [1.0] * 12, "right", "unedited_source")
    rows += edits(follows, keeps, "right") + edits(follows, keeps, "masked") + prompts(EDITING[0], follows, "maskless")
    rows += prompts(EDITING[1], [missing or 0.0] * 6 + list(keeps[6:]), "maskless")[0 if missing else 6 :]
    row = StarRow(id="e", title="E", suite="s", metrics=dict.fromkeys(EDITING, 1.0), combine="geometric")
    (one,) = rate_rows([row], rating_inputs(score_table(rows), None, ()))
    cells = {cell["system"]: cell for cell in one.row["cells"]}
    assert cells["maskless"]["reasons"] == {missing or "not_asked_of_system": 6}
    assert (cells["maskless"]["n_prompts"], cells["maskless"]["n_left_out"]) == (6, 6)
    shares = one.prompt_scores.shares.dropna()
    assert shares["maskless"].tolist() == pytest.approx(shares["masked"].tolist())


def test_joint_chance_combines_every_stranger_that_each_metric_looked_at(score_table):
    rows = [
        {"metric": name, "suite": "s", "prompt_id": "p", "subject": ["one"], "control": "unrelated_picture", "value": v}
        for name, values in (("editing.direction", [0.0, 0.25, 1.0]), ("editing.preserved", [0.64])) for v in values
    ]  # fmt: skip
    parts = [(metric(name), 1.0, lambda values: values) for name in EDITING]
    chance, source = joint_chance(with_prompts(score_table(rows)), parts)
    assert chance == pytest.approx((0 + 0.5 * 0.8 + 1 * 0.8) / 3)
    assert source == "measured: unrelated picture, 1 prompts"


def test_what_keeps_all_and_follows_nothing_has_the_whole_place_of_keeping_without_being_measured(score_table):
    rows = [
        {"metric": EDITING[0], "suite": "s", "prompt_id": "p", "subject": ["one"], "control": control, "value": value}
        for control, value in (("unedited_source", 0.0), ("unrelated_fill", 0.25), ("blank_fill", 0.16))
    ]
    chance, source = joint_chance(with_prompts(score_table(rows)), [(metric(n), 1.0, lambda v: v) for n in EDITING])
    assert chance == pytest.approx(0.5)
    assert source == "measured: unrelated fill, 1 prompts"


@pytest.mark.parametrize(
    ("levels", "chance"),
    [
        # One of two takes some for others: exchanged pictures of either have one star.
        ({"a": 0.06, "b": 0.12}, 0.12),
        # One face for all stories lifts nobody's chance by more than a tenth, in however many systems.
        ({"a": 0.06, "b": 1.0}, 0.16),
        ({"a": 0.06, "b": 0.10, "c": 1.0}, 0.20),
        ({"a": 0.06, "b": 0.06}, 0.06),
    ],
)
def test_exchanged_pictures_of_every_system_have_one_star_unless_its_control_is_far_off(score_table, levels, chance):
    rows = []
    for system, level in levels.items():
        values = np.tile([level - 0.05, level + 0.05], 5) if level < 1 else [1.0] * 10
        rows += prompts("text.similarity", values, system, "shuffled_text")
    found, source = chance_of(with_prompts(score_table(rows)), metric("text.similarity"), lambda values: values)
    assert found == pytest.approx(chance)
    assert ("held down to 0.10 above the middle" in source) == (max(levels.values()) == 1.0)


def test_systems_that_are_wrong_everywhere_take_nobody_the_stars(score_table):
    rng = np.random.default_rng(3)
    rows = []
    for system, gain in (("good", 20.0), ("sources", 0.0), ("exchanged", 0.0), ("grey", 0.0)):
        rows += prompts("adherence.margin", rng.normal(gain, 4.0, N), system)
        rows += prompts("adherence.margin", rng.normal(0.0, 4.0, N), system, control="shuffled_prompt")
    scores = score_table(rows)
    measurements = with_prompts(scores)
    (control,) = [row for row in control_statistics(measurements, seed=0) if row["statistic"] == "auc"]
    inputs = rating_inputs(scores, None, [{**control, "low": 0.4}], ["good", "sources", "exchanged", "grey"])
    row = StarRow(id="r", title="r", suite="s", metrics={"adherence.margin": 1})
    assert rate_rows([row], inputs)[0].row["problem"] is not None, "nothing proves that the metric can tell"
    inputs = rating_inputs(scores, None, [{**control, "low": 0.4, "proven_by": "good"}], inputs.systems)
    stars = {cell["system"]: cell["stars"] for cell in rate_rows([row], inputs)[0].row["cells"]}
    assert stars["good"] > 3
    assert max(stars[name] for name in ("sources", "exchanged", "grey")) < 1.5, "one, and the noise of so many prompts"


@pytest.mark.parametrize(("gain", "proven_by"), [(20.0, "good"), (0.0, None)])
def test_a_metric_that_can_tell_for_one_system_can_tell(score_table, gain, proven_by):
    rng = np.random.default_rng(3)
    rows = []
    for system, own in (("bad", -3.0), ("good", gain), ("worse", -3.0)):
        rows += prompts("adherence.margin", rng.normal(own, 4.0, 12), system)
        rows += prompts("adherence.margin", rng.normal(0.0, 4.0, 12), system, control="shuffled_prompt")
    statistics = control_statistics(with_prompts(score_table(rows)), seed=0)
    (control,) = [row for row in statistics if row["statistic"] == "auc"]
    assert control["low"] <= 0.5
    assert control["proven_by"] == proven_by
