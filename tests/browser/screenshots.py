"""Makes the pictures of the README: the first screen of the published demo, on a desktop and a phone.

Run as ``python -m tests.browser.screenshots`` (``make screenshots``); needs Chromium.
"""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import CHROMIUM, DESKTOP, PHONE

REPORTS = Path(__file__).parents[2] / "reports"


def main() -> None:
    """Write ``demo-desktop.png`` and ``demo-phone.png`` into ``reports/``."""
    page_of = (REPORTS / "demo" / "index.html").as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name, window in (("desktop", DESKTOP), ("phone", PHONE)):
            page = browser.new_page(viewport=window, color_scheme="light")
            page.goto(page_of)
            page.screenshot(path=REPORTS / f"demo-{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
