"""The command ``twinlens systems``: what each system offers and costs, whether its key is set, what to know of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.options import as_json, print_json

if TYPE_CHECKING:
    from evals.facts.models import HostFacts, Offer

_USUAL_SIZE = "1K"
_WIDEST = 1000
_HEADINGS = ("system", "title", "sizes", "refs", "seed", "usual", "at most", "until")


@click.command()
@as_json
def systems(json_wanted: bool) -> None:
    """List every model on every host: price, sizes, key, life cycle."""
    rows = list_systems(os.environ, date.today())
    if json_wanted:
        print_json(rows)
    else:
        print_systems(rows)


def list_systems(environ: Mapping[str, str], today: date, facts_path: Path | None = None) -> list[dict[str, Any]]:
    """Return one row a system, in the order of the facts, ready for JSON; life cycles are held against ``today``.

    Of ``environ`` only whether a key is in it is told, never the key: ``key_is_set`` is None where access is no matter
    of a key, and true where none is needed. ``price_size`` is the size that ``expected_cost_usd`` and ``max_cost_usd``
    are for, 1K where it is offered; both are None where no source gives a price. ``notes`` holds cautions first.

    Raises
    ------
    FactsError
        If the facts cannot be read.
    """
    from evals.facts.models import read_facts

    facts = read_facts(facts_path)
    return [_row(offer, facts.hosts[offer.host], environ, today) for offer in facts.offers.values()]


def key_status(host: HostFacts, environ: Mapping[str, str]) -> str:
    """Return whether a host's key is set and by which variable, never the key.

    Examples
    --------
    >>> from evals.facts.models import read_facts
    >>> bfl = read_facts().hosts["bfl"]
    >>> key_status(bfl, {"BFL_API_KEY": "secret"}), key_status(bfl, {})
    ('set (BFL_API_KEY)', 'not set: BFL_API_KEY')
    """
    if not host.key_variables:
        return host.credentials or "no key needed"
    variable = _variable(host, environ)
    return f"set ({variable})" if variable else f"not set: {' or '.join(host.key_variables)}"


def _variable(host: HostFacts, environ: Mapping[str, str]) -> str | None:
    return next((name for name in host.key_variables if environ.get(name, "").strip()), None)


def _row(offer: Offer, host: HostFacts, environ: Mapping[str, str], today: date) -> dict[str, Any]:
    from evals.facts.models import cautions
    from evals.facts.pricing import expected_cost_usd, max_cost_usd

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
        "expected_cost_usd": expected_cost_usd(offer, size),
        "max_cost_usd": max_cost_usd(offer, size),
        "key": key_status(host, environ),
        "key_is_set": None if host.credentials else not host.key_variables or _variable(host, environ) is not None,
        "released": offer.released.isoformat() if offer.released else None,
        "retired": offer.retired.isoformat() if offer.retired else None,
        "replaced_by": offer.replaced_by,
        "licence": offer.licence,
        "cautions": warned,
        "notes": [*warned, *offer.notes, *host.notes],
        "sources": [str(source) for source in offer.sources],
    }


def print_systems(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print the systems as a table, below it the keys by host, and what to know before using some of them.

    A terminal that is too narrow for all columns shows the table without the titles, a narrower one without the last
    days as well.
    """
    from rich import box
    from rich.measure import Measurement

    from evals.cli.tables import console, print_lines, table

    rows, out = list(rows), console()
    cells = [_cells(row) for row in rows]
    for left_out in ((), ("title",), ("title", "until")):
        shown = [heading for heading in _HEADINGS if heading not in left_out]
        made = table(
            f"Systems, with the price in USD of a picture in {_USUAL_SIZE}, else in the smallest size",
            shown,
            [[row[heading] for heading in shown] for row in cells],
            right=("refs", "usual", "at most"),
            whole=shown,
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        if Measurement.get(out, out.options.update(max_width=_WIDEST), made).maximum <= out.width:
            break
    out.print(made)
    keys = {row["system"].partition("@")[2]: row["key"] for row in rows}
    print_lines(f"key of {host}: {key}" for host, key in keys.items())
    print_lines(f"note: {row['system']}: {caution}" for row in rows for caution in row["cautions"])
    print_lines(["Prices and dates with their sources: datasets/facts/models.yaml; everything: --json"])


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "system": row["system"],
        "title": row["title"],
        "sizes": " ".join(row["sizes"]),
        "refs": str(row["references_at_most"] or "none"),
        "seed": "yes" if row["takes_seed"] else "no",
        "usual": _usd(row["expected_cost_usd"]),
        "at most": _usd(row["max_cost_usd"]),
        "until": row["retired"] or "",
    }


def _usd(value: float | None) -> str:
    if value is None:
        return "unknown"
    return "free" if value == 0 else f"{value:.4f}"
