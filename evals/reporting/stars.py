"""The star table as a reader sees it: every row with intervals, scale and evidence, totals, advice and money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evals.rating.monthly_cost import MonthlyCost, UsdRange
from evals.rating.stars.bradley_terry import BradleyTerryStrengths
from evals.rating.stars.cells import StarCell, StarDifference
from evals.rating.stars.declared_rows import DeclaredCell
from evals.rating.stars.document import Stars
from evals.rating.stars.recommendations import ENOUGH, Recommendation
from evals.rating.stars.table import Component, Deciding, TableRow
from evals.rating.stars.totals import SystemTotal, TotalDifference, Totals
from evals.reporting import formatting, star_scales
from evals.reporting.formatting import pluralize
from evals.reporting.tables import Table

SHOWN_SAMPLES = 2
"""Sample ids that a deciding prompt names for each system."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One system in one row: its stars with interval, prompts, coverage and notes; or in ``absent`` why there are none.

    ``number`` is how the stars are written, ``coverage`` the share of outcomes that were scored.
    """

    system: str
    absent: str = ""
    stars: float | None = None
    low: float | None = None
    high: float | None = None
    number: str = ""
    glyphs: str = ""
    prompts: str = ""
    coverage: str = ""
    notes: tuple[str, ...] = ()

    @property
    def interval(self) -> str:
        """The interval, empty where there is none."""
        return "" if self.low is None or self.high is None else f"{self.low:.1f} to {self.high:.1f}"

    @property
    def text(self) -> str:
        """All of it in one line."""
        stars = f"{self.glyphs} {self.number}".strip()
        return self.absent or stars + (f" ({self.interval})" if self.interval else "")


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the star table, or the ``problem`` for which nobody has stars in it.

    ``comparability`` says that stars of two encoders are not comparable, where it was measured with one, ``scale``
    what one and five stars are, ``article`` an article's stars, ``pairs`` what each two systems' prompts say,
    ``deciding`` the prompts that decide it.
    """

    id: str
    title: str
    kind: str
    metrics: str
    cells: tuple[Cell, ...]
    verdicts: tuple[str, ...]
    problem: str
    comparability: str
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
    is_fact: bool
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

    @property
    def drawn_lines(self) -> list[Line]:
        """The rows whose stars were measured or computed, which a figure can show."""
        return [line for line in self.lines if any(cell.stars is not None for cell in line.cells)]

    @property
    def table(self) -> Table:
        """The rows with the stars of every system, the verdict and the article's stars."""
        rows = [
            (
                line.title,
                line.kind,
                *(("no stars",) * len(self.systems) if line.problem else (cell.text for cell in line.cells)),
                line.problem or "; ".join(line.verdicts),
                *self._article(line),
            )
            for line in self.lines
        ]
        headings = ("Row", "Kind", *self.systems, "Verdict", *self._article_headings)
        return Table(
            "Stars with 95% interval: 1 is what is known to be wrong, 5 the ceiling of a row", headings, tuple(rows)
        )

    def advice_table(self, cases: Sequence[Advice]) -> Table:
        """Return the advice for some of the use cases."""
        rows = [(case.title, case.verdict, case.rated, case.would_change, *self._article(case)) for case in cases]
        headings = ("Use case", "Better system", "Rated", "What would change it", *self._article_headings)
        return Table("For whom", headings, tuple(rows))

    @property
    def cost_table(self) -> Table:
        """The cost of a month by system and number of pictures."""
        rows = tuple((system, *cells, basis) for system, cells, basis in self.costs if cells)
        title = "US dollars for so many pictures a month, without discounts"
        return Table(title, ("System", *self.volumes, "Price"), rows)

    @property
    def _article_headings(self) -> tuple[str, ...]:
        return ("Article", "Article is") if self.has_article else ()

    def _article(self, part: Line | Advice) -> tuple[str, ...]:
        return (part.article, part.article_verdict) if self.has_article else ()


def section(stars: Stars) -> StarSection:
    """Return the section of a run's stars."""
    totals = stars["totals"]
    no_total = totals["problem"] or ""
    volumes = tuple(dict.fromkeys(cost["n_images"] for cost in stars["costs"]))
    return StarSection(
        systems=tuple(stars["systems"]),
        lines=tuple(_line(row, stars) for row in stars["rows"]),
        has_article=bool(stars["article_stars"]),
        totals=tuple(_total(total, no_total) for total in totals["systems"]),
        total_verdicts=tuple(map(_total_verdict, totals["differences"])),
        bradley_terry=tuple(_bradley_terry(stars["bradley_terry"])),
        weights=", ".join(f"{row} {weight:.0%}" for row, weight in totals["weights"].items()),
        indistinguishable_rows=tuple(_indistinguishable_rows(totals)),
        not_in_total=tuple(f"{row}: {why}" for row, why in totals["left_out"].items()),
        advice=tuple(map(_advice, stars["recommendations"])),
        volumes=tuple(f"{volume:,}" for volume in volumes),
        costs=tuple(_costs(stars["costs"], system, volumes) for system in stars["systems"]),
        cost_notes=tuple(
            dict.fromkeys(note for cost in stars["costs"] for note in (*_discounts(cost), *cost["notes"]))
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


def _line(row: TableRow, document: Stars) -> Line:
    article = document["article_stars"].get(row["id"])
    stars = article["stars"].values() if article else ()
    return Line(
        id=row["id"],
        title=row["title"],
        kind=row["kind"],
        metrics=", ".join(part["metric"] for part in row["components"]) or row["kind"],
        cells=(*map(_declared_cell, row["declared_cells"]), *(_cell(cell, row["unit"]) for cell in row["cells"])),
        verdicts=tuple(_verdict(pair, len(document["systems"])) for pair in row["differences"]),
        problem=row["problem"] or "",
        comparability=star_scales.comparability(row),
        scale=star_scales.lines(row),
        components=tuple(map(_component, row["components"])) if len(row["components"]) > 1 else (),
        pairs=tuple(_pair(pair) for pair in row["differences"] if pair["n_prompts"]),
        deciding=tuple(map(_deciding, row["deciding"])),
        article=" : ".join(f"{value:g}" for value in stars),
        article_verdict=article["verdict"] if article else "",
        article_why=article["why"] if article else "",
    )


def _cell(cell: StarCell, unit: str) -> Cell:
    n_outcomes = cell["n_scored"] + cell["n_failed"] + cell["n_left_out"]
    return Cell(
        cell["system"],
        absent="" if cell["stars"] is not None else cell["reason"] or "",
        stars=cell["stars"],
        low=cell["low"],
        high=cell["high"],
        number=f"{cell['stars']:.1f}" if cell["stars"] is not None else "",
        glyphs=glyphs(cell["shown"]) if cell["shown"] is not None and cell["low"] is not None else "",
        prompts=str(cell["n_prompts"]),
        coverage=f"{cell['n_scored'] / n_outcomes:.0%}" if n_outcomes else "",
        notes=tuple(_notes(cell, unit)) if cell["stars"] is not None else (),
    )


def _notes(cell: StarCell, unit: str) -> Iterator[str]:
    if cell["value"] is not None:
        yield formatting.quantity(cell["value"], unit) + ("" if formatting.is_share(unit) else f" {unit}")
    counts = [f"{cell['n_scored']:,} scored"]
    counts += [f"{cell['n_failed']:,} counted as zero"] * bool(cell["n_failed"])
    counts += [f"{cell['n_left_out']:,} left out"] * bool(cell["n_left_out"])
    yield f"{pluralize(cell['n_prompts'], 'prompt')}, {', '.join(counts)}"
    if cell["reasons"]:
        yield ", ".join(f"{code.replace('_', ' ')} ×{n}" for code, n in cell["reasons"].items())
    if cell["n_failed"] and cell["without_failures"] is not None:
        yield f"{cell['without_failures']:.1f} if its failures were left out"
    if cell["caution"]:
        yield f"read with care: {cell['caution']}"
    if cell["n_left_out"]:
        yield f"{cell['lowest']:.1f} to {cell['highest']:.1f} whatever was left out"


def _declared_cell(cell: DeclaredCell) -> Cell:
    sources = "; ".join(f"{source['what']}, read {source['read']}" for source in cell["sources"])
    if cell["stars"] is None:
        return Cell(cell["system"], absent=cell["reason"] or "", notes=(sources,) if sources else ())
    notes = tuple(filter(None, (cell["level"], cell["says"], sources)))
    return Cell(cell["system"], number=f"{cell['stars']:g}", glyphs=glyphs(cell["stars"]), notes=notes)


def _verdict(pair: StarDifference, n_systems: int) -> str:
    verdict, better = pair["verdict"], pair["better_system"]
    if better is not None and pair["low"] is not None and pair["high"] is not None:
        low, high = sorted((abs(pair["low"]), abs(pair["high"])))
        verdict += f" ({low:.1f} to {high:.1f})"
    if pair["p_holm"] is not None:
        verdict += f", over {pluralize(pair['n_prompts'], 'common prompt')}"
    return verdict if n_systems == 2 else f"{pair['system_a']} and {pair['system_b']}: {verdict}"


def _pair(pair: StarDifference) -> str:
    wins = (
        f"{pair['system_a']} wins {pair['wins']}, ties {pair['ties']} and loses {pair['losses']} of "
        f"{pluralize(pair['n_prompts'], 'prompt')} against {pair['system_b']}"
    )
    parts = [wins + (f" (sign test p = {pair['sign_test']:.2g})" if pair["sign_test"] is not None else "")]
    if pair["p_value"] is not None:
        parts.append(f"of the difference p = {pair['p_value']:.2g}, {pair['p_holm']:.2g} after Holm's correction")
    if pair["prompts_for_half_a_star"] is not None:
        parts.append(f"half a star would show on {pluralize(pair['prompts_for_half_a_star'], 'prompt')}")
    if pair["caution"]:
        parts.append(f"read with care: {pair['caution']}")
    return "; ".join(parts)


def _component(part: Component) -> str:
    if part["scale"]["problem"]:
        return f"{part['metric']}: no stars, {part['scale']['problem']}"
    stars = ", ".join(f"{cell['system']} {cell['stars']:.1f}" for cell in part["cells"] if cell["stars"] is not None)
    return f"{part['metric']} (weight {part['weight']:g}): {stars}"


def _deciding(prompt: Deciding) -> str:
    shares = [
        f"{system} {share:.2f}" + (f" ({', '.join(samples[:SHOWN_SAMPLES])})" if samples else "")
        for system, share in prompt["shares"].items()
        if share is not None
        for samples in [prompt["samples"][system]]
    ]
    return f"{prompt['prompt']}: {', '.join(shares)}" + (", which speaks against it" if prompt["against"] else "")


def _total(total: SystemTotal, problem: str) -> Cell:
    stars = total["stars"]
    if stars is None:
        return Cell(total["system"], absent=problem)
    return Cell(total["system"], stars=stars, number=f"{stars:.2f}")


def _total_verdict(pair: TotalDifference) -> str:
    a, b, stars = pair["system_a"], pair["system_b"], pair["stars"]
    amount = f"{a} minus {b}: {_signed(stars)} stars ({_signed(pair['low'])} to {_signed(pair['high'])})"
    amount += f", over {pluralize(pair['n_prompts'], 'common prompt')} or more in each row"
    if pair["better_system"] is None:
        return f"{amount}, nobody is named: {pair['problem']}" if pair["problem"] else f"{amount}, not separable"
    if pair["weight_to_move"] is None:
        return f"{amount}; no weights would turn it"
    return f"{amount}; it would draw if {pair['weight_to_move']:.0%} of the weight moved"


def _indistinguishable_rows(totals: Totals) -> Iterator[str]:
    """Yield what is said of rows that count as one star for everyone, since nobody can be told from their floor."""
    if totals["indistinguishable_rows"]:
        yield f"{totals['most']:.2f} is the most that any system could have: these rows count as one star for everyone"
        yield from (f"At the floor: {row}, {why}" for row, why in totals["indistinguishable_rows"].items())


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", formatting.MINUS)


def _bradley_terry(strengths: BradleyTerryStrengths | None) -> Iterator[str]:
    if strengths is None:
        return
    ranked = sorted(strengths["systems"], key=lambda one: -(one["log_strength"] or 0.0))
    listed = []
    for one in ranked:
        if one["log_strength"] is not None:
            ends = [_signed(end) for end in (one["low"], one["high"]) if end is not None]
            interval = f" ({' to '.join(ends)})" if len(ends) == 2 else ""
            listed.append(f"{one['system']} {_signed(one['log_strength'])}{interval}")
    if listed:
        yield f"Bradley-Terry log-strengths over {pluralize(strengths['n_prompts'], 'prompt')}: {', '.join(listed)}"
    if strengths["note"]:
        yield strengths["note"]


def _advice(case: Recommendation) -> Advice:
    met = {True: "can", False: "cannot", None: "unknown"}
    return Advice(
        title=case["title"],
        why=case["why"],
        verdict=case["verdict"],
        rated=f"{case['rated']:.0%}",
        is_rated=case["rated"] >= ENOUGH,
        is_fact=case["only_able"] is not None,
        would_change=case["would_change"],
        requirements=tuple(f"{need['system']}: {met[need['met']]}, {need['says']}" for need in case["requirements"]),
        article=case["article"] or "",
        article_verdict=case["article_verdict"] or "",
    )


def _costs(costs: Sequence[MonthlyCost], system: str, volumes: Sequence[int]) -> tuple[str, tuple[str, ...], str]:
    by_volume = {cost["n_images"]: cost for cost in costs if cost["system"] == system}
    cells = tuple(_money(by_volume[volume]["usd"]) if volume in by_volume else "–" for volume in volumes)
    basis = next((cost["basis"] or cost["reason"] or "" for cost in by_volume.values()), "")
    return system, cells, basis


def _discounts(cost: MonthlyCost) -> Iterator[str]:
    """Yield what a month costs with the discounts that are documented, and with those that are only claimed."""
    month = f"{cost['system']}, {cost['n_images']:,} pictures"
    if cost["usd_batch"] is not None:
        yield f"{month} that may wait (batch): {_money(cost['usd_batch'])}"
    if (claim := cost["claimed_discount"]) is not None:
        yield f"{month}, if it were true that {claim['claim']}: ${claim['low']:,.0f} to ${claim['high']:,.0f}"


def _money(usd: UsdRange | None) -> str:
    if usd is None:
        return "–"
    if round(usd["low"]) == round(usd["high"]):
        return f"${usd['middle']:,.0f}"
    return f"${usd['middle']:,.0f} (${usd['low']:,.0f} to ${usd['high']:,.0f})"
