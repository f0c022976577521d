"""Outcomes of a row by hand: what counts as zero, what is left out, and what was never asked."""

import pandas as pd
import pytest

from evals.rating.comparison import with_prompts
from evals.rating.stars.prompt_scores import combined, score_prompts, with_units
from evals.rating.stars.scales import FrozenScale
from metrics.catalogue import METRICS
from metrics.measurement import REASONS

UNIT = {"floor": 0.0, "ceiling": 1.0, "floor_source": "", "ceiling_source": "", "problem": None}
UNIT |= {"indistinguishable_from_control": False, "chance": 0.0, "chance_source": "", "comparability": None}


@pytest.fixture
def outcomes(score_table):
    """Return a function from rows of scores and requests to the outcomes of a metric, whose scale is 0 to 1."""

    def of(metric_id, rows, requests=None, suite="s"):
        scores = score_table([{"metric": metric_id, "suite": suite, **row} for row in rows])
        asked = None if requests is None else with_units(pd.DataFrame(requests))
        scale = FrozenScale(metric=metric_id, suite=suite, version=1, **UNIT)
        return score_prompts(with_prompts(scores), scores, asked, scale)

    return of


def asked(prompt_id, outcome="ok", system="left", **more):
    return {"system": system, "suite": "s", "prompt_id": prompt_id, "seed": 1, "repeat": 0, "outcome": outcome, **more}


def shots(*outcomes, sequence="kim", **more):
    return [
        asked(f"{sequence}-{n}", outcome, sequence_id=sequence, shot=n, **more)
        for n, outcome in enumerate(outcomes, start=1)
    ]


def pair(first, second, value, sequence="kim", **more):
    """Return the row of two shots, as scoring writes it: under the prompt of the first of them."""
    ids = [f"{sequence}-{first}", f"{sequence}-{second}"]
    return {"prompt_id": ids[0], "subject": ids, "sequence_id": sequence, "value": value, **more}


def share(found, prompt, system="left", of="shares"):
    return getattr(found, of).loc[prompt, system]


def counts(found, system="left"):
    return tuple(int(n) for n in found.counts.loc[system, ["n_scored", "n_failed", "n_left_out"]])


SAMPLE = "structure.counts"


def test_repeats_are_averaged_inside_their_prompt(outcomes):
    found = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.2}, {"prompt_id": "a", "value": 0.6, "repeat": 1},
                              {"prompt_id": "b", "value": 1.0}])  # fmt: skip
    assert share(found, "a") == pytest.approx(0.4)
    assert share(found, "b") == 1.0
    assert counts(found) == (3, 0, 0)


@pytest.mark.parametrize("outcome", ["refused", "filtered"])
def test_a_withheld_picture_counts_as_zero(outcomes, outcome):
    found = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.8}], [asked("a"), asked("b", outcome)])
    assert (share(found, "a"), share(found, "b")) == (0.8, 0.0)
    assert counts(found) == (1, 1, 0)
    assert found.reasons == {"left": {"withheld": 1}}
    # Without the failure nothing is known of the prompt; no other policy changes what is known.
    assert pd.isna(share(found, "b", of="complete_case"))
    assert (share(found, "b", of="lowest"), share(found, "b", of="highest")) == (0.0, 0.0)
    found = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.8}], [asked("a"), asked("a", outcome, repeat=1)])
    assert share(found, "a") == 0.4


@pytest.mark.parametrize("outcome", ["failed", "timeout", "unknown"])
def test_what_the_network_lost_is_left_out_with_bounds(outcomes, outcome):
    requests = [asked("a"), asked("a", outcome, repeat=1), asked("b", outcome)]
    found = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.8}], requests)
    assert share(found, "a") == 0.8
    assert pd.isna(found.shares["left"].get("b"))
    assert (share(found, "a", of="lowest"), share(found, "a", of="highest")) == pytest.approx((0.4, 0.9))
    assert (share(found, "b", of="lowest"), share(found, "b", of="highest")) == (0.0, 1.0)
    assert counts(found) == (1, 0, 2)
    assert found.reasons == {"left": {"lost": 2}}


def test_no_face_and_no_text_count_as_zero_and_a_broken_encoder_is_left_out(outcomes):
    rows = [{"prompt_id": name, "reason": reason} for name, reason in
            [("a", "no_face"), ("b", "no_text"), ("c", "size_differs"), ("d", "encoder_failed")]]  # fmt: skip
    found = outcomes(SAMPLE, rows)
    assert [found.shares["left"].get(name) for name in "abc"] == [0.0, 0.0, 0.0]
    assert pd.isna(found.shares["left"].get("d"))
    assert counts(found) == (0, 3, 1)
    assert found.reasons["left"] == {"encoder_failed": 1, "no_face": 1, "no_text": 1, "size_differs": 1}
    assert set(found.reasons["left"]) <= set(REASONS)


def test_a_refusal_is_charged_to_the_systems_that_refused(outcomes):
    rows = [{"prompt_id": "a", "value": 0.8, "system": system} for system in ("left", "right")]
    requests = [asked("a"), asked("a", system="right"), asked("b", "refused", system="right")]
    found = outcomes(SAMPLE, rows, requests)
    assert share(found, "b", "right") == 0.0
    assert pd.isna(share(found, "b", "left"))
    assert counts(found, "left") == (1, 0, 0)
    found = outcomes(SAMPLE, rows, [*requests, asked("b", "refused")])
    assert found.shares.loc["b"].tolist() == [0.0, 0.0]


STORY = {"prompt_id": "kim-1", "sequence_id": "kim", "subject": ["kim-1", "kim-2", "kim-3"]}
THREE_PAIRS = [pair(1, 2, 1.0), pair(1, 4, 0.5), pair(2, 4, 0.6)]
# Scoring pairs the first shot with the third where the second never came; nobody asked for that pair.
NEIGHBOURS = [pair(1, 3, 1.0), pair(3, 4, 0.9)]
TWO_STORIES = [{**STORY, "value": 1.0}, {**STORY, "value": 0.8, "repeat": 1}]


@pytest.mark.parametrize(
    ("metric_id", "rows", "requests", "expected", "expected_counts"),
    [
        # Four shots are six pairs; without the third one three are left, and the other three have failed or were lost.
        ("identity.self", THREE_PAIRS, shots("ok", "ok", "refused", "ok"), 2.1 / 6, (3, 3, 0)),
        ("identity.self", THREE_PAIRS, shots("ok", "ok", "timeout", "ok"), 0.7, (3, 0, 3)),
        # 1-2 failed by the system; 1-3 and 2-3 by the network.
        ("identity.self", [], shots("ok", "refused", "timeout"), 0.0, (0, 1, 2)),
        ("identity.previous", NEIGHBOURS, shots("ok", "refused", "ok", "ok"), 0.9 / 3, (1, 2, 0)),
        ("identity.previous", NEIGHBOURS, shots("ok", "failed", "ok", "ok"), 0.9, (1, 0, 2)),
        ("identity.previous", [pair(1, 2, 0.9)], shots("ok", "ok", "refused"), 0.45, (1, 1, 0)),
        ("identity.previous", [pair(2, 3, 0.9)], shots("refused", "ok", "ok"), 0.45, (1, 1, 0)),
        # Without one of its shots no sequence was delivered; a lost shot does not break what was.
        ("adherence.step_order", TWO_STORIES[:1], shots("ok", "refused", "ok", "ok"), 0.0, (0, 1, 0)),
        ("adherence.step_order", TWO_STORIES[:1], shots("ok", "failed", "ok"), 1.0, (1, 0, 0)),
        ("adherence.step_order", [], shots("refused", "ok"), 0.0, (0, 1, 0)),
        ("adherence.step_order", [], shots("failed", "timeout"), None, (0, 0, 1)),
        ("adherence.step_order", TWO_STORIES, shots("ok", "ok", "refused") + shots("ok", "ok", "ok", repeat=1), 0.4,
         (1, 1, 0)),
        (SAMPLE, [], shots("refused", "failed"), 0.0, (0, 1, 1)),
    ],
)  # fmt: skip
def test_what_a_missing_shot_costs_its_sequence(outcomes, metric_id, rows, requests, expected, expected_counts):
    found = outcomes(metric_id, rows, requests)
    assert share(found, "kim") == pytest.approx(expected) if expected is not None else pd.isna(share(found, "kim"))
    assert counts(found) == expected_counts

    # Neighbours are told by shot, and not by the order of requests.
    for order in ([3, 1, 0, 2], [2, 0, 3, 1]):
        mixed = [requests[n] for n in order if n < len(requests)] + requests[4:]
        assert counts(outcomes(metric_id, rows, mixed)) == expected_counts


@pytest.mark.parametrize(
    ("of_row", "of_requests"),
    [
        # Whole numbers in one table and floats in the other; none in one of them; and no such columns.
        ({"seed": 1.0, "repeat": 1.0}, [{"seed": 1, "repeat": 1}] * 3),
        ({"seed": None, "repeat": None}, [{"seed": None, "repeat": 0}] * 3),
        ({"seed": None, "repeat": None}, [{}] * 3),
        # Every shot with its own seed; one that was drawn anew.
        ({"seed": None}, [{"seed": 1000, "repeat": 0}, {"seed": 1001, "repeat": 0}, {"seed": 1002, "repeat": 0}]),
        ({"seed": 7}, [{"seed": 7, "repeat": 0}, {"seed": 7, "repeat": None}, {"seed": 8}]),
    ],
)
def test_a_sequence_is_told_by_its_repeat_whatever_the_seeds_and_however_it_is_written(outcomes, of_row, of_requests):
    plain = [
        {name: row[name] for name in row if name not in ("seed", "repeat")} for row in shots("ok", "refused", "ok")
    ]
    requests = [row | own for row, own in zip(plain, of_requests, strict=True)]
    assert counts(outcomes("adherence.step_order", [{**STORY, "value": 1.0, **of_row}], requests)) == (0, 1, 0)
    assert counts(outcomes("identity.self", [pair(1, 3, 0.9, **of_row)], requests)) == (1, 2, 0)
    assert counts(outcomes("identity.previous", [pair(1, 3, 0.9, **of_row)], requests)) == (0, 2, 0)


ALONE = [{"prompt_id": "kim-1", "subject": ["kim-1"], "sequence_id": "kim", "reason": "too_few_shots"}]


@pytest.mark.parametrize("metric_id", ["identity.self", "identity.previous"])
def test_a_shot_alone_is_left_out_with_its_reason_or_counts_as_the_requests_say(outcomes, metric_id):
    known = [pair(1, 2, 0.9, system="right")]
    found = outcomes(metric_id, [*known, *ALONE])
    assert counts(found) == (0, 0, 1)
    assert found.reasons["left"] == {"too_few_shots": 1}
    of_right = shots("ok", "ok", system="right")
    for second, expected in (("refused", (0, 1, 0)), ("timeout", (0, 0, 1))):
        assert counts(outcomes(metric_id, [*known, *ALONE], shots("ok", second) + of_right)) == expected
        # The refusal counts also where no system has a pair.
        assert counts(outcomes(metric_id, ALONE, shots("ok", second))) == expected
    # Of a sequence of one shot no pair was asked for.
    assert "left" not in outcomes(metric_id, [*known, *ALONE], shots("ok") + of_right).counts.index


def test_of_a_shot_asked_for_twice_in_one_repeat_each_picture_counts_with_all_other_shots(outcomes):
    again = {**shots("ok", "refused")[1], "seed": 2}
    requests = [*shots("ok", "ok", "ok"), again]
    # Pairs of 1 and 2, of 2 and 3, with the refused picture of 2 one more of each; and 1 and 3.
    rows = [pair(1, 2, 1.0), pair(2, 3, 1.0), pair(1, 3, 1.0)]
    assert counts(outcomes("identity.self", rows, requests)) == (3, 2, 0)
    assert counts(outcomes("identity.previous", rows[:2], requests)) == (2, 2, 0)
    assert counts(outcomes("identity.self", rows, [*requests[:3], {**again, "outcome": "timeout"}])) == (3, 0, 2)


def test_no_two_seeds_fall_together_nor_does_one_with_none():
    seeds = pd.array([-1, None, 2**53, 2**53 + 1, 0], "Int64")
    requests = pd.DataFrame({"system": "left", "outcome": "ok", "seed": seeds})
    assert with_units(requests)["seed"].nunique() == 5


def test_a_refused_repeat_takes_the_pairs_of_its_seed(outcomes):
    # Three repeats are three pairs; without one of them a single pair is left.
    rows = [{"prompt_id": "a", "subject": ["1", "2"], "value": 0.9, "repeat": None}]
    requests = [asked("a"), asked("a", repeat=1), asked("a", "refused", repeat=2)]
    found = outcomes("reproducibility.ssim", rows, requests)
    assert share(found, "a") == pytest.approx(0.3)
    assert counts(found) == (1, 2, 0)
    # Another seed is another matter, and one picture alone is no pair.
    found = outcomes("reproducibility.ssim", rows, [*requests, asked("a", "refused", seed=2)])
    assert counts(found) == (1, 2, 0)


def later(outcome, message="no_first_shot"):
    """Return a sequence whose first shot ended so, and whose later shots were therefore never sent."""
    return [{**row, "reason": message if row["shot"] > 1 else None} for row in shots(outcome, "failed", "failed")]


SUBJECTS_OF_THREE_SHOTS = {"sample": 3, "shots": 3, "consecutive": 2, "sequence": 1, "repeats": 0}


@pytest.mark.parametrize(("subject", "n"), SUBJECTS_OF_THREE_SHOTS.items())
def test_shots_that_were_never_sent_are_whose_the_first_shot_is(outcomes, subject, n):
    with_stars = {spec.subject: spec.id for spec in METRICS if spec.star_scale is not None}
    assert set(with_stars) == set(SUBJECTS_OF_THREE_SHOTS)
    metric_id = with_stars[subject]
    if not n:
        assert outcomes(metric_id, [], shots("refused", "refused", "refused")).counts["n_failed"].sum() == 0
        return
    assert counts(outcomes(metric_id, [], shots("refused", "refused", "refused"))) == (0, n, 0)
    assert counts(outcomes(metric_id, [], later("refused"))) == (0, n, 0)
    assert counts(outcomes(metric_id, [], later("timeout"))) == (0, 0, n)
    # A repeat whose first shot was lost is not blamed for another one's refusal.
    both = later("refused") + [{**row, "repeat": 1} for row in later("timeout")]
    assert counts(outcomes(metric_id, [], both)) == (0, n, n)


def test_a_request_that_names_no_prompt_is_a_prompt_of_its_own(outcomes):
    requests = [{"system": "left", "suite": "s", "outcome": "refused"}] * 2 + [asked("a")]
    found = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.8}], requests)
    assert found.shares["left"].tolist() == [0.8, 0.0, 0.0]
    assert counts(found) == (1, 2, 0)
    bare = [{"system": "left", "outcome": "ok"}, {"system": "left", "outcome": "filtered"}]
    assert counts(outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.8}], bare)) == (1, 1, 0)


def test_a_request_that_names_no_suite_counts_in_every_suite(outcomes):
    requests = [{**asked("b", "refused"), "suite": None}, {**asked("c", "refused"), "suite": "another"}]
    for suite in ("s", "t"):
        found = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.8}], requests, suite=suite)
        assert dict(found.shares["left"]) == {"a": 0.8, "b": 0.0}


def test_prompts_that_ask_nothing_of_the_metric_are_not_counted(score_table):
    # Two prompts of three have a text to be read; the third was drawn by one system and refused by the other.
    drawn = [{"metric": SAMPLE, "prompt_id": name, "value": 1.0, "suite": "s"} for name in ("sign", "label", "cup")]
    read = [{"metric": "text.similarity", "prompt_id": name, "value": 1.0, "suite": "s"} for name in ("sign", "label")]
    scores = score_table([{**row, "system": "right"} for row in [*drawn, *read]] + drawn[:1] + read[:1])
    requests = with_units(pd.DataFrame([asked("sign"), asked("label", "refused"), asked("cup", "refused")]))
    scale = FrozenScale(metric="text.similarity", suite="s", version=1, **UNIT)
    found = score_prompts(with_prompts(scores), scores, requests, scale)
    assert sorted(found.shares.index) == ["label", "sign"]
    assert counts(found) == (1, 1, 0)


@pytest.mark.parametrize("reason", ["no_checkable_relation", "no_mask", "texts_agree", "no_decoys"])
def test_an_item_that_asks_nothing_of_the_metric_is_none_of_its_prompts_whoever_refused_it(outcomes, reason):
    rows = [{"prompt_id": "a", "value": 1.0}, {"prompt_id": "b", "reason": reason},
            {"prompt_id": "a", "value": 1.0, "system": "right"}]  # fmt: skip
    found = outcomes(SAMPLE, rows, [asked("a"), asked("b"), asked("b", "refused", system="right")])
    assert found.shares.index.tolist() == ["a"]
    assert (counts(found, "left"), counts(found, "right")) == ((1, 0, 0), (1, 0, 0))


def test_askings_of_a_joined_prompt_are_not_paired_with_each_other(outcomes):
    # One prompt under two ids, each asked twice; the second repeat under the second id was refused.
    ends = [("a", "ok", 0), ("a", "ok", 1), ("b", "ok", 0), ("b", "refused", 1)]
    requests = [asked("a", outcome, repeat=repeat, original_id=name) for name, outcome, repeat in ends]
    assert counts(outcomes(SAMPLE, [{"prompt_id": "a", "value": 1.0}] * 3, requests)) == (3, 1, 0)
    # Two pairs were asked for, and not the six that four pictures make.
    rows = [{"prompt_id": "a", "subject": ["1", "2"], "value": 1.0}]
    assert counts(outcomes("reproducibility.ssim", rows, requests)) == (1, 1, 0)


def test_nothing_measured_and_nothing_asked_is_nothing(outcomes):
    found = outcomes(SAMPLE, [])
    assert found.shares.empty
    assert found.counts.empty
    assert found.reasons == {}


def test_a_prompt_that_asks_nothing_of_one_metric_is_weighed_by_the_others(outcomes):
    colours = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.4}, {"prompt_id": "b", "value": 0.6}])
    texts = outcomes("text.similarity", [{"prompt_id": "a", "value": 1.0}])
    whole = combined([(colours, 2.0), (texts, 1.0)])
    assert share(whole, "a") == pytest.approx((2 * 0.4 + 1.0) / 3)
    assert share(whole, "b") == pytest.approx(0.6)
    assert counts(whole) == (3, 0, 0)
    assert combined([(colours, 2.0)]) is colours


def test_what_is_unknown_of_one_metric_leaves_the_prompt_unknown_with_bounds(outcomes):
    colours = outcomes(SAMPLE, [{"prompt_id": "a", "value": 0.5}])
    texts = outcomes("text.similarity", [{"prompt_id": "a", "reason": "encoder_failed"},
                                         {"prompt_id": "a", "value": 1.0, "system": "right"}])  # fmt: skip
    whole = combined([(colours, 1.0), (texts, 1.0)])
    assert pd.isna(share(whole, "a"))
    assert (share(whole, "a", of="lowest"), share(whole, "a", of="highest")) == (0.25, 0.75)
    assert whole.reasons == {"left": {"encoder_failed": 1}}
