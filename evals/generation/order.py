"""The order in which a plan is asked: each prompt of all systems before the next, the suites in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.generation.plan import ImageRequest
from evals.suites.sampling import places

_SLICES = 20
"""In how many parts the timed requests of a plan, which are asked one by one, take turns with all others."""


@dataclass(frozen=True, slots=True)
class PromptGroup:
    """What is compared as one: all requests of a prompt or of a sequence, by all systems, seeds and repeats.

    ``place`` is the share of its suite that is asked before it.
    """

    place: float
    requests: tuple[ImageRequest, ...]

    @property
    def timed(self) -> bool:
        """Whether a row rates its latency."""
        return self.requests[0].timed

    def rounds(self) -> list[list[ImageRequest]]:
        """Return what all systems are asked at the same time where that is timed, first shots before later ones."""
        rounds: dict[tuple[object, ...], list[ImageRequest]] = {}
        for request in sorted(self.requests, key=lambda request: request.first_shot is not None):
            rounds.setdefault((request.item.id, request.seed, request.repeat), []).append(request)
        return list(rounds.values())


def prompt_groups(requests: Sequence[ImageRequest]) -> list[PromptGroup]:
    """Return a plan's prompts in the order in which they are asked.

    Each suite stands at the same share of its prompts as all others at any time, and the kinds of its prompts have
    their shares in that: wherever a run stops, it has what `evals.suites.sampling.sampled` would have drawn.
    """
    of_suite: dict[str, list[ImageRequest]] = {}
    for request in requests:
        of_suite.setdefault(request.suite, []).append(request)
    groups: list[PromptGroup] = []
    for suite, asked in of_suite.items():
        items = list({request.item.id: request.item for request in asked}.values())
        # A suite at another size has the same prompts at the same places.
        where = places(items, suite.partition("@")[0], min(request.seed for request in asked))
        together: dict[tuple[float, str], list[ImageRequest]] = {}
        for request in asked:
            together.setdefault(where[request.item.id], []).append(request)
        groups += [PromptGroup(n / len(together), tuple(together[place])) for n, place in enumerate(sorted(together))]
    return sorted(groups, key=lambda group: group.place)


def slices(groups: Sequence[PromptGroup]) -> list[tuple[list[PromptGroup], list[PromptGroup]]]:
    """Return what is asked one after the other: of each part of the plan what is timed, then all else side by side.

    Where nothing is timed, the whole plan is one part.
    """
    n_slices = _SLICES if any(group.timed for group in groups) else 1
    parts: Mapping[int, tuple[list[PromptGroup], list[PromptGroup]]] = {n: ([], []) for n in range(n_slices)}
    for group in groups:
        parts[int(group.place * n_slices)][not group.timed].append(group)
    return list(parts.values())
