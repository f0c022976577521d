"""Why a row is decided: its prompts with pictures inside the page, each with an address, and what they weigh."""

import dataclasses

import pytest

from evals.rating.stage import rate_run
from evals.reporting import why as why_module
from evals.reporting.copies import Copies
from evals.reporting.exhibits import collect
from evals.reporting.why import anchor_of, slug, why
from evals.run import Run

from .conftest import SYSTEMS

ROW = "scenes:reproducibility"


@pytest.fixture
def shown(run, tmp_path):
    """Return a function from a change of the stars to what is shown."""
    stars, copies = rate_run(Run(run.path))["stars"], Copies(run, tmp_path)
    exhibits = collect(run, stars, SYSTEMS)
    copies.make(exhibits.values())

    def of(change=lambda row: None):
        for row in stars["rows"]:
            change(row)
        return why(stars, exhibits, SYSTEMS, copies)

    return of


def test_a_decided_row_has_the_prompts_that_decided_it_with_pictures_values_and_difference(shown):
    (row,) = shown()
    assert (row.id, row.n_prompts, row.anchor) == (ROW, 6, anchor_of(ROW))
    assert "beryl is ahead" in row.verdict
    assert "Structural similarity in SSIM, higher is better" in row.measures
    (first,), rest = row.open, row.folded
    assert [one.prompt for one in (first, *rest)] == ["scene-0", "scene-1", "scene-2"]
    beryl, onyx = first.systems
    assert (beryl.label, beryl.stars, onyx.stars) == ("beryl", "4.8 stars", "2.8 stars")
    assert [picture.caption for picture in beryl.pictures] == ["repeat 0", "repeat 1"]
    assert all(picture.image.src.startswith("data:image/webp;base64,") for picture in beryl.pictures)
    assert all(picture.image.address.startswith("pictures/") for picture in beryl.pictures)
    assert beryl.difference.src.startswith("data:image/webp")
    assert {score.title for score in beryl.scores} == {"Structural similarity"}


def test_the_prompt_that_speaks_against_it_stands_beside_the_first(shown):
    (row,) = shown(lambda row: row["deciding"] and row["deciding"][2].update(against=True))
    assert [(one.prompt, one.against) for one in row.open] == [("scene-0", False), ("scene-2", True)]
    assert [one.prompt for one in row.folded] == ["scene-1"]


def test_a_row_that_names_nobody_has_no_exhibits(shown):
    assert shown(lambda row: [pair.update(better_system=None) for pair in row["differences"]]) == ()


def test_pictures_shrink_until_all_of_them_weigh_less_than_the_limit(shown, monkeypatch):
    (before,) = shown()
    monkeypatch.setattr(why_module, "EMBEDDED_BYTES", 100)
    monkeypatch.setattr(why_module, "SIDES", (480, 8))
    (after,) = shown()
    sizes = [len(row.open[0].systems[0].pictures[0].image.src) for row in (before, after)]
    assert sizes[1] < sizes[0]
    without = [dataclasses.replace(row.open[0].systems[0].pictures[0].image, src="") for row in (before, after)]
    assert without[0] == without[1]


@pytest.mark.parametrize("text", ["a b", '"><script>', "a/b", "\u202e", "", "é"])
def test_an_address_has_no_sign_that_means_anything_and_is_its_own(text):
    assert set(slug(text)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
    assert text == "" or slug(text) != slug(text + "!")
