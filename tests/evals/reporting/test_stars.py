"""The star section: what it draws, what it says where there is nothing to draw, and that nothing is lost on the way."""

import re
from typing import Any

import pytest

from evals.cli.rate import print_stars
from evals.definition import StarRow
from evals.rating.comparison import with_prompts
from evals.rating.controls import control_statistics
from evals.rating.monthly_cost import monthly_costs
from evals.rating.stars.document import award_stars
from evals.rating.stars.recommendations import ENOUGH
from evals.reporting import write_report
from evals.reporting.star_figure import star_figure
from evals.reporting.stars import glyphs, section

SYSTEMS = ("left@x", "right@x")


@pytest.fixture
def document(score_table) -> dict[str, Any]:
    """Stars of two systems: one is a third better on twelve prompts, and refused once."""
    rows = [
        {"prompt_id": f"p{n}", "system": system, "suite": "signs", "metric": "text.cer", "value": value + n / 100}
        for n in range(12)
        for system, value in zip(SYSTEMS, (0.1, 0.4), strict=True)
    ]
    rows += [{**row, "value": 0.0, "control": "rendered_text"} for row in rows]
    table = score_table(rows)
    controls = control_statistics(with_prompts(table), seed=0)
    definition = _definition(
        StarRow(id="text", title="Text accuracy", suite="signs", metrics={"text.cer": 1.0}),
        StarRow(id="scenes", title="Scenes", suite="nowhere", metrics={"structure.all": 1.0}),
        StarRow(id="lora", title="Fine-tuning", declared="lora"),
        StarRow(id="cost", title="Cost", computed="cost_per_image"),
    )
    return dict(award_stars(table, None, controls, [], definition))


def _definition(*rows: StarRow):
    from evals.definition import EvalDefinition

    return EvalDefinition.model_construct(
        name="own",
        systems=SYSTEMS,
        suites=("signs",),
        repeats=1,
        seed=1,
        size="1K",
        encoders={},
        rows=rows,
        published="article-2026-07",
    )


def test_stars_are_drawn_in_halves():
    assert [glyphs(value) for value in (1.0, 2.5, 5.0)] == ["★☆☆☆☆", "★★½☆☆", "★★★★★"]


def test_every_row_is_shown_with_stars_or_with_the_reason_for_none(document):
    shown = section(document)
    assert shown is not None
    by_id = {line.id: line for line in shown.lines}
    left, right = by_id["text"].cells
    assert (left.glyphs, right.glyphs) == ("★★★★½", "★★★½☆") or left.number > right.number
    assert "12 prompts" in left.notes[1]
    assert by_id["text"].verdicts[0].startswith("left@x is ahead by 1.2 stars")
    assert "no measurement on suite nowhere" in by_id["scenes"].problem
    assert "requests" in by_id["cost"].problem
    assert all("no model on no host" in cell.absent for cell in by_id["lora"].cells)


def test_the_scale_names_its_ends_and_where_they_come_from(document):
    (scale,) = section(document).lines[0].scale
    assert scale == ("text.cer: one star at 1 (declared, version 1), five at 0 (measured: rendered text, 12 prompts)")


def test_the_articles_stars_stand_beside_ours_without_a_verdict_on_invented_systems(document):
    lora = next(line for line in section(document).lines if line.id == "lora")
    assert (lora.article, lora.article_verdict) == ("2 : 5", "not comparable")


def test_totals_and_advice_say_what_would_turn_them(document):
    shown = section(document)
    assert shown.weights == "text 100%"
    assert "no weights would turn it" in shown.total_verdicts[0]
    assert {"scenes", "lora", "cost"} == {text.split(":")[0] for text in shown.not_in_total}
    assert all(not case.is_rated for case in shown.advice if float(case.rated.rstrip("%")) / 100 < ENOUGH)


def test_ratings_without_stars_have_no_section():
    assert section(None) is None
    assert section({"rows": []}) is None


def test_the_figure_has_a_mark_for_each_system_of_each_row_with_stars(document):
    axes = star_figure(document["rows"], list(SYSTEMS)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Text accuracy"]
    marks = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    assert len(marks) == len(SYSTEMS)


def test_the_report_links_a_row_to_its_pictures_and_prints_the_same_in_markdown(run, document, tmp_path):
    run.rated = {**run.rated, "stars": document}
    page = write_report(run, tmp_path / "report")
    html, markdown = page.read_text(), (page.parent / "report.md").read_text()
    assert '<section id="stars"' in html
    assert 'href="#pictures-signs"' in html
    assert 'id="pictures-signs"' in html
    assert re.search(r"\| Text accuracy \| measured \| ★★★★½ \d\.\d \(\d\.\d to \d\.\d\) \|", markdown)


def test_the_terminal_shows_the_table_and_says_for_whom_nothing_can_be_said(document, capsys):
    print_stars(document)
    printed = capsys.readouterr().out
    assert "Text accuracy" in printed
    assert "all rows together: left@x" in printed
    assert "too little was rated to recommend for" in printed


def test_a_report_can_leave_all_pictures_out(run, document, tmp_path):
    run.rated = {**run.rated, "stars": document}
    html = write_report(run, tmp_path / "report", prompts_per_suite=0).read_text()
    assert "data:image" not in html
    assert "#pictures" not in html
    assert 'id="pictures' not in html


def test_a_month_is_shown_with_documented_discounts_and_claimed_ones_named_as_such(document):
    systems = ["gemini-3-pro-image@google", "flux-2-pro@bfl"]
    costs = monthly_costs(systems, "1K")
    shown = section({**document, "systems": systems, "costs": costs})
    assert shown.volumes == ("10,000", "50,000", "100,000", "500,000")
    assert dict(zip(shown.volumes, shown.costs[1][1], strict=True))["100,000"] == "$3,000"
    assert "gemini-3-pro-image@google, 100,000 pictures that may wait (batch): $6,720" in shown.cost_notes
    (claimed,) = (note for note in shown.cost_notes if "if it were true" in note)
    assert claimed.startswith("flux-2-pro@bfl, 500,000 pictures")
