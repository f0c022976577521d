"""The star table as pandas tables for a notebook: stars with intervals, outcomes behind them, scales, totals, money."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evals.reporting import formatting, star_scales
from evals.reporting.stars import Cell, section

if TYPE_CHECKING:
    import pandas as pd
    from pandas.io.formats.style import Styler

    from evals.rating.stars.document import Stars
    from evals.rating.stars.scales import FrozenScale


def readable(table: pd.DataFrame) -> Styler:
    """Return a table as a notebook shows it best: whole sentences, left-aligned, nothing where nothing is."""
    style = [{"selector": "th, td", "props": "text-align: left; vertical-align: top"}]
    return table.style.hide(axis="index").format(precision=2, na_rep="").set_table_styles(style)  # type: ignore[arg-type]


def star_frame(stars: Stars) -> pd.DataFrame:
    """Return the star table: for each row and system stars, interval, prompts and coverage, then who is ahead.

    Columns are of two levels: the row, each system, the comparison, the article. Coverage is the share of outcomes that
    were scored; what a system failed at counts as zero, what was left out is in none of its numbers.
    """
    import pandas as pd

    names = dict.fromkeys(name for article in stars["article_stars"].values() for name in article["stars"])
    columns = [("row", "title"), ("row", "kind")]
    columns += [(system, name) for system in stars["systems"] for name in ("stars", "95 %", "prompts", "coverage")]
    columns += [("comparison", "verdict"), *(("article", name) for name in (*names, "verdict"))]
    lines = []
    for line in section(stars).lines:
        cells = {cell.system: cell for cell in line.cells}
        shown = [line.title, line.kind]
        for cell in (cells.get(system, Cell(system)) for system in stars["systems"]):
            drawn = cell.absent or f"{cell.glyphs} {cell.number}".strip()
            shown += [drawn, cell.interval, cell.prompts, cell.coverage]
        shown.append(line.problem or "; ".join(line.verdicts) or "not compared")
        article = stars["article_stars"].get(line.id)
        shown += [f"{article['stars'][name]:g}" if article else "" for name in names]
        lines.append([*shown, line.article_verdict])
    return pd.DataFrame(lines, columns=pd.MultiIndex.from_tuples(columns, names=["", " "]))


def outcome_frame(stars: Stars) -> pd.DataFrame:
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


def scale_frame(stars: Stars) -> pd.DataFrame:
    """Return where one star and five stars lie in the units of each metric, and what sets these ends."""
    import pandas as pd

    return pd.DataFrame(
        {
            "row": row["title"],
            "metric": part["metric"],
            "weight": part["weight"],
            "one star at": star_scales.one_star_at(part["scale"]),
            "set by": "; ".join(filter(None, (part["scale"]["floor_source"], part["scale"]["chance_source"]))),
            "five stars at": part["scale"]["ceiling"],
            "set by ": part["scale"]["ceiling_source"],
            "problem": part["scale"]["problem"] or "",
        }
        for row in stars["rows"]
        for part in row["components"]
    )


def scale_of(stars: Stars, metric_id: str) -> FrozenScale | None:
    """Return the first scale of a metric in the star table, None where no row has it."""
    parts = (part for row in stars["rows"] for part in row["components"])
    return next((part["scale"] for part in parts if part["metric"] == metric_id), None)


def turning_frame(stars: Stars) -> pd.DataFrame:
    """Return the rows of the total with their weights, and how many times as much each alone must count for a draw."""
    import pandas as pd

    totals = stars["totals"]
    titles = {row["id"]: row["title"] for row in stars["rows"]}
    pairs = {f"{pair['system_a']} and {pair['system_b']} draw at": pair for pair in totals["differences"]}
    return pd.DataFrame(
        {"row": titles[row], "weight": f"{weight:.0%}"}
        | {
            name: f"{pair['decided_by'][row]:.2f} times" if row in pair["decided_by"] else "no factor"
            for name, pair in pairs.items()
        }
        for row, weight in totals["weights"].items()
    )


def advice_frame(stars: Stars) -> pd.DataFrame:
    """Return the recommendation for each use case, how sure it is, what would change it, and the article's."""
    import pandas as pd

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
        for advice in section(stars).advice
    )
