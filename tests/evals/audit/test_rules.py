"""The rules of the audit on known answers, and that coming nearer to what was stated never makes a verdict worse."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.audit.arithmetic import Arithmetic, Reading
from evals.audit.evidence import Evidence
from evals.audit.rules import Stated, judged, judged_by_interval, of_several, parse_stated

BEST_FIRST = ("right", "imprecise", "wrong")
KNOWN = Evidence(date(2026, 7, 15))


def reading(operation, of, than, times=None, words="it"):
    return Reading(words=words, operation=operation, of=of, than=than, times=times)


def checked(stated, *readings, unit="%", **more):
    return Arithmetic(stated=stated, unit=unit, given="prices", readings=readings, **more).check(KNOWN)


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        (reading("percent_more", 0.04, 0.025), 60.0),
        (reading("percent_less", 0.025, 0.04), 37.5),
        (reading("percent_less", 8.5, 11), 250 / 11),
        (reading("percent_more", 11, 8.5), 500 / 17),
        (reading("percent_less", 0.06, 0.04), -50.0),
        (reading("difference_times", 0.04, 0.025, 100_000), 1500.0),
        (reading("difference_times", 0.04, 0.025, 50_000), 750.0),
        (reading("hours_of_difference", 4.2, 3.1, 10_000), 11_000 / 3600),
    ],
)
def test_operations_have_their_known_results(operation, result):
    assert operation.result() == pytest.approx(result, abs=1e-9)


@pytest.mark.parametrize(
    ("words", "found", "verdict"),
    [
        *[("3.3", found, "right") for found in (3.25, 3.35)],
        *[("3.3", found, "imprecise") for found in (3.24, 3.136)],
        ("3.3", 3.134, "wrong"), ("22", 22.49, "right"), ("22", 22.7, "imprecise"), ("60", 60.0, "right"),
        ("60", 37.5, "wrong"), ("1500", 1500.4, "right"), ("1500", 1501, "imprecise"),
        *[("15 to 30", found, "right") for found in (15, 30)],
        *[("15 to 30", found, "imprecise") for found in (31.4, 14.3)],
        ("15 to 30", 37.5, "wrong"),
    ],
)  # fmt: skip
def test_a_number_or_span_is_right_with_its_digits_and_imprecise_within_five_percent_of_it(words, found, verdict):
    assert judged(found, parse_stated(words), 0.05) == verdict


@pytest.mark.parametrize(
    ("stated", "tendency", "found", "verdict"),
    [
        # "typically undercuts by 15 to 30": it does, by more; by nothing, or the other way round, it does not
        *[("15 to 30", "above 0", *each) for each in ((20, "right"), (37.5, "imprecise"), (3, "imprecise"))],
        *[("15 to 30", "above 0", *each) for each in ((0, "wrong"), (-20, "wrong"))],
        # "erases much of the advantage": all of it and more is imprecise, none of it is wrong
        *[("0 to 37.5", "below 37.5", *each) for each in ((20, "right"), (-50, "imprecise"), (50, "wrong"))],
    ],
)
def test_a_tendency_that_is_there_makes_an_amount_that_is_off_imprecise(stated, tendency, found, verdict):
    assert judged(found, parse_stated(stated), 0.05, parse_stated(tendency)) == verdict


@pytest.mark.parametrize(
    ("stated", "more"), [("60", {"tendency": "above 0"}), ("15 to 30", {})], ids=["a number", "a span"]
)
def test_a_tendency_belongs_to_a_claim_of_a_span_and_to_no_other(stated, more):
    with pytest.raises(ValueError, match=r"a claim of (one number has no|a span needs this) field"):
        checked(stated, reading("percent_less", 0.025, 0.04), **more)


positive = st.floats(0.01, 1e6)


@given(value=positive, nearer=st.floats(0, 1), off=st.floats(-2, 2))
def test_coming_nearer_to_what_was_stated_never_makes_a_verdict_worse(value, nearer, off):
    said = Stated("some", value * 0.99, value * 1.01, value)
    far, near = value * (1 + off), value * (1 + off * nearer)
    verdicts = [judged(found, said, 0.05) for found in (near, far)]
    assert BEST_FIRST.index(verdicts[0]) <= BEST_FIRST.index(verdicts[1])


@pytest.mark.parametrize(
    ("stated", "low", "high", "verdict"),
    [
        *[("4.2", *interval, "right") for interval in ((4.0, 4.6), (4.2, 4.3))],
        *[("4.2", *interval, "imprecise") for interval in ((4.3, 9.0), (3.0, 3.9))],
        ("4.2", 9.0, 9.9, "wrong"),
        # a least value is decided only by an interval that does not cross it
        ("above 1", 1, 2, "right"), ("above 1", 0.9, 1.2, "untested"), ("above 1", 0.5, 0.8, "wrong"),
    ],
)  # fmt: skip
def test_a_measured_interval_is_held_against_what_was_stated(stated, low, high, verdict):
    assert judged_by_interval(low, high, parse_stated(stated), 0.10) == verdict


@pytest.mark.parametrize(
    ("each", "verdict"),
    [
        ("right right", "right"), ("wrong wrong", "wrong"), ("right wrong", "imprecise"),
        ("wrong imprecise", "imprecise"), ("right outdated", "outdated"), ("wrong outdated", "wrong"),
        ("untested right", "untested"), ("untested wrong", "wrong"), ("untested", "untested"), ("", "untested"),
    ],
)  # fmt: skip
def test_several_systems_share_one_verdict(each, verdict):
    assert of_several(each.split()) == of_several(reversed(each.split())) == verdict


def test_the_reading_nearest_to_the_claim_decides_and_all_are_told():
    less = reading("percent_less", 8.5, 11, words="the time")
    more = reading("percent_more", 11, 8.5, words="the rate")
    for readings in ((less, more), (more, less)):
        found = checked("22", *readings)
        assert (found.verdict, round(found.computed, 1)) == ("imprecise", 22.7)
        assert "the time is 1 - 8.5 / 11 = 22.7%" in found.sentence
        assert "the rate is 11 / 8.5 - 1 = 29.4%" in found.sentence


def test_a_slip_is_told_only_where_it_gives_the_stated_number():
    saving = reading("percent_less", 0.025, 0.04, words="the saving")
    slip = reading("percent_more", 0.04, 0.025, words="the premium")
    assert "60% is the premium, 0.04 / 0.025 - 1" in checked("60", saving, slip=slip).sentence
    assert "premium" not in checked("50", saving, slip=slip).sentence


def test_list_prices_are_put_in_place_of_the_articles_and_are_not_made_up():
    saving = reading("difference_times", 0.09, 0.02, 1000, words="the saving")
    with_prices, without = (
        checked("70", saving, unit="USD", list_prices_of=(system, "flux-2-pro@bfl"))
        for system in ("flux-2-max@bfl", "flux-2-dev@replicate")
    )
    assert (with_prices.verdict, with_prices.computed) == ("right", 70)
    assert "$0.07 for flux-2-max@bfl and $0.03 for flux-2-pro@bfl, it is $40." in with_prices.sentence
    assert without.sentence.endswith("no source gives both list prices.")
