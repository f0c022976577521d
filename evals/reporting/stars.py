"""The star table as a report prints it: every row with intervals, scale and evidence, totals, advice and money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.rating.stars.recommendations import ENOUGH
from evals.reporting import formatting

Document = Mapping[str, Any]

SHOWN_SAMPLES = 2
"""Sample ids that a deciding prompt names for each system."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One system in one row: drawn stars, the number with its interval, and the notes below."""

    system: str
    glyphs: str
    number: str
    interval: str
    notes: tuple[str, ...]
    absent: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the star table, or why nobody has stars in it.

    ``anchor`` is where its pictures are shown, ``scale`` what one and five stars are, ``article`` what was published
    beside it, ``pairs`` what each two systems' prompts say, ``deciding`` the prompts that decide it.
    """

    id: str
    title: str
    kind: str
    metrics: str
    cells: tuple[Cell, ...]
    verdicts: tuple[str, ...]
    problem: str
    anchor: str
    scale: tuple[str, ...]
    components: tuple[str, ...]
    pairs: tuple[str, ...]
    deciding: tuple[str, ...]
    article: str
    article_verdict: str
    article_why: str


@dataclass(frozen=True, slots=True)
class Advice:
    """The recommendation for one use case."""

    title: str
    why: str
    verdict: str
    rated: str
    is_rated: bool
    would_change: str
    requirements: tuple[str, ...]
    article: str
    article_verdict: str


@dataclass(frozen=True, slots=True)
class StarSection:
    """The section: rows, totals with what turns them, advice by use case, monthly costs."""

    systems: tuple[str, ...]
    lines: tuple[Line, ...]
    has_article: bool
    totals: tuple[Cell, ...]
    total_verdicts: tuple[str, ...]
    bradley_terry: tuple[str, ...]
    weights: str
    indistinguishable_rows: tuple[str, ...]
    not_in_total: tuple[str, ...]
    advice: tuple[Advice, ...]
    volumes: tuple[str, ...]
    costs: tuple[tuple[str, tuple[str, ...], str], ...]
    cost_notes: tuple[str, ...]


def section(document: Document | None) -> StarSection | None:
    """Return the section, None where the ratings have no stars.

    Parameters
    ----------
    document
        As ``evals.rating.stars.document.award_stars`` returns it.
    """
    if not document or not document["rows"]:
        return None
    totals = document["totals"]
    volumes = tuple(dict.fromkeys(cost["n_images"] for cost in document["costs"]))
    return StarSection(
        systems=tuple(document["systems"]),
        lines=tuple(_line(row, document) for row in document["rows"]),
        has_article=bool(document["article_stars"]),
        totals=tuple(_total(total) for total in totals["systems"]),
        total_verdicts=tuple(_total_verdict(row) for row in totals["differences"]),
        bradley_terry=tuple(_bradley_terry(document["bradley_terry"])),
        weights=", ".join(f"{row} {weight:.0%}" for row, weight in totals["weights"].items()),
        indistinguishable_rows=_indistinguishable_rows(totals),
        not_in_total=tuple(f"{row}: {why}" for row, why in totals["left_out"].items()),
        advice=tuple(map(_advice, document["recommendations"])),
        volumes=tuple(f"{volume:,}" for volume in volumes),
        costs=tuple(_costs(document["costs"], system, volumes) for system in document["systems"]),
        cost_notes=tuple(
            dict.fromkeys(note for cost in document["costs"] for note in (*_discounts(cost), *cost["notes"]))
        ),
    )


def glyphs(shown: float) -> str:
    """Draw stars in halves.

    Examples
    --------
    >>> glyphs(3.5), glyphs(5.0)
    ('★★★½☆', '★★★★★')
    """
    full, half = int(shown), shown % 1 > 0
    return "★" * full + "½" * half + "☆" * (5 - full - half)


def _line(row: Document, document: Document) -> Line:
    article = document["article_stars"].get(row["id"])
    stars = article["stars"].values() if article else ()
    measured = row["kind"] == "measured"
    return Line(
        id=row["id"],
        title=row["title"],
        kind=row["kind"],
        metrics=", ".join(part["metric"] for part in row["components"]) or row["kind"],
        cells=tuple(map(_declared_cell, row["declared_cells"]))
        or tuple(_cell(cell, row["unit"]) for cell in row["cells"]),
        verdicts=tuple(_verdict(found, len(document["systems"])) for found in row["differences"]),
        problem=row["problem"] or "",
        anchor=f"pictures-{row['suite']}" if measured and row["problem"] is None else "",
        scale=tuple(filter(None, (_scale(part) for part in row["components"]))),
        components=tuple(map(_component, row["components"])) if len(row["components"]) > 1 else (),
        pairs=tuple(_pair(found) for found in row["differences"] if found["n_prompts"]),
        deciding=tuple(map(_deciding, row["deciding"])),
        article=" : ".join(f"{value:g}" for value in stars),
        article_verdict=article["verdict"] if article else "",
        article_why=article["why"] if article else "",
    )


def _cell(cell: Document, unit: str) -> Cell:
    if cell["stars"] is None:
        return Cell(cell["system"], "", "", "", (), cell["reason"] or "")
    interval = f"{cell['low']:.1f} to {cell['high']:.1f}" if cell["low"] is not None else ""
    return Cell(cell["system"], glyphs(cell["shown"]), f"{cell['stars']:.1f}", interval, tuple(_notes(cell, unit)), "")


def _notes(cell: Document, unit: str) -> list[str]:
    notes = []
    if cell["value"] is not None:
        label = "" if formatting.is_share(unit) else f" {unit}"
        notes.append(f"{formatting.quantity(cell['value'], unit)}{label}")
    counts = [f"{cell['n_scored']:,} scored"]
    counts += [f"{cell['n_failed']:,} counted as zero"] * bool(cell["n_failed"])
    counts += [f"{cell['n_left_out']:,} left out"] * bool(cell["n_left_out"])
    notes.append(f"{formatting.pluralize(cell['n_prompts'], 'prompt')}, {', '.join(counts)}")
    if cell["reasons"]:
        notes.append(", ".join(f"{code.replace('_', ' ')} ×{n}" for code, n in cell["reasons"].items()))
    if cell["n_failed"] and cell["without_failures"] is not None:
        notes.append(f"{cell['without_failures']:.1f} if its failures were left out")
    if cell["caution"]:
        notes.append(f"read with care: {cell['caution']}")
    if cell["n_left_out"]:
        notes.append(f"{cell['lowest']:.1f} to {cell['highest']:.1f} whatever was left out")
    return notes


def _declared_cell(cell: Document) -> Cell:
    sources = "; ".join(f"{source['what']}, read {source['read']}" for source in cell["sources"])
    if cell["stars"] is None:
        return Cell(cell["system"], "", "", "", (sources,) if sources else (), cell["reason"] or "")
    notes = tuple(filter(None, (cell["level"], cell["says"], sources)))
    return Cell(cell["system"], glyphs(cell["stars"]), f"{cell['stars']:g}", "", notes, "")


def _verdict(found: Document, n_systems: int) -> str:
    verdict: str = found["verdict"]
    if found["better_system"] is not None:
        low, high = sorted((abs(found["low"]), abs(found["high"])))
        return f"{verdict} ({low:.1f} to {high:.1f}) over {formatting.pluralize(found['n_prompts'], 'prompt')}" + (
            "" if n_systems == 2 else f", against {_other(found)}"
        )
    return verdict if n_systems == 2 else f"{found['system_a']} and {found['system_b']}: {verdict}"


def _pair(found: Document) -> str:
    told = [
        f"{found['system_a']} wins {found['wins']}, ties {found['ties']} and loses {found['losses']} of "
        f"{formatting.pluralize(found['n_prompts'], 'prompt')} against {found['system_b']}"
        + (f" (sign test p = {found['sign_test']:.2g})" if found["sign_test"] is not None else "")
    ]
    if found["p_value"] is not None:
        told.append(f"of the difference p = {found['p_value']:.2g}, {found['p_holm']:.2g} after Holm's correction")
    if found["prompts_for_half_a_star"] is not None:
        told.append(f"half a star would show on {formatting.pluralize(found['prompts_for_half_a_star'], 'prompt')}")
    if found["caution"]:
        told.append(f"read with care: {found['caution']}")
    return "; ".join(told)


def _other(found: Document) -> str:
    other: str = found["system_b"] if found["better_system"] == found["system_a"] else found["system_a"]
    return other


def _scale(part: Document) -> str:
    scale = part["scale"]
    if scale["floor"] is None or scale["ceiling"] is None:
        return ""
    return (
        f"{part['metric']}: one star at {scale['floor']:.3g} ({scale['floor_source']}), five at "
        f"{scale['ceiling']:.3g} ({scale['ceiling_source']})"
    )


def _component(part: Document) -> str:
    if part["scale"]["problem"]:
        return f"{part['metric']}: no stars, {part['scale']['problem']}"
    stars = ", ".join(f"{cell['system']} {cell['stars']:.1f}" for cell in part["cells"] if cell["stars"] is not None)
    return f"{part['metric']} (weight {part['weight']:g}): {stars}"


def _deciding(found: Document) -> str:
    shares = ", ".join(
        f"{system} {share:.2f}"
        + (f" ({', '.join(found['samples'][system][:SHOWN_SAMPLES])})" if found["samples"][system] else "")
        for system, share in found["shares"].items()
        if share is not None
    )
    return f"{found['prompt']}: {shares}"


def _total(total: Document) -> Cell:
    stars = total["stars"]
    if stars is None:
        return Cell(total["system"], "", "", "", (), "no row counts")
    return Cell(total["system"], glyphs(round(2 * stars) / 2), f"{stars:.2f}", "", (), "")


def _total_verdict(found: Document) -> str:
    a, b, stars = found["system_a"], found["system_b"], found["stars"]
    if stars is None or found["low"] is None:
        return f"{a} and {b}: no interval, a row has too few prompts in common"
    amount = f"{_signed(stars)} stars ({_signed(found['low'])} to {_signed(found['high'])})"
    if found["better_system"] is None:
        return f"{a} minus {b}: {amount}, not separable"
    if found["weight_to_move"] is None:
        return f"{a} minus {b}: {amount}; no weights would turn it"
    return f"{a} minus {b}: {amount}; it would draw if {found['weight_to_move']:.0%} of the weight moved"


def _indistinguishable_rows(totals: Document) -> tuple[str, ...]:
    """Return what is said of rows that count as one star for everyone, since nobody can be told from their floor."""
    if not totals["indistinguishable_rows"]:
        return ()
    most = f"{totals['most']:.2f} is the most that any system could have: these rows count as one star for everyone"
    return (most, *(f"At the floor: {row}, {why}" for row, why in totals["indistinguishable_rows"].items()))


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", formatting.MINUS)


def _bradley_terry(found: Document | None) -> list[str]:
    if found is None:
        return []
    told = [
        f"{one['system']} {_signed(one['log_strength'])}"
        + (f" ({_signed(one['low'])} to {_signed(one['high'])})" if one["low"] is not None else "")
        for one in sorted(found["systems"], key=lambda one: -one["log_strength"])
    ]
    over = formatting.pluralize(found["n_prompts"], "prompt")
    lines = [f"Bradley-Terry log-strengths over {over}: {', '.join(told)}"] if told else []
    return [*lines, found["note"]] if found["note"] else lines


def _advice(found: Document) -> Advice:
    met = {True: "can", False: "cannot", None: "unknown"}
    return Advice(
        title=found["title"],
        why=found["why"],
        verdict=found["verdict"],
        rated=f"{found['rated']:.0%}",
        is_rated=found["system"] is not None or found["rated"] >= ENOUGH,
        would_change=found["would_change"],
        requirements=tuple(f"{need['system']}: {met[need['met']]}, {need['says']}" for need in found["requirements"]),
        article=found["article"] or "",
        article_verdict=found["article_verdict"] or "",
    )


def _costs(costs: Sequence[Document], system: str, volumes: Sequence[int]) -> tuple[str, tuple[str, ...], str]:
    by_volume = {cost["n_images"]: cost for cost in costs if cost["system"] == system}
    cells = tuple(_money(by_volume[volume]["usd"]) if volume in by_volume else "–" for volume in volumes)
    basis = next((cost["basis"] or cost["reason"] or "" for cost in by_volume.values()), "")
    return system, cells, basis


def _discounts(cost: Document) -> list[str]:
    """Return what a month costs with the discounts that are documented, and with those that are only claimed."""
    told = []
    month = f"{cost['system']}, {cost['n_images']:,} pictures"
    if cost["usd_batch"] is not None:
        told.append(f"{month} that may wait (batch): {_money(cost['usd_batch'])}")
    if cost["claimed_discount"] is not None:
        found = cost["claimed_discount"]
        told.append(f"{month}, if it were true that {found['claim']}: ${found['low']:,.0f} to ${found['high']:,.0f}")
    return told


def _money(usd: Document | None) -> str:
    if usd is None:
        return "–"
    if round(usd["low"]) == round(usd["high"]):
        return f"${usd['middle']:,.0f}"
    return f"${usd['middle']:,.0f} (${usd['low']:,.0f} to ${usd['high']:,.0f})"
