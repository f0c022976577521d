"""Writes the report of a run: one HTML page that needs nothing else, and the same as Markdown, JSON and CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from evals.facts.models import read_facts
from evals.facts.settings import unlike_settings
from evals.files.atomic_files import clear_leftovers, write_atomically
from evals.files.regular_files import read_regular
from evals.imageset.visible import visible
from evals.rating.selection import find_systems, select_ratings
from evals.rating.stage import RunRatings, rate_run
from evals.rating.weights import Weights
from evals.reporting import (
    agreement,
    answer,
    comparison,
    controls,
    dimensions,
    exhibits,
    figures,
    formatting,
    gallery,
    metric_figures,
    not_measured,
    operations,
    pages,
    star_rows,
    stars,
    thumbnails,
    use_cases,
    why,
)
from evals.reporting.copies import ADDRESS, FOLDER, Copies
from evals.reporting.exhibits import Exhibit
from evals.reporting.people import people_lines
from evals.reporting.publishing import (
    CARD,
    NOT_PUBLISHED,
    Publishing,
    rendered_intro,
    social_card,
    without_machine,
)
from evals.run import Run
from evals.scoring.provenance import provenance_warnings
from evals.voting.people import People, rate_people

REPORT, GALLERY = "report.json", "gallery.html"

COMPARISON_COLUMNS = (
    "dimension", "metric", "title", "unit", "better", "suite", "system", "encoder",
    "n_prompts", "n_scored", "n_unscored", "mean", "low", "high", "reasons",
)  # fmt: skip
DIFFERENCE_COLUMNS = (
    "dimension", "metric", "suite", "system_a", "system_b", "n_prompts", "mean", "low", "high",
)  # fmt: skip

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide forms of the first, which some spreadsheets read alike."""


def write_report(
    run: Run,
    out: Path,
    prompts_per_suite: int | None = None,
    systems: Sequence[str] = (),
    weights: Weights | None = None,
    publishing: Publishing = NOT_PUBLISHED,
) -> Path:
    """Write the report of a run into a folder, and return the path of its page.

    The answer is ``index.html``, which needs nothing else (``card.png`` is what a shared link shows of it);
    ``gallery.html`` has all prompts, with their pictures in ``pictures``, ``tables.html`` all numbers; ``report.md``,
    ``report.json``, ``comparison.csv`` and ``differences.csv`` are for other readers. Everything is made in memory
    first and each file then replaced whole, the page last; other files in ``out`` stay, but what ``report.json`` names
    of an older report that this one does not have. Equal runs give equal bytes. No machine path is written.

    Parameters
    ----------
    run
        The scored run.
    out
        The folder; it is made if it is not there.
    prompts_per_suite
        At most so many prompts of each suite are in the gallery, all where None; 0 leaves all pictures out, and there
        is no gallery.
    systems
        Those of the run that the report is about, all where none is named (`evals.rating.selection`).
    weights
        The total is under these where given (`evals.rating.weights.read_weights`).
    publishing
        Its name, its introduction, and whether it says nothing of this machine.
    """
    out = Path(out)
    ratings = rate_run(run, weights)
    if systems:
        ratings = select_ratings(ratings, find_systems(systems, ratings["systems"]))
    ratings = _named_without_folders(ratings)
    if not ratings["systems"] and not run.samples.empty:
        ratings["systems"] = sorted(set(run.samples["system"]))
    provenance: dict[str, Any] = formatting.without_folders(dict(run.provenance))
    provenance.get("image_set", {}).pop("path", None)
    provenance.pop("inputs", None)
    in_operation, by_size = operations.rows_of(run), operations.compared_sizes(run)
    if publishing.public:
        provenance = without_machine(provenance)
    people = rate_people(run, systems=ratings["systems"])
    page = _contents(run, ratings, provenance, people)
    page |= {"name": publishing.title, "intro": rendered_intro(publishing.intro)}
    copies = Copies(run, out)
    page |= _pictures(run, ratings, copies, prompts_per_suite)
    beside: dict[str, Any] = {"operations": in_operation, "size_comparison": by_size}
    page["operations"] = operations.section(in_operation, ratings["systems"], by_size)
    files: dict[str, str | bytes] = {
        "comparison.csv": _table(COMPARISON_COLUMNS, ratings["rows"]),
        "differences.csv": _table(DIFFERENCE_COLUMNS, ratings["differences"]),
        "report.md": pages.rendered("report.md.jinja", page),
        "tables.html": pages.rendered("tables.html.jinja", page),
        **({GALLERY: pages.rendered("gallery.html.jinja", page)} if page["has_gallery"] else {}),
        CARD: social_card(page["answer"], page["star_lines"]),
        "index.html": pages.rendered("report.html.jinja", page),
    }
    names = {REPORT, *files, *copies.addresses}
    if people:
        beside["people"] = people["rows"]
    files = {REPORT: _json(page, ratings, provenance, beside | {"files": sorted(names)}), **files}
    out.mkdir(parents=True, exist_ok=True)
    clear_leftovers(out)
    clear_leftovers(out / FOLDER)
    for name in _files_of_older_report(out) - names:
        (out / name).unlink(missing_ok=True)
    for name, content in files.items():
        write_atomically(out / name, content if isinstance(content, bytes) else visible(content).encode())
    return out / "index.html"


def _files_of_older_report(out: Path) -> set[str]:
    """Return the files that the report in a folder names as its own, as far as they are such that not each has."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, RecursionError):
        names = json.loads(read_regular(out / REPORT))["files"]
        return {name for name in names if name == GALLERY or ADDRESS.fullmatch(name)}
    return set()


def _named_without_folders(ratings: RunRatings) -> RunRatings:
    """Return the ratings without the folders of this computer, the names of systems as they are."""
    cleaned: dict[str, Any] = formatting.without_folders(dict(ratings))
    for table in ("rows", "differences", "controls"):
        for clean, row in zip(cleaned[table], ratings[table], strict=True):
            clean |= {column: value for column, value in row.items() if "system" in column}
    document: Any = cleaned | {"systems": list(ratings["systems"]), "stars": ratings["stars"]}
    return document  # type: ignore[no-any-return]


def _pictures(run: Run, ratings: RunRatings, copies: Copies, prompts_per_suite: int | None) -> dict[str, Any]:
    """Return what pages show of pictures: why rows are decided, and the gallery."""
    systems, shown, n_prompts = ratings["systems"], list[Exhibit](), 0
    page: dict[str, Any] = {"full_heat": thumbnails.FULL_HEAT, "prompts_per_suite": prompts_per_suite, "why": ()}
    if prompts_per_suite != 0:
        every = exhibits.collect(run, ratings["stars"], systems)
        shown, n_prompts = gallery.limited(every.values(), prompts_per_suite), len(every)
        copies.make([*shown, *why.deciding_exhibits(ratings["stars"], every)])
        page["why"] = why.why(ratings["stars"], every, systems, copies)
    content = gallery.document(shown, ratings["stars"], systems, copies) if shown else ""
    anchors = {row.id: row.anchor for row in page["why"]}
    page["gallery_rows"] = {row["id"] for row in ratings["stars"]["rows"] if row["places"] and shown}
    page["gallery_is_whole"] = is_whole = len(shown) == n_prompts
    page["gallery_title"] = "All prompts" if is_whole else f"{len(shown):,} of {n_prompts:,} prompts"
    return page | {"gallery": content, "has_gallery": bool(shown), "why_anchors": anchors}


def _contents(run: Run, ratings: RunRatings, provenance: Mapping[str, Any], people: People | None) -> dict[str, Any]:
    """Return everything that the templates print."""
    systems: Sequence[str] = ratings["systems"]
    samples = run.samples
    parts = dimensions.dimensions(ratings, provenance, set(samples.dropna(axis=1, how="all").columns))
    suites = [] if samples.empty else list(dict.fromkeys(samples["suite"]))
    image_set = provenance.get("image_set", {})
    control_groups = controls.control_groups(ratings)
    shown_answer = answer.answer(ratings, provenance)
    rated = {row["id"] for row in ratings["stars"]["rows"] if any(cell["stars"] is not None for cell in row["cells"])}
    said = people_lines(people, systems, rated)
    lines = star_rows.star_lines(ratings["stars"], shown_answer, said.by_row)
    shown_stars = stars.section(ratings["stars"])
    return {
        "title": _title(systems),
        "systems": systems,
        "suites": [formatting.suite_name(suite) for suite in suites],
        "image_set": image_set,
        "n_images": len(samples),
        "n_prompts": 0 if samples.empty else len(samples[["suite", "prompt_id"]].drop_duplicates()),
        "n_scored": sum(row["n_scored"] for row in ratings["rows"]),
        "n_unscored": sum(row["n_unscored"] for row in ratings["rows"]),
        "when": _when(provenance.get("created_at")),
        "provenance": provenance,
        "encoders": provenance.get("encoders", []),
        "licences": defaultdict(str, {row["name"]: row["licence"] or "" for row in provenance.get("encoders", ())}),
        "answer": shown_answer,
        "description": " ".join((f"{shown_answer.title}.", *shown_answer.advice[:1])),
        "star_lines": lines,
        "people_notes": said.notes,
        "cautions_by_row": {line.id: line.cautions for line in lines.rated},
        "use_cases": use_cases.use_cases(ratings["stars"]),
        "dimensions": parts,
        "figures": {part.id: _figures(part, ratings) for part in parts},
        "stars": shown_stars if shown_stars.lines else None,
        "warnings": [*provenance_warnings(provenance), *ratings["warnings"]],
        "controls": control_groups,
        "control_summary": controls.control_summary(ratings),
        "control_table": controls.control_table(control_groups),
        "agreement": {"introduction": agreement.INTRODUCTION, "lines": agreement.lines(ratings["agreements"])},
        "missing": comparison.missing(ratings),
        "not_measured": not_measured.by_reason(not_measured.not_measured(ratings, provenance.get("encoders", ()))),
        "skipped": image_set.get("skipped", []),
        "long_prompts": _long_prompts(provenance.get("long_prompts")),
        "unlike_settings": _unlike_settings(systems),
    }


def _unlike_settings(systems: Sequence[str]) -> list[str]:
    offers = read_facts().offers  # a rehearsal's systems are not among them: nothing was set there
    return list(unlike_settings({system: offers[system] for system in systems if system in offers}))


def _title(systems: Sequence[str]) -> str:
    if len(systems) > 4:
        return f"{len(systems)} systems"
    return " against ".join(systems) if len(systems) == 2 else formatting.join_names([*systems]) or "Nothing measured"


def _figures(part: dimensions.Dimension, ratings: RunRatings) -> list[str]:
    """Return a panel for each metric of a dimension that has a value and a direction."""
    rows = [
        row
        for row in ratings["rows"]
        if comparison.dimension_of(row["metric"]) == part.id
        and row["better"] != "neither"
        and formatting.suite_name(row["suite"]) in part.relevant_suites
    ]
    drawn: list[str] = []
    for metric in dict.fromkeys(row["metric"] for row in rows):
        of_metric = [row for row in rows if row["metric"] == metric]
        if all(row["mean"] is None for row in of_metric):
            continue
        figure = metric_figures.interval_figure(of_metric, ratings["systems"])
        description = f"{of_metric[0]['title']}: means and intervals by system; the numbers are in the table below"
        drawn.append(figures.inline_svg(figure, f"{part.id}-{len(drawn)}", description))
    return drawn


def _when(created_at: Any) -> str:
    if not created_at:
        return "unknown"
    try:
        moment = datetime.fromisoformat(str(created_at))
    except ValueError:
        return str(created_at)
    return f"{moment:%Y-%m-%d %H:%M}" + (f" {moment.tzname()}" if moment.tzinfo else "")


def _long_prompts(counts: Mapping[str, Any] | None) -> str:
    """Return the sentence about prompts that are longer than the text encoder's context, or nothing."""
    if not counts or not counts["n"]:
        return ""
    prompts = f"{counts['n']} of {formatting.pluralize(counts['of'], 'prompt')}"
    return f"{prompts} are longer than the text encoder reads at once; they were scored clause by clause."


def _json(
    page: Mapping[str, Any],
    ratings: RunRatings,
    provenance: Mapping[str, Any],
    beside: Mapping[str, Any],
) -> str:
    reasons: Counter[str] = Counter()
    for row in ratings["rows"]:
        reasons.update(row["reasons"])
    document = {
        "schema": 2,
        "title": page["title"],
        "summary": {
            "answer": page["answer"].title,
            "rows": [
                {"row": row, "outcome": verdict.says, "better_system": verdict.leader}
                for row, verdict in page["answer"].verdicts.items()
            ],
        },
        "counts": {
            "images": page["n_images"],
            "prompts": page["n_prompts"],
            "systems": len(page["systems"]),
            "suites": len(page["suites"]),
            "scored": page["n_scored"],
            "unscored": page["n_unscored"],
            "reasons": dict(sorted(reasons.items())),
        },
        "ratings": ratings,
        **beside,
        "provenance": provenance,
    }
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        reasons = "; ".join(f"{code}={n}" for code, n in sorted(row.get("reasons", {}).items()))
        cells = {**row, "dimension": comparison.dimension_of(row["metric"]), "reasons": reasons}
        writer.writerow({column: _cell(value) for column, value in cells.items()})
    return buffer.getvalue()


def _cell(value: Any) -> Any:
    """Return what a cell of a CSV file holds: a spreadsheet would compute a text that begins like a formula (OWASP)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
