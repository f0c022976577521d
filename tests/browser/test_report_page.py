"""The page of a report, as a reader's browser shows it."""

from pathlib import Path

import pytest

from tests.browser.conftest import DESKTOP

pytestmark = pytest.mark.browser

PUBLISHED = Path(__file__).parents[2] / "reports" / "demo" / "index.html"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("window", [DESKTOP], ids=["desktop"])
def test_the_published_demo_opens_without_errors_requests_or_barriers(opened, window, dark):
    shown = opened(PUBLISHED, window, dark)
    assert shown.outside == []
    assert shown.errors == []
    assert shown.cut() <= 0
    assert shown.violations() == []
