"""The report's section on operations, and the table in the terminal."""

from typing import Any

import pandas as pd
import pytest

from evals.cli.details import print_details, print_operations
from evals.rating.operations import SystemOperations, operations
from evals.rating.operations_by_size import operations_by_size
from evals.rating.stage import operations_of, rate_run
from evals.reporting.operations import BY_SIZE, FIGURES, section
from evals.run import Run

from .conftest import BERYL, ONYX, Report

GONE = "gone@fake"
INTERVAL = "3.00 to 8.00"


def asked(**more: Any) -> list[SystemOperations]:
    """Return the operations of one system that works, one that refuses now and then, and one that always does."""
    rows = [{"system": BERYL, "size": "1K", "outcome": "ok", "latency_s": 2.0 + i, "cost_usd": 0.04} for i in range(8)]
    rows += [{"system": ONYX, "size": size, "outcome": "ok", "latency_s": 5.0} for size in ("1K", "4K")]
    rows += [{"system": ONYX, "size": "1K", "outcome": "refused", "reason": "content_policy"}]
    rows += [{"system": GONE, "size": "1K", "outcome": "filtered", "reason": "safety"}] * 2
    return operations(pd.DataFrame([{**row, **more} for row in rows]))


def test_every_figure_is_shown_for_every_system_with_its_interval_or_why_not() -> None:
    found = section(asked(), [ONYX, BERYL])
    assert found is not None
    assert found.systems == (ONYX, BERYL, GONE), "a system without a picture follows those that have one"
    assert [size.size for size in found.sizes] == ["1K", "4K"]
    assert set(FIGURES) == set(asked()[0]["figures"])
    for size in found.sizes:
        assert len(size.lines) == len([spec for spec in FIGURES.values() if not spec.under_load])
        assert {tuple(cell.column for cell in line.cells) for line in size.lines} == {(ONYX, BERYL, GONE)}
    lines = {line.title: line.cells for line in found.sizes[0].lines}
    _, latency, absent = lines["Latency, median"]
    assert (latency.value, latency.interval, latency.n) == ("5.50", INTERVAL, "8 requests, in flight not known")
    assert absent.absent == "no request brought a picture"
    assert lines["Latency, 95th percentile"][1].value == "≥ 8.65"
    queue = lines["Time in the queue, median"][1]
    assert (queue.value, queue.absent) == ("not known", "no time of this kind was told for any picture")
    assert found.sizes[1].lines[0].cells[1].value == "not asked"


def test_times_say_how_many_were_in_flight_and_in_which_hour() -> None:
    at = {"sent_at": "2026-11-22T12:00:05.100+00:00", "ended_at": "2026-11-22T12:40:59.900+00:00"}
    rows = [{"system": BERYL, "size": "1K", "outcome": "ok", "prompt_id": str(n), **at} for n in range(8)]
    alone = [{**row, "latency_s": 2.0 + n, "in_flight": 1} for n, row in enumerate(rows)]
    crowd = [{**row, "latency_s": 60.0 + n, "in_flight": 23 + n % 3} for n, row in enumerate(rows)]
    found = section(operations(pd.DataFrame([*alone, *crowd])), [BERYL])
    assert found is not None
    lines = {line.title: line.cells[0] for line in found.sizes[0].lines}
    calm, loaded = lines["Latency, median"], lines["Latency under load, median"]
    assert calm.n == "8 requests, one at a time, 2026-11-22 12:00 to 12:40 UTC"
    assert loaded.n == "8 requests, 24 in flight, 2026-11-22 12:00 to 12:40 UTC"
    assert loaded.text.startswith("63.5 (")
    assert loaded.text.endswith("), 24 in flight")
    assert calm.text.endswith(")")


def test_the_report_has_the_section_in_all_its_forms(report: Report, whole_run: Run) -> None:
    html = report.files["tables.html"]
    for text in ('<section id="operations"', '<a href="#operations">', "Sizes side by side", '<th scope="col">4K</th>'):
        assert text in html
    figures = {row["system"]: row["figures"] for row in report.document["operations"] if row["size"] == "1K"}
    assert figures == {row["system"]: row["figures"] for row in operations_of(whole_run) if row["size"] == "1K"}
    assert report.document["size_comparison"] == operations_by_size(whole_run.requests)


def of_sizes() -> list[dict[str, Any]]:
    """Return requests for one prompt at three sizes by one system, and at two by another."""
    rows = []
    for system, sizes in ((ONYX, ("1K", "2K")), (BERYL, ("1K", "2K", "4K"))):
        for place, size in enumerate(sizes):
            suite = "logic" if size == "1K" else f"logic@{size}"
            rows.append({"system": system, "suite": suite, "prompt_id": "p", "size": size, "outcome": "ok"})
            rows[-1] |= {"latency_s": 2.0 * 2**place, "cost_usd": 0.04 * 2**place, "width": 1000 * 2**place}
            rows[-1] |= {"height": 1000 * 2**place, "download_s": 0.25}
    return rows


def test_sizes_stand_side_by_side_for_each_system() -> None:
    requests = pd.DataFrame(of_sizes())
    found = section(operations(requests), [ONYX, BERYL], operations_by_size(requests))
    assert found is not None
    assert found.columns == ("1K", "2K", "4K")
    assert [(row.system, row.prompts) for row in found.side_by_side] == [(ONYX, "1 prompt"), (BERYL, "1 prompt")]
    onyx, beryl = (
        {line.title: [cell.value for cell in line.cells] for line in row.lines} for row in found.side_by_side
    )
    assert len(beryl) == len(BY_SIZE)
    assert beryl["Latency, median"] == ["2.00", "4.00", "8.00"]
    assert beryl["Latency per megapixel, median"] == ["2.00", "1.00", "0.500"]
    assert beryl["Cost of a picture"] == ["0.0400", "0.0800", "0.160"]
    assert onyx["Latency, median"] == ["2.00", "4.00", "not asked"]
    assert onyx["Time in the queue, median"] == ["not known", "not known", "not asked"]


def test_the_section_says_that_systems_were_simulated() -> None:
    notes = {simulated: " ".join(section(asked(simulated=simulated), [BERYL]).notes) for simulated in (False, True)}
    assert "simulators" in notes[True]
    assert "simulators" not in notes[False]


def test_the_terminal_shows_figures_reasons_and_notes_and_takes_no_name_for_markup(
    whole_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = section([], [BERYL])
    assert unknown is None
    print_operations(unknown)
    assert capsys.readouterr().out == ""
    marked_up = operations(pd.DataFrame([{"system": "[red]x[/red]", "size": "[b]", "outcome": "ok"}]))
    print_operations(section(asked(simulated=True), [BERYL]))
    print_operations(section(marked_up, []))
    print_details(whole_run, rate_run(whole_run))
    shown = capsys.readouterr().out
    for text in (f"5.50 ({INTERVAL})", "≥ 8.65", "gone@fake, size 1K: 2 safety", "simulated", "[red]x[/red]", "[b]"):
        assert text in shown
    assert "Latency, median" in shown.rpartition("[red]x[/red]")[2]
