"""What people say of a run, in the terminal: a line a row that was voted on; with ``-v`` every metric against them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from evals.cli.tables import print_lines, print_table

if TYPE_CHECKING:
    from evals.voting.fitting import FittedWeights
    from evals.voting.metrics import MetricAgainstPeople
    from evals.voting.people import People, PeopleRow

_LEGEND = (
    "A voter: how often one vote is with the others; a metric that reaches it is worth one more voter. "
    "Metrics: how often those of the row prefer what people prefer; 50% is chance."
)


def print_people(people: People, systems: Sequence[str], verbose: bool = False) -> None:
    """Print a line a row with the shares of wins, how well voters agree, and how the row's metrics do against them."""
    from evals.reporting.people import LEGEND, notes
    from evals.reporting.system_labels import system_labels

    labels = system_labels(systems)
    headings = ["people say", *labels.values(), "a voter", "metrics"]
    names = _told_apart(people["rows"])
    people = {**people, "rows": [{**row, "row": name} for row, name in zip(people["rows"], names, strict=True)]}
    rows = [[row["row"], *_cells(row, labels)] for row in people["rows"]]
    print_lines([""])
    if rows:
        print_table("", headings, rows, right=headings[1:], box=None, padding=(0, 2, 0, 0), pad_edge=False)
    print_lines([*notes(people), *[f"{LEGEND} {_LEGEND}"] * bool(rows)])
    print_lines(map(_fitted, people["fitted"], _told_apart(people["fitted"])))
    if verbose and rows:
        _print_details(people)
    if verbose:
        _print_voters(people)


def _told_apart(rows: Sequence[PeopleRow | FittedWeights]) -> list[str]:
    """Return the names of rows, with the question in those that were asked about in several ways."""
    times = Counter(row["row"] for row in rows)
    return [f"{row['row']}: {row['question']}" if times[row["row"]] > 1 else row["row"] for row in rows]


def _cells(row: PeopleRow, labels: Mapping[str, str]) -> Iterator[str]:
    shares = {one["system"]: one["share"] for one in row["systems"]}
    for system in labels:
        share = shares.get(system)
        yield "–" if share is None else _percent(share["value"], *(share["low"], share["high"]) * (len(labels) == 2))
    yield _percent(row["one_voter"]["value"])
    yield " / ".join(_accuracy(one, False) for one in row["metrics"] if one["in_row"]) or "–"


def _accuracy(one: MetricAgainstPeople, with_interval: bool = True) -> str:
    return _percent(one["accuracy"], *(one["low"], one["high"]) * with_interval)


def _percent(*share: float | None) -> str:
    from evals.reporting.formatting import percent

    return percent(*share)


def _print_details(people: People) -> None:
    columns = ["row", "metric", "prefers what people prefer", "Kendall's tau", "pairs", "more votes"]
    rows = [
        [
            row["row"], one["metric"], _accuracy(one), _number(one["kendall"], one["kendall_low"], one["kendall_high"]),
            str(one["n_pairs"]), more_votes(one["more_prompts"], row),
        ]
        for row in people["rows"] for one in row["metrics"]
    ]  # fmt: skip
    print_table(
        "Metrics against people; more votes (on more prompts): about how many would tell it from chance",
        columns,
        rows,
        whole=["row", "metric"],
    )
    columns = ["row", "votes", "voters", "prompts", "Krippendorff's alpha", "more votes"]
    rows = [
        [
            row["row"], str(row["n_votes"]), str(row["n_voters"]), str(row["n_prompts"]),
            _number(row["alpha"]["value"], row["alpha"]["low"], row["alpha"]["high"]),
            more_votes(row["more_prompts"], row),
        ]
        for row in people["rows"]
    ]  # fmt: skip
    print_table("Votes; more votes (on more prompts): about how many would tell the best two apart", columns, rows)
    for row in people["rows"]:
        if row["strengths"] or row["note"]:
            strengths = "; ".join(
                f"{one['system']} {_number(one['log_strength'], one['low'], one['high'])}" for one in row["strengths"]
            )
            print_lines([f"{row['row']}, Bradley-Terry log-strengths: {strengths} {row['note'] or ''}".rstrip()])


def _print_voters(people: People) -> None:
    voters = (
        [one["voter"], str(one["n_votes"]), str(one["n_checks"]), str(one["n_failed"]), "left out" * one["left_out"]]
        for one in people["voters"]
    )
    print_table("Voters", ["voter", "votes", "checks", "failed", ""], voters)


def _fitted(fit: FittedWeights, name: str) -> str:
    if fit["reason"] is not None or fit["equal"] is None or fit["fitted"] is None or fit["gain"] is None:
        return f"weights of {name}: not fitted; {fit['reason']}"
    weights = ", ".join(f"{metric} {weight:.2f}" for metric, weight in fit["weights"].items())
    interval = ""
    if fit["low"] is not None and fit["high"] is not None:
        interval = f" ({100 * fit['low']:+.0f} to {100 * fit['high']:+.0f})"
    return (
        f"weights of {name}: {weights}, per standard deviation of a metric's lead; on prompts left out of the fit they "
        f"prefer what people prefer in {100 * fit['fitted']:.0f}%, equal weights in "
        f"{100 * fit['equal']:.0f}%: {100 * fit['gain']:+.0f} points"
        f"{interval}"
    )


def _number(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" + (f" ({low:.2f} to {high:.2f})" if low is not None and high is not None else "")


def more_votes(n_prompts: int | None, row: PeopleRow) -> str:
    """Return how many more votes are needed, as many for each prompt as there were, and on how many more prompts."""
    if not n_prompts:
        return "no saying" if n_prompts is None else "none"
    n_votes, n_prompts = (int(float(f"{n:.2g}")) for n in (n_prompts * row["n_votes"] / row["n_prompts"], n_prompts))
    return f"about {n_votes:,} ({n_prompts:,})"
