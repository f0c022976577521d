"""Draws a smaller part of a suite: balanced over its kinds of prompts, seeded, and nested in every larger part."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from evals.files.yaml_files import refused
from evals.suites.suite import PromptItem, Suite


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
    where = places(suite.items, suite.name, seed)
    in_turn = sorted(set(where.values()))
    n_units = math.ceil(len(in_turn) * int(limit[:-1]) / 100) if isinstance(limit, str) else limit
    chosen = set(in_turn[:n_units])
    return suite.model_copy(update={"items": tuple(item for item in suite.items if where[item.id] in chosen)})


def places(items: Sequence[PromptItem], suite: str, seed: int) -> dict[str, tuple[float, str]]:
    """Return where each prompt of a suite stands, by item id, when they are taken one after the other in fair shares.

    The first number runs from 0 to 1. Whatever is taken up to some place has of each kind of prompts (their first tags)
    its share; the shots of a sequence have one place.
    """
    units = {i.id: f"item {i.id}" if i.sequence_id is None else f"sequence {i.sequence_id}" for i in items}
    kinds: dict[str, list[str]] = {}
    for item in items:
        kinds.setdefault(item.tags[0] if item.tags else "", []).append(units[item.id])
    # A sequence whose shots have several tags is of the kind that comes first in the suite.
    kind_of = {unit: kind for kind, of_kind in reversed(kinds.items()) for unit in of_kind}

    def drawn_at(unit: str) -> str:
        return hashlib.sha256(f"{seed} {suite} {unit}".encode()).hexdigest()

    order: dict[str, tuple[float, str]] = {}
    for kind in kinds:
        drawn = sorted((unit for unit in kind_of if kind_of[unit] == kind), key=drawn_at)
        order |= {unit: ((n + 0.5) / len(drawn), drawn_at(unit)) for n, unit in enumerate(drawn)}
    return {item_id: order[unit] for item_id, unit in units.items()}
