"""A smaller part of a suite keeps the shares of its kinds, lies in every larger part, and cuts no sequence."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.suites.sampling import check_limit, sampled
from evals.suites.suite import PromptItem, Suite, read_suite


def suite(**kinds):
    items = [
        PromptItem(suite="s", id=f"{kind}-{n}", prompt="p", tags=(kind,))
        for kind, count in kinds.items()
        for n in range(count)
    ]
    return Suite(name="s", version=1, purpose="p", made="m", limits="l", items=tuple(items))


def test_kinds_keep_their_shares_and_the_order_stays():
    whole = suite(counting=80, colours=94, position=100, single=80, two=99, both=100)
    part = sampled(whole, 60, seed=3)
    counts = Counter(item.tags[0] for item in part.items)
    assert len(part.items) == 60
    assert all(abs(counts[kind] - 60 * n / 553) <= 1 for kind, n in Counter(i.tags[0] for i in whole.items).items())
    assert [item for item in whole.items if item in part.items] == list(part.items)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_a_part_lies_in_every_larger_one_of_the_same_seed(few, more, seed):
    whole = suite(a=17, b=3, c=1)
    small, large = ({item.id for item in sampled(whole, n, seed).items} for n in sorted((few, few + more)))
    assert small <= large
    assert len(small) == min(few, 21)


def test_a_sequence_is_one_prompt_and_stays_whole_and_seeds_differ():
    whole = read_suite("identity")
    shots = Counter(item.sequence_id for item in whole.items)
    part = Counter(item.sequence_id for item in sampled(whole, "25%", seed=1).items)
    assert len(part) == -(-len(shots) // 4)
    assert all(part[sequence] == shots[sequence] for sequence in part)
    assert sampled(suite(a=50), 5, seed=1) != sampled(suite(a=50), 5, seed=2)


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "0%", "101%", "25", "2 %", "all", None])
def test_what_is_no_limit_is_refused(limit):
    if limit == "25":
        assert check_limit(limit) == 25
        return
    with pytest.raises(ValueError, match="neither a number of prompts, such as 20, nor a share of them"):
        check_limit(limit)
