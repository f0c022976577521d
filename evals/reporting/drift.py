"""What changed between two runs, in one sentence and as a small page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

from evals.rating.drift.changes import Drift, MetricDrift
from evals.rating.stars.thresholds import ThresholdCheck
from evals.reporting import formatting
from evals.reporting.pages import rendered

ARROWS = {"higher": " \u2191", "lower": " \u2193", "neither": ""}
"""Which way a metric is better, behind its name."""


def sentence(drift: Drift) -> str:
    """Return what changed as one sentence."""
    rows = drift["rows"]
    if not rows:
        return "Nothing can be compared."
    n_rows = formatting.pluralize(len(rows), "row")
    changed = [row for row in rows if row["changed"]]
    if not changed:
        return f"Nothing has changed in {n_rows}, as far as their prompts can show."
    counts = Counter(map(direction, changed))
    listed = ", ".join(f"{counts[word]} {word}" for word in ("worse", "better", "different") if counts[word])
    return f"{len(changed)} of {n_rows} changed: {listed}."


def name_of(row: MetricDrift) -> str:
    """Return what a row is of: metric, suite and system."""
    return f"{row['metric']} of {row['system_b']}{' on ' + row['suite'] if row['suite'] else ''}"


def direction(row: MetricDrift) -> str:
    """Return how a row changed, in a word."""
    return {"other": "different", None: "as it was"}.get(row["direction"], str(row["direction"]))


def numbers(row: MetricDrift) -> tuple[str, ...]:
    """Return a row's prompts, mean in both runs, difference with its interval, and corrected p-value as texts."""
    return (
        str(row["n_prompts"]),
        f"{row['mean_a']:.3g}",
        f"{row['mean_b']:.3g}",
        f"{row['difference']:+.3g}",
        f"[{row['low']:+.2g}, {row['high']:+.2g}]" if row["low"] is not None else "",
        "<0.001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}",
    )


def threshold_line(check: ThresholdCheck) -> str:
    """Return whether a system has the stars that are asked for, as one line."""
    word = "holds" if check["holds"] else "FAILS"
    interval = f" ({check['low']:.1f} to {check['high']:.1f})" if check["low"] is not None else ""
    if check["stars"] is None:
        stars = check["reason"]
    else:  # the check holds the stars before rounding
        digits = next((n for n in (1, 2, 3) if check["holds"] or round(check["stars"], n) < check["at_least"]), 4)
        stars = f"{check['stars']:.{digits}f} stars{interval}"
    return f"{word}: {check['system']} at least {check['at_least']:g} in {check['row']}: {stars}"


def drift_page(
    drift: Drift, runs: tuple[str, str], checks: Sequence[ThresholdCheck] = (), failures: Sequence[str] = ()
) -> str:
    """Return the page: one HTML file without scripts that needs nothing else.

    ``runs`` are the names of the two, ``failures`` what was asked not to happen and did.
    """
    return rendered(
        "drift.html.jinja",
        {
            "title": sentence(drift),
            "provenance": {"twinlens": version("twinlens")},
            "runs": runs,
            "drift": drift,
            "rows": sorted(drift["rows"], key=lambda row: ("worse", "other", "better", None).index(row["direction"])),
            "numbers": numbers,
            "direction": direction,
            "arrows": ARROWS,
            "checks": [threshold_line(check) for check in checks],
            "failures": failures,
        },
    )
