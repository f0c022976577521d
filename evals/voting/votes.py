"""A vote, and ``votes.parquet``: the table of all votes in a run, one a row."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import TypedDict

from evals.files.atomic_files import write_atomically
from evals.imageset.contract import VOTES, VOTES_STORE
from evals.voting.pairs import VotingError

Answer = Literal["left", "right", "tie", "both_bad"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)


_CHECKS = (None, "identical", "shuffled_prompt")


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
        remedy = f"delete it where {VOTES_STORE} is beside it (it is made anew from that), else put it back"
        raise VotingError(f"{path} is damaged ({type(error).__name__}); {remedy}") from error
    rows: list[Vote] = table.to_pylist()
    pairs = set()
    for row in rows:
        named = (row["voter"], row["row"], row["question"], row["prompt_id"])
        samples = [*(row["left"] or [""]), *(row["right"] or [""])]
        if row["answer"] not in ANSWERS or row["check"] not in _CHECKS or not all((*named, *samples)):
            what = "voter, row, question, prompt, samples, answer or check as it should be"
            raise VotingError(f"{path} holds a vote without {what}; put the table back")
        pair = (*named, *sorted((tuple(row["left"]), tuple(row["right"]))))
        if row["check"] is None and pair in pairs:
            where = f"voter {row['voter']!r} on row {row['row']!r}, prompt {row['prompt_id']!r}"
            raise VotingError(f"{path} holds two votes of {where}; a pair has one vote a voter, take one out")
        pairs |= {pair} if row["check"] is None else set()
    return rows
