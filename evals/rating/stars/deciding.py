"""Which prompts to look at to see why a row of the star table says what it says, and which one speaks against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evals.rating.stars.table import Deciding, RatedRow, TableRow

DECIDING_PROMPTS = 3
"""How many prompts a row names as its evidence."""


def name_deciding_prompts(rated: Sequence[RatedRow]) -> None:
    """Write into settled rows, in place, which prompts decided them.

    Where a row names a winner these are the prompts with the largest margins in its favour, and after them the one with
    the largest margin against it, if there is one. Where it names nobody they are those on which the systems lie
    farthest apart. Of equal prompts the first by name.
    """
    for one in rated:
        one.row["deciding"] = [
            Deciding(
                prompt=prompt,
                shares=one.row["places"][prompt],
                samples={system: one.samples.get((prompt, system), []) for system in one.row["places"][prompt]},
                against=against,
            )
            for prompt, against in _chosen(one.row)
        ]


def margin(row: TableRow, prompt: str) -> float | None:
    """Return by how much a prompt speaks for the verdicts of a row, as a share of the scale; None if it says nothing.

    It is the mean, over every two systems of which the row says that one is better, of the better one's place minus the
    other's.

    Examples
    --------
    >>> pair = {"system_a": "a", "system_b": "b", "better_system": "b"}
    >>> row = {"differences": [pair], "places": {"cup": {"a": 0.25, "b": 0.75}, "bed": {"a": 0.5, "b": None}}}
    >>> margin(row, "cup"), margin(row, "bed")
    (0.5, None)
    """
    places, margins = row["places"][prompt], []
    for pair in row["differences"]:
        better = pair["better_system"]
        if better is not None:
            other = pair["system_b"] if better == pair["system_a"] else pair["system_a"]
            first, second = places[better], places[other]
            if first is not None and second is not None:
                margins.append(first - second)
    return sum(margins) / len(margins) if margins else None


def _chosen(row: TableRow) -> list[tuple[str, bool]]:
    if not any(pair["better_system"] for pair in row["differences"]):
        spreads = {prompt: _spread(places) for prompt, places in row["places"].items()}
        return [(prompt, False) for prompt in _largest(spreads, DECIDING_PROMPTS)]
    margins = {prompt: size for prompt in row["places"] if (size := margin(row, prompt)) is not None}
    against = {prompt: -size for prompt, size in margins.items()}
    chosen = [(prompt, False) for prompt in _largest(margins, DECIDING_PROMPTS)]
    return chosen + [(prompt, True) for prompt in _largest(against, 1)]


def _spread(places: Mapping[str, float | None]) -> float:
    known = [place for place in places.values() if place is not None]
    return max(known) - min(known) if known else 0.0


def _largest(sizes: Mapping[str, float], n: int) -> list[str]:
    return sorted((prompt for prompt, size in sizes.items() if size > 0), key=lambda name: (-sizes[name], name))[:n]
