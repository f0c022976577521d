"""The command ``twinlens demo``: two invented systems, generated, scored, and held against the scripted truth."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evals.cli.errors import FOUND_A_PROBLEM
from evals.cli.options import FilePath, as_json, print_json, verbose
from evals.cli.tables import say

if TYPE_CHECKING:
    from evals.definition import Truth
    from evals.generation.stage import Generation, Watch
    from evals.rating.ratings import Ratings
    from evals.reporting.not_measured import NotMeasured
    from evals.run import Run
    from evals.scoring.engine import Progress


@click.command()
@click.option("--out", default=Path("runs/demo"), show_default=True, type=FilePath(file_okay=False))
@verbose
@as_json
def demo(out: Path, verbose: bool, json_wanted: bool) -> None:
    """Generate, score, rate and report two invented systems whose defects are known: offline, over local HTTP."""
    from evals.cli.progress import shown_generation, shown_progress

    with shown_generation() as watch:
        images = generate_demo(out, watch).folder
    with shown_progress() as progress:
        outcome = score_demo(images, progress)
    if json_wanted:
        print_json(outcome.as_dict())
    else:
        print_demo(outcome, verbose)
    if not outcome.truth_found:
        sys.exit(FOUND_A_PROBLEM)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the truth check: what was scripted, what was measured, and whether they agree.

    ``measured`` is a system's name or ``tie``, None where nothing could be compared; ``agrees`` is None then, and
    ``note`` says why.
    """

    dimension: str
    metric: str
    suite: str
    scripted: str
    measured: str | None
    agrees: bool | None
    note: str

    def sentence(self) -> str:
        """Return the verdict as one line.

        Examples
        --------
        >>> Verdict("Text", "text.cer", "signs", "a@demo", "tie", False, "b misspells").sentence()
        'NOT FOUND  Text (text.cer, signs): scripted a@demo, measured tie; b misspells'
        """
        word = {True: "found", False: "NOT FOUND", None: "unknown"}[self.agrees]
        measured = f", measured {self.measured}" if self.measured else ""
        scripted = f"{self.dimension} ({self.metric}, {self.suite}): scripted {self.scripted}"
        return f"{word:<9}  {scripted}{measured}; {self.note}"


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """What the demo leaves: scored run, the report's page, verdicts on the scripted truth, what was not measured."""

    run: Run
    report: Path
    verdicts: tuple[Verdict, ...]
    not_measured: tuple[NotMeasured, ...] = ()

    @property
    def truth_found(self) -> bool:
        """Whether no verdict contradicts the script; what could not be compared contradicts nothing."""
        return all(verdict.agrees is not False for verdict in self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON types."""
        return {
            "run": str(self.run.path),
            "report": str(self.report),
            "truth_found": self.truth_found,
            "truth": [asdict(verdict) for verdict in self.verdicts],
            "not_measured": [asdict(metric) for metric in self.not_measured],
        }


def generate_demo(out: Path, watch: Watch = lambda count: None) -> Generation:
    """Ask the demo's two simulated systems for every picture that the run lacks, each in a real host's wire format.

    Raises
    ------
    evals.generation.clients.GenerationError
        If the folder holds another run, or the generation was stopped before its end.
    """
    from evals.definition import read_definition
    from evals.facts.models import read_facts
    from evals.generation.clients import GenerationError
    from evals.generation.freezing import freeze_definition
    from evals.generation.pacing import RetryPolicy
    from evals.generation.rehearsal import simulated_systems
    from evals.generation.stage import generate
    from evals.imageset.contract import IMAGES, LEDGER

    freeze_definition("demo", out)
    with simulated_systems(read_definition("demo"), read_facts(), out / IMAGES / LEDGER) as systems:
        generation = generate(systems, out, retry_policy=RetryPolicy(first_poll_s=0.05), watch=watch)
    if generation.interrupted:
        raise KeyboardInterrupt
    if generation.problem:
        raise GenerationError(generation.problem)
    return generation


def score_demo(images: Path, progress: Progress) -> DemoOutcome:
    """Score and rate the demo's pictures, write the report beside them, and check the scripted truth.

    The run is the folder around the image set that `generate_demo` made; the report goes to ``report`` there.
    """
    from evals.definition import read_definition
    from evals.imageset.contract import REPORT
    from evals.imageset.imageset import read_image_set
    from evals.rating.stage import rate_run
    from evals.reporting import write_report
    from evals.reporting.not_measured import not_measured
    from evals.scoring.stage import score, select_metrics

    definition, out = read_definition("demo"), images.parent
    # Whether there is a face, or anything to be read, would be looked for in every picture, for no row here.
    fitting = select_metrics((), read_image_set(images).rows)
    metrics = [spec.id for spec in fitting if spec.columns or not {"faces", "ocr"}.intersection(spec.features)]
    run = score(images, out, metrics, progress=progress)
    report = write_report(run, out / REPORT)
    ratings = rate_run(run)
    verdicts = check_truth(ratings, definition.truth)
    return DemoOutcome(run, report, tuple(verdicts), tuple(not_measured(ratings, run.provenance["encoders"])))


def check_truth(ratings: Ratings, truth: Iterable[Truth]) -> list[Verdict]:
    """Hold the ratings against the script: for each line of the truth, is the better system the one that was scripted?

    A tie is measured where the paired difference is not separable from zero. Nothing is said where a metric has no
    value or too few prompts for an interval.
    """
    return [_verdict(ratings, line) for line in truth]


def _verdict(ratings: Ratings, line: Truth) -> Verdict:
    from evals.definition import TIE
    from evals.reporting.not_measured import most_frequent_reason
    from metrics.catalogue import metric
    from metrics.measurement import REASONS

    def verdict(measured: str | None, note: str) -> Verdict:
        agrees = None if measured is None else measured == line.better
        return Verdict(line.dimension, line.metric, line.suite, line.better, measured, agrees, note)

    key = (line.metric, line.suite)
    difference = next((row for row in ratings["differences"] if (row["metric"], row["suite"]) == key), None)
    if difference is None or difference["mean"] is None:
        most = most_frequent_reason(row for row in ratings["rows"] if (row["metric"], row["suite"]) == key)
        note = f"not scored: {REASONS.get(most, most)}" if most else "the metric was not measured in this run"
        return verdict(None, note)
    if difference["low"] is None:
        return verdict(None, f"{difference['n_prompts']} prompts are too few for an interval")
    if difference["low"] <= 0 <= (difference["high"] or 0.0):
        return verdict(TIE, line.why)
    first_is_better = (difference["mean"] > 0) == (metric(line.metric).better == "higher")
    return verdict(difference["system_a"] if first_is_better else difference["system_b"], line.why)


def print_demo(outcome: DemoOutcome, verbose: bool = False) -> None:
    """Print the demo's answer and whether it is the scripted truth; ``verbose`` adds every line of both."""
    from evals.cli.rate import print_run
    from evals.rating.stage import rate_run

    print_run(outcome.run, rate_run(outcome.run), f"page: {outcome.report}", verbose)
    n_found = sum(verdict.agrees is True for verdict in outcome.verdicts)
    say(f"The scripted truth was found in {n_found} of {len(outcome.verdicts)} points.")
    for verdict in outcome.verdicts:
        if verbose or verdict.agrees is not True:
            say(f"  {verdict.sentence()}")
    if not verbose:
        return
    say("", "Not measured here:")
    grouped: dict[tuple[str, str | None], list[str]] = {}
    for each in outcome.not_measured:
        grouped.setdefault((each.why, each.encoder), []).append(each.metric)
    for (why, encoder), metrics in grouped.items():
        remedy = f"; {encoder} would do it" if encoder and encoder not in why else ""
        say(f"  {', '.join(metrics)}: {why}{remedy}")
