"""Word errors, free of charge for spaces that an engine lost or added."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

_MOST_JOINED = 6
"""So many words at most are looked for in one that was read, and the other way round."""


def word_edits(expected: Sequence[str], read: Sequence[str]) -> int:
    """Return the fewest substituted, dropped and inserted words, where words may be joined or cut for free.

    Levenshtein's distance over words with two more moves: several expected words may stand in one read word, which
    costs those of them that are not there letter by letter, and one expected word may stand in several read ones, if
    they make it up exactly. Engines lose and add spaces where letters stand wide or close.

    Examples
    --------
    >>> word_edits(["fresh", "bread", "daily"], ["freshbraed", "daily"])
    1
    >>> word_edits(["fresh", "bread"], ["fre", "sh", "hot", "bread"])
    1
    """
    if "".join(expected) == "".join(read):
        return 0
    costs = [list(range(len(read) + 1))]
    for i, word in enumerate(expected, 1):
        costs.append([i])
        for j, other in enumerate(read, 1):
            cost = min(costs[i - 1][j] + 1, costs[i][j - 1] + 1, costs[i - 1][j - 1] + (word != other))
            for n in range(2, min(i, _MOST_JOINED) + 1):
                if costs[i - n][j - 1] < cost:
                    cost = min(cost, costs[i - n][j - 1] + _wrong(expected[i - n : i], other))
            for n in range(2, min(j, _MOST_JOINED) + 1):
                if costs[i - 1][j - n] < cost and "".join(read[j - n : j]) == word:
                    cost = costs[i - 1][j - n]
            costs[i].append(cost)
    return costs[-1][-1]


def _wrong(words: Sequence[str], read: str) -> int:
    """Return how many of several words are not found at their place in one that was read."""
    together = "".join(words)
    if together == read:
        return 0
    if abs(len(together) - len(read)) > len(read) / 2:
        return len(words)
    equal = [op for op in Levenshtein.opcodes(together, read) if op.tag == "equal"]
    start, wrong = 0, 0
    for word in words:
        wrong += not any(op.src_start <= start and start + len(word) <= op.src_end for op in equal)
        start += len(word)
    return max(1, wrong)
