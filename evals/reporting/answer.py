"""The answer of a run: who leads how many rows, whom to use when, what to be wary of, and what nobody measured.

Page, Markdown, terminal and notebook print it; nothing is compared here, for winners are those of the star table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from evals.facts.models import read_facts
from evals.imageset.contract import FILE_MISSING
from evals.rating.common_prompts import pairing_warnings
from evals.rating.ratings import WELL_COVERED_PROMPTS
from evals.rating.stage import RunRatings
from evals.rating.stars.cells import StarDifference
from evals.rating.stars.document import Stars
from evals.rating.stars.table import TableRow
from evals.rating.stars.totals import TotalDifference
from evals.rating.statistics.intervals import MIN_PROMPTS
from evals.reporting import formatting
from evals.reporting.comparison import dimension_of
from evals.reporting.formatting import join_names, pluralize
from evals.reporting.groups import RowVerdict, lead, row_verdict
from evals.reporting.not_measured import most_frequent_reason
from evals.reporting.system_labels import system_labels
from metrics.catalogue import is_weak, metric
from metrics.encoders.catalogue import fetch_command
from metrics.features import FEATURES

MOST_SENTENCES = 3
"""Of advice, and of cautions."""

_NAMED_ROWS, _NAMED_SYSTEMS = 3, 4

_COPY_GUARD, _FAR_ABOVE = "identity.copy_paste", 0.15
"""Faces that have nothing to do with each other share about half of their hash bits, a copy nearly all."""

_LEAST_SHOWN = 0.05
"""Stars; a smaller difference would be printed as 0.0."""


@dataclass(frozen=True, slots=True)
class Caution:
    """What to be wary of, and what to do about it."""

    says: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NotRated:
    """Rows without stars for one reason, and the command that would change it; ``rows`` are (id, title)."""

    reason: str
    remedy: str
    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer: a ``title``, at most three sentences of ``advice`` and three ``cautions``, what was ``not_rated``.

    ``rehearsal`` is the sentence that says that nothing real was measured, empty where something was. ``verdicts`` are
    those of every row by its id, in the order of the table.
    """

    title: str
    rehearsal: str
    advice: tuple[str, ...]
    cautions: tuple[Caution, ...]
    not_rated: tuple[NotRated, ...]
    verdicts: dict[str, RowVerdict]


def answer(ratings: RunRatings, provenance: Mapping[str, Any]) -> Answer:
    """Return the answer of a run from its ratings and ``provenance.json``."""
    stars = ratings["stars"]
    labels = system_labels(stars["systems"])
    verdicts = {row["id"]: row_verdict(row, labels, stars["n_compared"]) for row in stars["rows"]}
    return Answer(
        title=title(stars),
        rehearsal=_rehearsal(stars),
        advice=tuple(_advice(stars, verdicts, labels))[:MOST_SENTENCES] or tuple(_what_gives_rows(ratings)),
        cautions=tuple(_cautions(ratings, provenance))[:MOST_SENTENCES],
        not_rated=_not_rated(ratings),
        verdicts=verdicts,
    )


def title(stars: Stars) -> str:
    """Return the answer in one line: in how many measured and computed rows each system is ahead of all others."""
    labels = system_labels(stars["systems"])
    verdicts = [row_verdict(row, labels, stars["n_compared"]) for row in stars["rows"] if row["problem"] is None]
    compared = [verdict for verdict in verdicts if verdict.compared]
    if not compared:
        return _without_comparison(stars, labels)
    alike = sum(not verdict.told for verdict in compared)
    if alike == len(compared):
        rows = "the only row" if alike == 1 else pluralize(alike, "row")
        return f"{join_names(list(labels.values()))} cannot be told apart in {rows}"
    is_shared = any(verdict.told and verdict.leader is None for verdict in compared)
    n_best = Counter(system for verdict in compared for system in verdict.best)
    # Of two the one that leads nowhere is named too; of many only those that are among the best somewhere.
    named = stars["systems"] if len(stars["systems"]) == 2 else list(n_best)
    ranked = sorted(named, key=lambda system: -n_best[system])
    first, *others = ranked[:_NAMED_SYSTEMS]
    does = "is among the best" if is_shared else "leads"
    parts = [f"{labels[first]} {does} in {pluralize(n_best[first], 'row')}"]
    parts += [f"{labels[system]} in {n_best[system] or 'none'}" for system in others]
    if len(ranked) > _NAMED_SYSTEMS:
        parts.append(f"{len(ranked) - _NAMED_SYSTEMS} others in fewer")
    if alike:
        parts.append(f"{alike} cannot be told apart")
    return ", ".join(parts)


def _without_comparison(stars: Stars, labels: Mapping[str, str]) -> str:
    names = join_names(list(labels.values()))
    if not names:
        return "Nothing was measured"
    if len(labels) == 1:
        rated = sum(cell["stars"] is not None for row in stars["rows"] for cell in row["cells"])
        return f"{names} has stars in {pluralize(rated, 'row')}; there is nothing to compare it with"
    return f"{names}: nothing can be compared yet"


def _rehearsal(stars: Stars) -> str:
    if not stars["simulated"]:
        return ""
    if any(map(read_facts().offer_of, stars["simulated"])):
        return (
            "A rehearsal: simulated APIs drew these pictures. Nothing was measured of the real systems; only the "
            "declared facts and the prices are theirs."
        )
    return "A demonstration: the systems and their pictures are simulated."


def _advice(stars: Stars, verdicts: Mapping[str, RowVerdict], labels: Mapping[str, str]) -> Iterator[str]:
    """Yield whom to use for what, most rows first, then what holds for all rows together."""
    best: dict[tuple[str, ...], list[TableRow]] = {}
    for row in stars["rows"]:
        if of_row := verdicts[row["id"]].best:
            best.setdefault(tuple(sorted(of_row, key=stars["systems"].index)), []).append(row)
    ranked = sorted(best, key=lambda systems: -len(best[systems]))
    together = overall(stars)
    yield from (_use(systems, best[systems], labels) for systems in ranked[: MOST_SENTENCES - bool(together)])
    if together:
        yield together


def _what_gives_rows(ratings: RunRatings) -> Iterator[str]:
    """Yield what is missing where no row was rated for anybody, and what would give rows."""
    if any(map(_has_stars, (row for row in ratings["stars"]["rows"] if row["kind"] != "declared"))):
        return
    lacking: Counter[str] = Counter()
    for each in ratings["rows"]:
        lacking.update(each["reasons"] if each["mean"] is None else {})
    missing = "; ".join(formatting.reason(code) for code, _ in lacking.most_common(3))
    yield (
        f"No row has stars yet{f': {missing}' if missing else ''}. Rows come from the prompts of the pictures "
        f"({MIN_PROMPTS} or more that all systems were asked), from expected_text for lettering, from "
        "reference_images for identity and edits, and from encoders, which twinlens doctor lists."
    )


def _use(systems: tuple[str, ...], rows: list[TableRow], labels: Mapping[str, str]) -> str:
    """Return for which rows to use a system, or any of several that cannot be told apart in them, and how sure it is.

    Of a single one the leads are those before the system that comes nearest.
    """
    pairs = {row["id"]: _leads(systems, row) for row in rows}
    ranked = sorted(rows, key=lambda row: -max(_size(pair) for pair in pairs[row["id"]]))
    titles = [_lowered(row["title"]) for row in ranked[:_NAMED_ROWS]]
    n_more = len(ranked) - len(titles)
    names = join_names([*titles, pluralize(n_more, "more row")] if n_more else titles)
    every = [pair for of_row in pairs.values() for pair in of_row]
    sizes, prompts = [_size(pair) for pair in every], [pair["n_prompts"] for pair in every]
    p_holm = max(pair["p_holm"] or 0.0 for pair in every)
    ahead = "it is ahead by" if len(systems) == 1 else "they are ahead of others by"
    return (
        f"Use {' or '.join(labels[system] for system in systems)} for {names}: "
        f"{ahead} {_span(min(sizes), max(sizes), '{:.1f}')} stars "
        f"(over {_span(min(prompts), max(prompts), '{:,}')} common prompts; corrected p {_p_value(p_holm)})."
    )


def _leads(systems: tuple[str, ...], row: TableRow) -> list[StarDifference]:
    if len(systems) == 1:
        return [lead(row, systems[0])]
    return [pair for pair in row["differences"] if pair["better_system"] in systems]


def _size(pair: StarDifference) -> float:
    return abs(pair["stars"] or 0.0)


def overall(stars: Stars) -> str:
    """Return what the total says, nothing where there is none."""
    totals, labels = stars["totals"], system_labels(stars["systems"])
    ranked = sorted(
        (total for total in totals["systems"] if total["stars"] is not None), key=lambda total: -(total["stars"] or 0)
    )
    if len(ranked) < 2 or not totals["differences"]:
        return ""
    first = ranked[0]["system"]
    pairs = [pair for pair in totals["differences"] if first in (pair["system_a"], pair["system_b"])]
    ahead = [pair for pair in pairs if pair["better_system"] == first]
    over = "Under your weights, over" if stars["own_weights"] else "Over all"
    over += f" {pluralize(len(totals['weights']), 'row')}"
    # A system so wrong that it breaks a row's control must not gain by the row's going away.
    if at_floor := len(totals["indistinguishable_rows"]):
        over += f" ({at_floor} at one star for everyone: {'its control' if at_floor == 1 else 'their controls'} failed)"
    if len(ahead) == len(pairs):
        nearest = min(pairs, key=lambda pair: abs(pair["stars"]))
        return f"{over} together {labels[first]} is ahead by {_amount(nearest)}."
    if len(ranked) == 2:
        return f"{over} together nobody is ahead: {_amount(pairs[0])} between them."
    if not any(pair["better_system"] for pair in totals["differences"]):
        return f"{over} together nobody is ahead of anybody."
    level = [labels[system] for pair in pairs if pair not in ahead for system in (_other(pair, first),)]
    return f"{over} together {join_names([labels[first], *level])} cannot be told apart."


def _other(pair: TotalDifference, system: str) -> str:
    return pair["system_b"] if pair["system_a"] == system else pair["system_a"]


def _amount(pair: TotalDifference) -> str:
    stars, low, high = pair["stars"], pair["low"], pair["high"]
    low, high = (low, high) if stars >= 0 else (-high, -low)
    return f"{abs(stars):.1f} stars ({low:.1f} to {high:.1f})".replace("-", formatting.MINUS)


def _cautions(ratings: RunRatings, provenance: Mapping[str, Any]) -> Iterator[Caution]:
    """Yield what to be wary of, the heaviest first.

    1. Systems that were asked different prompts: what is compared is then the smaller part.
    2. Pictures that were made and are gone: the stars are of the rest.
    3. Faces that lead and look copied from the reference: that is no identity kept in a new picture.
    4. Weak encoders: they see less than the usual ones.
    5. Few prompts: only large differences show.
    6. Names that the facts do not know: nothing declared and no price is shown of them.

    What holds of one row alone stands beside it, and all warnings below the table.
    """
    if pairing := list(pairing_warnings(ratings["common_prompts"])):
        yield Caution(
            _first_of(pairing), "Ask all systems the same prompts, or give the prompts that agree one prompt_id."
        )
    rows = [row for row in ratings["stars"]["rows"] if row["problem"] is None]
    missing: Counter[str] = Counter()
    for row in rows:
        missing.update({cell["system"]: cell["reasons"].get(FILE_MISSING, 0) for cell in row["cells"]})
    if missing.total():
        systems = join_names([f"{system} ({n:,})" for system, n in missing.items() if n])
        says = f"Pictures that were made are not in the set, and the stars leave them out: {systems}."
        yield Caution(says, "Put the files back, then score again.")
    labels = system_labels(ratings["stars"]["systems"])
    for row in rows:
        yield from _copied(row, ratings, labels)
    behind = {(row["suite"], part["metric"]) for row in rows if _has_stars(row) for part in row["components"]}
    used = " ".join(str(each["encoder"]) for each in ratings["rows"] if (each["suite"], each["metric"]) in behind)
    for encoder in provenance.get("encoders", ()):
        if encoder["status"] == "used" and is_weak(encoder["name"]) and encoder["name"] in used:
            says = f"{encoder['name']} is a {encoder['note'].partition('; real weights')[0]}."
            yield Caution(says, f"Stronger: {fetch_command(encoder['role'])}, then score again.")
    pairs = [pair for row in rows for pair in row["differences"] if pair["p_holm"] is not None]
    few = [pair for pair in pairs if pair["n_prompts"] < WELL_COVERED_PROMPTS]
    if few:
        # A pair that differs alike on every prompt does not tell what more of them would show.
        detectable = [pair["detectable"] for pair in few if pair["detectable"] and pair["detectable"] >= _LEAST_SHOWN]
        needed = [n for pair in few if (n := pair["prompts_for_half_a_star"]) and n > pair["n_prompts"]]
        span = _span(min(detectable, default=0.0), max(detectable, default=0.0), "{:.1f}")
        shows = f", where differences of {span} stars show, depending on the row" if detectable else ""
        more = (
            f"Ask more prompts: half a star would show in every row with {max(needed):,}."
            if needed
            else ("Ask more prompts.")
        )
        says = f"{len(few)} of {pluralize(len(pairs), 'comparison')} rest on fewer than {WELL_COVERED_PROMPTS} prompts"
        yield Caution(f"{says}{shows}.", more)
    stars = ratings["stars"]
    if unknown := read_facts().unknown_names(name for name in stars["systems"] if name not in stars["simulated"]):
        yield Caution(unknown, "Name systems as twinlens systems does, to see their declared facts and prices.")


def _copied(row: TableRow, ratings: RunRatings, labels: Mapping[str, str]) -> Iterator[Caution]:
    """Yield who leads a row of identity with faces that are far more alike to the reference's pixels than others'."""
    if not any(part["metric"].startswith("identity.") for part in row["components"]):
        return
    shares = {
        each["system"]: each["mean"]
        for each in ratings["rows"]
        if (each["metric"], each["suite"]) == (_COPY_GUARD, row["suite"]) and each["mean"] is not None
    }
    for system in dict.fromkeys(pair["better_system"] for pair in row["differences"] if pair["better_system"]):
        others = [share for other, share in shares.items() if other != system]
        if system in shares and others and shares[system] - max(others) >= _FAR_ABOVE:
            yield Caution(
                f"{labels[system]} leads in {_lowered(row['title'])} with faces that look copied from the reference: "
                f"{shares[system]:.0%} of their hash bits equal the reference's, {max(others):.0%} of the next one's.",
                "Look at its pictures beside the reference before you trust that lead.",
            )


def _not_rated(ratings: RunRatings) -> tuple[NotRated, ...]:
    """Return the rows in which nobody has stars, collected by the reason, in the order of the table."""
    collected: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in ratings["stars"]["rows"]:
        if row["problem"] or not _has_stars(row):
            collected.setdefault(_why_not_rated(row, ratings), []).append((row["id"], row["title"]))
    return tuple(NotRated(reason, remedy, tuple(rows)) for (reason, remedy), rows in collected.items())


def _has_stars(row: TableRow) -> bool:
    return any(cell["stars"] is not None for cell in (*row["cells"], *row["declared_cells"]))


def _why_not_rated(row: TableRow, ratings: RunRatings) -> tuple[str, str]:
    """Return why nobody has stars in a row, and what would change that."""
    if row["kind"] == "declared":
        reasons = Counter(cell["reason"] for cell in row["declared_cells"] if cell["reason"])
        reason = reasons.most_common(1)[0][0] if reasons else "nobody looked into it"
        return reason, "twinlens systems lists the names that the facts know"
    if row["kind"] == "computed":
        return row["problem"] or "too few prompts", "ask the APIs with: twinlens run EVAL --out RUN"
    broken = [part["metric"] for part in row["components"] if part["scale"]["problem"]]
    of_row = [each for each in ratings["rows"] if each["suite"] == row["suite"] and each["metric"] in broken]
    code = most_frequent_reason(of_row) if all(each["mean"] is None for each in of_row) else None
    if code in ("encoder_unavailable", "encoder_unfit"):
        roles = (FEATURES[feature].role for name in broken for feature in metric(name).features)
        fetch = next(filter(None, map(fetch_command, roles)), "twinlens doctor says which weights it needs")
        dimension = formatting.DIMENSIONS[dimension_of(broken[0])][0].lower()
        return formatting.reason(code), f"to get {dimension}: {fetch}, then twinlens score again"
    if code is not None:
        return formatting.reason(code), "twinlens score IMAGESET --out RUN, on pictures that have it"
    n_prompts = max((each["n_prompts"] for each in (*of_row, *row["cells"])), default=0)
    if not n_prompts:
        return "its prompts were not asked in this run", "ask them with: twinlens run EVAL --out RUN"
    if n_prompts < MIN_PROMPTS:
        says = f"fewer than {MIN_PROMPTS} prompts ({n_prompts} asked)"
        return says, "ask more prompts with: twinlens run EVAL --out RUN"
    return "its control failed here, so right cannot be told from wrong", "twinlens doctor names encoders that see more"


def _first_of(sentences: list[str]) -> str:
    more = f" (and {len(sentences) - 1} more like it)" if len(sentences) > 1 else ""
    return sentences[0].rstrip(".") + more


def _lowered(row_title: str) -> str:
    """Return a title as it stands within a sentence: an acronym keeps its capitals."""
    return row_title if row_title[1:2].isupper() else row_title[:1].lower() + row_title[1:]


def _span(low: float, high: float, pattern: str) -> str:
    first, last = pattern.format(low), pattern.format(high)
    return first if first == last else f"{first} to {last}"


def _p_value(p_value: float) -> str:
    return "below 0.001" if p_value < 0.001 else f"at most {p_value:.2g}"
