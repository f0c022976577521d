"""Scales: where one star and five stars lie, by hand; and what takes the stars from everyone."""

import itertools
import math

import pandas as pd
import pytest

from evals.rating.comparison import with_prompts
from evals.rating.controls import control_statistics
from evals.rating.stars.scales import freeze_scale, share_of_scale
from metrics.catalogue import METRICS, metric
from metrics.specification import MetricSpec

SUITE = "precise"


def values(metric_id, *by_prompt, control=None, system="left"):
    """Return rows of one control, or of own values, a prompt's values in each list."""
    return [
        {"metric": metric_id, "control": control, "system": system, "prompt_id": f"p{n}", "subject": [f"{system}{n}"],
         "value": value}
        for n, of_prompt in enumerate(by_prompt) for value in of_prompt
    ]  # fmt: skip


def held_against(metric_id, own, control, of_control):
    return values(metric_id, *own) + values(metric_id, *of_control, control=control)


@pytest.fixture
def frozen(score_table):
    """Return a function from a metric and rows of it to its frozen scale."""

    def freeze(metric_id, rows, neutral=None):
        measurements = with_prompts(score_table(rows))
        statistics = control_statistics(measurements, seed=0)
        return freeze_scale(metric(metric_id), SUITE, measurements, statistics, neutral)

    return freeze


def ends(scale):
    return scale["floor"], scale["ceiling"]


def test_a_measured_floor_is_the_mean_over_prompts_of_the_middle_system_and_of_two_the_worse(frozen):
    rows = (
        values("identity.self", [0.7], [0.7])
        + values("identity.self", [0.1, 0.3], control="impostor")
        + values("identity.self", [0.2], [0.6], control="impostor", system="right")
    )
    scale = frozen("identity.self", rows)
    # The left one's mean is 0.2, the right one's (0.2 + 0.6) / 2.
    assert scale["floor"] == pytest.approx(0.2)
    assert scale["floor_source"] == "measured: impostor of left (the middle of 2 systems), 2 prompts"
    assert scale["problem"] is None


@pytest.mark.parametrize(("n_others", "n_bad"), [(1, 1), (2, 1), (3, 2), (3, 3)])
def test_systems_that_draw_one_face_for_all_stories_take_a_tenth_of_the_scale_from_the_others_at_most(
    frozen, n_others, n_bad
):
    rows = []
    for n in range(n_others):
        rows += values("identity.self", *[[0.6]] * 6, system=f"good{n}")
        rows += values("identity.self", *[[0.2 + 0.01 * n]] * 6, control="impostor", system=f"good{n}")
    alone = frozen("identity.self", rows)
    for n in range(n_bad):
        rows += values("identity.self", *[[1.0]] * 6, system=f"one-face{n}")
        rows += values("identity.self", *[[1.0]] * 6, control="impostor", system=f"one-face{n}")
    beside = frozen("identity.self", rows)
    assert beside["problem"] is None
    # Nothing but the noise between the others: 0.01 on a scale of 0.4 long.
    assert beside["floor"] == pytest.approx(alone["floor"], abs=0.011)
    assert alone["chance"] - 0.03 < beside["chance"] < alone["chance"] + 0.1 + 0.03


@pytest.mark.parametrize("metric_id", ["identity.self", "editing.direction", "text.cer"])
@pytest.mark.parametrize("by", [-0.5, 0.5])
def test_nobody_gains_on_others_by_moving_the_own_control_and_of_three_nobody_moves_the_scale(frozen, metric_id, by):
    (control,) = {"identity.self": ["impostor"], "text.cer": ["shuffled_text"]}.get(metric_id, ["unrelated_picture"])
    rows = []
    for n, system in enumerate(("a", "b", "c")):
        rows += values(metric_id, *[[0.9]] * 6, system=system)
        rows += values(metric_id, *[[0.48 + 0.02 * n], [0.5 + 0.02 * n]] * 3, control=control, system=system)
        if metric_id == "text.cer":
            rows += values(metric_id, *[[0.0]] * 6, control="rendered_text", system=system)
    before = frozen(metric_id, rows)
    for mover in ("a", "b", "c"):
        moved = [{**row, "value": row["value"] + by} if (row["control"], row["system"]) == (control, mover) else row
                 for row in rows]  # fmt: skip
        after = frozen(metric_id, moved)
        # No more than the others lie apart; what nothing is worth may rise by a tenth, for all alike.
        for end in ("floor", "ceiling"):
            assert after[end] == pytest.approx(before[end], abs=0.06)
        assert -0.06 < after["chance"] - before["chance"] < 0.1 + 0.06


def test_photographs_of_one_person_are_five_stars_with_every_face_encoder(frozen):
    rows = held_against("identity.self", [[0.5]] * 6, "impostor", [[0.1]] * 6)

    def scale_of(*encoders):
        encoder = itertools.cycle(encoders)
        return frozen("identity.self", [{**row, "encoder": next(encoder)} for row in rows])

    dlib, pack = scale_of("dlib:resnet_v1"), scale_of("insightface:buffalo_l")
    assert (dlib["ceiling"], pack["ceiling"]) == (0.61, 0.69)
    assert dlib["ceiling_source"].startswith("dlib:resnet_v1: measured")
    assert "insightface:buffalo_l: measured with a MobileFaceNet pack alone" in pack["ceiling_source"]
    for nobody_knows in (scale_of("owlv2:x"), scale_of("dlib:resnet_v1", "insightface:buffalo_l")):
        assert "best value of its encoder" in nobody_knows["problem"]


def test_no_system_sets_its_own_floor(frozen):
    controls = values("identity.self", *[[0.1]] * 6, control="impostor")
    good = frozen("identity.self", values("identity.self", *[[0.7]] * 6) + controls)
    better = frozen("identity.self", values("identity.self", *[[0.9]] * 6) + controls)
    assert good == better
    # Nobody has a floor of one's own: there is one scale a metric and suite, and no system is named in it.
    assert "system" not in good


def test_a_ceiling_in_deviations_lies_that_many_spreads_of_the_control_above_the_floor(frozen):
    scale = frozen("adherence.margin", held_against("adherence.margin", [[9.0]] * 2, "shuffled_prompt", [[-1, 3]] * 2))
    # Mean 1, population standard deviation 2: 1 + 4 x 2.
    assert ends(scale) == (pytest.approx(1.0), pytest.approx(9.0))
    assert scale["ceiling_source"] == "declared, version 2: floor + 4 standard deviations of shuffled prompt"


def test_a_prompt_that_was_asked_more_often_weighs_no_more_in_the_spread(frozen):
    once, often = (
        frozen("adherence.margin", held_against("adherence.margin", [[9.0]] * 2, "shuffled_prompt", of_control))
        for of_control in ([[-1.0, 1.0], [-3.0, 3.0]], [[-1.0, 1.0], [-3.0, 3.0] * 5])
    )
    assert ends(often) == pytest.approx(ends(once))


def test_of_a_share_both_ends_are_declared_at_the_ends_of_its_range(frozen):
    scale = frozen("structure.counts", values("structure.counts", [0.5]))
    assert ends(scale) == (0.0, 1.0)
    assert scale["floor_source"] == scale["ceiling_source"] == "declared, version 2"


def test_error_rates_run_downwards_from_everything_wrong_to_what_clean_text_gets(frozen):
    scale = frozen("text.cer", held_against("text.cer", [[0.3], [2.5]], "rendered_text", [[0.0], [0.2]]))
    assert ends(scale) == (1.0, pytest.approx(0.1))
    # Each value is clipped by itself: the mean of the last two is 0.5, and not the 0 of their mean of 1.25.
    places = share_of_scale(pd.Series([1.0, 0.55, 0.1, math.nan, 0.0, 2.5]), scale)
    assert places.tolist() == pytest.approx([0, 0.5, 1, math.nan, 1, 0], nan_ok=True)


def test_a_scale_without_ends_places_nothing(frozen):
    with pytest.raises(ValueError, match=r"the scale of identity\.self has no ends"):
        share_of_scale(pd.Series([0.5]), frozen("identity.self", values("identity.self", [0.5])))


@pytest.mark.parametrize(
    ("metric_id", "own", "control", "of_control", "why"),
    [
        # Own values that are as often above as below the control: an AUC of 0.5.
        ("adherence.margin", [[1.0], [-1.0]] * 5, "shuffled_prompt", [[0.5, -0.5, 0.0]] * 10, "0.50 is chance"),
        ("identity.self", [[0.3], [0.1]] * 5, "impostor", [[0.2]] * 10, "its control impostor fails here"),
        ("editing.direction", [[0.3], [0.1]] * 5, "unrelated_picture", [[0.2, 0.25]] * 10, "fails here"),
        # Below five prompts there is no interval, and the value itself must be above chance.
        ("identity.self", [[0.1], [0.3]], "impostor", [[0.2]] * 2, "probability 0.50, and 0.50 is chance"),
        ("adherence.step_order", [[0.9]] * 6, "shuffled_steps", [[0.55], [0.4], [0.5]] * 2, "wrong orders pass"),
        # Six of eight prompts won: Wilson's interval of 0.75 starts at 0.41, which is no proof.
        ("identity.self", [[0.3]] * 6 + [[0.1]] * 2, "impostor", [[0.2]] * 8, "0.75 (0.41 to 0.93), and 0.50 is"),
        ("identity.self", [[0.3]] * 8, "impostor", [[0.2]] * 8, None),
    ],
)
def test_what_cannot_be_told_from_its_control_gives_no_stars(frozen, metric_id, own, control, of_control, why):
    scale = frozen(metric_id, held_against(metric_id, own, control, of_control))
    assert (scale["problem"] is None) if why is None else (why in scale["problem"])
    assert scale["indistinguishable_from_control"] == (why is not None)


@pytest.mark.parametrize(
    ("metric_id", "control", "of_control"),
    # Steps of which no shuffled order could be scored, faces of which no sequence has an impostor's beside its own.
    [("adherence.step_order", "shuffled_steps", [[None]] * 6), ("identity.self", "impostor", [[]] * 6 + [[0.2]] * 6)],
)
def test_a_control_that_could_not_be_measured_is_none_that_was_passed(frozen, metric_id, control, of_control):
    scale = frozen(metric_id, held_against(metric_id, [[0.9]] * 6, control, of_control))
    assert scale["problem"].endswith("could not be measured here, so nothing tells right from wrong")
    assert scale["indistinguishable_from_control"]


def test_a_missing_control_gives_no_stars_and_no_invented_end(frozen):
    scale = frozen("identity.self", values("identity.self", *[[0.7]] * 6))
    assert scale["problem"] == "its control impostor could not be measured, so the scale has no ends"
    assert (scale["floor"], scale["indistinguishable_from_control"]) == (None, False)
    unmeasured = [{**row, "value": None, "reason": "no_face"} for row in values("identity.self", [0.0])]
    unmeasured = [{**row, "control": "impostor"} for row in unmeasured]
    assert frozen("identity.self", values("identity.self", [0.7]) + unmeasured)["floor"] is None


@pytest.mark.parametrize(
    ("metric_id", "own", "controls", "why"),
    [
        ("reproducibility.ssim", 0.9, {"different_seed": [[1.0]] * 6, "identical_image": [[1.0]] * 6},
         "its ceiling 1 is no better than its floor 1 here"),
        # Controls that are all the same up to rounding have no spread.
        ("adherence.margin", 0.9, {"shuffled_prompt": [[0.1 + 0.2, 0.3], [0.3]] * 3}, "nothing to scale"),
        ("text.similarity", 0.3, {"rendered_text": [[0.4]] * 6}, "the same words, cleanly drawn, get 0.40"),
    ],
)  # fmt: skip
def test_controls_that_leave_no_room_between_floor_and_ceiling_give_no_stars(frozen, metric_id, own, controls, why):
    rows = values(metric_id, *[[own]] * 6)
    for control, of_control in controls.items():
        rows += values(metric_id, *of_control, control=control)
    assert why in frozen(metric_id, rows)["problem"]


@pytest.mark.parametrize(
    ("neutral", "why"),
    [(None, "was not measured"), (0.61, "texts that mean the same get 0.61"), (0.39, "get 0.39"), (0.6, None)],
)
def test_a_proxy_needs_an_encoder_without_a_bias_between_texts_that_mean_the_same(frozen, neutral, why):
    problem = frozen("quality.lighting", values("quality.lighting", [0.7]), neutral)["problem"]
    assert problem is None if why is None else why in problem


def test_a_metric_without_a_direction_or_ends_says_so(frozen):
    assert frozen("quality.noise", values("quality.noise", [3.0]))["problem"].endswith(
        "has no better direction, so it has no stars"
    )
    assert "on purpose" in frozen("identity.pairs", values("identity.pairs", [0.3]))["problem"]
    brought = MetricSpec("style.weight", 1, "Weight", "g", "higher", (0, None), "sample", (), "a:b", "own")
    scale = freeze_scale(brought, "", pd.DataFrame(), ())
    assert scale["problem"] == "Weight has no stars: nobody has said what its worst and best are"


@pytest.mark.parametrize("spec", METRICS, ids=lambda spec: spec.id)
def test_every_metric_with_a_direction_has_a_scale_or_a_reason_why_not(spec):
    scale = spec.star_scale
    assert (scale is None) == (spec.better == "neither" or bool(spec.no_scale))
    if scale is None:
        assert spec.scale is None
        return
    low, high = spec.range
    for anchor in (scale.floor, scale.ceiling):
        assert [anchor.control is not None, anchor.declared is not None, anchor.of_encoder].count(True) == 1
        assert anchor.control is None or anchor.control in spec.controls
        assert anchor.deviations is None or spec.better == "higher"
        assert anchor.declared is None or low is None or low <= anchor.declared
        assert anchor.declared is None or high is None or anchor.declared <= high
    if scale.floor.declared is not None and scale.ceiling.declared is not None:
        assert (scale.ceiling.declared > scale.floor.declared) == (spec.better == "higher")
