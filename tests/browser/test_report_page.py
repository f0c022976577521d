"""The page of a report, as a reader's browser shows it: the answer on the first screen, and never more than is read."""

import re
from pathlib import Path

import pytest

from evals.definition import read_definition
from evals.reporting import write_report
from evals.run import Run
from tests.browser.conftest import both_views
from tests.synthetic_run import write_synthetic_run

pytestmark = pytest.mark.browser

WORDS = """() => {
  const body = document.body.cloneNode(true);
  body.querySelectorAll("script, style").forEach((element) => element.remove());
  return body.textContent.split(/\\s+/).filter(Boolean).length;
}"""
ROWS_ON_SCREEN = """() => [...document.querySelectorAll("#stars tr[id]")]
  .filter((row) => row.getBoundingClientRect().bottom <= innerHeight).length"""
TALLEST_CELL = "() => Math.max(...[...document.querySelectorAll('td, th')].map((one) => one.offsetHeight))"


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory) -> Path:
    """The page of a rehearsal of the main eval, four systems."""
    folder = tmp_path_factory.mktemp("rehearsal")
    systems = read_definition("flux2-vs-nano-banana").systems
    return write_report(Run(write_synthetic_run(folder / "run", 8, systems=systems, simulated=True)), folder / "out")


@both_views
def test_the_page_opens_without_errors_requests_cuts_or_barriers(opened, demo_run, window, dark):
    shown = opened(demo_run / "report/index.html", window, dark)
    assert (shown.outside, shown.errors, shown.violations()) == ([], [], [])
    assert shown.cut() <= 0


def test_the_first_screen_holds_the_answer_and_five_rows(opened, demo_run):
    page = opened(demo_run / "report/index.html").page
    assert re.fullmatch(r"\S+ leads in \d+ rows?, \S+ in \S+, \d+ cannot be told apart", page.inner_text("h1"))
    assert page.title().startswith(page.inner_text("h1"))
    assert page.evaluate(ROWS_ON_SCREEN) >= 5


def test_the_page_is_no_longer_than_is_read(opened, demo_run):
    path = demo_run / "report/index.html"
    shown = opened(path)
    assert shown.height() <= 12_000
    assert shown.page.evaluate(WORDS) <= 4_000
    assert path.stat().st_size <= 4_000_000
    assert len(re.findall(rb"/Type\s*/Page\b", shown.page.pdf())) <= 10
    assert (path.parent / "report.md").read_text().count("\n") <= 120


def test_a_rehearsal_of_four_systems_shows_groups_facts_and_prices_and_that_nothing_was_measured(opened, rehearsal):
    shown = opened(rehearsal)
    assert (shown.cut() <= 0, shown.errors, shown.violations()) == (True, [], [])
    assert shown.height() <= 16_000
    assert shown.page.evaluate(TALLEST_CELL) <= 120
    assert "Nothing was measured of the real systems" in shown.page.inner_text(".rehearsal")
    assert "best: flux-2-" in shown.page.inner_text("#row-precise")
    assert shown.page.locator("#row-deployment .one").count() == 4
    assert "$3,000" in shown.page.inner_text("#costs")
    assert "Latency" in shown.page.inner_text(".not-rated")


def test_hundreds_of_prompts_make_the_page_no_longer(opened, tmp_path):
    page = write_report(Run(write_synthetic_run(tmp_path / "run", 500)), tmp_path / "out")
    assert opened(page).height() <= 12_000
    assert page.stat().st_size <= 6_000_000
