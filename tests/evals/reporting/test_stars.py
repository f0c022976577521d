"""The star section: what it draws, what it says where there is nothing to draw, and that nothing is lost on the way."""

from dataclasses import replace

from evals.cli.details import print_stars
from evals.rating.monthly_cost import monthly_costs
from evals.rating.stars.recommendations import ENOUGH
from evals.reporting.metric_figures import star_figure
from evals.reporting.stars import glyphs, section


def test_stars_are_drawn_in_halves():
    assert [glyphs(value) for value in (1.0, 2.5, 5.0)] == ["★☆☆☆☆", "★★½☆☆", "★★★★★"]


def test_every_row_is_shown_with_stars_scale_and_the_articles_or_with_the_reason_for_none(stars):
    lines = {line.id: line for line in section(stars).lines}
    text, lora = lines["text"], lines["lora"]
    left, right = text.cells
    assert (left.glyphs, right.glyphs) == ("★★★★½", "★★★½☆") or left.number > right.number
    assert "12 prompts" in left.notes[1]
    assert text.verdicts[0].startswith("left@x is ahead by 1.2 stars")
    assert text.scale == (
        "text.cer: floor at 1 (declared, version 2), five stars at 0 (measured: rendered text, 12 prompts), "
        "one star at the floor",
    )
    assert "no measurement on suite nowhere" in lines["scenes"].problem
    assert "requests" in lines["cost"].problem
    assert all("the facts do not know" in cell.absent for cell in lora.cells)
    assert (lora.article, lora.article_verdict) == ("2 : 5", "not comparable")


def test_totals_and_advice_say_what_would_turn_them(stars):
    shown = section(stars)
    assert shown.weights == "text 100%"
    assert "no weights would turn it" in shown.total_verdicts[0]
    assert {"scenes", "lora", "cost"} == {text.split(":")[0] for text in shown.not_in_total}
    assert all(not case.is_rated for case in shown.advice if float(case.rated.rstrip("%")) / 100 < ENOUGH)


def test_the_figure_has_a_mark_for_each_system_of_each_row_with_stars(stars):
    axes = star_figure(section(stars)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Text accuracy"]
    marks = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    assert len(marks) == 2


def test_the_report_links_a_row_to_its_pictures(report):
    for link in ('href="#why-scenes-reproducibility-', 'href="gallery.html#row=scenes%3Areproducibility"'):
        assert link in report.files["index.html"]


def test_the_terminal_shows_the_table_and_says_for_whom_nothing_can_be_said(stars, capsys):
    print_stars(section(stars))
    printed = capsys.readouterr().out
    for text in ("Text accuracy", "all rows together: left@x", "too little was rated to recommend for"):
        assert text in printed


def test_a_month_is_shown_with_its_prices_and_discounts_that_are_only_claimed_are_named_as_such(stars):
    systems = ["gemini-3-pro-image@google", "flux-2-pro@bfl"]
    costs = monthly_costs(systems, "1K")
    shown = section({**stars, "systems": systems, "costs": costs})
    assert shown.volumes == ("10,000", "50,000", "100,000", "500,000")
    assert dict(zip(shown.volumes, shown.costs[1][1], strict=True))["100,000"] == "$3,000"
    assert "gemini-3-pro-image@google, 100,000 pictures that may wait (batch): $6,720" in shown.cost_notes
    (claimed,) = (note for note in shown.cost_notes if "if it were true" in note)
    assert claimed.startswith("flux-2-pro@bfl, 500,000 pictures")


def test_without_any_price_the_reason_is_said_once_in_place_of_an_empty_table(stars, capsys):
    print_stars(section({**stars, "costs": monthly_costs(["left@x", "right@x"], "1K")}))
    printed = capsys.readouterr().out
    assert printed.count("no price: the facts do not know this system, and no run tells its cost") == 1
    assert "US dollars" not in printed


def test_the_sentences_of_every_two_of_many_systems_are_lines_and_no_column(stars, capsys):
    shown = section(stars)
    many = replace(shown, systems=(*shown.systems, "third@x"))
    print_stars(many)
    printed = capsys.readouterr().out
    assert "Verdict" not in printed
    for line in shown.lines:
        for verdict in line.verdicts:
            assert f"{line.title}: {line.problem or verdict}" in " ".join(printed.split())
