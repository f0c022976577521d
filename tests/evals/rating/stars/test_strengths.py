"""Bradley-Terry strengths of a star table: which prompts are meetings, and where there are no strengths."""

import numpy as np
import pytest

from evals.rating.stars.bradley_terry import bradley_terry_strengths
from tests.evals.rating.stars.rated_rows import rated_row as row

SYSTEMS = ["a", "b", "c"]
NOTHING = [np.nan]


def places(salt, n=8):
    return {system: np.random.default_rng([salt, place]).uniform(size=n) for place, system in enumerate(SYSTEMS)}


def test_rows_that_share_their_prompts_count_them_once_cost_and_latency_too():
    one = row("precise", **places(1))
    cost, latency = (
        row(name, kind="computed", suite=suite, prompts=[f"s/{n}" for n in range(8)], **places(1))
        for name, suite in (("cost", None), ("latency", "s"))
    )
    alone, together = bradley_terry_strengths([one], SYSTEMS), bradley_terry_strengths([one, cost, latency], SYSTEMS)
    assert together == alone
    assert alone["n_prompts"] == 8


def test_prompts_that_one_system_alone_was_rated_on_are_no_meetings():
    shared = row("precise", **places(1))
    own = row("text", suite="t", a=[0.9] * 20, b=NOTHING * 20, c=NOTHING * 20)
    assert bradley_terry_strengths([shared, own], SYSTEMS) == bradley_terry_strengths([shared], SYSTEMS)


@pytest.mark.parametrize("n_joining", [0, 4, 5])
def test_systems_that_no_five_prompts_join_have_no_strengths_but_the_reason(n_joining):
    pair = row("precise", a=[0.9, 0.2] * 5, b=[0.4] * 10, c=NOTHING * 10)
    own = row("text", suite="t", a=NOTHING * 20, b=[0.3] * n_joining + NOTHING * (20 - n_joining), c=[0.4] * 20)
    found = bradley_terry_strengths([pair, own], SYSTEMS)
    assert found["n_prompts"] == 10 + n_joining
    if n_joining == 5:
        assert [one["system"] for one in found["systems"]] == SYSTEMS
    else:
        assert found["systems"] == []
        assert found["note"].startswith("a, b and c have no scale in common")


def test_a_row_without_stars_and_a_failed_control_are_no_meetings():
    failed = row("identity", problem="its control fails", indistinguishable=True)
    shared = row("precise", **places(1))
    assert bradley_terry_strengths([failed], SYSTEMS)["systems"] == []
    assert bradley_terry_strengths([shared, failed], SYSTEMS) == bradley_terry_strengths([shared], SYSTEMS)
    assert bradley_terry_strengths([shared], SYSTEMS[:2]) is None


@pytest.mark.parametrize("name", ["prompt", "suite", "system", "value"])
def test_a_system_may_be_called_as_a_column_is(name):
    of = places(1)
    named = [name, "b", "c"]
    found = bradley_terry_strengths([row("precise", shares=dict(zip(named, of.values(), strict=True)))], named)
    same = bradley_terry_strengths([row("precise", **of)], SYSTEMS)
    assert [one["log_strength"] for one in found["systems"]] == [one["log_strength"] for one in same["systems"]]
