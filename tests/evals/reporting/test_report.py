"""The report: pages that need nothing else, hold every number, and take no text for markup."""

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evals.imageset.visible import visible
from evals.rating.stage import rate_run
from evals.reporting import report as report_module
from evals.reporting import write_report
from evals.reporting.answer import answer
from evals.reporting.formatting import without_folders
from evals.reporting.star_rows import star_lines
from evals.run import Run
from tests.run_folder import write_run

from .conftest import BERYL, N_SCENES, ONYX, Page, Report, write_fake_run

ATTACK = '<script>alert("x")</script> | pipe'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of three systems, one of them, a suite and the prompts named to break a page."""

    def named(row: dict[str, Any]) -> dict[str, Any]:
        ids = {"suite": row["suite"].replace("scenes", ATTACK), "prompt_id": row["prompt_id"].replace("bakery", ATTACK)}
        return row | ids | ({"prompt": ATTACK + row["prompt"]} if "prompt" in row else {})

    facts = {"name": ATTACK, "warnings": [ATTACK]}
    run = write_fake_run(tmp_path_factory.mktemp("hostile") / "run", (BERYL, ONYX, ATTACK), named, image_set=facts)
    return Report(run, tmp_path_factory.mktemp("hostile-report"))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of one system that was brought without requests."""
    folder = tmp_path_factory.mktemp("single") / "run"
    run = write_fake_run(folder, (BERYL,), encoders=[], long_prompts=None, image_set={})
    return Report(run, tmp_path_factory.mktemp("single-report"))


def test_the_first_lines_are_the_verdicts_of_the_star_table_and_nothing_else_names_a_winner(report: Report) -> None:
    rows = {row["id"]: row for row in report.document["ratings"]["stars"]["rows"]}
    summary = report.document["summary"]
    assert {row["row"] for row in summary["rows"]} == set(rows)
    for row in summary["rows"]:
        (difference,) = rows[row["row"]]["differences"] or [{"better_system": None}]
        assert row["better_system"] == difference["better_system"]
    assert any(row["better_system"] == BERYL for row in summary["rows"])
    for text in (report.page.words, report.files["report.md"].replace("\\", "")):
        assert summary["answer"] in text
    numbers = report.tables.words.partition("Does the picture show what the prompt asks for?")[2]
    assert not re.search(r"separable|told apart|is ahead (?!is decided)", numbers)
    assert "over 6 common prompts" in numbers
    assert re.search(rf"Seed ratio of {ONYX} on scenes: 0\.\d+ \(0\.\d+ to 0\.\d+\)", numbers)


@pytest.mark.parametrize("name", ["index.html", "tables.html", "gallery.html"])
@pytest.mark.parametrize("kind", ["report", "hostile", "single"])
def test_a_page_is_well_formed_loads_nothing_and_its_links_lead_somewhere(kind: str, name: str, request: Any) -> None:
    shown = request.getfixturevalue(kind)
    page, html = Page(shown.files[name]), shown.files[name]
    assert not page.open
    addresses = [value for _, name, value in page.attributes
                 if name in ("src", "href", "xlink:href", "action", "data", "srcset")]  # fmt: skip
    beside = [value.partition("#")[0] for value in addresses if not value.startswith(("data:", "#"))]
    assert all((shown.index.parent / value).is_file() for value in beside)
    assert not re.search(r"@import|url\((?!#)", html)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in addresses if value.startswith("#")} <= set(ids)
    assert page.tags.count("img") == sum(name == "alt" and value != "" for _, name, value in page.attributes)


def test_untrusted_text_is_text_everywhere(hostile: Report) -> None:
    for page, n_scripts in ((hostile.page, 1), (hostile.tables, 0), (Page(hostile.files["gallery.html"]), 3)):
        assert page.tags.count("script") == n_scripts
        assert not any(name.startswith("on") for _, name, _ in page.attributes)
    assert hostile.page.text.count(ATTACK) + hostile.tables.text.count(ATTACK) > 10
    markdown = hostile.files["report.md"]
    assert "<script" not in markdown
    for block in markdown.split("\n\n"):
        assert len({line.count("|") for line in block.splitlines() if line.startswith("|")}) <= 1
    assert ATTACK in hostile.document["ratings"]["systems"]


def test_read_text_is_shown_with_its_differences_marked(report: Report) -> None:
    sign = next(one for one in report.gallery["prompts"] if one["id"] == "bakery")
    right, wrong = (column["pictures"][0]["reading"] for column in sign["columns"])
    assert right == [[[["same", "OPEN 24 HOURS"]], True]]
    assert wrong[0] == [[["same", "OP"], ["missing", "E"], ["same", "N 24 HOURS"]], False]
    assert wrong[1] == [[["extra", "<img src=x onerror=alert(1)>"]], False]


def test_what_has_no_value_is_a_reason_and_counted(report: Report) -> None:
    assert report.document["counts"]["reasons"] == {"no_face": 1}
    assert "no face was found in the image" in report.tables.text
    for page in (report.page, report.tables):
        assert not re.search(r"\b(nan|NaN|None|inf|undefined)\b", page.text)
    for name in ("report.md", "report.json", "comparison.csv", "differences.csv"):
        assert not re.search(r"\b(nan|NaN|None|inf)\b", report.files[name]), name
    assert without_folders({"n": [float("nan"), 1.0]}) == {"n": [None, 1.0]}


def test_no_place_of_the_machine_is_written(report: Report, whole_run: Run) -> None:
    for name, text in report.files.items():
        assert "/home/someone" not in text, name
        assert str(whole_run.path) not in text, name
    assert "insightface:buffalo_l<" in report.files["index.html"]
    assert "fake-set" in report.page.text


def test_encoders_stand_with_licence_weights_and_weakness_and_what_was_left_out_is_told(
    report: Report, single: Report
) -> None:
    for text in (
        "non-commercial research only",
        "open_clip:tiny (MIT)",
        "abababababab",
        "row 7: the file is truncated",
        "3 of 12 prompts are longer than the text encoder reads at once",
    ):
        assert text in report.page.words + report.tables.words
    assert "ab" * 32 in report.files["report.json"]
    assert "open_clip:tiny: weak offline encoder, not CLIP." in report.page.text + report.tables.text
    assert "longer than the text encoder reads" not in single.tables.text


def test_tables_hold_the_numbers_of_the_ratings(report: Report, whole_run: Run) -> None:
    ratings = rate_run(whole_run)
    rows = list(csv.DictReader(report.files["comparison.csv"].splitlines()))
    assert [float(row["mean"] or "nan") for row in rows] == pytest.approx(
        [float("nan") if row["mean"] is None else row["mean"] for row in ratings["rows"]], nan_ok=True
    )
    assert [row["reasons"] for row in rows if not row["mean"]] == ["no_face=1"]
    differences = list(csv.DictReader(report.files["differences.csv"].splitlines()))
    assert [int(row["n_prompts"]) for row in differences] == [row["n_prompts"] for row in ratings["differences"]]
    assert report.document["counts"]["images"] == len(whole_run.samples)
    assert report.document["ratings"]["rows"] == ratings["rows"]


def test_one_system_is_shown_without_a_comparison(single: Report) -> None:
    words = single.page.words
    assert "there is nothing to compare it with" in words
    assert "is ahead" not in words
    assert list(csv.DictReader(single.files["differences.csv"].splitlines())) == []
    assert f"{2 * N_SCENES + 3} images" in words
    assert "operations" not in single.files["tables.html"].lower()


def test_three_systems_are_compared_pair_by_pair(hostile: Report) -> None:
    (row,) = [row for row in hostile.document["summary"]["rows"] if row["row"].endswith(":reproducibility")]
    assert row["better_system"] == BERYL
    assert "Differences between each two systems" in hostile.tables.words


def test_the_markdown_is_the_answer_the_star_table_and_links(report: Report, hostile: Report) -> None:
    text = report.files["report.md"]
    for rows in (report.files["report.md"], hostile.files["report.md"]):
        assert rows.count("\n") <= 120
    assert text.startswith(f"# {report.document['summary']['answer']}\n")
    for name in ("index.html", "gallery.html", "tables.html", "report.json", "comparison.csv"):
        assert f"]({name})" in text
    lines = star_lines(report.document["ratings"]["stars"], answer(report.document["ratings"], {}))
    for line in lines.rated:
        assert f"| {line.title} | {' | '.join(line.cells(2))} | {' '.join(line.verdict.split())}" in text


def test_a_report_is_the_same_files_in_equal_bytes_and_others_stay(
    report: Report, whole_run: Run, tmp_path: Path
) -> None:
    assert report.index.name == "index.html"
    pages = {"index.html", "gallery.html", "tables.html"}
    assert set(report.files) == {*pages, "report.md", "report.json", "comparison.csv", "differences.csv"}
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "index.html").write_text("old")
    assert Report(whole_run, tmp_path).files == {**report.files, "notes.txt": "mine"}


def test_a_report_that_cannot_be_finished_leaves_the_old_one_whole(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    def broken(*_: Any) -> str:
        raise ValueError("broken")

    out, before = tmp_path / "out", Report(run, tmp_path / "out").files
    run.provenance["image_set"]["name"] = "changed"
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(run, out)
    monkeypatch.setattr(report_module.pages, "rendered", broken)
    with pytest.raises(ValueError, match="broken"):
        write_report(run, out)
    assert {name: (out / name).read_text() for name in before} == before


def test_pictures_that_are_gone_are_said_in_their_place_or_all_left_out(run: Run, tmp_path: Path) -> None:
    (run.path / "images/o-bakery.png").unlink()
    (run.path / "images/b-bakery.png").write_bytes(b"not a picture")
    gallery = Report(run, tmp_path / "out").files["gallery.html"]
    assert "The image file is no longer there, or is not the one that was scored." in gallery
    assert "The image file is not an image that can be read" in gallery
    limited = write_report(run, tmp_path / "few", prompts_per_suite=1)
    for page in (limited, limited.with_name("gallery.html"), limited.with_name("report.md")):
        assert re.search(r"\b\d+ of \d+ prompts", page.read_text())
        assert "ll prompts" not in page.read_text().replace("over all prompts", "")
    html = write_report(run, tmp_path / "out", prompts_per_suite=0).read_text()
    assert "data:image" not in html
    assert "gallery.html" not in html
    assert not (tmp_path / "out" / "gallery.html").exists()
    assert not list((tmp_path / "out" / "pictures").iterdir())


def test_a_report_takes_away_what_the_older_one_names_and_nothing_of_the_users(run: Run, tmp_path: Path) -> None:
    out, hers = tmp_path / "out", ["gallery.html", "pictures/holiday.webp", f"pictures/{'0' * 32}.webp"]
    (out / "pictures").mkdir(parents=True)
    for name in hers:
        (out / name).write_text("of the user")
    write_report(run, out, prompts_per_suite=0)
    assert [(out / name).read_text() for name in hers] == ["of the user"] * 3
    (out / hers.pop(0)).unlink()
    document = Report(run, out).document
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert there == {*document["files"], *hers}
    (tmp_path / "hers").write_text("of the user")
    (out / "report.json").write_text(json.dumps(document | {"files": [*document["files"], "../hers"]}))
    write_report(run, out, prompts_per_suite=0)
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert left == {name for name in there if "/" not in name and name != "gallery.html"} | {*hers}
    assert (tmp_path / "hers").exists()


@pytest.mark.parametrize("with_images", [True, False])
def test_a_run_without_a_measurement_is_still_a_report(run: Run, tmp_path: Path, with_images: bool) -> None:
    samples = run.samples if with_images else pd.DataFrame()
    run = Run(write_run(run.path, scores=[], encoders=run.provenance["encoders"]))
    run.samples = samples
    report = Report(run, tmp_path / "out")
    words = report.page.words + report.tables.words
    assert "No control could be measured" in words
    assert "Nothing was measured" in words
    assert "two judges" not in words
    assert ("Nothing measured" in words) is not with_images


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1+1"]


@pytest.mark.parametrize("name", [*FORMULAS, "a=b", "m-1", "\u2212 1"])
def test_no_cell_of_a_table_is_computed_by_a_spreadsheet_and_numbers_stay_numbers(name):
    row = {"metric": "text.cer", "system": name, "mean": -0.5, "n_prompts": 3}
    text = visible(report_module._table(("metric", "system", "mean", "n_prompts"), [row]))
    (read,) = csv.DictReader(io.StringIO(text, newline=""))
    assert read["system"] == visible(f"'{name}" if name in FORMULAS else name)
    assert (read["mean"], read["n_prompts"]) == ("-0.5", "3")


def test_the_method_tells_which_settings_the_systems_do_not_share(tmp_path):
    for names, told in ((("flux-2-pro@bfl", "gemini-3-pro-image@fal"), True), (("flux-2-pro@bfl", "mine"), False)):
        run = write_fake_run(tmp_path / names[1], names)
        write_report(run, tmp_path / f"{names[1]}-page")
        page = Page((tmp_path / f"{names[1]}-page/index.html").read_text())
        assert ("safety is not set alike: tolerance 2 of 5 (flux-2-pro@bfl)" in page.words) is told
