"""The rating stage: a scored run in, its ratings out, kept beside the scores until a table or a fact changes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter

from evals.data_files import data_path
from evals.imageset.contract import FILE_MISSING, RATINGS, ended_as
from evals.imageset.imageset import clear_leftovers, write_atomically
from evals.rating.common_prompts import CommonPrompts, common_prompts, notes_on_forms, pairing_warnings
from evals.rating.operations import SystemOperations, operations
from evals.rating.operations_by_size import operations_by_size
from evals.rating.ratings import SCHEMA, Ratings, rate
from evals.rating.stars.document import Stars, award_stars
from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts
from evals.run import Run, is_sealed, run_files, sealed

_ROOT = Path(__file__).resolve().parents[2]
_CODE = tuple(sorted(path for folder in ("evals/rating", "metrics") for path in _ROOT.joinpath(folder).rglob("*.py")))
"""What rates, and what says how: ratings of other code are not believed."""


class RunRatings(Ratings):
    """All that is said of a run: its ratings with the stars, and which prompts pair."""

    common_prompts: list[CommonPrompts]
    stars: Stars


def rate_run(run: Run) -> RunRatings:
    """Return means, intervals, paired differences, controls and stars of a run, anew when a table or a fact changed.

    They are kept beside the scores where that folder can be written to.

    Raises
    ------
    evals.run.RunError
        If a table of the run is damaged.
    """
    path, made_from = run.path / RATINGS, _fingerprint(run)
    if stored := _read_stored(path, made_from):
        return stored
    table = merge_duplicate_prompts(run.read_scores(with_details=False), run.samples, run.requests)
    ratings = rate(table)
    requests = None if run.requests is None else merge_duplicate_prompts(run.requests, run.samples, run.requests)
    stars = award_stars(table, requests, ratings["controls"], operations_of(run), run.definition)
    common = common_prompts(run.samples, run.requests)
    ratings["warnings"] = [
        *pairing_warnings(common), *_missing_pictures(run), *notes_on_forms(run.samples), *ratings["warnings"],
    ]  # fmt: skip
    fresh = RunRatings(**ratings, common_prompts=common, stars=stars)
    content = json.dumps(sealed({**fresh, "made_from": made_from}), indent=2, ensure_ascii=False, allow_nan=False)
    try:
        clear_leftovers(run.path)
        write_atomically(path, content.encode())
    except OSError as error:
        # A run that may only be read is rated anew each time; nothing but that is lost.
        if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise
    return fresh


def _missing_pictures(run: Run) -> Iterator[str]:
    if run.requests is None or "reason" not in run.requests:
        return
    missing = run.requests[run.requests["reason"].eq(FILE_MISSING)]
    for system, n in missing["system"].value_counts().sort_index().items():
        n_ok = n + int(ended_as(run.requests[run.requests["system"] == system], "ok").sum())
        yield (
            f"{system}: {n} of {n_ok} pictures that were made are not in the set. They are left out of the stars, and "
            "each row says what they could change."
        )


def stored_ratings_are_whole(run: Run) -> bool:
    """Return whether the ratings beside a run say what they said when they were made; true where there are none."""
    try:
        return is_sealed(json.loads((run.path / RATINGS).read_bytes()))
    except FileNotFoundError:
        return True
    except (ValueError, RecursionError):
        return False


def _read_stored(path: Path, made_from: str) -> RunRatings | None:
    """Return the stored ratings, None if there are none, they are of other tables, or they are damaged."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = json.loads(path.read_bytes())
        if is_sealed(content) and content.get("made_from") == made_from:
            return TypeAdapter(RunRatings).validate_python(content)
    return None


def operations_of(run: Run) -> list[SystemOperations]:
    """Return outcomes, latency, cost and throughput by system and size, nothing where no requests are known."""
    return [] if run.requests is None else operations(run.requests)


def operations_by_size_of(run: Run) -> list[SystemOperations]:
    """Return the same over prompts that a system was asked at several sizes, nothing where there are none."""
    return [] if run.requests is None else operations_by_size(run.requests)


def _fingerprint(run: Run) -> str:
    """Return a hash of all that ratings are made from: tables, requests, the eval, the facts, this code's version."""
    digest = hashlib.sha256(f"{version('twinlens')} {SCHEMA}".encode())
    for path in (*_CODE, *run_files(run.path, run.image_set).values(), *sorted(data_path("facts").glob("*.yaml"))):
        if path.is_file():
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
