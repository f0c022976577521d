"""Do the stored ratings of a run come out again from its tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from evals.files.regular_files import read_regular
from evals.imageset.contract import RATINGS
from evals.rating.stage import fingerprint, rate_anew
from evals.run import Run, is_sealed

_TOLERANCE = 1e-6
"""The largest relative difference that other machines explain: the resampling is seeded, sums round differently."""
_NAMES = ("metric", "suite", "system", "system_a", "system_b", "control", "size")
"""What tells the rows of a table apart, besides ``id``."""


def changed_ratings(run: Run) -> Iterator[str]:
    """Yield what the stored ratings say and the tables do not, a sentence each; nothing where none are stored.

    The hash in the ratings tells what was changed by accident. Whoever can write it can make it anew, so that the run
    is rated again too; where its tables are not what they were, that says nothing and is left out.
    """
    path, anew = run.path / RATINGS, f"twinlens rate {run.path} makes them anew"
    try:
        stored = json.loads(read_regular(path)) if path.exists() else None
    except (OSError, ValueError, RecursionError):
        stored = {}
    if stored is None:
        return
    if not is_sealed(stored):
        yield f"the ratings of {run.path} were changed after they were made; {anew}"
    elif not run.changed_files():
        stored_document = {key: value for key, value in stored.items() if key not in ("sha256", "made_from")}
        computed = json.loads(json.dumps(rate_anew(run)))
        differences = [f"{RATINGS}: {each}" for each in _differences(stored_document, computed)]
        if differences and stored.get("made_from") != fingerprint(run):
            yield f"{RATINGS} is of other tables, facts or another version of TwinLens, and is not believed; {anew}"
        yield from differences


def _differences(stored: Any, computed: Any, where: tuple[str, ...] = (), kind: str = "") -> Iterator[str]:
    """Yield the leaves of two JSON documents that differ, with the names of what they belong to."""
    if isinstance(stored, dict) and isinstance(computed, dict):
        names = tuple(f"{name} {stored[name]}" for name in _NAMES if isinstance(stored.get(name), str))
        of_id = (f"{kind.removesuffix('s')} {stored['id']}",) if "id" in stored else ()
        inner = (*where, *of_id, *(name for name in names if name not in where))
        for key in {**computed, **stored}:
            one, other = stored.get(key), computed.get(key)
            yield from _differences(one, other, inner if isinstance(one, list) else (*inner, key), key)
    elif isinstance(stored, list) and isinstance(computed, list) and len(stored) == len(computed):
        for one, other in zip(stored, computed, strict=True):
            yield from _differences(one, other, where, kind)
    elif not _is_same(stored, computed):
        yield f"{', '.join(where)}: {_text(stored)} stored, {_text(computed)} computed"


def _is_same(stored: Any, computed: Any) -> bool:
    if isinstance(stored, float) and isinstance(computed, float):
        return math.isclose(stored, computed, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE**2)
    return bool(stored == computed)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return str(float(f"{value:.6g}"))
    return f"{len(value)} entries" if isinstance(value, (list, dict)) else json.dumps(value, ensure_ascii=False)
