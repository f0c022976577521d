"""All that stands behind the answer of a run, from the views that the report has: what ``-v`` adds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evals.rating.comparison import SystemMean
    from evals.rating.ratings import Ratings
    from evals.rating.stage import RunRatings
    from evals.reporting.comparison import MetricLine
    from evals.reporting.operations import OperationsSection
    from evals.reporting.stars import StarSection
    from evals.run import Run


def print_details(run: Run, ratings: RunRatings) -> None:
    """Print what to use for what, the star table in words, what was scored, means, controls and operations."""
    from evals.cli.tables import print_lines
    from evals.rating.common_prompts import pairing_warnings
    from evals.rating.stage import operations_of
    from evals.reporting import operations, stars
    from evals.reporting.answer import answer
    from evals.scoring.provenance import provenance_warnings

    print_lines(answer(ratings, run.provenance).advice)
    # What little the systems share stands above everything that is said of them.
    few_pair = list(pairing_warnings(ratings["common_prompts"]))
    print_lines(f"warning: {warning}" for warning in few_pair)
    print_stars(stars.section(ratings["stars"]))
    print_lines(_facts(run), wrap=False)
    print_ratings(ratings, few_pair)
    print_operations(operations.section(operations_of(run), ratings["systems"]))
    print_lines((f"note: {caution}" for caution in provenance_warnings(run.provenance)), wrap=False)


def scored_images(run: Run) -> str:
    """Return the line that says how many images were scored, and how many rows were not."""
    facts, unreadable = run.provenance["image_set"], run.provenance["unreadable"]
    skipped = f", {len(facts['skipped'])} rows skipped" if facts["skipped"] else ""
    damaged = f", {len(unreadable)} with a file that cannot be decoded" if unreadable else ""
    return f"{facts['name']}: {facts['scored_rows']} images scored{skipped}{damaged}"


def _facts(run: Run) -> Iterator[str]:
    """Yield what the run knows of its images and encoders."""
    facts, unreadable = run.provenance["image_set"], run.provenance["unreadable"]
    yield scored_images(run)
    yield from (f"  row {problem['row']}: {problem['reason']}" for problem in [*facts["skipped"][:5], *unreadable[:5]])
    for encoder in run.provenance["encoders"]:
        weights = f"{encoder['licence']}, weights {(encoder['weights_sha256'] or 'none')[:12]}"
        yield f"{encoder['role']}: {encoder['name']} ({weights if encoder['status'] == 'used' else encoder['note']})"
    if (long := run.provenance["long_prompts"]) and long["n"]:
        yield f"{long['n']} of {long['of']} prompts exceed the encoder's context and were cut into clauses"


def print_ratings(ratings: Ratings, printed: Collection[str] = ()) -> None:
    """Print means, differences and controls as tables; what has no measurement at all is one line a metric.

    Warnings that were ``printed`` already are not printed again.
    """
    from evals.cli.tables import print_lines, print_table
    from evals.reporting.comparison import metric_lines
    from evals.reporting.controls import control_groups, control_table

    systems = ratings["systems"]
    scored = [row for row in ratings["rows"] if row["mean"] is not None]
    keys = dict.fromkeys((row["suite"], row["metric"]) for row in scored)
    n_suites = Counter(metric for _, metric in keys)
    described = {row["metric"] for row in scored if row["better"] == "neither" and n_suites[row["metric"]] > 1}
    lines = {
        (suite, line.metric): line
        for suite in dict.fromkeys(suite for suite, _ in keys)
        for line in metric_lines([row for row in ratings["rows"] if row["suite"] == suite], ratings)
    }
    compared = [(key[0] or "", *_cells(lines[key], len(systems))) for key in keys if key[1] not in described]
    if compared:
        difference = ("first minus second",) if len(systems) == 2 else ()
        title, headings = "Mean over prompts with 95% interval", ("suite", "metric", *systems, *difference)
        print_table(title, headings, compared, right=systems, whole=["metric"])
    if described:
        # Nothing is better or worse in these, and the report has every suite.
        rows = [_span(metric, scored, systems) for metric in n_suites if metric in described]
        title, headings = "Descriptive metrics: lowest and highest mean of a suite", ("metric", "suites", *systems)
        print_table(title, headings, rows, right=systems, whole=["metric", "suites"])
    print_lines(f"not scored: {metric} ({_reasons(counts)})" for metric, counts in _unscored(ratings).items())
    if groups := [group for group in control_groups(ratings, measured_only=True) if group.in_summary]:
        table = control_table(groups)
        print_table(table.title, table.headings, table.rows)
        print_lines(f"{group.control}, {group.statistic}: {group.meaning}" for group in groups)
    print_lines(f"note: {warning}" for warning in ratings["warnings"] if warning not in printed)


def _cells(line: MetricLine, n_systems: int) -> Iterator[str]:
    """Yield a metric with its arrow, what each system reached, and how two differ."""
    yield line.metric + {"higher": " \u2191", "lower": " \u2193", "neither": ""}[line.better]
    for cell in line.cells:
        value = f"{cell.mean} [{cell.interval}]" if cell.interval else cell.mean
        yield "\n".join(filter(None, ("" if cell.prompts == "" else value, _reasons(cell.reasons))))
    if n_systems == 2:
        texts = (f"{pair.mean} [{pair.interval}]" if pair.interval else pair.mean for pair in line.differences)
        yield "\n".join(f"{text} {pair.prompts}".strip() for text, pair in zip(texts, line.differences, strict=True))


def _span(metric: str, scored: Sequence[SystemMean], systems: Sequence[str]) -> tuple[str, ...]:
    means: dict[str, list[float]] = {system: [] for system in systems}
    for row in scored:
        if row["metric"] == metric and row["mean"] is not None:
            means[row["system"]].append(row["mean"])
    spans = (f"{min(of_system):.3g} to {max(of_system):.3g}" if of_system else "" for of_system in means.values())
    n_suites = len({row["suite"] for row in scored if row["metric"] == metric})
    return metric, str(n_suites), *spans


def _reasons(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{reason} x{count}" for reason, count in counts.items())


def _unscored(ratings: Ratings) -> dict[str, Counter[str]]:
    """Return each metric that has no measurement in any suite, with its reasons counted."""
    counts: dict[str, Counter[str]] = {}
    for row in ratings["rows"]:
        counts.setdefault(row["metric"], Counter()).update(row["reasons"])
    scored = {row["metric"] for row in ratings["rows"] if row["mean"] is not None}
    return {metric: reasons for metric, reasons in counts.items() if metric not in scored}


def print_operations(section: OperationsSection | None) -> None:
    """Print latency, cost and outcomes of each system and size as a table, nothing where no requests are known."""
    from evals.cli.tables import print_lines, print_table

    if section is None:
        return
    rows = [
        (size.size, f"{line.title}, {line.unit}", *(cell.text for cell in line.cells))
        for size in section.sizes
        for line in size.lines
        if line.in_summary
    ]
    title, headings = "Operations: what asking was like, with 95% interval", ("size", "figure", *section.systems)
    print_table(title, headings, rows, right=section.systems, whole=["figure"])
    print_lines(
        f"no picture: {requests.system}, size {size.size}: {requests.reasons}"
        for size in section.sizes
        for requests in size.systems
        if requests.reasons
    )
    print_lines(f"note: {note}" for note in section.notes)


def print_stars(stars: StarSection) -> None:
    """Print the star table, totals, advice and monthly costs, nothing where no row has been rated."""
    from evals.cli.tables import print_lines, print_table

    if not stars.lines:
        return
    rated = [case for case in stars.advice if case.is_rated]
    headings, rows = stars.table.headings, stars.table.rows
    if len(stars.systems) > 2:
        # Every two systems have a sentence, which makes a line below the table and no column of it.
        place = headings.index("Verdict")
        headings, *others = ((*row[:place], *row[place + 1 :]) for row in (headings, *rows))
        rows = tuple(others)
    print_table(stars.table.title, headings, rows)
    if len(stars.systems) > 2:
        print_lines(f"{line.title}: {line.problem or verdict}" for line in stars.lines for verdict in line.verdicts)
    together = dict.fromkeys(
        f"{total.system} {total.number}" if total.number else total.absent for total in stars.totals
    )
    print_lines(f"all rows together: {text}" for text in together)
    print_lines(f"  {verdict}" for verdict in (*stars.total_verdicts, *stars.bradley_terry))
    advice, costs = stars.advice_table(rated), stars.cost_table
    if advice.rows:
        print_table(advice.title, advice.headings, advice.rows)
    if any("$" in cell for row in costs.rows for cell in row):
        print_table(costs.title, costs.headings, costs.rows)
    else:
        print_lines(f"no price: {reason}" for reason in dict.fromkeys(basis for *_, basis in costs.rows))
    print_lines(f"{case.title}: {case.verdict} (a fact, nothing was rated)" for case in stars.advice if case.is_fact)
    if unrated := [case.title for case in stars.advice if not case.is_rated and not case.is_fact]:
        print_lines([f"too little was rated to recommend for: {'; '.join(unrated)}"])
