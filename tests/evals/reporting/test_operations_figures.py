"""The figures of the requests: what is known is a mark, what is not says so, and what is bounded shows it."""

from typing import Any

import pandas as pd
import pytest

from evals.rating.operations import operations
from evals.reporting.figures import COLOURS, MARKERS
from evals.reporting.operations_figures import monthly_cost_figure, operations_figure

SYSTEMS = ["beryl@fake", "onyx@fake"]
P50, P95, REFUSED = "operations.latency_p50", "operations.latency_p95", "operations.refusal_rate"


def asked(system: str, n: int, size: str = "1K", outcome: str = "ok", **more: Any) -> list[dict[str, Any]]:
    row = {"system": system, "size": size, "outcome": outcome, **more}
    return [{**row, "prompt_id": f"{outcome}{i}", "latency_s": 2.0 + i if outcome == "ok" else None} for i in range(n)]


def marks(axes: Any) -> list[Any]:
    return [line for line in axes.lines if line.get_marker() not in ("None", None, "")]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_every_system_and_size_has_its_mark_in_every_panel():
    rows = operations(pd.DataFrame([*asked(SYSTEMS[0], 8), *asked(SYSTEMS[1], 8), *asked(SYSTEMS[1], 8, "4K")]))
    figure = operations_figure(rows, SYSTEMS, [P50, P95])
    left, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["size 1K", "size 4K"]
    assert [(mark.get_color(), mark.get_marker()) for mark in marks(left)] == [
        (COLOURS[0], MARKERS[0]), (COLOURS[1], MARKERS[1]), (COLOURS[1], MARKERS[1]),
    ]  # fmt: skip
    assert left.get_xlim() == right.get_xlim()
    assert left.get_title(loc="left") == "Latency, median"
    assert "s, lower is better" in left.get_xlabel()


@pytest.mark.parametrize("names", [[P50], [P50, P95, REFUSED]])
def test_the_legend_names_every_system_and_covers_nothing(names):
    figure = operations_figure(operations(pd.DataFrame(asked(SYSTEMS[0], 8))), SYSTEMS, names)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == SYSTEMS
    figure.draw_without_rendering()
    for axes in figure.axes:
        assert not legend.get_window_extent().overlaps(axes.get_tightbbox())


def test_a_lower_bound_is_hollow_and_what_is_not_known_says_so_instead_of_standing_at_zero():
    rows = operations(pd.DataFrame([*asked(SYSTEMS[0], 8), *asked(SYSTEMS[1], 3, outcome="refused")]))
    p95, p50 = operations_figure(rows, SYSTEMS, [P95, P50]).axes
    (bound,), (known,) = marks(p95), marks(p50)
    assert (bound.get_markerfacecolor(), known.get_markerfacecolor()) == ("none", COLOURS[0])
    assert (texts(p95), texts(p50)) == (["≥", "not known"], ["not known"])


def test_rates_are_percentages_with_their_interval():
    rows = operations(pd.DataFrame([*asked(SYSTEMS[0], 8), *asked(SYSTEMS[0], 2, outcome="refused")]))
    (axes,) = operations_figure(rows, SYSTEMS[:1], [REFUSED]).axes
    whisker, mark = axes.lines
    assert mark.get_xdata() == pytest.approx(20)
    assert list(whisker.get_xdata()) == pytest.approx([5.67, 50.98], abs=0.01)
    assert "% of requests" in axes.get_xlabel()


def month(system: str, n_images: int, usd: float | None, batch: float | None = None) -> dict[str, Any]:
    band = usd and {"low": 0.9 * usd, "middle": usd, "high": 1.1 * usd}
    waiting = batch and {"low": batch, "middle": batch, "high": batch}
    return {"system": system, "n_images": n_images, "usd": band, "usd_batch": waiting}


def test_a_month_is_a_line_a_system_with_the_batch_price_dashed_below():
    costs = [month(SYSTEMS[0], n, 0.03 * n) for n in (1000, 5000)]
    costs += [month(SYSTEMS[1], n, 0.1 * n, 0.05 * n) for n in (1000, 5000)]
    (axes,) = monthly_cost_figure(costs, SYSTEMS).axes
    beryl, onyx, waiting = axes.lines
    assert list(beryl.get_ydata()) == [30, 150]
    assert (waiting.get_linestyle(), list(waiting.get_ydata())) == ("--", [50, 250])
    assert onyx.get_color() == waiting.get_color()
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")


def test_nothing_known_is_told_or_an_empty_figure(tmp_path):
    assert not marks(operations_figure([], SYSTEMS, [P50, P95]).axes[0])
    figure = monthly_cost_figure([month(SYSTEMS[0], 1000, None)], SYSTEMS)
    assert texts(figure.axes[0]) == ["no system here has a known price"]
    figure.savefig(tmp_path / "drawn.png")
