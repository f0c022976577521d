"""Short names of systems: the host only where it distinguishes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def system_labels(systems: Sequence[str]) -> dict[str, str]:
    """Return a label for every system: its model, or ``model@host`` where several systems share the model.

    Examples
    --------
    >>> system_labels(["flux-2-pro@bfl", "flux-2-pro@fal", "gemini-3-pro-image@google", "mine"])
    {'flux-2-pro@bfl': 'flux-2-pro@bfl', 'flux-2-pro@fal': 'flux-2-pro@fal', 'gemini-3-pro-image@google': \
'gemini-3-pro-image', 'mine': 'mine'}
    """
    n_of_model = Counter(map(_model, systems))
    return {system: _model(system) if n_of_model[_model(system)] == 1 else system for system in systems}


def with_labels(text: str, labels: Mapping[str, str]) -> str:
    """Return a sentence with the labels in place of the systems' names."""
    for system in sorted(labels, key=len, reverse=True):
        text = text.replace(system, labels[system])
    return text


def _model(system: str) -> str:
    return system.rpartition("@")[0] or system
