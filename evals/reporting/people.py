"""What people say beside the rows of the star table, as small as the rest: their votes name no winner."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from evals.reporting.formatting import percent
from evals.reporting.system_labels import system_labels
from evals.voting.people import People, PeopleRow, notes

_LEGEND = (
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
    if people is None:
        return PeopleLines()
    by_row: dict[str, str] = {}
    for row in people["rows"]:
        said = _shares(row, systems)
        if row["row"] in by_row:
            said = f"{by_row[row['row']]}; asked “{row['question']}” {said}"
        by_row[row["row"]] = said
    titles = {row["row"]: row["title"] for row in people["rows"]}
    others = [f"{titles[row_id]}, people: {said}." for row_id, said in by_row.items() if row_id not in rated]
    return PeopleLines(by_row, (_LEGEND, *notes(people, "title"), *others))


def _shares(row: PeopleRow, systems: Sequence[str]) -> str:
    labels = system_labels(systems)
    shares = [(labels[one["system"]], one["share"]) for one in row["systems"] if one["system"] in labels]
    texts = [f"{label} {percent(share['value'], share['low'], share['high'])}" for label, share in shares]
    if len(row["systems"]) == len(shares) == 2:  # the interval of one says that of the other
        texts[1] = f"{shares[1][0]} {percent(shares[1][1]['value'])}"
    return ", ".join(texts)
