"""What systems are set to where no row compares it: how strictly they decline, how long they think, how many steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from evals.facts.models import Offer

_MATTERS = {"safety": "a refusal counts as zero in every row, so look at how much each declined"}


def unlike_settings(offers: Mapping[str, Offer]) -> Iterator[str]:
    """Yield a sentence for each setting that is not known to be the same for all systems, with what each one has.

    Examples
    --------
    >>> from evals.facts.models import read_facts
    >>> facts = read_facts()
    >>> pair = {system: facts.find(system) for system in ("flux-2-pro@bfl", "gemini-3-pro-image@google")}
    >>> list(unlike_settings({"flux-2-pro@bfl": pair["flux-2-pro@bfl"]}))
    []
    >>> [sentence.partition(":")[0] for sentence in unlike_settings(pair)]
    ['safety is not set alike']
    """
    for setting in dict.fromkeys(name for offer in offers.values() for name in offer.all_settings):
        systems: dict[str, list[str]] = {}
        for system, offer in offers.items():
            # Every system declines something; not every one thinks, or takes steps.
            if setting in offer.all_settings or setting in _MATTERS:
                systems.setdefault(offer.all_settings.get(setting, "not known"), []).append(system)
        if len(systems) > 1:
            values = "; ".join(f"{value} ({', '.join(named)})" for value, named in systems.items())
            why = f"; {_MATTERS[setting]}" if setting in _MATTERS else ""
            yield f"{setting} is not set alike: {values}{why}"
