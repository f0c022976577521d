"""What a voter is asked next: the pair where a vote tells most, and now and then a check of attention."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

import numpy as np

from evals.voting.pairs import Pair, Side

Check = Literal["identical", "shuffled_prompt"]

BLOCK = 8
"""Of so many questions in a row one is a check, and all are about the same row."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a pair was asked of anybody, and how far its first system is ahead in votes (wins less losses)."""

    asked: int = 0
    lead: int = 0


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question that a voter was asked before: the key of its pair, the row, and whether it was a check."""

    pair: str
    row: str
    check: Check | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A question to ask: the pair, what stands left and right, and whether it is a check.

    In a check one side is exchanged: both show the same (``identical``), or one shows what the same system made of
    another prompt (``shuffled_prompt``).
    """

    pair: Pair
    left: Side
    right: Side
    check: Check | None

    @property
    def is_flipped(self) -> bool:
        """Whether the pair's first system stands on the right."""
        return self.check is None and self.left == self.pair.second

    @property
    def expected(self) -> Literal["left", "right"] | None:
        """The side that shows the prompt, in a check where the other one shows another prompt."""
        if self.check != "shuffled_prompt":
            return None
        return "left" if self.left in (self.pair.first, self.pair.second) else "right"


def choose(
    pairs: Sequence[Pair], seed: int, voter: str, history: Sequence[AskedQuestion], tallies: Mapping[str, Tally]
) -> Choice | None:
    """Return what a voter is asked next, None once every pair was asked.

    The pair that was asked least comes first; among those, that of the two systems which are closest in votes so far
    in its row; among those chance decides. Within a block of `BLOCK` questions the row stays, where it has pairs left.
    The same arguments give the same choice: all chance follows from the seed, the voter's name and what was asked.

    Parameters
    ----------
    pairs
        As `evals.voting.pairs.voting_pairs` returns them.
    seed
        Of this run's votes.
    voter
        The name of the voter.
    history
        What this voter was asked so far, in order.
    tallies
        By the key of the pair, over all voters; nothing of pairs that nobody was asked about.
    """
    done = {asked.pair for asked in history if asked.check is None}
    left_over = [pair for pair in pairs if pair.key not in done]
    if not left_over:
        return None
    number = len(history)
    if number % BLOCK and history:
        left_over = [pair for pair in left_over if pair.row == history[-1].row] or left_over
    generator = np.random.default_rng(_entropy(seed, voter, number))
    if number % BLOCK == _place_of_check(seed, voter, number // BLOCK):
        return _check(pairs, left_over, generator)
    leads: Counter[tuple[str, str, str]] = Counter()
    for pair in pairs:
        leads[pair.matchup] += tallies.get(pair.key, Tally()).lead
    chance = generator.random(len(left_over))
    order = sorted(
        range(len(left_over)),
        key=lambda i: (
            tallies.get(left_over[i].key, Tally()).asked, abs(leads[left_over[i].matchup]), chance[i],
        ),
    )  # fmt: skip
    pair = left_over[order[0]]
    left, right = (pair.first, pair.second) if generator.random() < 0.5 else (pair.second, pair.first)
    return Choice(pair, left, right, None)


def n_questions(n_pairs: int, seed: int, voter: str, number: int = 0) -> int:
    """Return how many questions a voter is still asked until so many pairs were, the checks included.

    ``number`` is how many it was asked before: where the checks come depends on it.
    """
    first = number
    while n_pairs:
        n_pairs -= number % BLOCK != _place_of_check(seed, voter, number // BLOCK)
        number += 1
    return number - first


def _check(pairs: Sequence[Pair], left_over: Sequence[Pair], generator: np.random.Generator) -> Choice:
    pair = left_over[int(generator.integers(len(left_over)))]
    side = (pair.first, pair.second)[int(generator.integers(2))]
    others = [
        (len(_words(pair) & _words(other)), strange)
        for other in pairs
        if (other.row, other.suite) == (pair.row, pair.suite) and other.prompts != pair.prompts
        for strange in (other.first, other.second)
        if strange.system == side.system and len(strange.samples) == len(side.samples)
    ]
    if not (pair.question.prompt_decides and others) or generator.random() < 0.5:
        return Choice(pair, side, side, "identical")
    # Of the quarter that asks for least of the same: a picture of two clocks is not wrong enough for one of a clock.
    others = sorted(others, key=itemgetter(0))[: max(1, len(others) // 4)]
    _, stranger = others[int(generator.integers(len(others)))]
    left, right = (side, stranger) if generator.random() < 0.5 else (stranger, side)
    return Choice(pair, left, right, "shuffled_prompt")


def _words(pair: Pair) -> set[str]:
    return set(" ".join((*pair.prompts, *pair.expected_text)).casefold().split())


def _place_of_check(seed: int, voter: str, block: int) -> int:
    # Never the first question of a block: a voter has just read what is asked.
    return 1 + _entropy(seed, voter, "check", block) % (BLOCK - 1)


def _entropy(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")
