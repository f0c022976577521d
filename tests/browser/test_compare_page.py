"""The page of a comparison of two runs, as a browser shows it."""

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from tests.browser.conftest import both_views
from tests.synthetic_run import write_synthetic_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare")
    run, path = write_synthetic_run(folder / "run", prompts=6), folder / "page.html"
    assert CliRunner().invoke(main, ["compare", str(run), str(run), "--page", str(path)]).exit_code == 0
    return path


@both_views
def test_it_is_read_without_barriers_cuts_and_requests(opened, page, window, dark):
    shown = opened(page, window, dark)
    assert (shown.violations(), shown.outside, shown.errors) == ([], [], [])
    assert shown.cut() <= 0
