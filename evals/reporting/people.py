"""What people say beside the rows of the star table, as small as the rest: their votes name no winner."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evals.reporting.formatting import percent, pluralize
from evals.reporting.system_labels import system_labels
from evals.voting.clusters import MIN_VOTERS
from evals.voting.judgements import MIN_CHECKS
from evals.voting.people import People, PeopleRow

LEGEND = (
    "People: share of wins in blind votes, no preference counting half, with 95% interval over prompts and voters; "
    "votes name no winner."
)


@dataclass(frozen=True, slots=True)
class PeopleLines:
    """What people say by the id of a row, and what must be known of it; nothing where nobody has voted."""

    by_row: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def people_lines(people: People | None, systems: Sequence[str], rated: Collection[str]) -> PeopleLines:
    """Return what people say of some systems; of rows that are not among the rated ones it stands in the notes."""
    if people is None or not (people["rows"] or people["n_elsewhere"]):
        return PeopleLines()
    by_row: dict[str, str] = {}
    for row in people["rows"]:
        if not (said := _shares(row, systems)):
            continue
        if row["row"] in by_row:
            said = f"{by_row[row['row']]}; asked “{row['question']}” {said}"
        by_row[row["row"]] = said
    titles = {row["row"]: row["title"] for row in people["rows"]}
    others = [f"{titles[row_id]}, people: {said}." for row_id, said in by_row.items() if row_id not in rated]
    return PeopleLines(by_row, (LEGEND, *notes(people, "title"), *others))


def notes(people: People, name: Literal["row", "title"] = "row") -> list[str]:
    """Return what must be known before the figures are: how many votes count, which do not, and what few voters say.

    Rows are named by their id, or by their ``title``.
    """
    counted = [voter for voter in people["voters"] if not voter["left_out"]]
    n_left_out = len(people["voters"]) - len(counted)
    n_unchecked = sum(voter["n_checks"] < MIN_CHECKS for voter in counted)
    said = [f"{pluralize(people['n_votes'], 'vote')} of {pluralize(len(counted), 'voter')}"]
    said += [f"{n_left_out} left out, who failed the checks"] * bool(n_left_out)
    said += [f"{n_unchecked} with fewer than {MIN_CHECKS} checks, too few to be judged by"] * bool(n_unchecked)
    said += [f"{people['n_elsewhere']} more are on pictures that this run does not have"] * bool(people["n_elsewhere"])
    few = dict.fromkeys(row[name] for row in people["rows"] if row["n_voters"] < MIN_VOTERS)
    return [
        "; ".join(said) + ".",
        *[f"Fewer than {MIN_VOTERS} voters, so intervals say nothing of other people: {', '.join(few)}."] * bool(few),
    ]


def _shares(row: PeopleRow, systems: Sequence[str]) -> str:
    labels = system_labels(systems)
    shares = [(labels[one["system"]], one["share"]) for one in row["systems"] if one["system"] in labels]
    texts = [f"{label} {percent(share['value'], share['low'], share['high'])}" for label, share in shares]
    if len(row["systems"]) == len(shares) == 2:  # the interval of one says that of the other
        texts[1] = f"{shares[1][0]} {percent(shares[1][1]['value'])}"
    return ", ".join(texts)
