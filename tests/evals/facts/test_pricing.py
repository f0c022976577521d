"""Prices: the worked numbers of the vendors' own lists and of recorded answers, then what must hold for any offer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.facts.models import read_facts
from evals.facts.pricing import SIZES, ImagePrice, billed_usd, expected_cost_usd, max_cost_usd, megapixels

FACTS = read_facts()
PRICED = [offer for offer in FACTS.offers.values() if offer.prices]
any_offer = st.sampled_from(PRICED)


@pytest.mark.parametrize(
    ("system", "reported", "usage", "bill"),
    [
        # recorded: 10 tokens in, an image of 1120, 60 of text and 102 of thoughts
        ("gemini-3-pro-image@google", None, {"input_text": 10, "output_image": 1120, "output_text": 162}, 0.136364),
        # recorded: 10 in, 1460 out of which the image is 1120
        ("gemini-3.1-flash-image@google", None, {"input_text": 10, "output_image": 1120, "output_text": 340}, 0.068225),
        # recorded edit: 1156 in of which the reference is 1120, 1488 out, 483 of thoughts
        ("gemini-nano-banana-2.1@google", None,
            {"input_text": 36, "input_image": 1120, "output_image": 1120, "output_text": 1488 - 1120 + 483}, 0.0417165),
        ("flux-2-pro@bfl", None, {"output_mp": 1.0, "input_mp": 0.0}, 0.03),
        ("flux-2-max@bfl", None, {"output_mp": 4.0}, 0.16),
        ("flux-2-flex@bfl", None, {"output_mp": 1.0, "input_mp": 1.0}, 0.12),  # by the dearer of two sources
        ("gemini-3-pro-image@google", None, {"input_text": 8}, 16e-6),  # a refused prompt costs its tokens only
        # what the host reports counts before everything else
        ("gemini-3-pro-image@google", 0.5, {"output_image": 1120}, (0.5, "reported")),
        ("gemini-3-pro-image@google", 0.0, None, (0.0, "reported")),
        # without counts that a price of the offer knows there is no usage, and without any price nothing is made up
        ("flux-2-pro@fal", None, {"output_image": 1120}, (0.03, "listed")),
        ("flux-2-pro@fal", None, {}, (0.03, "listed")),
        ("flux-2-pro@fal", None, None, (0.03, "listed")),
        ("flux-2-dev@replicate", None, None, (None, "none")),
        ("flux-2-dev@replicate", None, {"output_mp": 1}, (None, "none")),
    ],
)  # fmt: skip
def test_a_request_is_billed_as_reported_by_its_usage_or_by_the_list(system, reported, usage, bill):
    usd, basis = bill if isinstance(bill, tuple) else (bill, "usage")
    assert billed_usd(FACTS.find(system), reported, usage, "1K") == (usd and pytest.approx(usd), basis)


@pytest.mark.parametrize(
    ("system", "one_mp", "four_mp", "edit"),
    [
        ("flux-2-pro@bfl", 0.03, 0.075, 0.045),
        ("flux-2-max@bfl", 0.07, 0.16, 0.10),
        ("flux-2-klein-4b@bfl", 0.014, 0.017, 0.015),
        ("flux-2-klein-9b@bfl", 0.015, 0.021, 0.017),
    ],
)
def test_megapixels_cost_what_the_price_list_works_out(system, one_mp, four_mp, edit):
    offer = FACTS.find(system)
    assert billed_usd(offer, None, None, "1K", 1) == (pytest.approx(edit), "listed")
    for price in (expected_cost_usd, max_cost_usd):
        assert price(offer, "1K") == pytest.approx(one_mp)
        assert price(offer, "512") == pytest.approx(one_mp)  # begun megapixels count as whole
        assert price(offer, "2K") == pytest.approx(four_mp)
        assert price(offer, "1K", 1) == pytest.approx(edit)


def test_sources_that_disagree_give_a_middle_and_a_highest_price():
    flex = FACTS.find("flux-2-flex@bfl")
    assert expected_cost_usd(flex, "1K") == pytest.approx(0.055)
    assert max_cost_usd(flex, "1K") == pytest.approx(0.06)
    assert max_cost_usd(flex, "2K") == pytest.approx(0.24)
    assert max_cost_usd(flex, "1K", 1) == pytest.approx(0.12)


def test_tokens_are_priced_by_size_with_usual_text_and_with_its_bound():
    pro = FACTS.find("gemini-3-pro-image@google")
    assert expected_cost_usd(pro, "1K", prompt_tokens=10) == pytest.approx(0.136364)
    largest = expected_cost_usd(pro, "4K", prompt_tokens=10)
    assert largest - expected_cost_usd(pro, "1K", prompt_tokens=10) == pytest.approx(0.1056)
    assert max_cost_usd(pro, "1K", prompt_tokens=10) == pytest.approx(10 * 2e-6 + 1120 * 120e-6 + 4096 * 12e-6)
    one_reference = max_cost_usd(pro, "1K", 1) - max_cost_usd(pro, "1K")
    assert one_reference == pytest.approx(560 * 2e-6)


@pytest.mark.parametrize(
    ("system", "size", "usd"),
    [
        ("flux-3-image@bfl", "1K", 0.048),
        ("flux-3-image@bfl", "4K", 0.607),
        ("gemini-3.1-flash-image@fal", "512", 0.06),
        ("flux-1.1-pro@bfl", "1K", 0.04),
        ("flux-1-dev@bfl", "1K", 0.025),
        ("flux-1-dev@local", "1K", 0.0),
    ],
)
def test_a_price_by_the_image_is_that_price(system, size, usd):
    assert expected_cost_usd(FACTS.find(system), size) == max_cost_usd(FACTS.find(system), size) == usd


def test_a_source_without_a_price_of_that_size_is_passed_over_and_without_any_nothing_is_made_up():
    price = ImagePrice(usd={"1K": 0.1}, source="twinlens")
    offer = FACTS.find("flux-3-image@bfl").model_copy(update={"prices": (price,)})
    unpriced = FACTS.find("flux-2-dev@replicate")
    assert (max_cost_usd(offer, "1K"), max_cost_usd(offer, "4K")) == (0.1, None)
    assert max_cost_usd(unpriced, "1K") is expected_cost_usd(unpriced, "1K") is None


@given(any_offer, st.data(), st.integers(0, 8))
def test_the_highest_cost_is_never_below_the_expected_one(offer, data, n_references):
    size = data.draw(st.sampled_from(offer.sizes))
    assert max_cost_usd(offer, size, n_references) >= expected_cost_usd(offer, size, n_references) >= 0


@given(any_offer, st.data(), st.integers(0, 8))
def test_more_references_and_larger_pictures_never_cost_less(offer, data, n):
    sizes = [size for size in SIZES if size in offer.sizes]
    size = data.draw(st.sampled_from(sizes))
    for price in (max_cost_usd, expected_cost_usd):
        assert price(offer, size, n) <= price(offer, size, n + 1)
        assert price(offer, sizes[0], n) <= price(offer, size, n) <= price(offer, sizes[-1], n)


@given(any_offer, st.data(), st.integers(0, 1000), st.floats(0, 1), st.integers(0, 4))
def test_no_answer_within_the_bounds_costs_more_than_was_held_for_it(offer, data, prompt_tokens, share, n_references):
    size = data.draw(st.sampled_from(offer.sizes))
    price = offer.prices[0]
    if price.kind == "tokens":
        usage = {
            "input_text": prompt_tokens,
            "input_image": n_references * price.reference_tokens,
            "output_image": price.image_tokens[size],
            "output_text": share * price.text_tokens_at_most,
        }
    else:
        mp = megapixels(SIZES[size], SIZES[size])
        usage = {"output_mp": mp, "input_mp": n_references * mp}
    cost, _ = billed_usd(offer, None, usage, size, n_references)
    assert cost <= max_cost_usd(offer, size, n_references) + 1e-12
