"""Own values against a control: both as shares, in one suite, between the ends of the scale."""

from typing import Any

import pandas as pd
import pytest

from evals.reporting.metric_figures import distribution_figure, shot_figure
from metrics.catalogue import metric

SYSTEMS = ["a", "b"]
SCALE = {"metric": "identity.self", "suite": "people", "floor": 0.1, "ceiling": 0.75, "chance": 0.0}


def table(*rows: tuple[str, str | None, float | None], suite: str = "people") -> pd.DataFrame:
    columns = ["system", "control", "value"]
    return pd.DataFrame(rows, columns=columns).assign(metric="identity.self", suite=suite)


def heights(axes: Any) -> list[float]:
    """The sum of each heap that was drawn."""
    return [sum(bar.get_height() for bar in heap) for heap in axes.containers]


OWN = [(system, None, 0.6 + n / 100) for n in range(8) for system in SYSTEMS]
IMPOSTORS = [(system, "impostor", n / 100) for n in range(20) for system in SYSTEMS]


def drawn(scores: pd.DataFrame, scale: Any = None) -> Any:
    return distribution_figure(scores, metric("identity.self"), "impostor", SYSTEMS, scale)


def test_every_system_has_own_values_and_control_each_as_a_share_of_its_own():
    figure = drawn(table(*OWN, *IMPOSTORS, ("a", "shuffled_prompt", 0.3), ("a", None, None)))
    assert [heights(axes) for axes in figure.axes] == [pytest.approx([100, 100])] * 2
    assert figure.axes[0].get_title(loc="left") == "a: 8 own values (filled), 20 of impostor (hatched)"
    assert "face similarity, higher is better" in figure.axes[-1].get_xlabel()


def test_the_ends_of_the_scale_are_lines_and_only_its_suite_is_drawn(tmp_path):
    figure = drawn(pd.concat([table(*OWN, *IMPOSTORS), table(*OWN, suite="elsewhere")]), SCALE)
    for axes in figure.axes:
        assert [line.get_xdata()[0] for line in axes.lines] == [0.1, 0.75]
    assert "8 own values" in figure.axes[0].get_title(loc="left")
    nothing = drawn(table())
    assert all(heights(axes) == [] for axes in nothing.axes)
    nothing.savefig(tmp_path / "drawn.png")


def test_a_shot_has_a_whisker_where_it_has_an_interval():
    shots = [
        {"system": "a", "shot": 2, "n_sequences": 6, "mean": 0.7, "low": 0.6, "high": 0.8},
        {"system": "a", "shot": 3, "n_sequences": 3, "mean": 0.5, "low": None, "high": None},
    ]
    axes = shot_figure(shots, SYSTEMS, floor=0.1).axes[0]
    marks = [line for line in axes.lines if line.get_marker() not in ("None", None, "")]
    assert [mark.get_markerfacecolor() == "none" for mark in marks] == [False, True]
    assert [text.get_text() for text in axes.texts] == [" impostors"]
