"""The groups of a row of the star table: systems that cannot be told apart share a letter, the best group first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import ascii_uppercase

from evals.rating.stars.cells import StarDifference
from evals.rating.stars.table import TableRow
from evals.rating.statistics.power import ALPHA


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What a row says of its systems, in one line.

    ``leader`` is the system that is ahead of all others, None where there is none, ``best`` are those that nobody is
    ahead of, empty where nobody is ahead of anybody. ``told`` is whether anybody is ahead
    of anybody, ``compared`` whether any two had enough prompts in common. ``letters`` are those of every system that
    has stars, the best first; it is empty where there is nothing to group: for two systems or fewer, and where nobody
    can be told from anybody.
    """

    says: str
    leader: str | None
    best: tuple[str, ...]
    told: bool
    compared: bool
    letters: dict[str, str]


def unbeaten(row: TableRow) -> list[str]:
    """Return the systems with stars in a row that no other is ahead of."""
    beaten = {_other(pair, pair["better_system"]) for pair in row["differences"] if pair["better_system"]}
    return [system for system in _best_first(row) if system not in beaten]


def group_letters(row: TableRow) -> dict[str, str]:
    """Return the letters of every system that has stars in a row, the best system first.

    Two systems share a letter unless one of them is ahead of the other (or they could not be compared): the compact
    letter display of Piepho. A system may have several letters, for being told apart is not transitive.

    References
    ----------
    Piepho 2004, An algorithm for a letter-based representation of all-pairwise comparisons, Journal of Computational
    and Graphical Statistics 13.
    """
    ranked = _best_first(row)
    groups = [frozenset(ranked)]
    for pair in row["differences"]:
        apart = frozenset((pair["system_a"], pair["system_b"]))
        if pair["better_system"] is not None:
            split = [group - {system} for group in groups if apart <= group for system in apart]
            groups = [group for group in groups if not apart <= group]
            groups += [new for new in dict.fromkeys(split) if not any(new <= group for group in groups)]
            groups = [group for group in groups if not any(group < other for other in groups)]
    groups.sort(key=lambda group: [ranked.index(system) for system in sorted(group, key=ranked.index)])
    return {
        system: "".join(letter for letter, group in zip(ascii_uppercase, groups, strict=False) if system in group)
        for system in ranked
    }


def row_verdict(row: TableRow, labels: Mapping[str, str], n_compared: int) -> RowVerdict:
    """Return the verdict of a row in one line, whatever the number of systems; the names are the ``labels``.

    Winners are the table's own: nothing is compared here. ``n_compared`` is how many comparisons were corrected
    together; it is the reason where a difference would have been told alone.
    """
    ranked, first, pairs = _best_first(row), unbeaten(row), row["differences"]
    compared = any(pair["p_holm"] is not None for pair in pairs)
    told = any(pair["better_system"] for pair in pairs)
    letters = group_letters(row) if told and len(ranked) > 2 else {}
    leader = first[0] if first and _is_ahead_of(first[0], ranked, row) else None
    if row["problem"]:
        says = row["problem"]
    elif row["kind"] == "declared":
        says = "a cited fact, not measured"
    elif len(ranked) < 2:
        says = f"only {labels[ranked[0]]} has stars" if ranked else "nobody has stars"
    elif not compared:
        says = "too few common prompts to compare"
    elif not told:
        alone = any(pair["p_value"] is not None and pair["p_value"] < ALPHA for pair in pairs)
        would = "it would be" if len(ranked) == 2 else "some would be"
        says = "cannot be told apart" + (f" (alone {would}; not among {n_compared:,} comparisons)" if alone else "")
    elif leader is not None:
        says = f"{labels[leader]} is ahead{_by(leader, row)}"
    else:
        says = f"best: {', '.join(labels[system] for system in first)}"
    return RowVerdict(says, leader, tuple(first) if told else (), told, compared, letters)


def lead(row: TableRow, leader: str) -> StarDifference:
    """Return the comparison of a row's leader with the one that comes nearest."""
    pairs = [pair for pair in row["differences"] if pair["better_system"] == leader]
    return min(pairs, key=lambda pair: abs(pair["stars"] or 0.0))


def _is_ahead_of(system: str, others: list[str], row: TableRow) -> bool:
    beaten = {_other(pair, system) for pair in row["differences"] if pair["better_system"] == system}
    return len(others) > 1 and beaten >= set(others) - {system}


def _by(leader: str, row: TableRow) -> str:
    nearest = lead(row, leader)
    if nearest["stars"] is None:
        return ""
    amount = f" by {abs(nearest['stars']):.1f}"
    if nearest["low"] is None or nearest["high"] is None:
        return amount
    low, high = sorted((abs(nearest["low"]), abs(nearest["high"])))
    return f"{amount} ({low:.1f} to {high:.1f})"


def _other(pair: StarDifference, system: str | None) -> str:
    return pair["system_b"] if system == pair["system_a"] else pair["system_a"]


def _best_first(row: TableRow) -> list[str]:
    stars = {cell["system"]: cell["stars"] for cell in row["cells"]}
    return sorted((name for name, value in stars.items() if value is not None), key=lambda name: -(stars[name] or 0.0))
