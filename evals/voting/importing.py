"""Votes that were given elsewhere, from a plain CSV file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from evals.files.yaml_files import suggestion
from evals.imageset.tables import Entry, TableError, read_table
from evals.voting.pairs import Pair, Side, VotingError
from evals.voting.votes import ANSWERS, Vote, voter_name

COLUMNS = ("voter", "row", "prompt_id", "left", "right", "answer")
"""What a file must have; ``left`` and ``right`` name systems of the run. ``seconds`` may be there too."""


def read_votes_csv(path: Path, pairs: Sequence[Pair]) -> list[Vote]:
    """Return the votes of a CSV file, each about a pair of the run.

    Raises
    ------
    evals.imageset.tables.TableError
        If the file, or a line of it, is refused; the sentence names the line.
    """
    by_place = {
        (pair.row, pair.prompt_id, *sides): (pair, shown)
        for pair in pairs
        for shown in ((pair.first, pair.second), (pair.second, pair.first))
        for sides in [tuple(side.system for side in shown)]
    }
    votes, lines = [], dict[tuple[str, str], str]()
    for _, entry in read_table(path, COLUMNS):
        vote, pair = _vote(entry, by_place)
        first = lines.setdefault((vote["voter"], pair.key), entry.where)
        if first is not entry.where:
            raise entry.refuse(f"voter {vote['voter']!r} voted on this pair in {first.split(', ')[-1]}; keep one vote")
        votes.append(vote)
    if not votes:
        raise TableError(
            f"{path.name}: it holds no votes; each is a line below those of the columns {', '.join(COLUMNS)}"
        )
    return votes


def _vote(entry: Entry, by_place: dict[tuple[str, ...], tuple[Pair, tuple[Side, Side]]]) -> tuple[Vote, Pair]:
    place = tuple(entry.text(name) for name in ("row", "prompt_id", "left", "right"))
    if place not in by_place:
        for n, name in enumerate(("row", "prompt_id", "left", "right")):
            known = {other[n] for other in by_place if other[:n] == place[:n]}
            if place[n] not in known:
                raise entry.refuse(f"{name} {place[n]!r} is asked of nobody in this run; {suggestion(place[n], known)}")
    pair, (left, right) = by_place[place]
    answer = entry.text("answer")
    if answer not in ANSWERS:
        raise entry.refuse(f"answer {answer!r} is none of {', '.join(ANSWERS)}")
    try:
        voter = voter_name(entry.text("voter"))
    except VotingError as error:
        raise entry.refuse(str(error)) from None
    vote = Vote(
        voter=voter,
        question=pair.question.text,
        row=pair.row,
        prompt_id=pair.prompt_id,
        left=list(left.samples),
        right=list(right.samples),
        answer=answer,
        seconds=_seconds(entry),
        check=None,
        expected=None,
        voted_at=None,
    )
    return vote, pair


def _seconds(entry: Entry) -> float | None:
    text = str(entry.values.get("seconds") or "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise entry.refuse(f"seconds {text!r} is no time; leave it empty where it is not known")
    return seconds
