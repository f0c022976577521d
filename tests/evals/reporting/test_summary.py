from typing import Any

import pytest

from evals.reporting.summary import Dimension, dimensions

from .conftest import rating

NOTHING: dict[str, Any] = {"schema": 1, "controls": [], "warnings": []}


def pair(first: str, second: str, mean: float, half: float | None, better: str | None) -> dict[str, Any]:
    low, high = (None, None) if half is None else (mean - half, mean + half)
    row = {"metric": "text.similarity", "suite": "signs", "n_prompts": 6, "note": "", "better_system": better}
    return row | {"system_a": first, "system_b": second, "mean": mean, "low": low, "high": high}


def dimension(place: int, rows: list[dict[str, Any]], pairs: Any = (), **more: Any) -> Dimension:
    """Return the summary of a dimension (adherence, identity, text) of ratings with these rows."""
    systems = list(dict.fromkeys(row["system"] for row in rows)) or ["a"]
    ratings = {**NOTHING, "systems": systems, "rows": rows, "differences": list(pairs)}
    return dimensions(ratings, more.get("provenance", {}), more.get("columns", ()))[place]


def text_accuracy(means: dict[str, float], pairs: list[dict[str, Any]], better: str = "higher") -> Dimension:
    rows = [rating("text.similarity", "signs", system, mean, 0.1, better=better) for system, mean in means.items()]
    return dimension(2, rows, pairs)


def test_the_better_system_leads_even_where_its_mean_over_other_prompts_is_lower() -> None:
    found = text_accuracy({"a": 0.9, "b": 0.8}, [pair("a", "b", -0.2, 0.1, "b")])
    assert (found.kind, found.winner, found.headline) == ("ahead", "b", "b is ahead")


def test_how_far_ahead_has_no_sign() -> None:
    found = text_accuracy({"a": 0.3, "b": 0.5}, [pair("a", "b", -0.2, 0.1, "a")], better="lower")
    assert found.verdicts[0].amount == "by 0.200 (0.100 to 0.300)"


@pytest.mark.parametrize(
    ("b_and_c", "headline"),
    [
        (pair("b", "c", 0.35, 0.1, "b"), "a and b lead, not separable"),
        (pair("b", "c", 0.35, 0.4, None), "a is ahead of c, not separable from b"),
    ],
)
def test_of_three_systems_none_wins_that_is_not_ahead_of_both(b_and_c: dict[str, Any], headline: str) -> None:
    pairs = [pair("a", "b", 0.05, 0.1, None), pair("a", "c", 0.4, 0.1, "a"), b_and_c]
    found = text_accuracy({"a": 0.9, "b": 0.85, "c": 0.5}, pairs)
    assert found.headline == headline
    assert "and" not in headline or found.winner is None


def test_suites_that_disagree_have_no_winner() -> None:
    rows = [rating("text.similarity", suite, system, 0.5, 0.1) for suite in ("one", "two") for system in ("a", "b")]
    pairs = [pair("a", "b", 0.2, 0.1, "a") | {"suite": "one"}, pair("a", "b", -0.2, 0.1, "b") | {"suite": "two"}]
    found = dimension(2, rows, pairs)
    assert (found.kind, found.winner) == ("tie", None)
    assert found.headline == "a is ahead in 1 suite, b is ahead in 1 suite"


def test_the_headline_metric_is_fixed_and_not_the_one_that_differs_most() -> None:
    metrics = ("text.cer", "text.similarity")
    rows = [rating(metric, "signs", system, 0.5, 0.1) for metric in metrics for system in ("a", "b")]
    pairs = [pair("a", "b", 0.5, 0.1, "b") | {"metric": "text.cer"}, pair("a", "b", 0.0, 0.1, None)]
    assert dimension(2, rows, pairs).headline == "not separable"


def test_a_missing_encoder_is_named_with_its_remedy() -> None:
    row = rating("adherence.clip", "scenes", "a", None, None, n_unscored=9, reasons={"encoder_unavailable": 9})
    encoder = {"role": "adherence", "name": "open_clip:x", "status": "unavailable", "note": "fetch open_clip:x"}
    found = dimension(0, [row], provenance={"encoders": [encoder]})
    assert found.headline == "not scored: the encoder's weights are not on this machine"
    assert found.verdicts[0].metric == "fetch open_clip:x"


def test_what_was_not_asked_for_is_not_blamed_on_the_images() -> None:
    without, having = (dimension(2, [], columns=columns) for columns in ((), ("expected_text",)))
    assert without.headline == "not scored: no sample says which text it should show (expected_text)"
    assert having.headline == "not scored: it was not measured in this run"


def test_pairs_of_any_faces_are_no_comparison() -> None:
    rows = [rating("identity.pairs", "faces", system, 0.5, 0.1) for system in ("a", "b")]
    assert dimension(1, rows).headline == "measured to calibrate the encoder, not to compare"


def test_a_suite_that_asks_for_no_text_is_set_apart() -> None:
    rows = [rating("text.similarity", "signs", "a", 0.9, 0.1), rating("text.confidence", "scenes", "a", 0.7, 0.1)]
    found = dimension(2, rows)
    assert [[suite for suite, _ in part] for part in (found.suites, found.incidental)] == [["signs"], ["scenes"]]


def test_systems_read_by_other_engines_share_a_line() -> None:
    rows = [
        rating("text.similarity", "signs", "a", 0.7, 0.1, encoder="rapidocr:x"),
        rating("text.similarity", "signs", "b", 0.6, 0.1, encoder="rapidocr:x, tesseract:eng"),
    ]
    found = dimension(2, rows)
    (line,) = found.suites[0][1]
    assert [cell.mean for cell in line.cells] == ["0.700", "0.600"]
    assert found.encoders == ["rapidocr:x", "tesseract:eng"]
