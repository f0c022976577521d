"""Monthly cost: the price lists worked out by hand, what a run was charged instead, discounts apart from prices."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.facts.models import read_facts
from evals.rating.monthly_cost import VOLUMES, monthly_costs
from evals.rating.operations import operations

SYSTEMS = tuple(read_facts().offers)


def month(system, n_images=100_000, size="1K", requests=None):
    (row,) = monthly_costs([system], size, [n_images], operations(pd.DataFrame(requests)) if requests else None)
    return row


def asked(system, outcome="ok", cost_usd=None, n=1, **more):
    row = {"system": system, "size": "1K", "outcome": outcome, "cost_usd": cost_usd, "may_have_cost_usd": 0.0, **more}
    return [row] * n


@pytest.mark.parametrize(
    ("system", "size", "usd"),
    [
        ("flux-2-pro@bfl", "1K", 3_000), ("gemini-nano-banana-2.1@google", "1K", 3_360),
        ("gemini-3.1-flash-image@google", "1K", 6_720), ("flux-2-max@bfl", "1K", 7_000),
        ("gemini-3-pro-image@google", "1K", 13_440),
        ("flux-2-pro@bfl", "2K", 7_500),  # 0.03 and three further megapixels at 0.015
        ("gemini-3-pro-image@google", "4K", 24_000),  # 2,000 tokens at 120 a million
        ("flux-3-image@bfl", "4K", 60_700),
    ],
)  # fmt: skip
def test_a_hundred_thousand_pictures_cost_what_the_price_lists_work_out(system, size, usd):
    row = month(system, size=size)
    assert row["basis"] == "listed"
    assert row["usd"]["middle"] == pytest.approx(usd)
    if size == "1K":
        assert (row["usd"]["low"], row["usd"]["high"]) == pytest.approx((usd, usd))
    assert row["usd_per_image"]["middle"] == pytest.approx(usd / 100_000)
    assert row["sources"]


def test_sources_that_disagree_give_a_range_with_the_middle():
    row = month("flux-2-flex@bfl")
    assert (row["usd"]["low"], row["usd"]["middle"], row["usd"]["high"]) == pytest.approx((5_000, 5_500, 6_000))
    assert len([source for source in row["sources"] if "infr.sh" in source or "skills" in source]) == 2
    assert "2 sources disagree on the price." in row["notes"]


def test_tokens_of_text_and_batches_stand_beside_the_list_price_where_there_are_any():
    # 50 tokens in at 1.50 and 851 of text at 7.50 a million, for each picture
    with_text = month("gemini-nano-banana-2.1@google")["usd_with_text"]["middle"]
    assert with_text == pytest.approx(3_360 + 100_000 * (50 * 1.5 + 851 * 7.5) / 1e6)
    row = month("gemini-3-pro-image@google")
    assert (row["usd_batch"]["middle"], "cost half" in row["batch"]) == (pytest.approx(6_720), True)
    assert any("image generation (stored copies)" in source for source in row["sources"])
    row = month("flux-2-pro@bfl")
    assert (row["usd_with_text"], row["usd_batch"], "no batch route" in row["batch"]) == (None, None, True)


def test_a_volume_discount_without_a_source_is_only_a_claim_and_never_in_the_price():
    row = month("flux-2-pro@bfl", 500_000)
    assert row["usd"]["middle"] == pytest.approx(15_000)
    claimed = row["claimed_discount"]
    assert (claimed["low"], claimed["high"]) == pytest.approx((15_000 * 0.65, 15_000 * 0.8))
    assert claimed["claim"].startswith("20% to 35% off from 500,000 pictures a month on")
    below = month("flux-2-pro@bfl", 499_999)
    assert below["claimed_discount"] is None
    assert ["aiapiplaybook" in " ".join(found["sources"]) for found in (row, below)] == [True, False]
    assert month("gemini-3-pro-image@google", 500_000)["claimed_discount"] is None


def test_what_a_run_was_charged_replaces_the_list_price_and_refusals_raise_it():
    charged = asked("flux-2-pro@bfl", cost_usd=0.04, n=8) + asked("flux-2-pro@bfl", "refused", cost_usd=0.04, n=2)
    row = month("flux-2-pro@bfl", requests=charged)
    assert (row["basis"], row["n_requests"]) == ("measured", 10)
    assert row["usd"]["middle"] == pytest.approx(100_000 * 10 * 0.04 / 8)
    assert row["usd_with_text"] is None


def test_lost_answers_widen_the_measured_price_upwards():
    lost = asked("flux-2-pro@bfl", "unknown", may_have_cost_usd=0.03) + asked("flux-2-pro@bfl", cost_usd=0.03, n=3)
    row = month("flux-2-pro@bfl", requests=lost)
    assert row["usd"]["low"] == row["usd"]["middle"] == pytest.approx(3_000)
    assert row["usd"]["high"] == pytest.approx(4_000)
    assert any("can only be higher" in note for note in row["notes"])


@pytest.mark.parametrize(
    "requests",
    [
        asked("flux-2-pro@bfl", cost_usd=0.04, size="2K"),
        asked("flux-2-pro@bfl"),
        asked("flux-2-pro@bfl", cost_usd=0.99, simulated=True),
        asked("flux-2-max@bfl", cost_usd=0.99),
    ],
    ids=["another size", "no money told", "simulated", "another system"],
)
def test_the_list_price_stands_where_the_run_measured_something_else(requests):
    row = month("flux-2-pro@bfl", requests=requests)
    assert (row["basis"], row["usd"]["middle"]) == ("listed", pytest.approx(3_000))


def test_a_rehearsal_has_the_list_price_of_the_real_system():
    played = "flux-2-pro@simulated-bfl"
    row = month(played, requests=asked(played, cost_usd=0.99, simulated=True))
    assert (row["basis"], row["usd"]["middle"]) == ("listed", pytest.approx(3_000))


@pytest.mark.parametrize(
    ("system", "size", "reason"),
    [
        ("flux-2-pro@bfl", "4K", "it makes no 4K pictures; its sizes are 512, 1K, 2K"),
        ("flux-2-dev@replicate", "1K", "no source gives its price"),
        ("flux-1-dev@local", "1K", "nothing is charged for a picture; what one's own machine costs is not known here"),
        ("aurora-1@demo", "1K", "the facts do not know this system, and no run tells its cost"),
    ],
)
def test_no_price_is_a_reason_and_never_zero(system, size, reason):
    row = month(system, size=size)
    assert (row["basis"], row["usd"], row["usd_per_image"], row["reason"]) == (None, None, None, reason)


def test_what_a_run_was_charged_stands_for_an_invented_system_and_never_for_ones_own_machine():
    row = month("aurora-1@demo", requests=asked("aurora-1@demo", cost_usd=0.067, n=3, simulated=True))
    assert (row["basis"], row["usd"]["middle"], row["batch"]) == ("simulated", pytest.approx(6_700), None)
    row = month("flux-1-dev@local", requests=asked("flux-1-dev@local", cost_usd=0.0, n=5))
    assert row["usd"] is None
    assert "one's own machine" in row["reason"]


def test_a_system_that_has_ended_says_so():
    (note, *_) = month("gemini-3.1-flash-image@google")["notes"]
    assert "2026-10-29; use gemini-nano-banana-2.1@google" in note


def test_rows_come_by_system_and_volume_in_the_order_given():
    systems = ["flux-2-pro@bfl", "flux-2-max@bfl"]
    rows = [(row["system"], row["n_images"]) for row in monthly_costs(systems, "1K")]
    assert rows == [(system, volume) for system in systems for volume in VOLUMES]
    for size, volumes, message in (("3K", [1], "there is no size '3K'"), ("1K", [0], "0 is no number of pictures")):
        with pytest.raises(ValueError, match=message):
            monthly_costs(["flux-2-pro@bfl"], size, volumes)


@given(st.sampled_from(SYSTEMS), st.sampled_from(["512", "1K", "2K", "4K"]), st.integers(1, 10**6))
def test_ranges_are_ordered_and_a_price_has_a_source_or_a_reason(system, size, n_images):
    row = month(system, n_images, size)
    assert (row["usd"] is None) == (row["reason"] is not None)
    if row["usd"]:
        assert 0 < row["usd"]["low"] <= row["usd"]["middle"] <= row["usd"]["high"]
        assert row["usd"]["middle"] == pytest.approx(n_images * row["usd_per_image"]["middle"])
        assert row["sources"]
        if row["usd_with_text"]:
            assert row["usd_with_text"]["middle"] > row["usd"]["middle"]
        if row["usd_batch"]:
            assert row["usd_batch"]["high"] < row["usd"]["high"]


@given(st.floats(0.001, 1), st.integers(1, 20), st.integers(0, 20))
def test_a_charged_refusal_never_makes_a_month_cheaper(price, n_ok, n_refused):
    def of(refused):
        rows = asked("flux-2-pro@bfl", cost_usd=price, n=n_ok) + asked("flux-2-pro@bfl", "refused", price, refused)
        return month("flux-2-pro@bfl", requests=rows)["usd"]["middle"]

    assert of(n_refused + 1) > of(n_refused)
