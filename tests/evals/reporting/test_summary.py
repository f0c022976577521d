from typing import Any

from evals.reporting.summary import Dimension, dimensions

from .conftest import rating

NOTHING: dict[str, Any] = {"schema": 1, "systems": ["a", "b", "c"], "differences": [], "controls": [], "warnings": []}


def pair(first: str, second: str, mean: float, half: float | None, better: str | None) -> dict[str, Any]:
    low, high = (None, None) if half is None else (mean - half, mean + half)
    row = {"metric": "text.similarity", "suite": "signs", "n_prompts": 6, "note": "", "better_system": better}
    return row | {"system_a": first, "system_b": second, "mean": mean, "low": low, "high": high}


def text_accuracy(means: dict[str, float], pairs: list[dict[str, Any]], better: str = "higher") -> Dimension:
    rows = [rating("text.similarity", "signs", system, mean, 0.1, better=better) for system, mean in means.items()]
    ratings = {**NOTHING, "systems": list(means), "rows": rows, "differences": pairs}
    return next(part for part in dimensions(ratings, {}) if part.id == "text")


def test_the_better_system_leads_even_where_its_mean_over_other_prompts_is_lower() -> None:
    found = text_accuracy({"a": 0.9, "b": 0.8}, [pair("a", "b", -0.2, 0.1, "b")])
    assert (found.kind, found.winner, found.headline) == ("ahead", "b", "b is ahead")


def test_how_far_ahead_has_no_sign() -> None:
    found = text_accuracy({"a": 0.3, "b": 0.5}, [pair("a", "b", -0.2, 0.1, "a")], better="lower")
    assert found.verdicts[0].amount == "by 0.200 (0.100 to 0.300)"


def test_two_systems_that_cannot_be_told_apart_lead_together() -> None:
    pairs = [
        pair("a", "b", 0.05, 0.1, None),
        pair("a", "c", 0.4, 0.1, "a"),
        pair("b", "c", 0.35, 0.1, "b"),
    ]
    found = text_accuracy({"a": 0.9, "b": 0.85, "c": 0.5}, pairs)
    assert (found.winner, found.headline) == (None, "a and b lead, not separable")


def test_a_leader_that_is_not_better_than_all_says_so() -> None:
    pairs = [
        pair("a", "b", 0.05, 0.1, None),
        pair("a", "c", 0.4, 0.1, "a"),
        pair("b", "c", 0.35, 0.4, None),
    ]
    found = text_accuracy({"a": 0.9, "b": 0.85, "c": 0.5}, pairs)
    assert found.headline == "a is ahead of c, not separable from b"


def test_suites_that_disagree_have_no_winner() -> None:
    rows = [rating("text.similarity", suite, system, 0.5, 0.1) for suite in ("one", "two") for system in ("a", "b")]
    differences = [
        pair("a", "b", 0.2, 0.1, "a") | {"suite": "one"},
        pair("a", "b", -0.2, 0.1, "b") | {"suite": "two"},
    ]
    ratings = {**NOTHING, "systems": ["a", "b"], "rows": rows, "differences": differences}
    found = next(part for part in dimensions(ratings, {}) if part.id == "text")
    assert (found.kind, found.winner) == ("tie", None)
    assert found.headline == "a is ahead in 1 suite, b is ahead in 1 suite"


def test_the_headline_metric_is_fixed_and_not_the_one_that_differs_most() -> None:
    rows = [rating("text.cer", "signs", system, 0.5, 0.1) for system in ("a", "b")]
    rows += [rating("text.similarity", "signs", system, 0.5, 0.1) for system in ("a", "b")]
    differences = [
        pair("a", "b", 0.5, 0.1, "b") | {"metric": "text.cer"},
        pair("a", "b", 0.0, 0.1, None),
    ]
    ratings = {**NOTHING, "systems": ["a", "b"], "rows": rows, "differences": differences}
    found = next(part for part in dimensions(ratings, {}) if part.id == "text")
    assert found.headline == "not separable"


def test_a_missing_encoder_is_named_with_its_remedy() -> None:
    row = rating("adherence.clip", "scenes", "a", None, None, n_unscored=9, reasons={"encoder_unavailable": 9})
    ratings = {**NOTHING, "systems": ["a"], "rows": [row]}
    encoder = {"role": "adherence", "name": "open_clip:x", "status": "unavailable", "note": "fetch open_clip:x"}
    found = dimensions(ratings, {"encoders": [encoder]})[0]
    assert found.headline == "not scored: the encoder's weights are not on this machine"
    assert found.verdicts[0].metric == "fetch open_clip:x"


def test_what_was_not_asked_for_is_not_blamed_on_the_images() -> None:
    ratings = {**NOTHING, "systems": ["a"], "rows": []}
    without, having = (dimensions(ratings, {}, columns) for columns in ((), ("expected_text",)))
    assert without[2].headline == "not scored: no sample says which text it should show (expected_text)"
    assert having[2].headline == "not scored: it was not measured in this run"


def test_pairs_of_any_faces_are_no_comparison() -> None:
    rows = [rating("identity.pairs", "faces", system, 0.5, 0.1) for system in ("a", "b")]
    found = dimensions({**NOTHING, "systems": ["a", "b"], "rows": rows}, {})[1]
    assert found.headline == "measured to calibrate the encoder, not to compare"


def test_a_suite_that_asks_for_no_text_is_set_apart() -> None:
    rows = [rating("text.similarity", "signs", "a", 0.9, 0.1), rating("text.confidence", "scenes", "a", 0.7, 0.1)]
    found = next(part for part in dimensions({**NOTHING, "systems": ["a"], "rows": rows}, {}) if part.id == "text")
    assert [suite for suite, _ in found.suites] == ["signs"]
    assert [suite for suite, _ in found.incidental] == ["scenes"]


def test_systems_read_by_other_engines_share_a_line() -> None:
    rows = [
        rating("text.similarity", "signs", "a", 0.7, 0.1, encoder="rapidocr:x"),
        rating("text.similarity", "signs", "b", 0.6, 0.1, encoder="rapidocr:x, tesseract:eng"),
    ]
    found = next(part for part in dimensions({**NOTHING, "systems": ["a", "b"], "rows": rows}, {}) if part.id == "text")
    (line,) = found.suites[0][1]
    assert [cell.mean for cell in line.cells] == ["0.700", "0.600"]
    assert found.encoders == ["rapidocr:x", "tesseract:eng"]
