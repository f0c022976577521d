"""The tables of two runs that are compared, and which prompts both of them asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from evals.imageset.contract import NO_FIRST_SHOT
from evals.imageset.prompts import words_of_prompt
from evals.rating.comparison import column_of
from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts


@dataclass(frozen=True, slots=True)
class RunTables:
    """The tables of one run that are compared (`evals.run.Run` has them under the same names)."""

    scores: pd.DataFrame
    samples: pd.DataFrame
    requests: pd.DataFrame | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def systems(self) -> list[str]:
        """Return the systems that have a sample or a request."""
        named = set(self.samples["system"].dropna())
        if self.requests is not None and "system" in self.requests:
            named |= set(self.requests["system"].dropna())
        return sorted(map(str, named))


def prompt_of(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the unit that is paired: the sequence that a prompt is a shot of, else the prompt by its id or words."""
    units = column_of(rows, "sequence_id").astype(object)
    for name in ("prompt_id", "prompt"):
        units = units.where(units.notna(), column_of(rows, name).astype(object))
    return units.fillna("").astype(str)


def reworded(first: RunTables, second: RunTables) -> set[tuple[str, str]]:
    """Return the (suite, unit of pairing) that both runs name alike and ask with other words."""
    texts = [
        pd.DataFrame(
            {
                "suite": suites_of(run.samples),
                "prompt_id": run.samples["prompt_id"].astype(str),
                "unit": prompt_of(run.samples),
                "prompt": run.samples["prompt"].astype(str).map(words_of_prompt),
            }
        ).drop_duplicates()
        for run in (first, second)
    ]
    both = texts[0].merge(texts[1], on=["suite", "prompt_id"], suffixes=("", "_b"))
    other = both[both["prompt"] != both["prompt_b"]]
    return set(zip(other["suite"], other["unit"], strict=True))


def with_one_wording(
    first: RunTables, second: RunTables, other_words: Set[tuple[str, str]]
) -> tuple[RunTables, RunTables]:
    """Return both runs without the prompts that they word differently, and with one id for prompts that ask the same.

    A prompt that a suite asks twice counts once; which of its ids it gets is the same in both runs.
    """
    samples = pd.concat([first.samples, second.samples], ignore_index=True)

    def prepared(rows: pd.DataFrame) -> pd.DataFrame:
        if other_words:
            rows = rows[[unit not in other_words for unit in zip(suites_of(rows), prompt_of(rows), strict=True)]]
        return merge_duplicate_prompts(rows, samples) if "suite" in rows else rows

    return (
        replace(first, scores=prepared(first.scores), requests=_if_any(first.requests, prepared)),
        replace(second, scores=prepared(second.scores), requests=_if_any(second.requests, prepared)),
    )


def _if_any(rows: pd.DataFrame | None, prepared: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame | None:
    return rows if rows is None or rows.empty else prepared(rows)


def prompts_of(run: RunTables, system: str) -> set[tuple[str, str]]:
    """Return the (suite, unit of pairing) of which a system has a sample or a request."""
    requests = asked_requests(run, system)
    rows = [run.samples[run.samples["system"] == system], *([] if requests is None else [requests])]
    return {unit for table in rows for unit in zip(suites_of(table), prompt_of(table), strict=True)}


def asked_requests(run: RunTables, system: str) -> pd.DataFrame | None:
    """Return a system's requests that were sent, ``prompt`` being the unit of pairing; None where none are known."""
    if run.requests is None or run.requests.empty:
        return None
    sent = run.requests[(run.requests["system"] == system) & (column_of(run.requests, "reason") != NO_FIRST_SHOT)]
    return pd.DataFrame(
        {
            "system": sent["system"].astype(str),
            "suite": suites_of(sent),
            "prompt": prompt_of(sent),
            "subject": [[str(sample)] for sample in column_of(sent, "sample_id")],
            "outcome": sent["outcome"],
            "reason": None,
        }
    )


def suites_of(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the suite of each row, the empty text where none is told."""
    return column_of(rows, "suite").astype(object).fillna("").astype(str)
