"""The pairs of a run: what two systems made of the same prompt, or of the same sequence, for each row that is asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from evals.files.yaml_files import suggestion
from evals.rating.stars.document import star_rows
from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts
from evals.rating.stars.table import suite_of
from evals.run import Run
from evals.voting.questions import Question, question_of

MOST_PICTURES = 6
"""So many repeats of a prompt are shown as one side at most; of a sequence all shots are, as its metrics take them."""


class VotingError(ValueError):
    """What was asked of the votes of a run cannot be done; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one system made: one sample, the shots of a sequence in order, or the repeats of a prompt."""

    system: str
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two systems on one prompt of a row; ``prompt_id`` is the sequence's id where the row is of sequences.

    ``prompts`` are the words, one a shot, ``expected_text`` the lines that a picture must show, ``sources`` the
    pictures that were sent along, by their names in the image set.
    """

    row: str
    question: Question
    suite: str
    prompt_id: str
    prompts: tuple[str, ...]
    expected_text: tuple[str, ...]
    sources: tuple[str, ...]
    first: Side
    second: Side

    @property
    def key(self) -> str:
        """What the pair is called in the store."""
        return "\n".join((self.row, self.question.text, self.prompt_id, self.first.system, self.second.system))

    @property
    def matchup(self) -> tuple[str, str, str]:
        """The row and the two systems."""
        return self.row, self.first.system, self.second.system


def voting_pairs(run: Run, rows: Collection[str] = ()) -> list[Pair]:
    """Return every pair of a run that people can be asked about, in the order of rows and prompts.

    Two rows that would put the same question about the same suite are asked once, under the first one. Of a prompt
    with several pictures the first of each system is shown; of a row on reproducibility, the repeats of one seed.

    Parameters
    ----------
    run
        A scored run.
    rows
        Ids of the rows that are asked; all that ask people if none is named.

    Raises
    ------
    VotingError
        If a row is unknown or asks nobody, or there is no pair.
    """
    size = run.definition.size if run.definition else None
    asking = {
        row.id: (suite_of(row, size) or "", question)
        for row in star_rows(run.read_scores(with_details=False), run.requests, run.definition)
        if (question := question_of(row)) is not None
    }
    for name in rows:
        if name not in asking:
            raise VotingError(f"row {name!r} asks nobody in {run.path}; {suggestion(name, asking)}")
    asked: dict[tuple[str, str], tuple[str, Question]] = {}
    for row_id in rows or asking:
        suite, question = asking[row_id]
        asked.setdefault((suite, question.text), (row_id, question))
    samples = merge_duplicate_prompts(run.samples, run.samples, run.requests)
    pairs = [
        pair
        for (suite, _), (row_id, question) in asked.items()
        for pair in _pairs_of(samples[samples["suite"].eq(suite)], row_id, question, suite)
    ]
    if not pairs:
        raise VotingError(f"{run.path} has no prompt with pictures of two systems in a row that asks people")
    return pairs


def _pairs_of(samples: pd.DataFrame, row_id: str, question: Question, suite: str) -> Iterator[Pair]:
    made = set(samples["file_name"])
    repeats = question.about_repeats
    units: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for record in samples.sort_values([c for c in ("shot", "seed", "repeat") if c in samples]).to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        unit = str(row["sequence_id"] if _is_known(row.get("sequence_id")) else row["prompt_id"])
        units.setdefault(unit, {}).setdefault(str(row["system"]), []).append(row)
    for unit, by_system in sorted(units.items()):
        sides = {system: _shown(rows, repeats) for system, rows in sorted(by_system.items())}
        for a, b in combinations(sides, 2):
            if _prompt_ids(sides[a]) != _prompt_ids(sides[b]) or (repeats and len(sides[a]) < 2):
                continue  # a missing shot would tell the systems apart
            rows = sides[a]
            yield Pair(
                row=row_id,
                question=question,
                suite=suite,
                prompt_id=unit,
                prompts=tuple(dict.fromkeys(str(row.get("prompt")) for row in rows)),
                expected_text=tuple(line for row in rows for line in _list(row.get("expected_text"))),
                sources=tuple(
                    dict.fromkeys(
                        name for row in rows for name in _list(row.get("reference_images")) if name not in made
                    )
                ),
                first=Side(a, tuple(row["sample_id"] for row in rows)),
                second=Side(b, tuple(row["sample_id"] for row in sides[b])),
            )


def _shown(rows: list[dict[str, Any]], repeats: bool) -> list[dict[str, Any]]:
    """Return the rows that make a side: one a shot or prompt, or the repeats of the first seed."""
    if repeats:
        return [row for row in rows if row.get("seed") == rows[0].get("seed")][:MOST_PICTURES]
    first: dict[Any, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["prompt_id"] if _is_known(row.get("sequence_id")) else None, row)
    return list(first.values())


def _prompt_ids(rows: list[dict[str, Any]]) -> list[Any]:
    return [row["prompt_id"] for row in rows]


def _list(value: Any) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, (list, tuple)) else []


def _is_known(value: Any) -> bool:
    return isinstance(value, str) and value != ""
