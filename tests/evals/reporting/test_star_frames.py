"""The star document as tables: no row is lost, and what has no stars says why."""

from typing import Any

import pandas as pd
import pytest

from evals.definition import EvalDefinition, StarRow
from evals.rating.comparison import with_prompts
from evals.rating.controls import control_statistics
from evals.rating.stars.document import award_stars
from evals.reporting.star_frames import (
    advice_frame,
    outcome_frame,
    readable,
    scale_frame,
    scale_of,
    star_frame,
    turning_frame,
)

LEFT, RIGHT = SYSTEMS = ("left@x", "right@x")
ROWS = (
    StarRow(id="text", title="Text accuracy", suite="signs", metrics={"text.cer": 1.0}),
    StarRow(id="scenes", title="Scenes", suite="nowhere", metrics={"structure.all": 1.0}),
    StarRow(id="lora", title="Fine-tuning", declared="lora"),
)


@pytest.fixture(scope="module")
def document(score_table) -> dict[str, Any]:
    rows = [
        {"prompt_id": f"p{n}", "system": system, "suite": "signs", "metric": "text.cer", "value": value + n / 100}
        for n in range(12)
        for system, value in zip(SYSTEMS, (0.1, 0.4), strict=True)
    ]
    rows += [{**row, "value": 0.0, "control": "rendered_text"} for row in rows]
    rows.append({**rows[1], "prompt_id": "p12", "control": None, "value": None, "reason": "unreadable_image"})
    table = score_table(rows)
    definition = EvalDefinition.model_construct(
        name="own",
        systems=SYSTEMS,
        suites=("signs",),
        repeats=1,
        seed=1,
        size="1K",
        encoders={},
        rows=ROWS,
        published="article-2026-07",
    )
    return dict(award_stars(table, None, control_statistics(with_prompts(table), seed=0), [], definition))


def test_every_row_is_there_with_stars_or_the_reason_for_none(document):
    table = star_frame(document).set_index(("row", "title"))
    assert list(table.index) == [row.title for row in ROWS]
    assert table.loc["Text accuracy", (LEFT, "stars")].startswith("★★★★")
    assert "left@x is ahead by 1.2 stars" in table.loc["Text accuracy", ("comparison", "verdict")]
    assert "no measurement on suite nowhere" in table.loc["Scenes", ("comparison", "verdict")]
    assert "no model on no host" in table.loc["Fine-tuning", (LEFT, "stars")]


def test_coverage_is_the_share_of_outcomes_that_were_scored(document):
    table = star_frame(document).set_index(("row", "title"))
    assert table.loc["Text accuracy", [(LEFT, "coverage"), (RIGHT, "coverage")]].tolist() == ["100%", "92%"]


def test_the_articles_stars_stand_beside_ours_under_its_own_names(document):
    table = star_frame(document).set_index(("row", "title"))
    assert table.loc["Fine-tuning", "article"].tolist() == ["2", "5", "not comparable"]
    assert set(table.loc["Text accuracy", "article"]) == {""}


def test_columns_of_a_system_stand_together(document):
    first = [column[0] for column in star_frame(document).columns]
    assert list(dict.fromkeys(first)) == ["row", *SYSTEMS, "comparison", "article"]
    assert first == sorted(first, key=list(dict.fromkeys(first)).index)


def test_outcomes_tell_what_was_left_out_and_what_that_could_change(document):
    right = outcome_frame(document).set_index("system").loc[RIGHT]
    assert (right["scored"], right["left out"], right["why"]) == (12, 1, "unreadable image ×1")
    lowest, highest = map(float, right["whatever was left out"].split(" to "))
    assert lowest < right["stars"] < highest


def test_scales_are_told_with_what_sets_them(document):
    scale = scale_frame(document).set_index("row").loc["Text accuracy"]
    assert (scale["one star at"], scale["five stars at"]) == (1.0, 0.0)
    assert scale["set by "] == "measured: rendered text, 12 prompts"
    assert scale_of(document, "text.cer")["suite"] == "signs"
    assert scale_of(document, "identity.self") is None


def test_a_total_that_no_weight_turns_says_so(document):
    assert turning_frame(document).values.tolist() == [["Text accuracy", "100%", "no factor"]]


def test_every_use_case_has_its_recommendation(document):
    advice = advice_frame(document)
    assert len(advice) == len(document["recommendations"])
    assert advice["recommendation"].str.len().min() > 0


def test_a_document_without_rows_gives_empty_tables(document):
    nothing = {**document, "rows": [], "article_stars": {}}
    assert all(frame(nothing).empty for frame in (star_frame, outcome_frame, scale_frame, advice_frame))


def test_a_table_is_shown_whole_and_without_an_index(document):
    sentence = "a sentence that is far longer than what a notebook shows of a cell by itself, and is shown whole"
    html = readable(pd.DataFrame({"told": [sentence], "nothing": [None]})).to_html()
    assert sentence in html
    assert "None" not in html
