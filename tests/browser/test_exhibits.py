"""Pictures open and close by keyboard, the gallery says in its address what is chosen, and nothing is a barrier."""

from urllib.parse import quote

import pytest

from evals.reporting import write_report
from evals.run import Run
from tests.browser.conftest import both_views
from tests.synthetic_run import BANANA, write_synthetic_run

pytestmark = pytest.mark.browser

PROMPTS = "JSON.parse(document.getElementById('document').textContent).prompts"
PAGES = ("index.html", "gallery.html", "tables.html")


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The report of a run whose winners are known, with refusals."""
    folder = tmp_path_factory.mktemp("synthetic")
    return write_report(Run(write_synthetic_run(folder / "run", prompts=8)), folder / "report").parent


@both_views
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_errors_requests_cut_or_barriers(opened, out, name, window, dark):
    shown = opened(out / name, window, dark)
    assert (shown.outside, shown.errors) == ([], [])
    assert shown.cut() <= 0
    assert shown.violations() == []


def focused(page):
    return page.evaluate("document.activeElement.closest('.exhibit')?.id || document.activeElement.tagName")


def test_a_picture_opens_with_enter_and_closes_with_escape_and_the_focus_returns(opened, out):
    shown = opened(out / "index.html")
    link = shown.page.locator("#why a.open-picture").first
    link.focus()
    before = focused(shown.page)
    shown.page.keyboard.press("Enter")
    dialog = shown.page.locator("#viewer")
    assert dialog.is_visible()
    assert dialog.locator(".count").inner_text().startswith("1 of ")
    assert shown.violations() == []
    first = dialog.locator("h2").inner_text()
    shown.page.keyboard.press("ArrowRight")
    assert dialog.locator(".count").inner_text().startswith("2 of ")
    shown.page.keyboard.press("ArrowLeft")
    assert dialog.locator("h2").inner_text() == first
    shown.page.wait_for_function("document.querySelector('#viewer img').src.includes('/pictures/')")
    shown.page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert focused(shown.page) == before
    assert (shown.outside, shown.errors) == ([], [])


def test_a_page_that_travels_alone_keeps_its_pictures(opened, out, tmp_path):
    (tmp_path / "index.html").write_bytes((out / "index.html").read_bytes())
    shown = opened(tmp_path / "index.html")
    shown.page.locator("#why a.open-picture").first.click()
    picture = shown.page.locator("#viewer img")
    assert picture.get_attribute("src").startswith("data:image/webp")
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
    assert shown.outside == []


def test_a_row_leads_to_its_exhibits_and_the_address_of_a_folded_one_unfolds_it(opened, out):
    shown = opened(out / "index.html")
    shown.page.locator("#row-text a").first.click()
    assert shown.page.evaluate("location.hash") == "#why-text"
    folded = shown.page.locator("#why details.more .exhibit").first
    assert not folded.is_visible()
    anchor = folded.get_attribute("id")
    assert opened(out / "index.html", fragment=f"#{anchor}").page.locator(f"#{anchor}").is_visible()


def cards(page):
    return page.locator("#prompts > .exhibit")


def count(page):
    return int(page.locator("#count").inner_text().split()[0])


@pytest.mark.parametrize(
    ("field", "value", "holds"),
    [
        ("suite", "typography", "prompt => prompt.suite === 'typography'"),
        ("row", "text", "prompt => 'text' in prompt.rows"),
        ("higher", "1", "prompt => Object.values(prompt.higher).includes(1)"),
        ("came", "refused", "prompt => prompt.columns.some(made => made.withheld)"),
        ("came", "unscored", "prompt => prompt.columns.some(made => made.unscored)"),
        ("came", "scored", "prompt => prompt.columns.every(made => made.pictures && !made.unscored && !made.outcomes)"),
        ("words", "poster", "prompt => [prompt.id, ...prompt.texts].join(' ').toLowerCase().includes('poster')"),
    ],
)
def test_a_filter_shows_what_it_says_and_stands_in_the_address(opened, out, field, value, holds):
    page = opened(out / "gallery.html").page
    every = count(page)
    control = page.locator(f"[name={field}]")
    control.fill(value) if field == "words" else control.select_option(value)
    prompts = f"{PROMPTS}.map(prompt => ({{ rows: {{}}, higher: {{}}, ...prompt }}))"
    expected = page.evaluate(f"{prompts}.filter({holds}).length")
    assert 0 < count(page) == expected < every
    assert f"{field}={value}" in page.evaluate("location.hash")
    again = opened(out / "gallery.html", fragment=page.evaluate("location.hash")).page
    assert (count(again), again.locator(f"[name={field}]").input_value()) == (expected, value)


def test_keys_go_through_the_prompts_open_a_picture_and_search(opened, out):
    page = opened(out / "gallery.html", fragment="#row=text&order=apart").page

    def at():
        return page.evaluate("document.activeElement.prompt?.id")

    names = [page.evaluate(f"document.querySelectorAll('#prompts > .exhibit')[{n}].prompt.id") for n in range(2)]
    for key, expected in (
        ("j", names[0]),
        ("j", names[1]),
        ("ArrowUp", names[0]),
        ("ArrowDown", names[1]),
        ("k", names[0]),
    ):
        page.keyboard.press(key)
        assert at() == expected
    assert f"at={quote('typography/' + names[0], safe='')}" in page.evaluate("location.hash")
    page.keyboard.press("Enter")
    assert page.locator("#viewer").is_visible()
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    assert not page.locator("#viewer").is_visible()
    page.keyboard.press("?")
    assert page.locator("#help[open]").count() == 1
    page.keyboard.press("/")
    page.keyboard.type("j")
    assert page.locator("[name=words]").input_value() == "j"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.tagName") == "BODY"


def test_an_address_leads_to_a_prompt_far_down(opened, out):
    page = opened(out / "gallery.html").page
    last = page.evaluate(f"{PROMPTS}.at(-1)")
    there = opened(out / "gallery.html", fragment=f"#at={quote(last['suite'] + '/' + last['id'], safe='')}").page
    assert there.evaluate("document.activeElement.prompt.id") == last["id"]
    assert there.evaluate("document.activeElement.getBoundingClientRect().top < innerHeight")
    assert cards(there).count() < 10
    there.keyboard.press("k")
    assert there.evaluate("document.activeElement.prompt.id") == page.evaluate(f"{PROMPTS}.at(-2)").get("id")
    there.locator("#before").click()
    assert cards(there).count() > 20


def test_a_refusal_is_shown_in_the_place_of_the_picture(opened, out):
    page = opened(out / "gallery.html", fragment="#came=refused").page
    words = cards(page).all_inner_texts()
    assert words
    assert all("refused: safety" in text or "filtered: image safety" in text for text in words)
    assert all(BANANA in text for text in words)
