"""Weights fitted to votes: they find the metric that people follow, and gain nothing where there is nothing to gain."""

import numpy as np
import pandas as pd
import pytest

from evals.voting.fitting import MIN_FITTED, fit_weights

METRICS = ["editing.direction", "editing.preserved"]


def votes_and_scores(n_prompts, weights, seed=1):
    """Return votes of one person who follows two metrics with these weights, and a little chance."""
    random = np.random.default_rng(seed)
    judged, scores = [], []
    for n in range(n_prompts):
        values = random.normal(size=(2, 2))
        lead = weights @ (values[0] - values[1]) + 0.1 * random.normal()
        sides = (f"a{n}",), (f"b{n}",)
        judged.append(("edits", "Which?", f"p{n}", "v", "a", "b", *sides, float(lead > 0), "a"))
        for side, of_side in zip(sides, values, strict=True):
            for metric, value in zip(METRICS, of_side, strict=True):
                scores.append({"suite": "s", "metric": metric, "subject": list(side), "control": None, "value": value})
    columns = ["row", "question", "prompt", "voter", "system_a", "system_b", "samples_a", "samples_b", "preference"]
    return pd.DataFrame(judged, columns=[*columns, "answer"]), pd.DataFrame(scores)


def fit(n_prompts, weights):
    judged, scores = votes_and_scores(n_prompts, np.array(weights))
    (one,) = fit_weights(judged, scores, {"edits": "s"}, {"edits": METRICS}, seed=0)
    return one


def test_a_metric_that_people_do_not_follow_loses_its_weight_and_that_is_a_gain():
    one = fit(200, [1.0, 0.0])
    assert one["weights"]["editing.preserved"] < 0.1
    assert sum(one["weights"].values()) == pytest.approx(1)
    assert one["fitted"] > 0.9 > one["equal"]
    assert one["low"] > 0


def test_where_both_count_the_same_nothing_is_gained():
    one = fit(200, [1.0, 1.0])
    assert one["weights"]["editing.direction"] == pytest.approx(0.5, abs=0.1)
    assert one["low"] <= 0 <= one["high"]


def test_no_weight_is_below_zero():
    assert fit(100, [1.0, -0.5])["weights"]["editing.preserved"] == 0


def test_where_every_metric_opposes_people_there_is_a_reason_and_no_fit():
    one = fit(100, [-1.0, -1.0])
    assert (one["weights"], one["reason"]) == ({}, "no metric leans to the side that people lean to")


def test_a_prompt_has_no_say_in_the_spread_by_which_it_is_judged():
    judged, scores = votes_and_scores(60, np.array([1.0, 0.0]))
    # So far apart on one prompt that beside it all other leads of the metric that nobody follows are as good as none.
    is_far = scores["subject"].str[0].eq("a0") & scores["metric"].eq(METRICS[1])
    far = scores.assign(value=scores["value"].mask(is_far, scores["value"] + 1e6))
    (one,) = fit_weights(judged, far, {"edits": "s"}, {"edits": METRICS}, seed=0)
    # The prompts that are held out with it are weighed without it: there both metrics still have a say.
    assert one["gain"] > 0
    assert one["question"] == "Which?"


def test_few_prompts_or_a_metric_without_values_give_a_reason_and_no_fit():
    assert fit(MIN_FITTED - 1, [1.0, 1.0])["reason"].startswith(f"{MIN_FITTED} prompts are needed")
    judged, scores = votes_and_scores(30, np.array([1.0, 1.0]))
    (one,) = fit_weights(judged, scores[scores["metric"].eq(METRICS[0])], {"edits": "s"}, {"edits": METRICS}, seed=0)
    assert (one["reason"], one["weights"]) == (
        "editing.preserved has no value on the pictures that were voted on",
        {},
    )
    assert fit_weights(judged, scores, {"edits": "s"}, {"edits": METRICS[:1]}, seed=0) == []
