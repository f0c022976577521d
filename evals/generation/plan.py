"""What an eval asks of its systems: every request, in a fixed order, with a name that never changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from evals.definition import DefinitionError, EvalDefinition
from evals.facts.pricing import SIZES
from evals.suites import references
from evals.suites.suite import PromptItem, Suite

MOST_REQUESTS = 1_000_000


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One picture that one system is asked for.

    ``sample_id`` is its name, made from everything that makes it another request; the picture keeps it. ``system`` is
    ``model@host``, ``suite`` has ``@size`` behind it where a row asks for another size than the eval. ``repeat`` counts
    the requests with the same seed, from 0; of a sequence it counts on over all seeds, since nothing but the repeat
    tells one asking of a sequence from another. Pictures are square, ``size`` is one of `evals.facts.pricing.SIZES`.
    ``first_shot`` is the ``sample_id`` of the sequence's first shot, whose picture is sent along as a reference.
    ``timed``: a row of the eval rates its latency, so it is asked while its system has nothing else to do.
    """

    sample_id: str
    system: str
    suite: str
    item: PromptItem
    seed: int
    repeat: int
    size: str
    first_shot: str | None = None
    timed: bool = False

    @property
    def prompt(self) -> str:
        """Return the prompt."""
        return self.item.prompt

    @property
    def n_references(self) -> int:
        """Return how many images are sent along, the picture to be edited and the first shot's included."""
        return references.n_references(self.item) + (self.first_shot is not None)

    @property
    def side(self) -> int:
        """Return the side of the square picture in pixels."""
        return SIZES[self.size]


def plan_requests(definition: EvalDefinition, sizes: Mapping[str, Sequence[str]] | None = None) -> list[ImageRequest]:
    """Return every request of an eval, in the order of its tables; `evals.generation.order` says when each is sent.

    What a row of latency counts is ``timed``: a suite at one size, or all suites where the row names none.

    Parameters
    ----------
    definition
        The eval.
    sizes
        The sizes that each system offers. What a row asks beyond them is left out for that system; a system that is
        not listed is asked for everything.

    Raises
    ------
    DefinitionError
        If the eval asks for more than `MOST_REQUESTS` pictures.

    Examples
    --------
    >>> from evals.definition import read_definition
    >>> requests = plan_requests(read_definition("demo"))
    >>> len(requests), requests[0].system, requests[1].system
    (522, 'aurora-1@demo', 'borealis-2@demo')
    """
    requests: list[ImageRequest] = []
    for name in definition.suite_names:
        suite = definition.suite(name)
        other_sizes = [row.size for row in definition.rows if row.suite == name and row.size]
        for size in dict.fromkeys([definition.size, *other_sizes]):
            able = [
                system
                for system in definition.systems
                if size == definition.size or size in (sizes or {}).get(system, SIZES)
            ]
            n_each = suite.seeds * (suite.repeats or definition.repeats)
            if len(requests) + len(suite.items) * n_each * len(able) > MOST_REQUESTS:
                raise DefinitionError(
                    f"eval {definition.name!r} asks for more than {MOST_REQUESTS:,} pictures ({n_each:,} of each "
                    f"prompt of {name!r} by each system); lower repeats or seeds"
                )
            requests += _of_suite(definition, name, suite, size, able)
    return requests


def plan_sha256(requests: Sequence[ImageRequest]) -> str:
    """Return a hash that changes with any request of a plan."""
    return hashlib.sha256("\n".join(request.sample_id for request in requests).encode()).hexdigest()


def _of_suite(
    definition: EvalDefinition, name: str, suite: Suite, size: str, systems: Sequence[str]
) -> Iterator[ImageRequest]:
    named = suite.name if size == definition.size else f"{suite.name}@{size}"
    timed = any(
        row.computed == "latency" and row.suite in (None, name) and (row.size or definition.size) == size
        for row in definition.rows
    )
    seeds = range(definition.seed, definition.seed + suite.seeds)
    repeats = range(suite.repeats or definition.repeats)
    first_shots = _first_shots(suite) if suite.first_shot_as_reference else {}
    sent_along = {item.id: references.reference_hashes(item) for item in suite.items}

    def name_of(item: PromptItem, system: str, seed: int, repeat: int) -> str:
        # Only what the host is sent, so that another caption or tag leaves a paid picture its name.
        key = json.dumps([system, named, item.id, item.prompt, seed, repeat, sent_along[item.id]], ensure_ascii=False)
        return "s" + hashlib.sha256(key.encode()).hexdigest()[:15]

    for item, seed, repeat, system in product(suite.items, seeds, repeats, systems):
        first = first_shots.get(item.id)
        earlier = 0 if item.sequence_id is None else (seed - definition.seed) * len(repeats)
        yield ImageRequest(
            sample_id=name_of(item, system, seed, repeat),
            system=system,
            suite=named,
            item=item,
            seed=seed,
            repeat=earlier + repeat,
            size=size,
            first_shot=name_of(first, system, seed, repeat) if first else None,
            timed=timed,
        )


def _first_shots(suite: Suite) -> dict[str, PromptItem]:
    """Return the first shot of its sequence for every later shot, by item id."""
    firsts: dict[str, PromptItem] = {}
    for item in sorted((item for item in suite.items if item.shot is not None), key=lambda item: item.shot or 0):
        firsts.setdefault(str(item.sequence_id), item)
    return {
        item.id: firsts[item.sequence_id]
        for item in suite.items
        if item.sequence_id is not None and firsts[item.sequence_id].id != item.id
    }
