"""Sizes side by side: what asking a system for small and for large pictures was like, on the same prompts."""

from __future__ import annotations

import pandas as pd

from evals.rating.comparison import column_of
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
    >>> rows = [("cup", "logic", "1K"), ("dog", "logic", "1K"), ("cup", "logic@4K", "4K")]
    >>> requests = pd.DataFrame(rows, columns=["prompt_id", "suite", "size"]).assign(system="a", outcome="ok")
    >>> [(row["size"], row["n_requests"]) for row in operations_by_size(requests)]
    [('1K', 1), ('4K', 1)]
    """
    if requests.empty or not {"size", "prompt_id"} <= set(requests):
        return []
    named = requests[requests["size"].notna() & requests["prompt_id"].notna()]
    prompts = pd.Series(
        [
            # The suite as it is called whatever the size.
            f"{'' if pd.isna(suite) else str(suite).removesuffix(f'@{size}')}/{prompt}"
            for suite, size, prompt in zip(column_of(named, "suite"), named["size"], named["prompt_id"], strict=True)
        ],
        named.index,
        dtype=object,
    )
    n_sizes = named["size"].groupby([named["system"], prompts]).transform("nunique")
    at_every_size = n_sizes == named["size"].groupby(named["system"]).transform("nunique")
    compared = prompts.isin(prompts[at_every_size & (n_sizes > 1)])
    return operations(named[at_every_size & compared])
