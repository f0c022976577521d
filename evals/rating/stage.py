"""The rating stage: a scored run in, its ratings out, kept beside the scores until a table or a fact changes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from pydantic import TypeAdapter

from evals.facts.models import read_facts
from evals.files.atomic_files import clear_leftovers, write_atomically
from evals.files.data_files import data_path
from evals.files.regular_files import read_regular
from evals.imageset.contract import FILE_MISSING, RATINGS, ended_as
from evals.rating.common_prompts import CommonPrompts, common_prompts, notes_on_forms, pairing_warnings
from evals.rating.operations import SystemOperations, operations
from evals.rating.operations_by_size import operations_by_size
from evals.rating.ratings import SCHEMA, Ratings, rate
from evals.rating.slices import slice_tables
from evals.rating.stars.document import Stars, award_stars, star_rows
from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts
from evals.rating.weights import Weights, read_weights
from evals.run import Run, is_sealed, run_files, sealed

_ROOT = Path(__file__).resolve().parents[2]
_CODE = tuple(sorted(path for folder in ("evals/rating", "metrics") for path in _ROOT.joinpath(folder).rglob("*.py")))
"""What rates, and what says how: ratings of other code are not believed."""


class RunRatings(Ratings):
    """All that is said of a run: its ratings with the stars, and which prompts pair.

    ``scope`` says under whose weights, and of which part of the run; it is empty of a whole run as its eval weighs it.
    """

    scope: list[str]
    common_prompts: list[CommonPrompts]
    stars: Stars


def rate_run(run: Run, weights: Weights | None = None, where: str | None = None) -> RunRatings:
    """Return means, intervals, paired differences, controls and stars of a run, anew when a table or a fact changed.

    They are kept beside the scores where that folder can be written to; those with own weights or of a slice are not.

    Parameters
    ----------
    run
        A scored run.
    weights
        How much each row counts in the total, in place of the eval's weights: by row id, or the file that says so.
    where
        A condition over the samples: only what belongs to these is rated (`evals.rating.slices.slice_tables`).

    Raises
    ------
    evals.run.RunError
        If a table of the run is damaged.
    WeightsError, ConditionError
        If the weights or the condition are refused.
    """
    if weights is not None or where is not None:
        return _rated(run, weights, where)
    path, made_from = run.path / RATINGS, fingerprint(run)
    if stored := _read_stored(path, made_from):
        return stored
    fresh = rate_anew(run)
    content = json.dumps(sealed({**fresh, "made_from": made_from}), indent=2, ensure_ascii=False, allow_nan=False)
    try:
        clear_leftovers(run.path)
        write_atomically(path, content.encode())
    except OSError as error:
        # A run that may only be read is rated anew each time; nothing but that is lost.
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
    return fresh


def rate_anew(run: Run) -> RunRatings:
    """Return the ratings of a run as its tables give them now, whatever is stored beside them."""
    return _rated(run, None, None)


def _rated(run: Run, weights: Weights | None, where: str | None) -> RunRatings:
    scores, samples, requests = run.read_scores(with_details=False), run.samples, run.requests
    row_weights, scope = None, list[str]()
    if weights is not None:
        rows = star_rows(scores, requests, run.definition)
        row_weights = read_weights(weights, [row.id for row in rows])
        scope.append(
            f"The total is under own weights: {', '.join(f'{row} {weight:g}' for row, weight in row_weights.items())}; "
            "rows that are not named count nothing."
        )
    if where is not None:
        part = slice_tables(where, scores, samples, requests)
        scores, samples, requests = part.scores, part.samples, part.requests
        scope += part.notes
    table = merge_duplicate_prompts(scores, samples, requests)
    # Weights change no mean and no control, which take the longest.
    whole = rate_run(run) if where is None and weights is not None else None
    ratings = whole or rate(table)
    merged = None if requests is None else merge_duplicate_prompts(requests, samples, requests)
    in_operation = [] if requests is None else operations(requests)
    stars = award_stars(table, merged, ratings["controls"], in_operation, run.definition, weights=row_weights)
    if whole is not None:
        weighed = whole.copy()
        weighed |= {"scope": scope, "stars": stars, "warnings": [*scope, *whole["warnings"]]}
        return weighed
    common = common_prompts(samples, requests)
    unknown_names = read_facts().unknown_names(name for name in stars["systems"] if name not in stars["simulated"])
    ratings["warnings"] = [
        *scope, *pairing_warnings(common), *_missing_pictures(requests), *notes_on_forms(samples), *ratings["warnings"],
        *filter(None, [unknown_names]),
    ]  # fmt: skip
    return RunRatings(**ratings, scope=scope, common_prompts=common, stars=stars)


def _missing_pictures(requests: pd.DataFrame | None) -> Iterator[str]:
    if requests is None or "reason" not in requests:
        return
    missing = requests[requests["reason"].eq(FILE_MISSING)]
    for system, n in missing["system"].value_counts().sort_index().items():
        n_ok = n + int(ended_as(requests[requests["system"] == system], "ok").sum())
        yield (
            f"{system}: {n} of {n_ok} pictures that were made are not in the set. They are left out of the stars, and "
            "each row says what they could change."
        )


def _read_stored(path: Path, made_from: str) -> RunRatings | None:
    """Return the stored ratings, None if there are none, they are of other tables, or they are damaged."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = json.loads(read_regular(path))
        if is_sealed(content) and content.get("made_from") == made_from:
            return TypeAdapter(RunRatings).validate_python(content)
    return None


def operations_of(run: Run) -> list[SystemOperations]:
    """Return outcomes, latency, cost and throughput by system and size, nothing where no requests are known."""
    return [] if run.requests is None else operations(run.requests)


def operations_by_size_of(run: Run) -> list[SystemOperations]:
    """Return the same over prompts that a system was asked at several sizes, nothing where there are none."""
    return [] if run.requests is None else operations_by_size(run.requests)


def fingerprint(run: Run) -> str:
    """Return a hash of all that ratings are made from: tables, requests, the eval, the facts, this code's version."""
    digest = hashlib.sha256(f"{version('twinlens')} {SCHEMA}".encode())
    for path in (*_CODE, *run_files(run.path, run.image_set).values(), *sorted(data_path("facts").glob("*.yaml"))):
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
