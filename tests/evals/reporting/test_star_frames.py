"""The star document as tables: no row is lost, and what has no stars says why."""

from itertools import groupby

import pandas as pd

from evals.reporting.star_frames import (
    advice_frame,
    outcome_frame,
    readable,
    scale_frame,
    scale_of,
    star_frame,
    turning_frame,
)

from .conftest import LEFT, RIGHT


def test_every_row_is_there_with_stars_coverage_and_the_articles_or_the_reason_for_none(stars):
    table = star_frame(stars).set_index(("row", "title"))
    assert list(table.index) == [row["title"] for row in stars["rows"]]
    text, tuning = table.loc["Text accuracy"], table.loc["Fine-tuning"]
    assert text[LEFT, "stars"].startswith("★★★★")
    assert "left@x is ahead by 1.2 stars" in text["comparison", "verdict"]
    assert text[[(LEFT, "coverage"), (RIGHT, "coverage")]].tolist() == ["100%", "92%"]
    assert "no measurement on suite nowhere" in table.loc["Scenes", ("comparison", "verdict")]
    assert "no model on no host" in tuning[LEFT, "stars"]
    assert (tuning["article"].tolist(), set(text["article"])) == (["2", "5", "not comparable"], {""})


def test_columns_of_a_system_stand_together(stars):
    assert [name for name, _ in groupby(column[0] for column in star_frame(stars).columns)] == [
        "row", LEFT, RIGHT, "comparison", "article",
    ]  # fmt: skip


def test_outcomes_tell_what_was_left_out_and_what_that_could_change(stars):
    right = outcome_frame(stars).set_index("system").loc[RIGHT]
    assert (right["scored"], right["left out"], right["why"]) == (12, 1, "unreadable image ×1")
    lowest, highest = map(float, right["whatever was left out"].split(" to "))
    assert lowest < right["stars"] < highest


def test_scales_are_told_with_what_sets_them(stars):
    scale = scale_frame(stars).set_index("row").loc["Text accuracy"]
    assert (scale["one star at"], scale["five stars at"]) == (1.0, 0.0)
    assert scale["set by "] == "measured: rendered text, 12 prompts"
    assert scale_of(stars, "text.cer")["suite"] == "signs"
    assert scale_of(stars, "identity.self") is None


def test_totals_and_advice_say_what_turns_them(stars):
    assert turning_frame(stars).values.tolist() == [["Text accuracy", "100%", "no factor"]]
    advice = advice_frame(stars)
    assert len(advice) == len(stars["recommendations"])
    assert advice["recommendation"].str.len().min() > 0


def test_a_document_without_rows_gives_empty_tables(stars):
    nothing = {**stars, "rows": [], "article_stars": {}, "recommendations": []}
    assert all(frame(nothing).empty for frame in (star_frame, outcome_frame, scale_frame, advice_frame))


def test_a_table_is_shown_whole_and_without_an_index(stars):
    sentence = "a sentence that is far longer than what a notebook shows of a cell by itself, and is shown whole"
    html = readable(pd.DataFrame({"told": [sentence], "nothing": [None]})).to_html()
    assert sentence in html
    assert "None" not in html
