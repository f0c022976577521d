"""Sizes side by side: what asking a system for small and for large pictures was like, on the same prompts."""

from __future__ import annotations

import pandas as pd

from evals.rating.operations import SystemOperations, operations


def operations_by_size(requests: pd.DataFrame) -> list[SystemOperations]:
    """Return outcomes, latency, cost and throughput by system and size over prompts asked at every size of the system.

    An eval asks one size for all its suites and others for a few. Without this, a long prompt with reference pictures
    would stand in the column of one size only and be taken for an effect of the size.

    Parameters
    ----------
    requests
        As `evals.rating.operations.operations` takes them.

    Returns
    -------
    list of SystemOperations
        By system, sizes ascending. A system with one size has that, on the prompts of the others. Nothing where no
        system was asked for the same prompt at more than one size.

    Examples
    --------
    >>> asked = [("cup", "logic", "1K"), ("dog", "logic", "1K"), ("cup", "logic@4K", "4K")]
    >>> requests = pd.DataFrame(asked, columns=["prompt_id", "suite", "size"]).assign(system="a", outcome="ok")
    >>> [(row["size"], row["n_requests"]) for row in operations_by_size(requests)]
    [('1K', 1), ('4K', 1)]
    """
    if requests.empty or not {"size", "prompt_id"} <= set(requests):
        return []
    told = requests[requests["size"].notna() & requests["prompt_id"].notna()]
    keys = list(zip(told["system"], _prompts(told), told["size"], strict=True))
    asked: dict[str, dict[str, set[str]]] = {}
    for system, prompt, size in keys:
        asked.setdefault(system, {}).setdefault(prompt, set()).add(size)
    all_sizes = {system: set().union(*of_system.values()) for system, of_system in asked.items()}
    at_every_size = {
        system: {prompt for prompt, sizes in of_system.items() if sizes == all_sizes[system]}
        for system, of_system in asked.items()
    }
    compared = {
        prompt for system, prompts in at_every_size.items() for prompt in prompts if len(asked[system][prompt]) > 1
    }
    return operations(told[[prompt in compared and prompt in at_every_size[system] for system, prompt, _ in keys]])


def _prompts(requests: pd.DataFrame) -> list[str]:
    """Return suite and prompt of each request, the suite as it is called whatever the size."""
    suites = requests["suite"] if "suite" in requests else pd.Series(None, requests.index, dtype=object)
    return [
        f"{'' if pd.isna(suite) else str(suite).removesuffix(f'@{size}')}/{prompt}"
        for suite, size, prompt in zip(suites, requests["size"], requests["prompt_id"], strict=True)
    ]
