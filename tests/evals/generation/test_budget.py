"""The budget: it is never exceeded, waits only while something can come back, and never for ever."""

import asyncio
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.generation.budget import Budget


@pytest.mark.parametrize(
    ("limit_usd", "spent_usd", "price_usd", "fits"),
    [(1.0, 0.95, 0.1, False), (0.3, 0.2, 0.1, True), (None, 1e9, 1e9, True)],
)
def test_a_request_is_let_through_if_it_just_fits_and_refused_at_once_if_nothing_can_come_back(
    limit_usd, spent_usd, price_usd, fits
):
    budget = Budget(limit_usd, spent_usd)
    assert asyncio.run(budget.hold("a", price_usd)) is fits
    assert budget.exhausted is not fits


def test_a_request_waits_for_what_others_give_back():
    async def scene():
        budget = Budget(1.0)
        assert await budget.hold("a", 0.8)
        waiting = asyncio.create_task(budget.hold("b", 0.5))
        await asyncio.sleep(0)
        assert not waiting.done()
        await budget.settle("a", 0.1)
        assert await waiting
        assert budget.spent_usd + budget.held_usd == pytest.approx(0.6)

    asyncio.run(scene())


def test_a_request_is_refused_as_soon_as_waiting_cannot_help():
    async def scene():
        budget = Budget(1.0)
        assert await budget.hold("a", 0.6)
        assert await budget.hold("b", 0.3)
        waiting = asyncio.create_task(budget.hold("c", 0.5))
        await asyncio.sleep(0)
        await budget.settle("a", 0.6)
        assert await waiting is False

    asyncio.run(scene())


@given(
    st.floats(0, 2),
    st.lists(st.tuples(st.floats(0, 0.5), st.floats(0, 1)), max_size=30),
    st.integers(0, 10_000),
)
def test_whatever_the_order_the_limit_is_never_exceeded_and_nobody_waits_for_ever(limit, prices, seed):
    async def scene():
        budget, shuffled, highest = Budget(limit), random.Random(seed), 0.0

        async def buy(number, max_cost, share):
            nonlocal highest
            if await budget.hold(str(number), max_cost):
                highest = max(highest, budget.spent_usd + budget.held_usd)
                for _ in range(shuffled.randrange(4)):
                    await asyncio.sleep(0)
                await budget.settle(str(number), max_cost * share)

        await asyncio.wait_for(asyncio.gather(*(buy(i, *price) for i, price in enumerate(prices))), 5)
        assert highest <= limit + 1e-6
        assert budget.held_usd == 0

    asyncio.run(scene())
