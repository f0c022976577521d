"""The report's section on operations, and the table in the terminal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evals.cli.rate import print_operations, print_run
from evals.rating.operations import SystemOperations, operations
from evals.rating.operations_by_size import operations_by_size
from evals.reporting import write_report
from evals.reporting.operations import FIGURES, SIDE_BY_SIDE, section

BERYL, ONYX, GONE = "beryl@fake", "onyx@fake", "gone@fake"
ATTACK = "<script>alert('x')</script> | & \"q\""


def asked(**more: Any) -> list[SystemOperations]:
    """Return the operations of one system that works, one that refuses now and then, and one that always does."""
    rows = [{"system": BERYL, "size": "1K", "outcome": "ok", "latency_s": 2.0 + i, "cost_usd": 0.04} for i in range(8)]
    rows += [{"system": ONYX, "size": size, "outcome": "ok", "latency_s": 5.0} for size in ("1K", "4K")]
    rows += [{"system": ONYX, "size": "1K", "outcome": "refused", "reason": "content_policy"}]
    rows += [{"system": GONE, "size": "1K", "outcome": "filtered", "reason": "safety"}] * 2
    return operations(pd.DataFrame([{**row, **more} for row in rows]))


@pytest.fixture
def files(run: Any, tmp_path: Path, monkeypatch: Any) -> Any:
    """Return a function that gives the run operations, writes its report and returns the files."""

    def write(rows: list[SystemOperations] | None, at_sizes: Sequence[SystemOperations] = ()) -> dict[str, str]:
        if rows is not None:
            monkeypatch.setattr("evals.reporting.operations.operations_of", lambda run: rows)
            monkeypatch.setattr("evals.reporting.operations.operations_by_size_of", lambda run: list(at_sizes))
        write_report(run, tmp_path / "out")
        return {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}

    return write


def test_a_system_without_a_picture_follows_those_that_have_one() -> None:
    found = section(asked(), [ONYX, BERYL])
    assert found is not None
    assert found.systems == (ONYX, BERYL, GONE)
    assert [size.size for size in found.sizes] == ["Size 1K", "Size 4K"]


def test_every_figure_of_the_rating_is_shown_for_every_system() -> None:
    found = section(asked(), [BERYL, ONYX])
    assert found is not None
    assert set(FIGURES) == set(asked()[0]["figures"])
    for size in found.sizes:
        assert len(size.lines) == len(FIGURES)
        assert {tuple(cell.column for cell in line.cells) for line in size.lines} == {(BERYL, ONYX, GONE)}


def test_a_cell_has_its_value_and_interval_or_says_why_not() -> None:
    found = section(asked(), [BERYL, ONYX])
    assert found is not None
    lines = {line.title: line.cells for line in found.sizes[0].lines}
    latency, p95, queue = (
        lines[title] for title in ("Latency, median", "Latency, 95th percentile", "Time in the queue, median")
    )
    assert (latency[0].value, latency[0].interval, latency[0].n) == ("5.50", "2.00 to 9.00", "8 requests")
    assert p95[0].value == "≥ 8.65"
    assert (queue[0].value, queue[0].absent) == ("not known", "no time of this kind was told for any picture")
    assert latency[2].absent == "no request brought a picture"
    assert found.sizes[1].lines[0].cells[0].value == "not asked"


def test_the_report_has_the_section_in_all_its_forms(files: Any) -> None:
    rows = asked()
    written = files(rows)
    assert '<section id="operations"' in written["index.html"]
    assert '<a href="#operations">' in written["index.html"]
    assert "content policy" in written["index.html"]
    table = [line for line in written["report.md"].splitlines() if line.startswith("| 1K | Latency, median")]
    assert "| beryl@fake | 5.50 | 2.00 to 9.00 | 8 requests |" in table[0]
    assert len(table) == 3
    assert json.loads(written["report.json"])["operations"] == rows


def test_markdown_tables_have_one_width_each(files: Any) -> None:
    text = files(asked())["report.md"]
    part = text[text.index("## Operations") : text.index("## Controls")]
    for block in part.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines() if line.startswith("|")}) <= 1


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
    assert len(beryl) == len(SIDE_BY_SIDE)
    assert beryl["Latency, median"] == ["2.00", "4.00", "8.00"]
    assert beryl["Latency per megapixel, median"] == ["2.00", "1.00", "0.500"]
    assert beryl["Cost of a picture"] == ["0.0400", "0.0800", "0.160"]
    assert onyx["Latency, median"] == ["2.00", "4.00", "not asked"]
    assert onyx["Time in the queue, median"] == ["not known", "not known", "not asked"]


def test_the_report_has_the_sizes_side_by_side_where_several_were_asked(files: Any) -> None:
    requests = pd.DataFrame(of_sizes())
    at_sizes = operations_by_size(requests)
    written = files(operations(requests), at_sizes)
    assert "Sizes side by side" in written["index.html"]
    assert '<th scope="col">4K</th>' in written["index.html"]
    (line,) = (line for line in written["report.md"].splitlines() if line.startswith("| beryl@fake, 1 prompt | Cost"))
    assert line.split("|")[3:-1] == [" 0.0400 ", " 0.0800 ", " 0.160 "]
    part = written["report.md"][written["report.md"].index("## Operations") : written["report.md"].index("## Controls")]
    for block in part.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines() if line.startswith("|")}) <= 1
    assert json.loads(written["report.json"])["size_comparison"] == at_sizes
    written = files(asked())
    assert "side by side, over" not in written["report.md"]
    assert "Sizes side by side" not in written["index.html"]


@pytest.mark.parametrize("rows", [None, []])
def test_pictures_that_were_brought_have_no_section(files: Any, rows: Any) -> None:
    written = files(rows)
    assert "operations" not in written["index.html"].lower()
    assert "## Operations" not in written["report.md"]
    assert json.loads(written["report.json"])["operations"] == []


def test_the_section_says_that_systems_were_simulated(files: Any) -> None:
    sentence = "Times are those of simulators on one machine"
    written = files(asked(simulated=True))
    assert sentence in written["index.html"]
    assert sentence in written["report.md"]
    written = files(asked())
    assert sentence not in written["index.html"] + written["report.md"]


def test_untrusted_names_and_reasons_are_escaped_and_lose_their_folders(files: Any) -> None:
    rows = operations(pd.DataFrame([{"system": ATTACK, "size": ATTACK, "outcome": "failed", "reason": "/home/me/x"}]))
    written = files(rows)
    assert "<script" not in written["index.html"]
    assert "<script" not in written["report.md"]
    assert "/home/me" not in "".join(written.values())
    assert json.loads(written["report.json"])["operations"][0]["system"] == ATTACK


def test_the_terminal_shows_the_figures_the_reasons_and_the_notes(capsys: Any) -> None:
    print_operations(asked(simulated=True))
    shown = capsys.readouterr().out
    assert "5.5 [2, 9]" in shown
    assert "≥ 8.65" in shown
    assert "no picture: gone@fake, 1K (safety x2)" in shown
    assert "simulated" in shown


def test_the_terminal_shows_nothing_where_no_request_is_known(capsys: Any) -> None:
    print_operations([])
    assert capsys.readouterr().out == ""


def test_names_in_the_terminal_are_no_markup(capsys: Any) -> None:
    print_operations(operations(pd.DataFrame([{"system": "[red]x[/red]", "size": "[b]", "outcome": "ok"}])))
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "[b]" in shown


def test_a_scored_run_is_printed_with_its_operations(run: Any, capsys: Any, monkeypatch: Any) -> None:
    run.provenance["unreadable"] = []
    monkeypatch.setattr("evals.rating.stage.rate_run", lambda run: run.rated)
    monkeypatch.setattr("evals.rating.stage.operations_of", lambda run: asked())
    print_run(run)
    assert "latency p50, s" in capsys.readouterr().out
