"""A vote, and ``votes.parquet``: the table of all votes in a run, one a row."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import TypedDict

from evals.files.atomic_files import write_atomically
from evals.imageset.contract import VOTES
from evals.voting.choosing import Check
from evals.voting.pairs import VotingError

Answer = Literal["left", "right", "tie", "both_bad"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)

LONGEST_NAME = 40

_CHECKS: set[tuple[Check | None, str | None]] = {
    (None, None), ("identical", None), ("shuffled_prompt", "left"), ("shuffled_prompt", "right")
}  # fmt: skip
"""The checks of attention, each with the side that is expected."""


class Vote(TypedDict):
    """One vote. ``left`` and ``right`` are the samples in the order shown, ``seconds`` the time from page to answer.

    ``check`` is null, or says that the question had a known answer: ``identical`` (both sides the same) or
    ``shuffled_prompt`` (``expected`` is the side that belongs to the prompt). ``voted_at`` is in seconds since 1970.
    """

    voter: str
    question: str
    row: str
    prompt_id: str
    left: list[str]
    right: list[str]
    answer: str
    seconds: float | None
    check: str | None
    expected: str | None
    voted_at: float | None


SCHEMA = pa.schema(
    [
        ("voter", pa.string()),
        ("question", pa.string()),
        ("row", pa.string()),
        ("prompt_id", pa.string()),
        ("left", pa.list_(pa.string())),
        ("right", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("seconds", pa.float64()),
        ("check", pa.string()),
        ("expected", pa.string()),
        ("voted_at", pa.float64()),
    ]
)


def write_votes(run: Path, votes: Iterable[Vote]) -> None:
    """Write ``votes.parquet`` of a run anew, whole or not at all."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([dict(vote) for vote in votes], SCHEMA), buffer)
    write_atomically(run / VOTES, buffer.getvalue())


def read_vote_table(run: Path) -> list[Vote]:
    """Return the rows of ``votes.parquet``, none where there is no such file.

    Raises
    ------
    VotingError
        If the file is damaged, is another table, or has a vote twice.
    """
    path = run / VOTES
    if not path.is_file():
        return []
    try:
        table = pq.read_table(path).cast(SCHEMA)
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise VotingError(f"{path} is damaged ({type(error).__name__}); put it back") from error
    rows: list[Vote] = table.to_pylist()
    names, pairs = dict[str, str](), set()
    for row in rows:
        place = (row["row"], row["question"], row["prompt_id"])
        samples = [*(row["left"] or [""]), *(row["right"] or [""])]
        is_check = (row["check"], row["expected"]) in _CHECKS
        if row["answer"] not in ANSWERS or not is_check or not all((row["voter"], *place, *samples)):
            what = "voter, row, question, prompt, samples, answer or check as it should be"
            raise VotingError(f"{path} holds a vote without {what}; put the table back")
        try:
            name = voter_name(row["voter"])
        except VotingError as error:
            raise VotingError(f"{path}: {error}, or put the table back") from None
        row["voter"] = names.setdefault(name.casefold(), name)
        pair = (row["voter"], *place, *sorted((tuple(row["left"]), tuple(row["right"]))))
        if row["check"] is None and pair in pairs:
            where = f"voter {row['voter']!r} on row {row['row']!r}, prompt {row['prompt_id']!r}"
            raise VotingError(f"{path} holds two votes of {where}; a pair has one vote a voter, take one out")
        pairs |= {pair} if row["check"] is None else set()
    return rows


def voter_name(name: str) -> str:
    """Return the name of a voter as it is kept: composed, without surrounding white space.

    Raises
    ------
    VotingError
        If it is empty, too long, or holds what is no letter, digit, space or usual mark.

    Examples
    --------
    >>> voter_name("  Blue   heron ")
    'Blue heron'
    """
    name = " ".join(unicodedata.normalize("NFC", name).split())
    letters = "".join("x" if unicodedata.category(letter) in ("Mn", "Mc") else letter for letter in name)
    if not re.fullmatch(rf"[\w .,'&@+-]{{1,{LONGEST_NAME}}}", letters):
        remedy = f"take 1 to {LONGEST_NAME} letters, digits and spaces"
        raise VotingError(f"{name[:LONGEST_NAME]!r} is no name for a voter; {remedy}")
    return name
