"""The summary of a report: in each dimension, who is ahead, by how much, or why that cannot be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.reporting import formatting
from evals.reporting.comparison import Kind, MetricLine, Ratings, Row, differences_of, dimension_of, metric_lines
from evals.reporting.controls import seed_ratios
from metrics.catalogue import FEATURES, METRICS, primary_metrics

_KINDS = {row.id: row.subject for row in METRICS}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the summary: what a suite says about a dimension."""

    suite: str
    kind: Kind
    winner: str | None
    text: str
    amount: str
    metric: str


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension of the report: its verdicts, its tables by suite, and those of suites that asked nothing of it."""

    id: str
    title: str
    question: str
    kind: Kind
    winner: str | None
    headline: str
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]
    suites: tuple[tuple[str, tuple[MetricLine, ...]], ...]
    incidental: tuple[tuple[str, tuple[MetricLine, ...]], ...]

    @property
    def encoders(self) -> list[str]:
        """The encoders behind its numbers."""
        named = {
            name for _, lines in self.suites for line in lines for names in line.encoders for name in names.split(", ")
        }
        return sorted(named)

    @property
    def asked(self) -> frozenset[str]:
        """The names of the suites that its figures and first table show."""
        return frozenset(suite for suite, _ in self.suites)

    @property
    def said_once(self) -> bool:
        """Whether the headline already says what every suite says."""
        return all(verdict.text == self.headline and not verdict.amount for verdict in self.verdicts)

    @property
    def compared(self) -> bool:
        """Whether any two systems are compared in it."""
        return any(line.differences for _, lines in self.suites for line in lines)


def dimensions(ratings: Ratings, provenance: Mapping[str, Any], columns: Collection[str] = ()) -> list[Dimension]:
    """Return the dimensions in the report's order: the four named ones always, others where they were measured.

    ``columns`` are those that the image set fills; they tell why a dimension was not measured.
    """
    found = [dimension_of(row["metric"]) for row in ratings["rows"]]
    order = list(dict.fromkeys([*formatting.DIMENSIONS, *found]))
    return [_dimension(name, ratings, provenance, columns) for name in order]


def _dimension(name: str, ratings: Ratings, provenance: Mapping[str, Any], columns: Collection[str]) -> Dimension:
    title, question = formatting.DIMENSIONS.get(name, (name.replace("_", " ").capitalize(), ""))
    rows = [row for row in ratings["rows"] if dimension_of(row["metric"]) == name]
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    by_suite = {suite: [row for row in rows if row["suite"] == suite] for suite in suites}
    absent = _unavailable(name, provenance)
    verdicts = tuple(
        found for suite, mine in by_suite.items() if (found := _verdict(name, suite, mine, ratings, absent))
    )
    kind, winner, headline = _headline(verdicts) or ("none", None, f"not scored: {absent or _nothing(name, columns)}")
    tables = tuple((formatting.suite_name(suite), metric_lines(mine, ratings)) for suite, mine in by_suite.items())
    asked = {verdict.suite for verdict in verdicts} or {suite for suite, _ in tables}
    first, rest = (tuple(table for table in tables if (table[0] in asked) == wanted) for wanted in (True, False))
    return Dimension(name, title, question, kind, winner, headline, verdicts, seed_ratios(name, ratings), first, rest)


def _verdict(name: str, suite: str | None, rows: Sequence[Row], ratings: Ratings, unavailable: str) -> Verdict | None:
    """Return the summary line of one suite, or None where the suite asks nothing of this dimension."""
    directed = [row for row in rows if row["better"] != "neither"]
    primary = [spec.id for spec in primary_metrics(name)] or dict.fromkeys(row["metric"] for row in directed)
    asked = [row for metric in primary for row in directed if row["metric"] == metric]
    if not asked:
        return None
    label = formatting.suite_name(suite)
    scored = [row for row in asked if row["mean"] is not None]
    if not scored:
        reasons: Counter[str] = Counter()
        for row in asked:
            reasons.update(row["reasons"])
        because = reasons.most_common(1)[0][0] if reasons else ""
        text = f"not scored: {formatting.reason(because)}" if because else "not scored"
        remedy = unavailable if because == "encoder_unavailable" else ""
        return Verdict(label, "none", None, text, "", remedy or asked[0]["title"])
    chosen = [row for row in scored if row["metric"] == scored[0]["metric"]]
    metric = f"{chosen[0]['title']}, {formatting.unit_label(chosen[0]['unit'])}"
    if _KINDS.get(chosen[0]["metric"]) == "pair":
        return Verdict(label, "none", None, "measured to calibrate the encoder, not to compare", "", metric)
    if len(chosen) == 1:
        mean, interval = formatting.estimate(chosen[0]["mean"], chosen[0]["low"], chosen[0]["high"], chosen[0]["unit"])
        amount = mean + (f" ({interval})" if interval else "")
        system = chosen[0]["system"]
        others = [other for other in ratings["systems"] if other != system]
        text = f"{system} scored alone, {formatting.join_names(others)} not" if others else system
        return Verdict(label, "single", None, text, amount, metric)
    return _compared(label, metric, chosen, differences_of(chosen[0], ratings))


def _compared(label: str, metric: str, rows: Sequence[Row], found: Sequence[Row]) -> Verdict:
    """Say who is ahead of whom: a system leads that none is better than, and only over those it is better than."""
    unit, systems = rows[0]["unit"], [row["system"] for row in rows]
    losers = {system: _beaten_by(system, found) for system in systems}
    lost = {loser for beaten in losers.values() for loser in beaten}
    leaders = [system for system in systems if losers[system] and system not in lost]
    amount = _amount(found[0], unit) if len(found) == 1 else ""
    if len(leaders) > 1:
        return Verdict(label, "tie", None, f"{formatting.join_names(leaders)} lead, not separable", "", metric)
    if leaders:
        leader = leaders[0]
        text = (
            f"{leader} is ahead"
            if len(systems) == 2
            else f"{leader} is ahead of {formatting.join_names(losers[leader])}"
        )
        unclear = [system for system in systems if system != leader and system not in losers[leader]]
        text += f", not separable from {formatting.join_names(unclear)}" if unclear else ""
        return Verdict(label, "ahead", leader, text, amount, metric)
    if any(row["low"] is not None for row in found):
        text = "not separable" if len(systems) == 2 else "no system is clearly first"
        return Verdict(label, "tie", None, text, amount, metric)
    note = next((row["note"] for row in found if row.get("note")), "too few prompts to compare")
    return Verdict(label, "none", None, note, amount, metric)


def _beaten_by(system: str, found: Sequence[Row]) -> list[str]:
    return [
        row["system_b"] if row["system_a"] == system else row["system_a"]
        for row in found
        if row["better_system"] == system
    ]


def _amount(row: Row, unit: str) -> str:
    """Write the difference, and where one system is better, how far it is ahead, whichever sign that has."""
    mean, low, high = row["mean"], row["low"], row["high"]
    if mean is None:
        return ""
    if row["better_system"] is None:
        written, interval = formatting.difference(mean, low, high, unit)
        return f"difference {written} ({interval})" if interval else f"difference {written}"
    low, high = sorted([abs(low), abs(high)])
    written, interval = formatting.difference(abs(mean), low, high, unit)
    return f"by {written} ({interval})".replace("+", "")


def _headline(verdicts: Sequence[Verdict]) -> tuple[Kind, str | None, str] | None:
    """Return the one sentence of a dimension over all its suites, None where there is no suite."""
    if not verdicts:
        return None
    if len(verdicts) == 1:
        return verdicts[0].kind, verdicts[0].winner, verdicts[0].text
    if len({(verdict.kind, verdict.text) for verdict in verdicts}) == 1 and verdicts[0].kind == "none":
        return "none", None, verdicts[0].text
    kinds = {verdict.kind for verdict in verdicts}
    wins = Counter(verdict.winner for verdict in verdicts if verdict.winner)
    if not wins:
        kind = next(kind for kind in ("tie", "single", "none") if kind in kinds)
        said = {
            "tie": "not separable in any suite",
            "single": "nothing to compare with",
            "none": "no verdict in any suite",
        }
        return kind, None, said[kind]
    parts = [f"{system} is ahead in {formatting.pluralize(n, 'suite')}" for system, n in wins.most_common()]
    rest = len(verdicts) - sum(wins.values())
    if rest:
        parts.append(f"no clear winner in {rest}")
    winner = next(iter(wins)) if len(wins) == 1 else None
    return "ahead" if winner else "tie", winner, ", ".join(parts)


def _nothing(name: str, columns: Collection[str]) -> str:
    """Return why a dimension without an encoder missing was not measured, as far as the image set tells."""
    if any(set(row.columns) <= set(columns) for row in primary_metrics(name) if not row.on_request):
        return "it was not measured in this run"
    return formatting.NOTHING_TO_MEASURE.get(name, "nothing was measured")


def _unavailable(name: str, provenance: Mapping[str, Any]) -> str:
    """Return the note of the encoder that the dimension needs, if none for its role was on the machine."""
    roles = {FEATURES[feature].role for row in primary_metrics(name) for feature in row.features}
    encoders = [encoder for encoder in provenance.get("encoders", ()) if encoder["role"] in roles]
    if any(encoder["status"] == "used" for encoder in encoders):
        return ""
    return next((encoder["note"] or formatting.reason("encoder_unavailable") for encoder in encoders), "")
