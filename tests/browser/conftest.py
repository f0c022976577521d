"""Opens pages in the Chromium of this machine, notes what they ask for and complain about; axe-core checks them."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}

both_views = pytest.mark.parametrize(
    ("window", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop-light", "phone-dark"]
)
"""Layout depends on the window alone and colours on the theme alone, so two views show all of both."""


@dataclass
class Opened:
    """A page that was opened, with every address it asked for and every error it told."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        """The requests that left the files of this machine."""
        return [address for address in self.requests if not address.startswith(("file:", "data:", "blob:"))]

    def height(self) -> int:
        """Return the height of the whole page in CSS pixels."""
        return int(self.page.evaluate("document.documentElement.scrollHeight"))

    def cut(self) -> int:
        """Return by how many CSS pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def violations(self) -> list[str]:
        """Return what axe-core finds, each as its rule with the first element."""
        found = Axe().run(self.page).response["violations"]
        return [f"{rule['id']}: {rule['nodes'][0]['html'][:200]}" for rule in found]


@pytest.fixture(scope="module")
def chromium():
    # No longer than a module: playwright holds an event loop of its own, beside which no test could run another.
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        # Without its sandbox: it refuses one to root, who runs tests in most containers.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Browser):
    """Return a function that opens a file in a window: ``opened(path, DESKTOP, dark=True)``."""
    contexts = []

    def open_page(path: Path, window: dict[str, int] = DESKTOP, dark: bool = False, fragment: str = "") -> Opened:
        context = chromium.new_context(viewport=window, color_scheme="dark" if dark else "light")
        contexts.append(context)
        shown = Opened(context.new_page())
        shown.page.on("request", lambda request: shown.requests.append(request.url))
        shown.page.on("console", lambda message: shown.errors.append(message.text) if message.type == "error" else None)
        shown.page.on("pageerror", lambda error: shown.errors.append(str(error)))
        shown.page.goto(Path(path).resolve().as_uri() + fragment)
        return shown

    yield open_page
    for context in contexts:
        context.close()
