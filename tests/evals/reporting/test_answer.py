"""The answer of a run: its title, its groups of systems, its advice and cautions, and the choice of some systems."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.rating.selection import SelectionError, find_systems, select_stars
from evals.rating.stars.document import Stars
from evals.reporting.answer import Answer, answer, title
from evals.reporting.groups import group_letters, row_verdict, unbeaten


def row(name: str, systems: str = "ab", problem: str | None = None, kind: str = "measured", **ahead: str) -> Any:
    """Return a row of the star table, the first system with the most stars.

    ``ab="a"`` says that of a and b, a is ahead, ``ab="?"`` that they were not compared.
    """
    differences = [
        {"system_a": a, "system_b": b, "better_system": better if better in systems else None, "n_prompts": 12,
         "p_holm": None if better == "?" else 0.01,
         "p_value": 0.5 if better == "~" else 0.001, "stars": 1.0, "low": 0.5, "high": 1.5, "detectable": 0.8,
         "prompts_for_half_a_star": 40, "equal_within": None, "verdict": ""}
        for a, b in itertools.combinations(systems, 2)
        for better in [ahead.get(a + b) or "~"]
        if kind != "declared"
    ]  # fmt: skip
    cells = [{"system": system, "stars": 5.0 - 0.5 * n, "low": 1.0, "high": 5.0, "reasons": {}}
             for n, system in enumerate(systems)]  # fmt: skip
    return {
        "id": name, "title": name.capitalize(), "problem": problem, "kind": kind, "suite": "s", "components": [],
        "cells": cells if kind != "declared" and not problem else [], "differences": differences,
        "deciding": [], "places": {},
        "declared_cells": [{"system": system, "stars": None, "reason": "no such model"} for system in systems]
        if kind == "declared" else [],
    }  # fmt: skip


def document(*rows: Any, systems: str = "ab") -> Any:
    totals: Any = {"systems": [], "differences": [], "weights": {}}
    return {"systems": list(systems), "simulated": [], "rows": list(rows), "totals": totals, "article_stars": {},
            "n_compared": 42,
            "recommendations": [], "bradley_terry": None, "costs": []}  # fmt: skip


def answered(*rows: Any, systems: str = "ab", common: Any = (), looked: Any = (), **encoder: str) -> Answer:
    ratings: Any = {"stars": document(*rows, systems=systems), "common_prompts": list(common), "rows": list(looked)}
    return answer(ratings, {"encoders": [{"status": "used", **encoder}] if encoder else []})


DECIDED = (row("one", ab="b"), row("two", ab="a"), row("three", ab="b"), row("four"), row("five", ab="?"))


@pytest.mark.parametrize(
    ("rows", "systems", "expected"),
    [
        (DECIDED, "ab", "b leads in 2 rows, a in 1, 1 cannot be told apart"),
        ([row("one", ab="a")], "ab", "a leads in 1 row, b in none"),
        ([row("one"), row("two")], "ab", "a and b cannot be told apart in 2 rows"),
        ([row("one", problem="its control fails", ab="a"), row("two", kind="declared")], "ab",
         "a and b: nothing can be compared yet"),
        ([row("one", "a")], "a", "a has stars in 1 row; there is nothing to compare it with"),
        ([], "", "Nothing was measured"),
        ([row("one", "abc", ab="a", ac="a"), row("two", "abc", ac="a"), row("three", "abc")], "abc",
         "a is among the best in 2 rows, b in 1, 1 cannot be told apart"),
    ],
)  # fmt: skip
def test_the_title_counts_the_rows_by_who_is_ahead_of_all_others(rows: Any, systems: str, expected: str) -> None:
    assert title(document(*rows, systems=systems)) == expected


@pytest.mark.parametrize(
    ("ahead", "letters", "says"),
    [
        ({"ab": "a", "ac": "a"}, {"a": "A", "b": "B", "c": "B"}, "a is ahead by 1.0 (0.5 to 1.5)"),
        ({"ac": "a"}, {"a": "A", "b": "AB", "c": "B"}, "best: a, b"),
        ({"ac": "a", "bc": "b"}, {"a": "A", "b": "A", "c": "B"}, "best: a, b"),
        ({"ab": "a", "bc": "b", "ac": "a"}, {"a": "A", "b": "B", "c": "C"}, "a is ahead by 1.0 (0.5 to 1.5)"),
        ({}, {"a": "A", "b": "A", "c": "A"}, "cannot be told apart"),
    ],
)
def test_systems_that_cannot_be_told_apart_share_a_letter(ahead: Any, letters: Any, says: str) -> None:
    of_three = row("one", "abc", **ahead)
    assert group_letters(of_three) == letters
    assert row_verdict(of_three, {name: name for name in "abc"}, 42).says == says


@given(ahead=st.sets(st.sampled_from(list(itertools.combinations("abcdef", 2)))))
def test_two_systems_share_a_letter_exactly_where_neither_is_ahead(ahead: Any) -> None:
    of_six = row("one", "abcdef", **{a + b: a for a, b in ahead})
    letters = group_letters(of_six)
    for pair in itertools.combinations("abcdef", 2):
        assert bool(set(letters[pair[0]]) & set(letters[pair[1]])) == (pair not in ahead)
    assert "A" in letters["a"]
    assert set(unbeaten(of_six)) == {b for b in "abcdef" if not any(b == worse for _, worse in ahead)}


@pytest.mark.parametrize(("other", "warned"), [(0.6, True), (0.9, False)])
def test_a_leading_identity_that_looks_copied_is_a_caution(other: float, warned: bool) -> None:
    leading = {**row("identity", ab="a"), "components": [{"metric": "identity.reference"}]}
    looked = [{"suite": "s", "metric": "identity.copy_paste", "system": system, "mean": mean, "encoder": "e"}
              for system, mean in (("a", 0.95), ("b", other))]  # fmt: skip
    first = answered(leading, looked=looked).cautions[0].says
    assert first.startswith("a leads in identity with faces that look copied") == warned


def test_where_no_row_was_rated_the_answer_says_what_is_missing_and_what_gives_rows() -> None:
    looked = [{"suite": "s", "metric": "adherence.clip", "mean": None, "reasons": {"no_prompt": 9}}]
    (says,) = answered(looked=looked).advice
    assert says.startswith("No row has stars yet: ")
    assert all(name in says for name in ("prompts", "expected_text", "reference_images", "twinlens doctor"))
    assert answered(row("one", ab="?")).advice == ()


def test_the_advice_names_the_largest_leads_of_each_system_and_how_sure_they_are() -> None:
    first, second = answered(*DECIDED).advice
    expected = "Use b for one and three: it is ahead by 1.0 stars (over 12 common prompts; corrected p at most 0.01)."
    assert (first, second[:14]) == (expected, "Use a for two:")


def test_a_row_that_alone_would_tell_says_among_how_many_it_does_not() -> None:
    doubtful = row("one")
    doubtful["differences"][0]["p_value"] = 0.01
    says = row_verdict(doubtful, {"a": "a", "b": "b"}, 42).says
    assert says == "cannot be told apart (alone it would be; not among 42 comparisons)"


def test_the_caution_of_few_prompts_gives_the_span_of_what_shows_and_nothing_where_no_pair_varies() -> None:
    rows = [row("one", ab="a"), row("two", ab="a"), row("steady", ab="a")]
    for one, detectable, needed in zip(rows, (0.4, 1.2, 1e-17), (7, 80, 2), strict=True):
        one["differences"][0] |= {"detectable": detectable, "prompts_for_half_a_star": needed}
    (caution,) = answered(*rows).cautions
    assert caution.says.endswith("prompts, where differences of 0.4 to 1.2 stars show, depending on the row.")
    assert caution.remedy == "Ask more prompts: half a star would show in every row with 80."
    (caution,) = answered(rows[-1]).cautions
    assert (caution.says, caution.remedy) == (
        "1 of 1 comparison rest on fewer than 20 prompts.",
        "Ask more prompts.",
    )


@pytest.mark.parametrize(("n_prompts", "problem"), [(3, None), (1, "its control could not be measured here")])
def test_a_row_of_few_prompts_says_how_many_were_asked(n_prompts: int, problem: str | None) -> None:
    few = row("one", problem=problem)
    few["components"] = [{"metric": "text.cer", "scale": {"problem": problem}}]
    few["cells"] = [] if problem else [
        {"system": name, "stars": None, "n_prompts": n_prompts, "reasons": {}} for name in "ab"]  # fmt: skip
    rows = [{"suite": "s", "metric": "text.cer", "mean": 0.5, "n_prompts": n_prompts, "encoder": "e", "reasons": {}}]
    ratings: Any = {"stars": document(few), "common_prompts": [], "rows": rows}
    (group,) = answer(ratings, {}).not_rated
    assert group.reason == f"fewer than 5 prompts ({n_prompts} asked)"


def test_the_heaviest_cautions_come_first_each_with_what_to_do() -> None:
    apart = {"suite": "s", "system_a": "a", "system_b": "b", "n_prompts": 9, "n_common": 1, "nearly_equal": []}
    weak = {"role": "adherence", "name": "embedded:lite", "note": "weak encoder, not CLIP; real weights: elsewhere"}
    seen = {**row("six", ab="b"), "components": [{"metric": "adherence.clip"}]}
    looked = [{"suite": "s", "metric": "adherence.clip", "encoder": "embedded:lite"}]
    cautions = answered(*DECIDED, seen, common=[apart], looked=looked, **weak).cautions
    assert [caution.says.split()[0] for caution in cautions] == ["1", "embedded:lite", "5"]
    assert cautions[1].says == "embedded:lite is a weak encoder, not CLIP."
    assert "twinlens models fetch open_clip:" in cautions[1].remedy
    assert all(caution.remedy for caution in cautions)
    # No row with stars was measured with it.
    assert [caution.says.split()[0] for caution in answered(*DECIDED, looked=looked, **weak).cautions] == ["4"]
    (of_prompts,) = answered(*DECIDED, role="aesthetic", name="aesthetic:v2", note="a proxy of taste").cautions
    assert of_prompts.says.startswith("4 of 4 comparisons")


def test_a_name_that_the_facts_do_not_know_is_answered_once_with_the_nearest() -> None:
    systems = ("flux-2-flexx@bfl", "mine")
    table = document(row("one", kind="declared"))
    ratings: Any = {"stars": {**table, "systems": systems}, "common_prompts": [], "rows": []}
    (caution,) = answer(ratings, {}).cautions
    assert caution.says == "The facts do not know flux-2-flexx@bfl (did you mean flux-2-flex@bfl?)."
    assert answer({**ratings, "stars": {**table, "systems": systems, "simulated": systems}}, {}).cautions == ()


def test_a_row_whose_encoder_is_lacking_names_what_fetches_it() -> None:
    lacking = row("objects", problem="not measured")
    lacking["components"] = [{"metric": "structure.objects", "scale": {"problem": "not measured"}}]
    rows = [{"suite": "s", "metric": "structure.objects", "mean": None, "reasons": {"encoder_unavailable": 3}}]
    ratings: Any = {"stars": document(lacking), "common_prompts": [], "rows": rows}
    (group,) = answer(ratings, {}).not_rated
    assert group.remedy.startswith("to get scene structure: twinlens models fetch owlv2:")


def test_rows_that_nobody_measured_are_collected_by_their_reason() -> None:
    (declared, unasked) = answered(
        row("x", kind="declared"), row("y", problem="no"), row("z", kind="declared")
    ).not_rated
    assert (declared.reason, declared.rows) == ("no such model", (("x", "X"), ("z", "Z")))
    assert (unasked.rows, "twinlens run" in unasked.remedy) == ((("y", "Y"),), True)


def test_a_choice_of_systems_keeps_the_verdicts_of_the_whole_run(stars: Stars) -> None:
    three = document(row("one", "abc", ab="a", bc="c"), systems="abc")
    chosen = select_stars(three, ["c", "b"])
    (pair,) = chosen["rows"][0]["differences"]
    assert pair == three["rows"][0]["differences"][2]
    assert [cell["system"] for cell in chosen["rows"][0]["cells"]] == ["c", "b"]
    assert title(chosen) == "c leads in 1 row, b in none"
    assert select_stars(stars, stars["systems"]) == stars


@pytest.mark.parametrize(("names", "says"), [(["a@x"], "two systems or more"), (["a@x", "f@x"], "no system 'f@x'")])
def test_a_system_that_the_run_does_not_have_is_named(names: list[str], says: str) -> None:
    with pytest.raises(SelectionError, match=says):
        find_systems(names, ["a@x", "b@x"])
