"""Draws a smaller part of a suite: balanced over its kinds of prompts, seeded, and nested in every larger part."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from evals.suites.suite import PromptItem, Suite
from evals.yaml_files import refused


def check_limit(limit: Any) -> Any:
    """Return a limit as it is written: a number of prompts from 1, or a share of them from ``1%`` to ``100%``."""
    if isinstance(limit, str) and re.fullmatch(r"[1-9]\d*", limit):
        limit = int(limit)
    if isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1:
        return limit
    if isinstance(limit, str) and re.fullmatch(r"[1-9]\d?%|100%", limit):
        return limit
    raise refused(f"{limit!r} is neither a number of prompts, such as 20, nor a share of them, such as 25%")


Limit: TypeAlias = Annotated[int | str, BeforeValidator(check_limit)]
"""How many prompts of each suite are asked: a number, or a share such as ``25%``."""


def sampled(suite: Suite, limit: int | str, seed: int) -> Suite:
    """Return a suite with so many of its prompts, in their order.

    The kinds of prompts (their first tags) keep their shares, and a sequence counts as one prompt and stays whole.
    The part is the same for the same seed, and lies in every larger part of that seed.

    Examples
    --------
    >>> from evals.suites.suite import read_suite
    >>> whole = read_suite("scenes")
    >>> ids = lambda limit: {item.id for item in sampled(whole, limit, seed=7).items}
    >>> len(ids(5)), ids(5) < ids("50%"), ids(5) == ids(5)
    (5, True, True)
    """
    kinds: dict[str, dict[str, list[PromptItem]]] = {}
    for item in suite.items:
        unit = f"sequence {item.sequence_id}" if item.sequence_id is not None else f"item {item.id}"
        kinds.setdefault(item.tags[0] if item.tags else "", {}).setdefault(unit, []).append(item)
    # A sequence whose shots have several tags is of the kind of its first one.
    kind_of = {unit: kind for kind, units in reversed(kinds.items()) for unit in units}

    def drawn_at(unit: str) -> str:
        return hashlib.sha256(f"{seed} {suite.name} {unit}".encode()).hexdigest()

    places: dict[str, tuple[float, str]] = {}
    for kind in kinds:
        units = sorted((unit for unit in kind_of if kind_of[unit] == kind), key=drawn_at)
        places |= {unit: ((n + 0.5) / len(units), drawn_at(unit)) for n, unit in enumerate(units)}
    n_units = math.ceil(len(places) * int(limit[:-1]) / 100) if isinstance(limit, str) else limit
    chosen = set(sorted(places, key=places.__getitem__)[:n_units])
    ids = {item.id for units in kinds.values() for unit, items in units.items() if unit in chosen for item in items}
    return suite.model_copy(update={"items": tuple(item for item in suite.items if item.id in ids)})
