"""What votes say about systems: each vote as a preference, and whose votes count after the checks of attention."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from typing_extensions import TypedDict

MIN_CHECKS = 5
"""From so many checks on a voter can fail them: below, chance alone fails many who look closely."""

MOST_FAILED = 0.2
"""The share of checks that an attentive voter may fail.

Of 12 checks, whoever clicks at random fails half, and more than a fifth in 98 % of cases; whoever slips in 3 % of
answers does so in 0.5 %.
"""

PAIR = ["prompt", "system_a", "system_b"]
"""The columns of `judgements` that name a pair of a row."""


class Voter(TypedDict):
    """One voter: votes on pairs, checks, how many of them failed, and whether the votes are left out for it."""

    voter: str
    n_votes: int
    n_checks: int
    n_failed: int
    left_out: bool


def screen_voters(votes: pd.DataFrame) -> list[Voter]:
    """Return every voter with the outcome of the checks.

    A preference between identical pictures fails; so does preferring the picture of another prompt, or finding no
    difference to it. That both are bad may be true, but whoever never once prefers the right side of `MIN_CHECKS` such
    pairs looks at none.

    Parameters
    ----------
    votes
        As `evals.voting.store.read_votes` returns them.

    Examples
    --------
    >>> rows = [("v", "identical", None, "left")] * 2 + [("v", "shuffled_prompt", "left", "left")] * 4
    >>> screen_voters(pd.DataFrame(rows, columns=["voter", "check", "expected", "answer"]))[0]["left_out"]
    True
    """
    is_check = votes["check"].notna()
    preferred = votes["answer"].isin(["left", "right"])
    failed = np.where(
        votes["check"].eq("identical"),
        preferred,
        votes["answer"].ne("both_bad") & votes["answer"].ne(votes["expected"]),
    )
    table = pd.DataFrame(
        {
            "voter": votes["voter"],
            "check": is_check,
            "failed": is_check & failed,
            "has_side": votes["expected"].notna(),
            "took_side": votes["expected"].notna() & votes["answer"].eq(votes["expected"]),
        }
    )
    voters = []
    for name, rows in table.groupby("voter"):
        n_checks, n_failed, n_with_side, n_right = (int(n) for n in rows.drop(columns="voter").sum())
        never_right = n_with_side >= MIN_CHECKS and not n_right
        voters.append(
            Voter(
                voter=str(name),
                n_votes=len(rows) - n_checks,
                n_checks=n_checks,
                n_failed=n_failed,
                left_out=never_right or (n_checks >= MIN_CHECKS and n_failed > MOST_FAILED * n_checks),
            )
        )
    return voters


def judgements(votes: pd.DataFrame, systems: pd.Series[str], voters: Sequence[Voter]) -> pd.DataFrame:
    """Return the votes that count, one a row, as preferences between two systems.

    Left out are checks, voters who failed theirs, and votes on samples that the run does not have (any more).

    Parameters
    ----------
    votes
        As `evals.voting.store.read_votes` returns them.
    systems
        The system of every sample, by sample_id.
    voters
        As `screen_voters` returns them.

    Returns
    -------
    DataFrame
        ``row question prompt voter``; ``system_a`` and ``system_b``, in the order of their names; ``samples_a`` and
        ``samples_b`` as tuples; ``preference`` for A: 1, 0, or 0.5 for no difference and for both bad, which
        ``answer`` tells apart (``a b tie both_bad``).
    """
    counted = {voter["voter"] for voter in voters if not voter["left_out"]}
    rows = []
    for vote in votes[votes["check"].isna() & votes["voter"].isin(counted)].to_dict("records"):
        sides = [tuple(vote[side]) for side in ("left", "right")]
        names = [{systems.get(sample) for sample in side} for side in sides]
        if any(len(name) != 1 or None in name for name in names) or names[0] == names[1]:
            continue
        (left, right) = (str(name.pop()) for name in names)
        answer = {"left": "a", "right": "b"}.get(vote["answer"], vote["answer"])
        if left > right:
            left, right, sides = right, left, sides[::-1]
            answer = {"a": "b", "b": "a"}.get(answer, answer)
        preference = {"a": 1.0, "b": 0.0}.get(answer, 0.5)
        rows.append(
            (vote["row"], vote["question"], vote["prompt_id"], vote["voter"], left, right, *sides, preference, answer)
        )
    columns = [
        "row",
        "question",
        "prompt",
        "voter",
        "system_a",
        "system_b",
        "samples_a",
        "samples_b",
        "preference",
        "answer",
    ]
    return pd.DataFrame(rows, columns=columns)
