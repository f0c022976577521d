"""Prompts that ask for the same under several ids: they are one prompt asked several times, and count as one."""

from __future__ import annotations

import pandas as pd

from evals.imageset.prompts import words_of_prompt
from evals.rating.comparison import column_of

_UNIT = ["suite", "is_sequence", "unit"]


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
    shots = [_shots(samples).assign(pictures=_pictures(samples))]
    if requests is not None and {"suite", "prompt_id", "prompt"} <= set(requests):
        worded = requests[requests[["suite", "prompt_id", "prompt"]].notna().all(axis=1)]
        shots.append(_shots(worded).assign(pictures=None))
    by_shot = pd.concat(shots).dropna(subset=_UNIT).drop_duplicates([*_UNIT, "prompt_id", "shot"])
    by_shot["words"] = by_shot["shot"].astype(str) + " " + [words_of_prompt(text) for text in by_shot["prompt"]]
    asked: dict[tuple[str, bool, str], tuple[list[str], set[str]]] = {}
    ordered = by_shot.sort_values([*_UNIT, "shot", "words"])[[*_UNIT, "words", "pictures"]].astype(object)
    for suite, is_sequence, unit, words, pictures in ordered.itertuples(index=False, name=None):
        of_shots = asked.setdefault((suite, is_sequence, unit), ([], set()))
        of_shots[0].append(words)
        of_shots[1].update([pictures] if isinstance(pictures, str) else [])
    units = pd.DataFrame(
        [(*unit, "\n".join(words), "\n".join(sorted(along)) or None) for unit, (words, along) in asked.items()],
        columns=[*_UNIT, "words", "pictures"],
    )
    alike = ["suite", "is_sequence", "words"]
    known = units.groupby(alike)["pictures"]
    usual = known.transform("first").fillna("").where(known.transform("nunique") < 2, units["unit"])
    units["pictures"] = units["pictures"].fillna(usual)
    first = units.groupby([*alike, "pictures"])["unit"].transform("first")
    return first.set_axis(pd.MultiIndex.from_frame(units[_UNIT]))[(first != units["unit"]).to_numpy()]


def _shots(rows: pd.DataFrame) -> pd.DataFrame:
    """Return what each row asks for, with the number of the shot."""
    number = pd.to_numeric(column_of(rows, "shot"), errors="coerce").astype(float).fillna(-1.0)
    return _units(rows).assign(prompt_id=rows["prompt_id"], shot=number, prompt=rows["prompt"].astype(str))


def _pictures(samples: pd.DataFrame) -> list[str]:
    """Return the pictures that were sent along with each row."""
    made = set(column_of(samples, "file_name"))
    masks = column_of(samples, "mask")
    return [
        # The picture of a first shot that is sent along is the system's own answer, not part of what was asked.
        repr(([name for name in names if name not in made] if isinstance(names, list) else [], mask))
        for names, mask in zip(column_of(samples, "reference_images"), masks.where(masks.notna(), ""), strict=True)
    ]
