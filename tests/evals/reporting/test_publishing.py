"""What a published report has besides its numbers: a name, an introduction, a picture, and nothing private."""

import io

import PIL.Image
import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.reporting.publishing import rendered_intro

from .conftest import Page


@pytest.fixture
def published(whole_run, tmp_path):
    """The folder of a report with everything that a published one may have."""
    (tmp_path / "intro.md").write_text(
        "# Why\n\nRead *this*, not <b>that</b> [there](https://x.org) ![p](https://x.org/p.png)"
    )
    arguments = ["report", whole_run.path, "--out", tmp_path / "out", "--title", "Street <lamps>", "--public"]
    done = CliRunner().invoke(main, [*map(str, arguments), "--intro", str(tmp_path / "intro.md")])
    assert (done.exit_code, done.exception) == (0, None)
    return tmp_path / "out"


def test_a_published_report_has_its_name_introduction_description_and_picture(published):
    page = Page((published / "index.html").read_text())
    assert ("meta", "content", "card.png") in page.attributes
    assert any(value.startswith("Use beryl for") or ". Use beryl" in value for _, name, value in page.attributes)
    assert "Street <lamps>: beryl leads" in page.words
    assert "Read this, not <b>that</b> there" in page.words
    card = PIL.Image.open(io.BytesIO((published / "card.png").read_bytes()))
    assert (card.size, len(card.getcolors(1_000_000) or []) > 10) == ((1200, 630), True)


def test_a_public_report_says_nothing_of_the_machine(published, report):
    assert "<dt>cores" in report.files["index.html"]
    for name in ("index.html", "tables.html", "report.json", "report.md"):
        text = (published / name).read_text()
        assert "<dt>cores" not in text, name
        assert '"cores"' not in text, name


@pytest.mark.parametrize(
    ("text", "never"),
    [("<script>x</script>", "<script"), ("[a](javascript:x)", "href"), ("![p](https://x.org/p.png)", "<img")],
)
def test_an_introduction_runs_and_loads_nothing(text, never):
    assert never not in rendered_intro(text)
