import re
from typing import Any
from xml.etree import ElementTree

import pytest

from evals.reporting.figures import COLOURS, MARKERS, inline_svg
from evals.reporting.metric_figures import interval_figure

from .conftest import rating


def drawn(rows: list[dict[str, Any]], systems: list[str], name: str = "x") -> str:
    return inline_svg(interval_figure(rows, systems), name, "means by system")


def test_text_stays_text_with_title_unit_and_direction() -> None:
    rows = [rating("text.cer", "signs", system, 0.2, 0.1) for system in ("alpha", "b")]
    svg = drawn(rows, ["alpha", "b"])
    assert svg == drawn(rows, ["alpha", "b"])
    texts = [element.text for element in ElementTree.fromstring(svg).iter("text")]
    assert {"Character error rate", "errors per expected character, lower is better ←", "alpha"} <= set(texts)


def test_shares_are_drawn_as_percentages() -> None:
    axes = interval_figure([rating("text.exact_lines", "signs", "a", 0.5, 0.1)], ["a"]).axes[0]
    whisker, dot = axes.get_lines()
    assert list(whisker.get_xdata()) == pytest.approx([40, 60])
    assert list(dot.get_xdata()) == pytest.approx([50])


def test_a_mean_without_interval_is_a_hollow_mark_and_a_system_keeps_its_colour_where_another_is_missing() -> None:
    (dot,) = interval_figure([rating("text.cer", "signs", "b", 0.5, None)], ["a", "b"]).axes[0].get_lines()
    assert (dot.get_markerfacecolor(), dot.get_color(), dot.get_marker()) == ("none", COLOURS[1], MARKERS[1])


def test_rows_without_a_mean_are_left_out_and_nothing_scored_is_an_empty_figure() -> None:
    rows = [rating("text.cer", "signs", "a", None, None), rating("text.cer", "signs", "b", 0.5, 0.1)]
    assert len(interval_figure(rows, ["a", "b"]).axes[0].get_lines()) == 2
    assert drawn([], ["a"]).startswith("<svg")


def test_names_are_shown_as_they_are() -> None:
    for name in ("$x_1$ & <b>", "中文系统", "$unbalanced"):
        svg = drawn([rating("text.cer", name, system, 0.2, 0.1) for system in ("a", "b")], ["a", "b"])
        ElementTree.fromstring(svg)
        two = [rating("text.cer", suite, "a", 0.2, 0.1) for suite in (name, "other")]
        assert name in [element.text for element in ElementTree.fromstring(drawn(two, ["a"])).iter("text")]


def test_the_page_decides_the_colours() -> None:
    svg = drawn([rating("text.cer", "signs", system, 0.2, 0.1) for system in ("a", "b")], ["a", "b"])
    assert not re.search(r"#[0-9a-f]{6}", svg)
    assert {"--system-0", "--system-1", "--ink", "--line"} <= set(re.findall(r"var\((--[\w-]+)\)", svg))


def test_figures_of_one_page_share_no_id() -> None:
    rows = [rating("text.cer", "signs", "a", 0.2, 0.1)]
    ids = [set(re.findall(r'\bid="([^"]+)"', drawn(rows, ["a"], name))) for name in ("one", "two")]
    assert ids[0]
    assert not ids[0] & ids[1]
