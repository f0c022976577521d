"""What people say on the page: beside each row that was voted on, without a voter's name."""

import json

import pytest

from evals.reporting import write_report
from evals.reporting.people import notes, people_lines
from evals.run import Run
from evals.voting.people import rate_people
from evals.voting.votes import write_votes
from tests.synthetic_run import BANANA, FLUX, write_synthetic_run
from tests.voting_run import votes_for

from .conftest import Page

VOTERS = ("Elster", "Amsel", "Zaunkönig")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_synthetic_run(tmp_path_factory.mktemp("voted") / "run", prompts=8)
    votes = votes_for(folder, FLUX, BANANA, "precise", "precise", VOTERS)
    write_votes(folder, [*votes, *votes_for(folder, FLUX, BANANA, "gone", "scenes", VOTERS[:1])])
    return Run(folder)


def test_the_page_says_beside_a_row_what_people_say_and_names_no_voter(run, tmp_path):
    out = write_report(run, tmp_path / "page", prompts_per_suite=0).parent
    page, markdown = Page((out / "index.html").read_text()), (out / "report.md").read_text()
    said = "flux-2-pro 100% (68–100), gemini-3-pro-image 0%"
    assert page.words.count(f"People: {said}") == 1
    assert "32 votes of 3 voters" in page.words
    assert f"gone, people: {said}." in page.words  # a row without stars
    assert f"people: {said}" in markdown
    people = json.loads((out / "report.json").read_text())["people"]
    assert [(row["row"], row["n_votes"]) for row in people] == [("precise", 24), ("gone", 8)]
    written = "".join(path.read_text() for path in out.iterdir() if path.suffix not in (".png", ".jpg"))
    assert not [name for name in VOTERS if name in written]


def test_two_questions_about_a_row_stand_in_one_line_and_systems_that_are_left_out_are_not_told(run):
    people = rate_people(run)
    twice = people | {"rows": [people["rows"][0], people["rows"][0] | {"question": "Whose light?"}]}
    assert people_lines(twice, [FLUX], ["precise"]).by_row == {
        "precise": "flux-2-pro 100% (68–100); asked “Whose light?” flux-2-pro 100% (68–100)"
    }


def test_a_page_of_some_systems_tells_only_of_votes_between_these(run):
    assert rate_people(run, systems=[FLUX, BANANA]) == rate_people(run)
    nothing = rate_people(run, systems=[FLUX, "other@x"])
    assert (nothing["n_votes"], nothing["rows"], nothing["voters"]) == (0, [], [])
    assert people_lines(nothing, [FLUX, "other@x"], []).notes == ()
    assert people_lines(rate_people(run), ["other@x"], []).by_row == {}


def test_a_row_that_was_asked_two_questions_is_named_once_among_those_of_few_voters(run):
    people = rate_people(run)
    gone = people["rows"][1]
    *_, few = notes(people | {"rows": [gone, gone | {"question": "Whose light?"}]})
    assert few.endswith("of other people: gone.")


def test_a_run_without_votes_says_nothing_of_people(tmp_path):
    out = write_report(Run(write_synthetic_run(tmp_path / "run", prompts=8)), tmp_path / "page", prompts_per_suite=0)
    assert "People:" not in out.read_text()
    assert "people" not in json.loads((out.parent / "report.json").read_text())
