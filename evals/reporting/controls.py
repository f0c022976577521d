"""What the controls of a run say, as a report prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.rating.controls import ControlStatistic
from evals.rating.ratings import Ratings
from evals.reporting import formatting
from evals.reporting.comparison import dimension_of
from evals.reporting.tables import Table
from metrics.catalogue import METRICS
from metrics.controls import CONTROLS, Control, Statistic


@dataclass(frozen=True, slots=True)
class ControlLine:
    """The value of one control for one metric, and the suites that share it."""

    title: str
    unit: str
    system: str
    suites: tuple[str, ...]
    n: str
    value: str
    interval: str


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """One kind of control with what its statistic means, and its values."""

    control: str
    statistic: str
    meaning: str
    in_summary: bool
    lines: tuple[ControlLine, ...]


def control_groups(ratings: Ratings, measured_only: bool = False) -> list[ControlGroup]:
    """Return the controls by kind, all or those with a value; suites with the same values share a line."""
    groups: dict[tuple[Control, Statistic], dict[tuple[str, ...], list[ControlStatistic]]] = {}
    titles = {row.id: (row.title, row.unit) for row in METRICS}
    titles |= {row["metric"]: (row["title"], row["unit"]) for row in ratings["rows"]}
    for row in ratings["controls"]:
        if measured_only and row["value"] is None:
            continue
        title, unit = titles.get(row["metric"], (row["metric"], ""))
        unit = unit if row["statistic"] == "mean" else ""
        value, interval = formatting.estimate(row["value"], row["low"], row["high"], unit)
        group = groups.setdefault((row["control"], row["statistic"]), {})
        group.setdefault((title, unit, row["system"] or "all systems", value or "not measured", interval), []).append(
            row
        )
    return [
        ControlGroup(
            CONTROLS[control].title,
            formatting.STATISTICS.get(statistic, statistic),
            CONTROLS[control].statistics.get(statistic, ""),
            CONTROLS[control].summary == statistic,
            tuple(
                ControlLine(
                    title,
                    "" if formatting.is_share(unit) else unit,
                    system,
                    tuple(dict.fromkeys(formatting.suite_name(row["suite"]) for row in rows)),
                    " to ".join(f"{n:,}" for n in sorted({min(counts), max(counts)})),
                    value,
                    interval,
                )
                for (title, unit, system, value, interval), rows in group.items()
                for counts in [[row["n"] for row in rows]]
            ),
        )
        for (control, statistic), group in groups.items()
    ]


def control_summary(ratings: Ratings) -> tuple[str, ...]:
    """Return a sentence for each kind of control: what its statistic means, and its span over suites and systems."""
    titles = {row.id: row.title for row in METRICS}
    values: dict[tuple[Control, Statistic], dict[str, list[float]]] = {}
    for row in ratings["controls"]:
        if row["value"] is not None and CONTROLS[row["control"]].summary == row["statistic"]:
            of_metric = values.setdefault((row["control"], row["statistic"]), {})
            of_metric.setdefault(titles.get(row["metric"], row["metric"]), []).append(row["value"])
    sentences = []
    for (control, statistic), by_metric in values.items():
        spans = []
        for title, found in by_metric.items():
            ends = dict.fromkeys(formatting.numbers([min(found), max(found)]))
            spans.append(f"{title} {' to '.join(ends)}")
        kind = CONTROLS[control]
        meaning = kind.statistics.get(statistic) or formatting.STATISTICS.get(statistic, statistic)
        sentences.append(f"{kind.title.capitalize()} ({meaning}): {'; '.join(spans)}")
    return tuple(sentences)


def control_table(groups: Sequence[ControlGroup]) -> Table:
    """Return the values of controls as a table."""
    headings = ("Control", "Statistic", "Metric", "System", "Suites", "Value", "95% interval", "Prompts")
    rows = tuple(
        (
            group.control,
            group.statistic,
            line.title,
            line.system,
            ", ".join(line.suites),
            f"{line.value} {line.unit}".rstrip(),
            line.interval,
            line.n,
        )
        for group in groups
        for line in group.lines
    )
    return Table("Controls, measured in the same run", headings, rows)


def seed_ratios(name: str, ratings: Ratings) -> tuple[str, ...]:
    """Return the seed ratio of each system and suite in a sentence, for the dimension that it belongs to."""
    return tuple(
        f"Seed ratio of {row['system'] or 'all systems'} on {formatting.suite_name(row['suite'])}: "
        + " ".join(filter(None, [value, f"({interval})" if interval else ""]))
        for row in ratings["controls"]
        if row["statistic"] == "seed_ratio" and row["value"] is not None and dimension_of(row["metric"]) == name
        for value, interval in [formatting.estimate(row["value"], row["low"], row["high"])]
    )
