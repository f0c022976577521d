"""Which prompts two systems have in common: how many pair, and what nearly did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

from evals.imageset.prompts import words_of_prompt
from evals.rating.comparison import column_of
from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts
from evals.rating.statistics.intervals import Numbers

FEW = 0.5
"""Below this share of prompts that pair, a warning says so."""

NEAR = 85.0
"""Prompts whose letters agree this much (rapidfuzz's ``ratio``, 0 to 100) are nearly equal."""

MAX_COMPARED = 2000
"""At most this many prompts of each system are searched for near-equal ones."""

_EXAMPLES = 3
_SHOWN = 60
"""Characters of a prompt in an example."""

_BUCKETS = 1024


class CommonPrompts(TypedDict):
    """The prompts of a suite that two systems were asked, a sequence counting as one.

    ``n_common`` of the ``n_prompts`` that either was asked pair. Where fewer than half do, ``nearly_equal`` are up to
    three pairs of texts, A's and B's, that differ in little and did not pair.
    """

    suite: str | None
    system_a: str
    system_b: str
    n_prompts: int
    n_common: int
    nearly_equal: list[tuple[str, str]]


def common_prompts(samples: pd.DataFrame, requests: pd.DataFrame | None) -> list[CommonPrompts]:
    """Return of every suite and every two systems that were asked something there how many prompts they share.

    Parameters
    ----------
    samples, requests
        As `evals.run.Run` has them; what was asked and brought no picture is asked too.

    Examples
    --------
    >>> samples = pd.DataFrame({"suite": "s", "system": ["a", "a", "b"], "prompt_id": ["p", "q", "p"],
    ...                         "prompt": ["a red cup", "a jar", "a red cup"]})
    >>> [(row["n_common"], row["n_prompts"]) for row in common_prompts(samples, None)]
    [(1, 2)]
    """
    asked = _asked(samples, samples, requests)
    if requests is not None:
        asked = pd.concat([asked, _asked(requests, samples, requests)])
    of_suites: dict[str, dict[str, dict[str, str]]] = {}
    for suite, system, prompt, text in asked.dropna().astype(str).astype(object).itertuples(index=False, name=None):
        of_suites.setdefault(suite, {}).setdefault(system, {}).setdefault(prompt, text)
    return [
        _common(suite, systems, a, b)
        for suite, systems in sorted(of_suites.items())
        for a, b in combinations(sorted(systems), 2)
    ]


def _asked(table: pd.DataFrame, samples: pd.DataFrame, requests: pd.DataFrame | None) -> pd.DataFrame:
    merged = merge_duplicate_prompts(table, samples, requests)
    suite, system, sequence, prompt, text = (
        column_of(merged, name).astype(object) for name in ("suite", "system", "sequence_id", "prompt_id", "prompt")
    )
    unit = sequence.where(sequence.notna(), prompt)
    return pd.DataFrame({"suite": suite, "system": system, "prompt": unit, "text": text.where(text.notna(), "")})


def _common(suite: str, systems: Mapping[str, Mapping[str, str]], a: str, b: str) -> CommonPrompts:
    first, second = systems[a], systems[b]
    common, either = first.keys() & second.keys(), first.keys() | second.keys()
    unpaired = [[text for prompt, text in side.items() if prompt not in common and text] for side in (first, second)]
    few = len(common) < FEW * len(either)
    return CommonPrompts(
        suite=suite or None,
        system_a=a,
        system_b=b,
        n_prompts=len(either),
        n_common=len(common),
        nearly_equal=nearly_equal(*unpaired) if few else [],
    )


def nearly_equal(first: Sequence[str], second: Sequence[str]) -> list[tuple[str, str]]:
    """Return up to three pairs of texts, one of each list, that differ in little; the most alike first.

    Letter case and punctuation do not count. Comparing every two texts letter by letter would take minutes, so of each
    text only that one is compared which has nearly the same trigrams of letters.

    Examples
    --------
    >>> nearly_equal(["a red cup on a table", "two apples"], ["A red cup, on a table.", "a house by the sea"])
    [('a red cup on a table', 'A red cup, on a table.')]
    """
    from rapidfuzz import fuzz, utils

    sides = []
    for texts in (first, second):
        letters = {text: utils.default_process(text) for text in texts}
        sides.append([(text, plain) for text, plain in letters.items() if plain][:MAX_COMPARED])
    if not all(sides):
        return []
    vectors, others = (_trigrams([plain for _, plain in side]) for side in sides)
    nearest = [sides[1][n] for n in (vectors @ others.T).argmax(axis=1)]
    alike = [
        (fuzz.ratio(plain, other_plain, score_cutoff=NEAR), text, other)
        for (text, plain), (other, other_plain) in zip(sides[0], nearest, strict=True)
    ]
    examples: dict[str, str] = {}
    for score, text, other in sorted(alike, key=lambda pair: (-pair[0], pair[1])):
        if score and other not in examples.values() and len(examples) < _EXAMPLES:
            examples[text] = other
    return list(examples.items())


def _trigrams(texts: Sequence[str]) -> Numbers:
    """Return how often each text has every three letters in a row, in buckets, as vectors of length 1."""
    counts = np.zeros((len(texts), _BUCKETS), np.float32)
    for row, text in zip(counts, texts, strict=True):
        codes = np.frombuffer(f"  {text} ".encode("utf-32-le"), np.uint32)
        row += np.bincount((codes[:-2] * 961 + codes[1:-1] * 31 + codes[2:]) % _BUCKETS, minlength=_BUCKETS)
    return np.asarray(counts / np.linalg.norm(counts, axis=1, keepdims=True))


def pairing_warnings(common: Sequence[CommonPrompts]) -> Iterator[str]:
    """Yield for each suite of which fewer than half of the prompts pair how many do, and which nearly did.

    Where that holds of several pairs of systems, the one with the smallest share is named.
    """
    few: dict[str | None, list[CommonPrompts]] = {}
    for row in common:
        if row["n_common"] < FEW * row["n_prompts"]:
            few.setdefault(row["suite"], []).append(row)
    for suite, rows in few.items():
        worst = min(rows, key=lambda row: row["n_common"] / row["n_prompts"])
        n, of, a, b = worst["n_common"], worst["n_prompts"], worst["system_a"], worst["system_b"]
        where = f" of suite {suite}" if suite else ""
        pairs = f" (and {len(rows) - 1} more pairs of systems share fewer than half)" if len(rows) > 1 else ""
        near = "; ".join(f"{one!r} and {other!r}" for one, other in map(_shown, worst["nearly_equal"]))
        yield (
            f"{n or 'None'} of {of} prompts{where} {'was' if n <= 1 else 'were'} asked of both {a} and {b}{pairs}, and "
            f"only these are compared.{f' Nearly equal, and not paired: {near}.' if near else ''}"
        )


def notes_on_forms(samples: pd.DataFrame) -> Iterator[str]:
    """Yield how many prompts differ from another one of their suite only in white space or Unicode form, if any do."""
    asked = pd.DataFrame({name: column_of(samples, name) for name in ("suite", "prompt")}).drop_duplicates()
    n_forms = len(asked) - len(asked.assign(prompt=asked["prompt"].astype(str).map(words_of_prompt)).drop_duplicates())
    if n_forms:
        differ = "prompt differs" if n_forms == 1 else "prompts differ"
        count = "counts" if n_forms == 1 else "count"
        yield f"{n_forms} {differ} from another only in white space or Unicode form and {count} as one."


def _shown(pair: tuple[str, str]) -> tuple[str, ...]:
    """Return the part of two texts where they begin to differ."""
    differ = (n for n, (one, other) in enumerate(zip(*pair, strict=False)) if one != other)
    start = max(0, next(differ, min(map(len, pair))) - _SHOWN // 3)
    return tuple(
        f"{'…' if start else ''}{text[start : start + _SHOWN]}{'…' if len(text) > start + _SHOWN else ''}"
        for text in pair
    )
