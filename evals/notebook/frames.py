"""What a run says as tidy pandas tables: stars, verdicts, means, differences, controls, advice, operations, money.

Whole numbers are ``Int64``, texts ``string``; what is not known is missing, never 0. An interval is of 95 %.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from evals.files.yaml_files import suggestion
from evals.imageset.visible import visible
from evals.rating.operations import SystemOperations
from evals.rating.stage import RunRatings
from evals.rating.stars.document import Stars
from evals.rating.stars.table import TableRow
from evals.rating.stars.totals import TotalDifference
from evals.reporting.operations import FIGURES
from evals.reporting.people import notes
from evals.reporting.star_scales import one_star_at
from evals.voting.people import People
from metrics.catalogue import METRICS

TOTAL = "total"
"""What stands in the column ``row`` for all rows together."""

_DTYPES = {"f": "float64", "i": "Int64", "s": "string", "b": "boolean"}

_STARS = (
    "row:s title:s kind:s suite:s system:s stars:f low:f high:f n_prompts:i n_scored:i n_failed:i n_left_out:i value:f "
    "unit:s weight:f reason:s"
)
_VERDICTS = (
    "row:s title:s system_a:s system_b:s n_prompts:i stars:f low:f high:f p_value:f p_holm:f better_system:s verdict:s"
)
_MEANS = (
    "metric:s title:s suite:s system:s mean:f low:f high:f n_prompts:i n_scored:i n_unscored:i unit:s better:s "
    "encoder:s reasons:s"
)
_DIFFERENCES = "metric:s suite:s system_a:s system_b:s n_prompts:i mean:f low:f high:f"
_CONTROLS = "metric:s suite:s control:s statistic:s system:s n:i value:f low:f high:f"
_SCALES = "row:s metric:s weight:f one_star_at:f one_star_source:s five_stars_at:f five_stars_source:s problem:s"
_ADVICE = (
    "use_case:s title:s system:s verdict:s rated:f n_prompts:i p_holm:f would_change:s requirements:s article:s "
    "article_verdict:s"
)
_PEOPLE = (
    "row:s title:s question:s n_votes:i n_voters:i n_prompts:i alpha:f one_voter:f metric:s in_row:b n_pairs:i "
    "accuracy:f low:f high:f kendall:f kendall_low:f kendall_high:f more_prompts:i"
)
_SHARES = "row:s title:s question:s system:s share:f low:f high:f n_prompts:i"
_ARTICLE = "row:s title:s name:s stars:f verdict:s why:s"
_OPERATIONS = "system:s size:s figure:s title:s value:f low:f high:f n:i unit:s at_least:b reason:s"
_COSTS = (
    "system:s size:s n_images:i basis:s usd:f low:f high:f usd_batch:f claim:s claim_low:f claim_high:f reason:s "
    "sources:s"
)


_WHOLE, _ENDS = 200, 20
"""Rows up to which a table is shown whole, and how many are shown of a longer one."""

_STYLE = "<style>.twinlens :is(th, td) {text-align: left !important; vertical-align: top}</style>"


class Table(pd.DataFrame):
    """A table that says below itself what holds of all of it, and so does every part of it.

    ``attrs["notes"]`` are the sentences, ``attrs["family"]`` is how many comparisons were corrected together, 0 where
    none was.
    """

    @property
    def _constructor(self) -> type[Table]:
        return Table

    def __repr__(self) -> str:
        """Return the table with its notes."""
        return visible("\n".join([super().__repr__(), *self.attrs.get("notes", ())]))

    def _repr_html_(self) -> str:
        is_long = len(self) > _WHOLE
        with pd.option_context("display.max_colwidth", 160):
            table = self.to_html(
                max_rows=_ENDS if is_long else None,
                show_dimensions=is_long,
                na_rep="",
                float_format="{:.3g}".format,
                border=0,
            )
        table = table.replace("<td>&lt;NA&gt;</td>", "<td></td>")
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.attrs.get("notes", ()))
        return visible(f'<div class="twinlens">{_STYLE}{table}{notes}</div>')


def known_metric(metric: str) -> str:
    """Return the id of a metric of the catalogue; refuse any other with the nearest one."""
    known = [spec.id for spec in METRICS]
    if metric not in known:
        raise ValueError(f"there is no metric {metric!r}; {suggestion(metric, known)}")
    return metric


def _table(columns: str, rows: Iterable[Mapping[str, Any]], family: int = 0, notes: Sequence[str] = ()) -> Table:
    """Return rows as a table of columns that are given as ``name:type``, with what holds of all of it."""
    dtypes = {name: _DTYPES[kind] for name, kind in (column.split(":") for column in columns.split())}
    records = [[row.get(name) for name in dtypes] for row in rows]
    table = Table(pd.DataFrame(records, columns=list(dtypes), dtype=object).astype(dtypes))
    table.attrs |= {"family": family, "notes": list(notes)}
    return table


def people_table(people: People | None) -> Table:
    """Return every metric of every row that was voted on, against people."""
    lines: list[dict[str, Any]] = []
    for row in people["rows"] if people else []:
        of_row = {**row, "alpha": row["alpha"]["value"], "one_voter": row["one_voter"]["value"]}
        lines += [{**of_row, **metric} for metric in row["metrics"]] or [{**of_row, "more_prompts": None}]
    return _table(_PEOPLE, lines, notes=_votes_note(people))


def share_table(people: People | None) -> Table:
    """Return people's shares of wins by row and system."""
    lines = [
        {**row, "system": one["system"], **one["share"], "share": one["share"]["value"]}
        for row in (people["rows"] if people else [])
        for one in row["systems"]
    ]
    return _table(_SHARES, lines, notes=_votes_note(people))


def _votes_note(people: People | None) -> list[str]:
    return ["Nobody has voted on this run."] if people is None else notes(people)


def star_table(stars: Stars, notes: Sequence[str]) -> Table:
    """Return stars by row and system, and those of all rows together."""
    totals = stars["totals"]
    cells = [
        {**_of_row(row), "reason": row["problem"], **cell, "weight": totals["weights"].get(row["id"])}
        for row in stars["rows"]
        for cell in (*row["cells"], *row["declared_cells"], *_absent(row, stars["systems"]))
    ]
    together = [{**_of_total(stars), **total, "reason": totals["problem"]} for total in totals["systems"]]
    return _table(_STARS, [*cells, *together], stars["n_compared"], notes)


def _absent(row: TableRow, systems: Sequence[str]) -> list[dict[str, Any]]:
    """Return a cell for every system where a row has none, as one with a problem has not."""
    has_cells = row["cells"] or row["declared_cells"]
    return [] if has_cells else [{"system": system, "reason": row["problem"]} for system in systems]


def _of_row(row: TableRow) -> dict[str, Any]:
    return {"row": row["id"], **{name: row[name] for name in ("title", "kind", "suite", "unit")}}


def _of_total(stars: Stars) -> dict[str, Any]:
    weight = 1.0 if stars["totals"]["weights"] else None
    return {"row": TOTAL, "title": "All rows together", "kind": TOTAL, "weight": weight}


def verdict_table(stars: Stars, notes: Sequence[str]) -> Table:
    """Return every comparison that may name a better system: by row and pair of systems, then all rows together."""
    rows = [{**_of_row(row), **pair} for row in stars["rows"] for pair in row["differences"]]
    totals = [{**_of_total(stars), **pair, "verdict": _of_totals(pair)} for pair in stars["totals"]["differences"]]
    return _table(_VERDICTS, [*rows, *totals], stars["n_compared"], notes)


def _of_totals(pair: TotalDifference) -> str:
    if pair["better_system"] is None:
        return f"nobody is named: {pair['problem']}" if pair["problem"] else "not separable"
    move = pair["weight_to_move"]
    turn = "no weights would turn it" if move is None else f"it would draw if {move:.0%} of the weight moved"
    return f"{pair['better_system']} is ahead by {abs(pair['stars']):.1f} stars; {turn}"


def _of_metric(ratings: RunRatings, name: Literal["rows", "differences", "controls"], metric: str | None) -> list[Any]:
    only = None if metric is None else known_metric(metric)
    return [row for row in ratings[name] if only in (None, row["metric"])]


def mean_table(ratings: RunRatings, metric: str | None) -> Table:
    """Return the mean of every metric by suite and system."""
    rows = [{**row, "reasons": _counts(row["reasons"])} for row in _of_metric(ratings, "rows", metric)]
    return _table(_MEANS, rows, notes=ratings["scope"])


def difference_table(ratings: RunRatings, metric: str | None) -> Table:
    """Return the paired difference of every two systems in every metric by suite."""
    note = "Each is looked at alone, and no system is better by it: verdicts() corrects for how many there are."
    return _table(_DIFFERENCES, _of_metric(ratings, "differences", metric), notes=[*ratings["scope"], note])


def control_table(ratings: RunRatings, metric: str | None) -> Table:
    """Return how well every metric tells its own values from those of its controls."""
    return _table(_CONTROLS, _of_metric(ratings, "controls", metric), notes=ratings["scope"])


def scale_table(stars: Stars, notes: Sequence[str]) -> Table:
    """Return where one star and five lie in the unit of each metric, and what sets them there."""
    rows = [
        {
            "row": row["id"],
            "metric": part["metric"],
            "weight": part["weight"],
            "one_star_at": one_star_at(part["scale"]),
            "one_star_source": "; ".join(filter(None, (part["scale"]["floor_source"], part["scale"]["chance_source"]))),
            "five_stars_at": part["scale"]["ceiling"],
            "five_stars_source": part["scale"]["ceiling_source"],
            "problem": part["scale"]["problem"],
        }
        for row in stars["rows"]
        for part in row["components"]
    ]
    return _table(_SCALES, rows, notes=notes)


def advice_table(stars: Stars, notes: Sequence[str]) -> Table:
    """Return the better system for every use case, how sure that is, and what would change it."""
    rows = [
        {
            **case,
            "use_case": case["id"],
            "requirements": "; ".join(f"{need['system']}: {need['says']}" for need in case["requirements"]),
        }
        for case in stars["recommendations"]
    ]
    return _table(_ADVICE, rows, stars["n_compared"], notes)


def article_table(stars: Stars) -> Table:
    """Return an article's stars by row and name, and whether ours bear them out."""
    rows = [
        {**_of_row(row), **article, "name": name, "stars": value}
        for row in stars["rows"]
        if (article := stars["article_stars"].get(row["id"])) is not None
        for name, value in article["stars"].items()
    ]
    return _table(_ARTICLE, rows, notes=[] if rows else ["The eval names no article, or none of these rows is in it."])


def operations_table(rows: Sequence[SystemOperations], notes: Sequence[str]) -> Table:
    """Return every figure of the requests by system and size."""
    figures = [
        {**figure, "system": row["system"], "size": row["size"], "figure": name,
         "title": FIGURES[name].title, "unit": FIGURES[name].unit}
        for row in rows
        for name, figure in row["figures"].items()
    ]  # fmt: skip
    return _table(_OPERATIONS, figures, notes=notes)


def cost_table(stars: Stars) -> Table:
    """Return what so many pictures a month cost by system."""
    rows = []
    for cost in stars["costs"]:
        usd, batch, claim = cost["usd"], cost["usd_batch"], cost["claimed_discount"]
        of_claim = {"claim": claim["claim"], "claim_low": claim["low"], "claim_high": claim["high"]} if claim else {}
        of_month = {"usd": usd["middle"], "low": usd["low"], "high": usd["high"]} if usd else {"usd": None}
        sources = {"usd_batch": batch and batch["middle"], "sources": "; ".join(cost["sources"])}
        rows.append({**cost, **of_month, **of_claim, **sources})
    return _table(_COSTS, rows, notes=list(dict.fromkeys(note for cost in stars["costs"] for note in cost["notes"])))


def _counts(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in reasons.items())
