"""The demo: two invented systems are drawn, scored and compared, and the result held against the scripted truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.definition import SIZES, TIE, EvalDefinition, SimulatedSystem, Truth, read_definition
from evals.suites import PromptItem, read_suite
from metrics.measurement import REASONS

if TYPE_CHECKING:
    import PIL.Image

    from evals.run import Run
    from evals.scoring.engine import Progress


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
    """What the demo leaves: the scored run, the report's page, and the verdicts on the scripted truth."""

    run: Run
    report: Path
    verdicts: tuple[Verdict, ...]

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
        }


def run_demo(out: str | Path, progress: Progress) -> DemoOutcome:
    """Draw, score and rate the demo, write its report, and check the ratings against the scripted truth.

    Parameters
    ----------
    out
        The run folder: the image set goes to ``images``, the report to ``report``. A demo that was stopped goes on.
    progress
        Called with a label, the number done and the total.

    Raises
    ------
    evals.imageset.ImageSetError
        If the folder holds an image set that is not the demo's.
    """
    from evals.imageset import read_image_set
    from evals.imageset_checks import METADATA
    from evals.reporting import write_report
    from evals.scoring.stage import score, select_metrics

    out = Path(out)
    definition = read_definition("demo")
    images = out / "images"
    if (images / METADATA).exists():
        _check_drawn(images, definition)
    else:
        draw_demo(images, definition, progress)
    # What asks nothing of a picture (is there a face, can anything be read) would look at all of them for no row here.
    fitting = select_metrics((), read_image_set(images).rows)
    metrics = [spec.id for spec in fitting if spec.columns or spec.dimension == "adherence"]
    run = score(images, out, metrics, tuple(definition.encoders.values()), progress=progress)
    report = write_report(run, out / "report")
    return DemoOutcome(run, report, tuple(check_truth(run.ratings(), definition.truth)))


def draw_demo(
    out: str | Path, definition: EvalDefinition | None = None, progress: Progress = lambda label, done, total: None
) -> Path:
    """Draw every picture of the demo and write them as an image set.

    Parameters
    ----------
    out
        The folder that will hold the image set; it holds none yet.
    definition
        An eval with simulated systems; the demo's own if not given.
    progress
        Called with a label, the number done and the total.

    Returns
    -------
    pathlib.Path
        The image set's folder.

    Raises
    ------
    evals.imageset.ImageSetError
        If the folder already holds an image set.
    """
    from evals.generation.simulators.drawing import draw
    from evals.imageset import write_image_set

    definition = definition or read_definition("demo")
    side = SIZES[definition.size]
    asked = list(demo_requests(definition))

    def samples() -> Iterator[tuple[PIL.Image.Image, dict[str, Any]]]:
        for done, (item, system, row) in enumerate(asked, start=1):
            yield draw(item, row["seed"], row["repeat"], system, side), row
            progress("drawing", done, len(asked))

    return write_image_set(out, samples())


def demo_requests(definition: EvalDefinition) -> Iterator[tuple[PromptItem, SimulatedSystem, dict[str, Any]]]:
    """Yield everything that simulated systems are asked for, each with its image-set row."""
    for name in definition.suites:
        suite = read_suite(name)
        seeds = range(definition.seed, definition.seed + suite.seeds)
        repeats = range(suite.repeats or definition.repeats)
        for item, system, seed, repeat in product(suite.items, definition.simulated, seeds, repeats):
            row = {
                "system": system.name,
                "suite": suite.name,
                "prompt_id": item.id,
                "prompt": item.prompt,
                "seed": seed,
                "repeat": repeat,
                "sequence_id": item.sequence_id,
                "shot": item.shot,
                "expected_text": list(item.expected_text) or None,
                "language": item.language,
            }
            yield item, system, row


def _check_drawn(images: Path, definition: EvalDefinition) -> None:
    from evals.imageset import ImageSetError, read_image_set
    from evals.imageset_checks import Problem

    asked = [row for _, _, row in demo_requests(definition)]
    drawn = read_image_set(images).rows
    if [{column: row.get(column) for column in asked[0]} for row in drawn] != asked:
        raise ImageSetError(images, [Problem(None, "is of another image set than the demo's", "choose a new folder")])


def check_truth(ratings: Mapping[str, Any], truth: Iterable[Truth]) -> list[Verdict]:
    """Hold the ratings against the script: for each line of the truth, is the better system the one that was scripted?

    A tie is measured where the paired difference is not separable from zero. Nothing is said where a metric has no
    value or too few prompts for an interval.

    Parameters
    ----------
    ratings
        The content of ``ratings.json``: ``rows`` and ``differences``.
    truth
        The scripted order of two systems, by metric and suite.
    """
    return [_verdict(ratings, line) for line in truth]


def _verdict(ratings: Mapping[str, Any], line: Truth) -> Verdict:
    def verdict(measured: str | None, note: str) -> Verdict:
        agrees = None if measured is None else measured == line.better
        return Verdict(line.dimension, line.metric, line.suite, line.better, measured, agrees, note)

    key = (line.metric, line.suite)
    difference = next((row for row in ratings["differences"] if (row["metric"], row["suite"]) == key), None)
    if difference is None or difference["mean"] is None:
        return verdict(None, _why_unscored([row for row in ratings["rows"] if (row["metric"], row["suite"]) == key]))
    if difference["low"] is None:
        return verdict(None, f"{difference['n_prompts']} prompts are too few for an interval")
    return verdict(difference["better_system"] or TIE, line.why)


def _why_unscored(rows: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        for code, count in row["reasons"].items():
            counts[code] = counts.get(code, 0) + count
    if not counts:
        return "the metric was not measured in this run"
    most = max(counts, key=lambda code: counts[code])
    return f"not scored: {REASONS.get(most, most)}"
