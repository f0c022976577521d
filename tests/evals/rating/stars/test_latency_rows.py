"""Latency rows: what was asked one at a time, the hour beside it, and no drift of the day taken for a difference."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from evals.rating.stars.bradley_terry import bradley_terry_strengths
from evals.rating.stars.cells import star_cells, star_differences
from evals.rating.stars.computed_rows import score_computed, typical_values
from evals.rating.stars.prompt_scores import with_units
from evals.rating.stars.table import RatedRow
from evals.rating.stars.totals import totals
from evals.rating.stars.verdicts import settle
from evals.rating.statistics.intervals import estimate_differences
from tests.evals.rating.stars.rated_rows import rated_row

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
A, B = "a@h", "b@h"


def asked(system, seconds, begin_s=0.0, every_s=60.0, **more):
    """Return one picture a prompt, each asked for so many seconds after the one before."""
    return [
        {"system": system, "suite": "s", "prompt_id": f"p{n:02}", "outcome": "ok", "size": "1K", "latency_s": each}
        | {"sent_at": (NOON + timedelta(seconds=begin_s + n * every_s)).isoformat(), "in_flight": 1, **more}
        for n, each in enumerate(seconds)
    ]


def scored(*requests):
    return score_computed("latency", with_units(pd.DataFrame([row for rows in requests for row in rows])), "s", "1K")


def difference(*requests):
    (pair,) = star_differences(scored(*requests), [A, B])
    return pair


def of_a_day(n, seed, swing=3.0):
    """Return latencies that rise and fall with the hour, with some noise."""
    rng = np.random.default_rng(seed)
    return 10.0 * np.exp(0.1 * rng.standard_normal(n)) * swing ** np.sin(np.linspace(0, 2, n))


def test_what_was_asked_under_load_is_left_out_with_the_reason_and_in_no_value():
    crowd = asked(A, [72.7] * 6, in_flight=24)
    crowd += [{**row, "prompt_id": f"q{n}", "outcome": "timeout", "latency_s": None} for n, row in enumerate(crowd)]
    requests = [*asked(A, [2.0] * 6), *[{**row, "prompt_id": row["prompt_id"] + "x"} for row in crowd]]
    scores = scored(requests)
    (cell,) = star_cells(scores, [A], seed=0)
    assert (cell["stars"], cell["n_scored"], cell["n_failed"], cell["n_left_out"]) == (5.0, 6, 0, 12)
    assert cell["reasons"] == {"under_load": 12}
    assert typical_values("latency", with_units(pd.DataFrame(requests)), "s", "1K").to_dict() == {A: 2.0}
    # A refusal is one under load as well.
    assert scored([{**crowd[0], "outcome": "refused"}]).counts.loc[A, "n_failed"] == 1


def test_a_picture_of_another_size_tells_no_speed_of_the_size_that_was_asked_for():
    small = [{**row, "prompt_id": row["prompt_id"] + "x", "note": "other_size"} for row in asked(A, [0.44] * 6)]
    requests = [*asked(A, [20.0] * 6), *small]
    (cell,) = star_cells(scored(requests), [A], seed=0)
    assert (cell["n_scored"], cell["n_failed"], cell["n_left_out"]) == (6, 0, 6)
    assert cell["reasons"] == {"other_size": 6}
    assert "6 of its pictures came in another size than was asked for and do not count" in cell["caution"]
    of_run = with_units(pd.DataFrame(requests))
    assert typical_values("latency", of_run, "s", "1K").to_dict() == {A: 20.0}
    assert score_computed("cost_per_image", of_run.assign(cost_usd=0.05), "s", "1K").counts.loc[A, "n_scored"] == 12


def test_the_hour_stands_beside_the_stars_and_what_is_not_known_is_said():
    known, bare = asked(A, [2.0] * 6), [{**row, "system": B} for row in asked(A, [2.0] * 6)]
    for row in bare:
        row |= {"sent_at": None, "in_flight": None}
    cells = star_cells(scored(known, bare), [A, B], seed=0)
    told = "asked from 2026-11-22 12:00 to 2026-11-22 12:05 UTC, from a place that is not recorded: another hour or "
    assert cells[0]["caution"] == told + "region may differ"
    assert "nobody knows when each was asked" in cells[1]["caution"]
    assert "how many requests were in flight at once is not known" in cells[1]["caution"]
    pair = difference(known, bare)
    assert (pair["n_prompts"], pair["stars"]) == (0, None)
    assert pair["caution"] == "when each was asked is not known, and what differs may be the hour"


def test_equal_systems_asked_at_other_hours_are_not_called_different():
    morning, evening = asked(A, of_a_day(20, 1, swing=1.1)), asked(B, 4 * of_a_day(20, 2, swing=1.1), begin_s=8 * 3600)
    pair = difference(morning, evening)
    assert (pair["n_prompts"], pair["p_value"], pair["stars"]) == (0, None, None)
    assert "20 of 20 prompts were asked of them more than ten minutes apart" in pair["caution"]


def test_what_the_hour_does_to_both_is_in_the_interval_of_each_and_not_in_their_difference():
    first, second = asked(A, of_a_day(20, 1)), asked(B, 2 * of_a_day(20, 2), begin_s=5)
    cells, pair = star_cells(scored(first, second), [A, B], seed=0), difference(first, second)
    assert pair["n_prompts"] == 20
    assert pair["p_value"] < 0.01
    assert pair["high"] - pair["low"] < 0.5 * (cells[0]["high"] - cells[0]["low"])
    # The same answers in any order drift less.
    shuffled = asked(A, np.random.default_rng(0).permutation(of_a_day(20, 1)))
    (steady,) = star_cells(scored(shuffled), [A], seed=0)
    assert steady["stars"] == pytest.approx(cells[0]["stars"])
    assert steady["high"] - steady["low"] < cells[0]["high"] - cells[0]["low"]


def test_a_host_that_is_slow_for_a_while_is_no_slower_system():
    """One host's bad ten minutes of twenty give Student's t a difference that its other ten do not bear out."""
    noise = [np.exp(0.05 * np.random.default_rng(seed).standard_normal(20)) for seed in (1, 2)]
    bad_while = np.where(np.arange(20) < 9, 2.0, 1.0)
    scores = scored(asked(A, 10 * noise[0] * bad_while), asked(B, 10 * noise[1], begin_s=3))
    (pair,) = star_differences(scores, [A, B])
    (student,) = estimate_differences((scores.shares[A] - scores.shares[B]).to_numpy()[:, None])
    assert student.p_value < 0.05 < pair["p_value"]


def test_five_prompts_have_students_interval():
    first, second = of_a_day(5, 1), of_a_day(5, 2)
    scores = scored(asked(A, first), asked(B, second))
    (pair,) = star_differences(scores, [A, B])
    (student,) = estimate_differences((scores.shares[A] - scores.shares[B]).to_numpy()[:, None])
    assert (pair["low"], pair["high"]) == pytest.approx((4 * student.low, 4 * student.high))
    assert pair["p_value"] == pytest.approx(student.p_value)


def rated(*requests, systems=(A, B)):
    """Return a latency row as the star table has it, settled alone."""
    scores = scored(*requests)
    row = {"id": "latency", "kind": "computed", "suite": "s", "weight": 1.0, "problem": None}
    row |= {"cells": star_cells(scores, systems, 0), "differences": star_differences(scores, systems)}
    one = RatedRow(row, scores)
    settle([one])
    return one


def again(requests, after_s, **more):
    """Return the requests asked once more, so many seconds later."""
    later = [(datetime.fromisoformat(row["sent_at"]) + timedelta(seconds=after_s)).isoformat() for row in requests]
    return [row | {"sent_at": at, "repeat": 1, **more} for row, at in zip(requests, later, strict=True)]


FAST, SLOW = of_a_day(20, 1, swing=1.1), 4 * of_a_day(20, 2, swing=1.1)


def test_prompts_without_a_time_do_not_pair_and_the_others_are_still_held_to_the_hour():
    evening = asked(B, SLOW, begin_s=8 * 3600)
    evening[0]["sent_at"] = None
    pair = difference(asked(A, FAST), evening)
    assert (pair["n_prompts"], pair["p_value"]) == (0, None)
    assert "19 of 20 prompts were asked of them more than ten minutes apart" in pair["caution"]
    assert "1 of 20 prompts were asked at a time that is not known" in pair["caution"]
    beside = asked(B, SLOW)
    beside[0]["sent_at"] = None
    assert difference(asked(A, FAST), beside)["n_prompts"] == 19
    # Nor does one of them take the drift from the interval of a system.
    widths = []
    for requests in (asked(B, SLOW), beside):
        (cell,) = star_cells(scored(requests), [B], seed=0)
        widths.append(cell["high"] - cell["low"])
    assert widths[1] == pytest.approx(widths[0], rel=0.2)


def test_all_requests_that_count_must_lie_together_and_those_under_load_do_not_count():
    first, second = asked(A, FAST), asked(B, SLOW, begin_s=5)
    crowd = again(first, 7_200, in_flight=8, latency_s=70.0)
    assert difference(first + crowd, second)["n_prompts"] == 20
    # In the mean both were asked at noon.
    assert difference(first + again(first, 86_400), asked(B, SLOW, begin_s=43_200))["n_prompts"] == 0
    assert difference(first + again(first, 300), second)["n_prompts"] == 20


def test_what_its_own_row_does_not_compare_counts_in_no_total():
    cost = rated_row("cost", shares={A: [0.5] * 20, B: [0.5] * 20}, are_prices=True)
    apart = rated(asked(A, FAST), asked(B, SLOW, begin_s=86_400))
    assert apart.row["differences"][0]["verdict"].startswith("not comparable: 20 of 20 prompts were asked of them more")
    found = totals([cost, apart], [A, B])
    assert found["weights"] == {"cost": 1.0}
    assert "more than ten minutes apart" in found["left_out"]["latency"]
    # Of the others only those prompts count that were asked together.
    late = asked(B, SLOW)[:12] + asked(B, SLOW, begin_s=86_400)[12:]
    some = rated(asked(A, FAST), late)
    (total,) = totals([some], [A, B])["differences"]
    assert (total["n_prompts"], total["stars"]) == (12, pytest.approx(some.row["differences"][0]["stars"]))


def test_a_latency_is_as_sure_in_a_total_as_in_its_row():
    cost = rated_row("cost", shares={A: [0.5] * 20, B: [0.5] * 20}, are_prices=True)
    for fast, slow in ((FAST, SLOW), (FAST, SLOW / 4), ([20.0] * 20, [40.0] * 20)):
        one = rated(asked(A, fast), asked(B, slow, begin_s=3))
        (of_row,) = one.row["differences"]
        for rows, share in (([one], 1.0), ([cost, one], 0.5)):
            (total,) = totals(rows, [A, B])["differences"]
            for name, times in (("stars", share), ("low", share), ("high", share), ("p_value", 1.0)):
                # Where all prompts agree the total has a little width.
                nearly = 0.0 if name == "p_value" else 3e-3
                assert total[name] == pytest.approx(times * of_row[name], rel=1e-6, abs=nearly)


def test_latencies_are_no_meetings():
    systems = [A, B, "c@h"]
    one = rated(*(asked(system, FAST * n) for n, system in enumerate(systems, 1)), systems=systems)
    assert bradley_terry_strengths([one], systems)["systems"] == []
    other = rated_row("precise", shares={s: np.random.default_rng(n).uniform(size=8) for n, s in enumerate(systems)})
    assert bradley_terry_strengths([one, other], systems) == bradley_terry_strengths([other], systems)
