from typing import Any

from evals.reporting.dimensions import Dimension, dimensions

from .conftest import rating

NOTHING: dict[str, Any] = {"schema": 1, "controls": [], "warnings": [], "differences": []}


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
