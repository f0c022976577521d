"""The star document as tables: no row is lost, and what has no stars says why."""

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


def test_every_row_is_there_with_stars_or_the_reason_for_none(stars):
    table = star_frame(stars).set_index(("row", "title"))
    assert list(table.index) == [row["title"] for row in stars["rows"]]
    assert table.loc["Text accuracy", (LEFT, "stars")].startswith("★★★★")
    assert "left@x is ahead by 1.2 stars" in table.loc["Text accuracy", ("comparison", "verdict")]
    assert "no measurement on suite nowhere" in table.loc["Scenes", ("comparison", "verdict")]
    assert "no model on no host" in table.loc["Fine-tuning", (LEFT, "stars")]


def test_coverage_is_the_share_of_outcomes_that_were_scored(stars):
    table = star_frame(stars).set_index(("row", "title"))
    assert table.loc["Text accuracy", [(LEFT, "coverage"), (RIGHT, "coverage")]].tolist() == ["100%", "92%"]


def test_the_articles_stars_stand_beside_ours_under_its_own_names(stars):
    table = star_frame(stars).set_index(("row", "title"))
    assert table.loc["Fine-tuning", "article"].tolist() == ["2", "5", "not comparable"]
    assert set(table.loc["Text accuracy", "article"]) == {""}


def test_columns_of_a_system_stand_together(stars):
    first = [column[0] for column in star_frame(stars).columns]
    assert list(dict.fromkeys(first)) == ["row", LEFT, RIGHT, "comparison", "article"]
    assert first == sorted(first, key=list(dict.fromkeys(first)).index)


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


def test_a_total_that_no_weight_turns_says_so(stars):
    assert turning_frame(stars).values.tolist() == [["Text accuracy", "100%", "no factor"]]


def test_every_use_case_has_its_recommendation(stars):
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
