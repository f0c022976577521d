from typing import Any

import pytest

from evals.reporting.summary import Dimension, answer, dimensions, sentence

from .conftest import rating

NOTHING: dict[str, Any] = {"schema": 1, "controls": [], "warnings": [], "differences": []}


def row(name: str, systems: str = "ab", problem: str | None = None, kind: str = "measured", **ahead: str) -> Any:
    """Return a row of the star table; ``ab="a"`` says that of a and b, a is ahead, ``ab="?"`` that nobody can tell."""
    pairs = [(a, b, ahead.get(a + b, "")) for place, a in enumerate(systems) for b in systems[place + 1 :]]
    differences = [
        {
            "system_a": a,
            "system_b": b,
            "better_system": better if better in systems else None,
            "p_holm": None if better == "?" else 0.01,
        }
        for a, b, better in pairs
        if kind != "declared"
    ]
    cells = [{"system": system} for system in systems]
    return {"id": name, "title": name, "problem": problem, "kind": kind, "cells": cells, "differences": differences}


def outcomes(*rows: Any) -> list[tuple[str, str | None, int]]:
    return [(group.outcome, group.leader, len(group.rows)) for group in answer({"rows": list(rows)})]  # type: ignore[typeddict-item]


def test_the_answer_counts_the_rows_of_the_star_table_by_who_is_ahead_in_them() -> None:
    rows = [row("one", ab="b"), row("two", ab="a"), row("three", ab="b"), row("four"), row("five", ab="?")]
    rows += [row("six", problem="its control fails here", ab="a"), row("seven", kind="declared")]
    assert outcomes(*rows) == [
        ("b is ahead", "b", 2),
        ("a is ahead", "a", 1),
        ("cannot be told apart", None, 1),
        ("too few common prompts to compare", None, 1),
        ("no stars", None, 1),
        ("declared, not measured", None, 1),
    ]
    assert sentence(answer({"rows": rows})).startswith("b is ahead in 2 rows; a is ahead in 1 row; 1 row: cannot")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("ahead", "outcome", "leader"),
    [
        ({"ab": "a", "ac": "a"}, "a is ahead", "a"),
        ({"ac": "a"}, "a and b cannot be told apart, and nobody is ahead of them", None),
        ({"ac": "a", "bc": "b"}, "a and b cannot be told apart, and nobody is ahead of them", None),
        ({"ab": "a", "bc": "b"}, "a is ahead", "a"),
        ({}, "cannot be told apart", None),
    ],
)
def test_of_three_systems_one_leads_where_both_others_are_behind(ahead: Any, outcome: str, leader: Any) -> None:
    assert outcomes(row("one", "abc", **ahead)) == [(outcome, leader, 1)]


def test_a_single_system_is_compared_with_nothing() -> None:
    assert outcomes(row("one", "a")) == [("nothing to compare with", None, 1)]


def dimension(place: int, rows: list[dict[str, Any]], **more: Any) -> Dimension:
    """Return a dimension (adherence, identity, text) of ratings with these rows."""
    ratings: Any = {**NOTHING, "systems": list(dict.fromkeys(row["system"] for row in rows)) or ["a"], "rows": rows}
    return dimensions(ratings, more.get("provenance", {}), more.get("columns", ()))[place]


def test_a_missing_encoder_is_named_with_its_remedy() -> None:
    missing = rating("adherence.clip", "scenes", "a", None, None, n_unscored=9, reasons={"encoder_unavailable": 9})
    encoder = {"role": "adherence", "name": "open_clip:x", "status": "unavailable", "note": "fetch open_clip:x"}
    assert dimension(0, [missing], provenance={"encoders": [encoder]}).absent == "fetch open_clip:x"
    assert dimension(0, [missing]).absent == "the encoder's weights are not on this machine"


def test_what_was_not_asked_for_is_not_blamed_on_the_images() -> None:
    without, having = (dimension(2, [], columns=columns) for columns in ((), ("expected_text",)))
    assert without.absent == "no sample says which text it should show (expected_text)"
    assert having.absent == "it was not measured in this run"


def test_a_suite_that_asks_for_no_text_is_set_apart() -> None:
    rows = [rating("text.similarity", "signs", "a", 0.9, 0.1), rating("text.confidence", "scenes", "a", 0.7, 0.1)]
    text = dimension(2, rows)
    assert [[suite for suite, _ in part] for part in (text.suites, text.incidental)] == [["signs"], ["scenes"]]
    assert text.absent == ""


def test_systems_read_by_other_engines_share_a_line() -> None:
    rows = [
        rating("text.similarity", "signs", "a", 0.7, 0.1, encoder="rapidocr:x"),
        rating("text.similarity", "signs", "b", 0.6, 0.1, encoder="rapidocr:x, tesseract:eng"),
    ]
    text = dimension(2, rows)
    (line,) = text.suites[0][1]
    assert [cell.mean for cell in line.cells] == ["0.700", "0.600"]
    assert text.encoders == ["rapidocr:x", "tesseract:eng"]
