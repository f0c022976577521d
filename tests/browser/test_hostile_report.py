"""A run that was named by an attacker: on no page runs a script of theirs, and nothing is asked for."""

import pytest

from evals.reporting import write_report
from evals.run import Run
from tests.browser.conftest import DESKTOP
from tests.evals.reporting.conftest import write_fake_run

pytestmark = pytest.mark.browser

PAYLOADS = (
    "<script>window.__pwned=1</script>",
    "</script><script>window.__pwned=2</script><!--",
    "<img src=x onerror=window.__pwned=3>",
    '"><svg onload=window.__pwned=4>',
    "' onfocus='window.__pwned=5' autofocus='",
    "javascript:window.__pwned=6",
    "<iframe srcdoc='<script>parent.__pwned=7</script>'></iframe>",
    "<style>@import url(https://evil.example/a.css)</style><link rel=stylesheet href=https://evil.example/b.css>",
    "background:url(https://evil.example/c.png)",
    "{{ 7*7 }}{% include 'base.html.jinja' %}${alert(1)}",
    "\u202egnp.exe\u2066\x1b[2J\x00\u2028\u2029]]>",
    "<base href=https://evil.example/><meta http-equiv=refresh content='0;url=https://evil.example/'>",
    "<dialog open id=viewer></dialog><form id=filters action=https://evil.example/><input name=suite></form>",
    "constructor", "__proto__", "toString", "document",
)  # fmt: skip
"""Names of the last line would be found on any object, or in a page by its id."""


def hostile(row):
    """The row with payloads in every text of it that others may choose."""
    place = sum(map(ord, row["suite"] + row["prompt_id"])) % len(PAYLOADS)
    changed = {
        "suite": row["suite"] + PAYLOADS[place],
        "prompt_id": row["prompt_id"] + PAYLOADS[(place + 1) % len(PAYLOADS)],
    }
    if "prompt" in row:
        changed["file_name"] = f'"><img src=x onerror=window.__pwned=10>{row["file_name"][-30:].replace("/", "")}'
        changed["prompt"] = row["prompt"] + "\n" + "\n".join(PAYLOADS)
    if row.get("sequence_id"):
        changed["sequence_id"] = "__proto__"
    if row.get("reason"):
        changed["reason"] = PAYLOADS[0]
    if row.get("details"):
        changed["details"] = row["details"] | {"read": list(PAYLOADS), "unexpected": list(PAYLOADS)}
    return row | changed


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    names = ("<img src=x onerror=window.__pwned=8>@h", "constructor", "'</script><script>window.__pwned=9</script>")
    facts = {"name": PAYLOADS[1], "warnings": list(PAYLOADS), "skipped": [{"row": 1, "reason": PAYLOADS[2]}]}
    refused = [
        {"sample_id": f"r{n}", "system": names[0], "suite": payload, "prompt_id": payload, "prompt": payload,
         "size": "1K", "outcome": "refused", "reason": payload}
        for n, payload in enumerate(PAYLOADS)
    ]  # fmt: skip
    run = write_fake_run(folder / "run", names, hostile, image_set=facts, requests=refused)
    return write_report(Run(run.path), folder / "report").parent


@pytest.mark.parametrize("name", ["index.html", "gallery.html", "tables.html"])
def test_no_script_of_theirs_runs_and_nothing_is_asked_for(opened, out, name):
    shown = opened(out / name, DESKTOP)
    page, dialogs = shown.page, []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.evaluate("for (const fold of document.querySelectorAll('details')) fold.open = true")
    if name == "gallery.html":
        for field in ("suite", "row", "higher"):
            control = page.locator(f"[name={field}]")
            for value in control.evaluate("control => [...control.options].map(option => option.value)"):
                control.select_option(value)
            control.select_option("")
        page.evaluate("document.getElementById('more').click()")
        page.keyboard.press("j")
    for link in page.locator("a.open-picture").all()[:6]:
        link.evaluate("link => link.click()")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
    assert page.evaluate("window.__pwned") is None
    assert dialogs == []
    assert shown.outside == []
    assert shown.errors == []
    assert page.url.startswith("file:")
    steering = (
        "[...document.body.innerText].filter(letter => /[\\u202a-\\u202e\\u2066-\\u2069\\u001b]/.test(letter)).length"
    )
    assert page.evaluate(steering) == 0
    assert page.locator("iframe, object, embed, base, link[rel=stylesheet]").count() == 0


def test_the_gallery_shows_their_text_as_text(opened, out):
    page = opened(out / "gallery.html").page
    words = page.locator("#prompts").inner_text()
    for payload in PAYLOADS[:4]:
        assert payload in words
    assert page.locator("#prompts .exhibit").count() > len(PAYLOADS) / 2


def test_a_script_that_got_into_a_page_would_be_stopped_by_its_policy(opened, out, tmp_path):
    for name in ("index.html", "gallery.html", "tables.html"):
        page = (out / name).read_text().replace("<main>", "<main><script>window.__pwned=1</script><b onclick=1>", 1)
        (out / f"changed-{name}").write_text(page)
        shown = opened(out / f"changed-{name}")
        assert shown.page.evaluate("window.__pwned") is None
        assert any("Content Security Policy" in error for error in shown.errors)
