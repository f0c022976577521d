"""Prompts that ask for the same under several ids: they are one prompt asked several times, and count as one."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import pandas as pd

from evals.imageset.prompts import words_of_prompt
from evals.rating.comparison import column_of

_UNIT = ["suite", "is_sequence", "unit"]

_Unit = tuple[str, bool, str]
"""A suite, whether it is a sequence of it or a prompt, and its id."""


def merge_duplicate_prompts(
    table: pd.DataFrame, samples: pd.DataFrame, requests: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return a table with one ``prompt_id``, or ``sequence_id``, for prompts of a suite that ask for the same.

    Two ids with the same words, whatever their white space and Unicode form, and the same pictures are one prompt asked
    twice: counted as two they would make every interval too narrow. A sequence is the same if all of its shots are; its
    shots alone are never merged to others. Where something was merged, the column ``original_id`` keeps the id of the
    prompt or sequence as it was.

    Parameters
    ----------
    table
        The score table, or the requests of the run.
    samples
        The rows of the image set: ``suite prompt_id prompt``, and where given ``sequence_id shot reference_images
        mask file_name``.
    requests
        Where known, they have the words of prompts that brought no picture. Which pictures were sent along nobody
        knows of these: those of the other prompts with these words, if they all have the same.

    Examples
    --------
    >>> samples = pd.DataFrame({"suite": "s", "prompt_id": ["a", "b"], "prompt": "a red cup"})
    >>> merge_duplicate_prompts(samples[["suite", "prompt_id"]], samples)[["prompt_id", "original_id"]].to_dict("list")
    {'prompt_id': ['a', 'a'], 'original_id': ['a', 'b']}
    """
    if samples.empty or not {"suite", "prompt_id"} <= set(table):
        return table
    first = _first_names(samples, requests)
    if first.empty:
        return table
    units = _units(table)
    names = first.reindex(pd.MultiIndex.from_frame(units[_UNIT])).set_axis(table.index)
    merged = table.assign(original_id=units["unit"])
    for column, is_sequence in (("prompt_id", False), ("sequence_id", True)):
        if column in table:
            concerned = names.notna() & units["is_sequence"].eq(is_sequence)
            merged[column] = table[column].astype(object).mask(concerned, names)
    return merged


def _units(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each row counts towards: its sequence where it is a shot of one, else its prompt."""
    sequence = column_of(table, "sequence_id")
    unit = sequence.where(sequence.notna(), table["prompt_id"])
    return pd.DataFrame({"suite": table["suite"], "is_sequence": sequence.notna(), "unit": unit})


def _first_names(samples: pd.DataFrame, requests: pd.DataFrame | None) -> pd.Series[str]:
    """Return the first of the ids that ask for the same, by suite, kind and id, for all ids but that first one."""
    asked = list(_shots(samples, _pictures(samples)))
    if requests is not None and {"suite", "prompt_id", "prompt"} <= set(requests):
        asked += _shots(requests[requests["prompt"].notna()], itertools.repeat(None))
    shots: dict[_Unit, dict[tuple[str, float], tuple[float, str]]] = {}
    along: dict[_Unit, set[str]] = {}
    for unit, prompt_id, shot, prompt, pictures in asked:
        of_unit = shots.setdefault(unit, {})
        if (prompt_id, shot) not in of_unit:
            of_unit[prompt_id, shot] = shot, words_of_prompt(prompt)
            along.setdefault(unit, set()).update([pictures] if pictures is not None else [])
    words = {
        unit: "\n".join(f"{shot} {of_shot}" for shot, of_shot in sorted(shots[unit].values())) for unit in sorted(shots)
    }
    if len({(*unit[:2], words[unit]) for unit in words}) == len(words):
        return pd.Series(dtype=object)
    units = pd.DataFrame(
        [(*unit, words[unit], "\n".join(sorted(along[unit])) or None) for unit in words],
        columns=[*_UNIT, "words", "pictures"],
    )
    alike = ["suite", "is_sequence", "words"]
    known = units.groupby(alike)["pictures"]
    usual = known.transform("first").fillna("").where(known.transform("nunique") < 2, units["unit"])
    units["pictures"] = units["pictures"].fillna(usual)
    first = units.groupby([*alike, "pictures"])["unit"].transform("first")
    return first.set_axis(pd.MultiIndex.from_frame(units[_UNIT]))[(first != units["unit"]).to_numpy()]


def _shots(rows: pd.DataFrame, pictures: Iterable[str | None]) -> Iterator[tuple[_Unit, str, float, str, str | None]]:
    """Yield what each row asks for: unit, prompt id, number of the shot (-1: none), prompt, and what it sent along."""
    number = pd.to_numeric(column_of(rows, "shot"), errors="coerce").astype(float).fillna(-1.0)
    names = (column_of(rows, name) for name in ("suite", "sequence_id", "prompt_id"))
    known = (column.astype(object).where(column.notna(), None) for column in names)
    for suite, sequence, prompt_id, *asked in zip(*known, number, rows["prompt"].astype(str), pictures, strict=False):
        if suite is not None and prompt_id is not None:
            yield (suite, sequence is not None, prompt_id if sequence is None else sequence), prompt_id, *asked


def _pictures(samples: pd.DataFrame) -> list[str]:
    """Return the pictures that were sent along with each row."""
    made = set(column_of(samples, "file_name"))
    masks = column_of(samples, "mask")
    return [
        # The picture of a first shot that is sent along is the system's own answer, not part of what was asked.
        repr(([name for name in names if name not in made] if isinstance(names, list) else [], mask))
        for names, mask in zip(column_of(samples, "reference_images"), masks.where(masks.notna(), ""), strict=True)
    ]
