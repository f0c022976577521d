"""Lists every system that can be asked: what it offers and costs, whether its key is set, what to know about it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from evals.generation.facts import HostFacts, Offer, cautions, read_facts
from evals.generation.pricing import likely_usd, worst_usd

_USUAL_SIZE = "1K"


def list_systems(environ: Mapping[str, str], today: date, facts_path: Path | None = None) -> list[dict[str, Any]]:
    """Return one row a system, in the order of the facts, ready for JSON.

    Parameters
    ----------
    environ
        The environment; only whether a key is in it is told, never the key.
    today
        The day that life cycles are held against.
    facts_path
        Other facts than those that come with TwinLens.

    Returns
    -------
    list of dict
        ``price_size`` is the size that ``likely_usd`` and ``worst_usd`` are for: 1K where it is offered. Both are
        None where no source gives a price. ``key_is_set`` is None where access is no matter of a key, and true where
        none is needed. ``notes`` holds cautions first.

    Raises
    ------
    FactsError
        If the facts cannot be read.
    """
    facts = read_facts(facts_path)
    return [_row(offer, facts.hosts[offer.host], environ, today) for offer in facts.offers.values()]


def key_status(host: HostFacts, environ: Mapping[str, str]) -> str:
    """Return whether a host's key is set and by which variable, never the key.

    Examples
    --------
    >>> bfl = read_facts().hosts["bfl"]
    >>> key_status(bfl, {"BFL_API_KEY": "secret"}), key_status(bfl, {})
    ('set (BFL_API_KEY)', 'not set: BFL_API_KEY')
    """
    if not host.key_variables:
        return host.credentials or "no key needed"
    found = _variable(host, environ)
    return f"set ({found})" if found else f"not set: {' or '.join(host.key_variables)}"


def _variable(host: HostFacts, environ: Mapping[str, str]) -> str | None:
    return next((name for name in host.key_variables if environ.get(name, "").strip()), None)


def _is_set(host: HostFacts, environ: Mapping[str, str]) -> bool | None:
    if host.credentials:
        return None
    return not host.key_variables or _variable(host, environ) is not None


def _row(offer: Offer, host: HostFacts, environ: Mapping[str, str], today: date) -> dict[str, Any]:
    size = _USUAL_SIZE if _USUAL_SIZE in offer.sizes else offer.sizes[0]
    warned = cautions(offer, today)
    return {
        "system": offer.system,
        "title": offer.title,
        "host": host.title,
        "api_id": offer.api_id,
        "sizes": list(offer.sizes),
        "references_at_most": offer.references_at_most,
        "takes_seed": offer.takes_seed,
        "price_size": size,
        "likely_usd": likely_usd(offer, size),
        "worst_usd": worst_usd(offer, size),
        "key": key_status(host, environ),
        "key_is_set": _is_set(host, environ),
        "released": offer.released.isoformat() if offer.released else None,
        "retired": offer.retired.isoformat() if offer.retired else None,
        "replaced_by": offer.replaced_by,
        "licence": offer.licence,
        "cautions": warned,
        "notes": [*warned, *offer.notes, *host.notes],
        "sources": list(offer.sources),
    }


def print_systems(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print the systems as a table, below it the keys by host, and what to know before using some of them."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    rows = list(rows)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    table = Table(title="Systems, with the price of a 1K picture in USD", title_justify="left")
    table.add_column("system", no_wrap=True)
    table.add_column("title")
    table.add_column("sizes", no_wrap=True)
    table.add_column("references", justify="right")
    table.add_column("seed")
    table.add_column("usual", justify="right", no_wrap=True)
    table.add_column("at most", justify="right", no_wrap=True)
    table.add_column("until", no_wrap=True)
    for row in rows:
        price_of = "" if row["price_size"] == _USUAL_SIZE else f" at {row['price_size']}"
        cells = (
            row["system"],
            row["title"],
            " ".join(row["sizes"]),
            str(row["references_at_most"] or "none"),
            "yes" if row["takes_seed"] else "no",
            _usd(row["likely_usd"]) + price_of,
            _usd(row["worst_usd"]) + price_of,
            row["retired"] or "",
        )
        table.add_row(*map(escape, cells))
    console.print(table)
    keys = {row["system"].partition("@")[2]: row["key"] for row in rows}
    for host, key in keys.items():
        console.print(f"key of {host}: {key}", markup=False)
    for row in rows:
        for caution in row["cautions"]:
            console.print(f"note: {row['system']}: {caution}", markup=False)
    console.print("Prices and dates with their sources: datasets/facts/models.yaml; everything: --json", markup=False)


def _usd(value: float | None) -> str:
    if value is None:
        return "unknown"
    return "free" if value == 0 else f"{value:.4f}"
