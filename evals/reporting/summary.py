"""The summary of a report: in each dimension, who is ahead, by how much, or why that cannot be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.rating.comparison import PairedDifference, SystemMean
from evals.rating.ratings import Ratings
from evals.reporting import formatting
from evals.reporting.comparison import Kind, MetricLine, differences_of, dimension_of, metric_lines
from evals.reporting.controls import seed_ratios
from evals.reporting.not_measured import most_frequent_reason
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
    def relevant_suites(self) -> frozenset[str]:
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
    order = dict.fromkeys([*formatting.DIMENSIONS, *(dimension_of(row["metric"]) for row in ratings["rows"])])
    return [_dimension(name, ratings, provenance, columns) for name in order]


def _dimension(name: str, ratings: Ratings, provenance: Mapping[str, Any], columns: Collection[str]) -> Dimension:
    title, question = formatting.DIMENSIONS.get(name, (name.replace("_", " ").capitalize(), ""))
    rows = [row for row in ratings["rows"] if dimension_of(row["metric"]) == name]
    suites = list(dict.fromkeys(row["suite"] for row in rows))
    by_suite = {suite: [row for row in rows if row["suite"] == suite] for suite in suites}
    absent = _unavailable(name, provenance)
    by_label = {suite: _verdict(name, suite, of_suite, ratings, absent) for suite, of_suite in by_suite.items()}
    verdicts = tuple(verdict for verdict in by_label.values() if verdict is not None)
    kind, winner, headline = _headline(verdicts) or ("none", None, f"not scored: {absent or _nothing(name, columns)}")
    tables = tuple((formatting.suite_name(suite), metric_lines(rows, ratings)) for suite, rows in by_suite.items())
    relevant = {verdict.suite for verdict in verdicts} or {suite for suite, _ in tables}
    first, rest = (tuple(table for table in tables if (table[0] in relevant) == shown) for shown in (True, False))
    return Dimension(name, title, question, kind, winner, headline, verdicts, seed_ratios(name, ratings), first, rest)


def _verdict(
    name: str, suite: str | None, rows: Sequence[SystemMean], ratings: Ratings, unavailable: str
) -> Verdict | None:
    """Return the summary line of one suite, or None where the suite asks nothing of this dimension."""
    directed = [row for row in rows if row["better"] != "neither"]
    primary = [spec.id for spec in primary_metrics(name)] or dict.fromkeys(row["metric"] for row in directed)
    candidates = [row for metric in primary for row in directed if row["metric"] == metric]
    if not candidates:
        return None
    label = formatting.suite_name(suite)
    scored = [row for row in candidates if row["mean"] is not None]
    if not scored:
        reason = most_frequent_reason(candidates)
        text = f"not scored: {formatting.reason(reason)}" if reason else "not scored"
        remedy = unavailable if reason == "encoder_unavailable" else ""
        return Verdict(label, "none", None, text, "", remedy or candidates[0]["title"])
    chosen = [row for row in scored if row["metric"] == scored[0]["metric"]]
    first = chosen[0]
    metric = f"{first['title']}, {formatting.unit_label(first['unit'])}"
    if _KINDS.get(first["metric"]) == "pair":
        return Verdict(label, "none", None, "measured to calibrate the encoder, not to compare", "", metric)
    if len(chosen) == 1:
        mean, interval = formatting.estimate(first["mean"], first["low"], first["high"], first["unit"])
        amount = mean + (f" ({interval})" if interval else "")
        system = first["system"]
        others = [other for other in ratings["systems"] if other != system]
        text = f"{system} scored alone, {formatting.join_names(others)} not" if others else system
        return Verdict(label, "single", None, text, amount, metric)
    return _compared(label, metric, chosen, differences_of(first, ratings))


def _compared(label: str, metric: str, rows: Sequence[SystemMean], pairs: Sequence[PairedDifference]) -> Verdict:
    """Say who is ahead of whom: a system leads that none is better than, and only over those it is better than."""
    systems = [row["system"] for row in rows]
    losers = {system: _beaten_by(system, pairs) for system in systems}
    lost = {loser for beaten in losers.values() for loser in beaten}
    leaders = [system for system in systems if losers[system] and system not in lost]
    amount = _amount(pairs[0], rows[0]["unit"]) if len(pairs) == 1 else ""
    if len(leaders) > 1:
        return Verdict(label, "tie", None, f"{formatting.join_names(leaders)} lead, not separable", "", metric)
    if leaders:
        leader = leaders[0]
        text = f"{leader} is ahead" + (f" of {formatting.join_names(losers[leader])}" if len(systems) != 2 else "")
        unclear = [system for system in systems if system != leader and system not in losers[leader]]
        text += f", not separable from {formatting.join_names(unclear)}" if unclear else ""
        return Verdict(label, "ahead", leader, text, amount, metric)
    if any(pair["low"] is not None for pair in pairs):
        text = "not separable" if len(systems) == 2 else "no system is clearly first"
        return Verdict(label, "tie", None, text, amount, metric)
    note = next((pair["note"] for pair in pairs if pair["note"]), "too few prompts to compare")
    return Verdict(label, "none", None, note, amount, metric)


def _beaten_by(system: str, pairs: Sequence[PairedDifference]) -> list[str]:
    return [
        pair["system_b"] if pair["system_a"] == system else pair["system_a"]
        for pair in pairs
        if pair["better_system"] == system
    ]


def _amount(pair: PairedDifference, unit: str) -> str:
    """Write the difference, and where one system is better, how far it is ahead, whichever sign that has."""
    mean, low, high = pair["mean"], pair["low"], pair["high"]
    if mean is None:
        return ""
    if pair["better_system"] is None or low is None or high is None:
        written, interval = formatting.difference(mean, low, high, unit)
        return f"difference {written} ({interval})" if interval else f"difference {written}"
    written, interval = formatting.difference(abs(mean), min(abs(low), abs(high)), max(abs(low), abs(high)), unit)
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
        texts = {
            "tie": "not separable in any suite",
            "single": "nothing to compare with",
            "none": "no verdict in any suite",
        }
        return kind, None, texts[kind]
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
