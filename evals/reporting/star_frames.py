"""The star table as pandas tables for a notebook: stars with intervals, outcomes behind them, scales, totals, money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from evals.reporting import formatting
from evals.reporting.stars import section

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler

Document = Mapping[str, Any]


def readable(table: pd.DataFrame) -> Styler:
    """Return a table as a notebook shows it best: whole sentences, left-aligned, nothing where nothing is."""
    style = [{"selector": "th, td", "props": "text-align: left; vertical-align: top"}]
    return table.style.hide(axis="index").format(precision=2, na_rep="").set_table_styles(style)  # type: ignore[arg-type]


def star_frame(stars: Document) -> pd.DataFrame:
    """Return the star table: for each row and system stars, interval, prompts and coverage, then who is ahead.

    Parameters
    ----------
    stars
        As `evals.rating.stars.document.award_stars` returns them.

    Returns
    -------
    DataFrame
        Columns of two levels: the row, each system, the comparison, the article. Coverage is the share of outcomes that
        were scored; what a system failed at counts as zero, what was left out is in none of its numbers.
    """
    import pandas as pd

    shown = section(stars)
    names = dict.fromkeys(name for article in stars["article_stars"].values() for name in article["stars"])
    lines: list[dict[tuple[str, str], Any]] = []
    for row, line in zip(stars["rows"], shown.lines if shown else (), strict=True):
        told = {("row", "title"): row["title"], ("row", "kind"): row["kind"]}
        for place, cell in enumerate(line.cells):
            told[cell.system, "stars"] = f"{cell.glyphs} {cell.number}" if cell.glyphs else cell.absent
            told[cell.system, "95 %"] = cell.interval
            counted = row["cells"][place] if row["cells"] else None
            told[cell.system, "prompts"] = str(counted["n_prompts"]) if counted else ""
            told[cell.system, "coverage"] = _coverage(counted) if counted else ""
        told["comparison", "verdict"] = line.problem or "; ".join(line.verdicts) or "not compared"
        article = stars["article_stars"].get(row["id"])
        for name in names:
            told["article", name] = f"{article['stars'][name]:g}" if article else ""
        told["article", "verdict"] = line.article_verdict
        lines.append(told)
    order = ["row", *stars["systems"], "comparison", "article"]
    columns = sorted(dict.fromkeys(key for told in lines for key in told), key=lambda key: order.index(key[0]))
    return pd.DataFrame([[told.get(key, "") for key in columns] for told in lines], columns=_two_levels(columns))


def _two_levels(columns: list[tuple[str, str]]) -> pd.MultiIndex:
    import pandas as pd

    return pd.MultiIndex.from_tuples(columns, names=["", " "]) if columns else pd.MultiIndex.from_arrays([[], []])


def _coverage(cell: Document) -> str:
    asked = cell["n_scored"] + cell["n_failed"] + cell["n_left_out"]
    return f"{cell['n_scored'] / asked:.0%}" if asked else ""


def outcome_frame(stars: Document) -> pd.DataFrame:
    """Return what is behind each star: the plain value, the outcomes with their reasons, and what other rules give.

    ``whatever was left out`` holds the stars if all of that had been worst and if it had been best, ``without
    failures`` those if the system's own failures were left out as well.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            "row": row["title"],
            "system": cell["system"],
            "value": None if cell["value"] is None else formatting.quantity(cell["value"], row["unit"]),
            "unit": row["unit"],
            "scored": cell["n_scored"],
            "counted as zero": cell["n_failed"],
            "left out": cell["n_left_out"],
            "why": ", ".join(f"{reason.replace('_', ' ')} ×{n}" for reason, n in cell["reasons"].items()),
            "stars": cell["stars"],
            "whatever was left out": f"{cell['lowest']:.2f} to {cell['highest']:.2f}" if cell["n_left_out"] else "",
            "without failures": cell["without_failures"],
        }
        for row in stars["rows"]
        for cell in row["cells"]
    )


def scale_frame(stars: Document) -> pd.DataFrame:
    """Return where one star and five stars lie in the units of each metric, and what sets these ends."""
    import pandas as pd

    return pd.DataFrame(
        {
            "row": row["title"],
            "metric": part["metric"],
            "weight": part["weight"],
            "one star at": part["scale"]["floor"],
            "set by": part["scale"]["floor_source"],
            "five stars at": part["scale"]["ceiling"],
            "set by ": part["scale"]["ceiling_source"],
            "problem": part["scale"]["problem"] or "",
        }
        for row in stars["rows"]
        for part in row["components"]
    )


def scale_of(stars: Document, metric_id: str) -> Document | None:
    """Return the first scale of a metric in the star table, None where no row has it."""
    parts = (part for row in stars["rows"] for part in row["components"])
    return next((part["scale"] for part in parts if part["metric"] == metric_id), None)


def turning_frame(stars: Document) -> pd.DataFrame:
    """Return the rows of the total with their weights, and how many times as much each alone must count for a draw."""
    import pandas as pd

    totals = stars["totals"]
    titles = {row["id"]: row["title"] for row in stars["rows"]}
    pairs = {f"{found['system_a']} and {found['system_b']} draw at": found for found in totals["differences"]}
    return pd.DataFrame(
        {"row": titles[row], "weight": f"{weight:.0%}"}
        | {
            name: f"{found['decided_by'][row]:.2f} times" if row in found["decided_by"] else "no factor"
            for name, found in pairs.items()
        }
        for row, weight in totals["weights"].items()
    )


def advice_frame(stars: Document) -> pd.DataFrame:
    """Return the recommendation for each use case, how sure it is, what would change it, and the article's."""
    import pandas as pd

    shown = section(stars)
    return pd.DataFrame(
        {
            "use case": advice.title,
            "why": advice.why,
            "recommendation": advice.verdict,
            "weight rated": advice.rated,
            "what would change it": advice.would_change,
            "what it needs": "; ".join(advice.requirements),
            "article": advice.article,
            "held against it": advice.article_verdict,
        }
        for advice in (shown.advice if shown else ())
    )
