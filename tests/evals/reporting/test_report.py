import csv
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from evals.reporting import report as report_module
from evals.reporting import write_report

ATTACK = '<script>alert("x")</script> | pipe'
VOID = {"meta", "link", "img", "br", "hr", "input", "polygon", "path", "use", "rect"}


class Page(HTMLParser):
    """What a browser would see of a page: its tags, its attributes, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def words(self) -> str:
        return " ".join(self.text.split())


def written(run: Any, out: Path) -> tuple[Page, dict[str, str]]:
    index = write_report(run, out)
    files = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}
    return Page(index.read_text(encoding="utf-8")), files


def test_report_is_five_files(run: Any, tmp_path: Path) -> None:
    index = write_report(run, tmp_path / "out")
    assert index == tmp_path / "out" / "index.html"
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"index.html", "report.md", "report.json", "comparison.csv", "differences.csv"}


def test_summary_says_who_is_ahead_or_why_that_cannot_be_said(run: Any, tmp_path: Path) -> None:
    page, _ = written(run, tmp_path / "out")
    words = page.words()
    assert "beryl@fake is ahead by 0.350 (0.250 to 0.450)" in words
    assert "not separable difference +0.75 (−0.25 to +1.75)" in words
    assert "beryl@fake scored alone, onyx@fake not" in words
    assert "fewer than 5 prompts in common" in words
    assert "Seed ratio of onyx@fake on scenes: 0.400" in words


def test_page_is_well_formed_and_loads_nothing(run: Any, tmp_path: Path) -> None:
    page, files = written(run, tmp_path / "out")
    assert not page.open
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset"):
            assert value.startswith(("data:", "#")), (tag, name, value)
    assert "script" not in page.tags
    assert "@import" not in files["index.html"]
    assert not re.search(r"url\((?!#)", files["index.html"])


def test_ids_are_unique_and_links_lead_somewhere(run: Any, tmp_path: Path) -> None:
    page, _ = written(run, tmp_path / "out")
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")}
    assert targets <= set(ids)


def test_every_picture_has_a_text_in_its_place(run: Any, tmp_path: Path) -> None:
    page, _ = written(run, tmp_path / "out")
    assert page.tags.count("img") == sum(
        1 for tag, name, value in page.attributes if (tag, name) == ("img", "alt") and value
    )


@pytest.mark.parametrize("column", ["prompt", "prompt_id", "suite"])
def test_untrusted_text_is_escaped(run: Any, tmp_path: Path, column: str) -> None:
    run.samples[column] = ATTACK
    page, _ = written(run, tmp_path / "out")
    assert "script" not in page.tags
    assert ATTACK in page.text


def test_untrusted_names_are_escaped_in_figures_tables_and_markdown(run: Any, tmp_path: Path) -> None:
    for table in ("rows", "differences", "controls"):
        for row in run.rated[table]:
            row["suite"] = ATTACK
    run.rated["warnings"] = [ATTACK]
    page, files = written(run, tmp_path / "out")
    assert "script" not in page.tags
    assert "<script" not in files["report.md"]
    widths = {line.count("|") for line in files["report.md"].splitlines() if line.startswith("| ") and "scored" in line}
    assert len(widths) <= 2
    assert json.loads(files["report.json"])["ratings"]["rows"][0]["suite"] == ATTACK


def test_read_text_is_escaped_and_its_differences_marked(run: Any, tmp_path: Path) -> None:
    for details in run.scores.loc[run.scores["metric"] == "text.similarity", "details"]:
        details["unexpected"] = ["<img src=x onerror=alert(1)>"]
    page, files = written(run, tmp_path / "out")
    assert not any(name == "onerror" for _, name, _ in page.attributes)
    assert "OP<del>E</del>N 24 HOURS" in files["index.html"]
    assert "<ins>&lt;img src=x" in files["index.html"]
    assert "OPEN 24 HOURS ✓" in page.words()


def test_no_nan_anywhere_but_the_reason(run: Any, tmp_path: Path) -> None:
    run.rated["rows"][0]["mean"] = run.rated["rows"][0]["low"] = run.rated["rows"][0]["high"] = float("nan")
    run.rated["differences"][0]["mean"] = float("nan")
    run.rated["controls"][0]["value"] = float("nan")
    run.scores["reason"] = run.scores["reason"].astype(object).where(run.scores["reason"].notna(), float("nan"))
    page, files = written(run, tmp_path / "out")
    assert not re.search(r"\b(nan|NaN|None|inf|undefined)\b", page.text)
    for name in ("report.md", "report.json", "comparison.csv", "differences.csv"):
        assert not re.search(r"\b(nan|NaN|None|inf)\b", files[name]), name
    assert "no face was found in the image" in page.text


def test_every_reason_is_counted(run: Any, tmp_path: Path) -> None:
    _, files = written(run, tmp_path / "out")
    assert (
        "| no face was found in the image | Identity over all pairs of shots | portraits | 0 | 1 |"
        in files["report.md"]
    )
    assert json.loads(files["report.json"])["counts"]["reasons"] == {"no_face": 1}


def test_equal_runs_give_equal_bytes(run: Any, tmp_path: Path) -> None:
    _, first = written(run, tmp_path / "one")
    _, second = written(run, tmp_path / "two")
    assert first == second


def test_no_place_of_the_machine_is_written(run: Any, tmp_path: Path) -> None:
    _, files = written(run, tmp_path / "out")
    for name, text in files.items():
        assert "/home/someone" not in text, name
        assert str(tmp_path) not in text, name
    assert "insightface:buffalo_l<" in files["index.html"]
    assert "fake-set" in files["index.html"]


def test_licences_stand_beside_the_encoders(run: Any, tmp_path: Path) -> None:
    page, files = written(run, tmp_path / "out")
    assert "non-commercial research only" in page.text
    assert "open_clip:tiny (MIT)" in page.words()
    assert "abababababab" in page.text
    assert "ab" * 32 in files["report.json"]


def test_a_missing_image_is_said_in_its_place(run: Any, tmp_path: Path) -> None:
    (run.folder / "o-bakery.png").unlink()
    (run.folder / "b-bakery.png").write_bytes(b"not a picture")
    page, _ = written(run, tmp_path / "out")
    assert "The image file is no longer there." in page.text
    assert "The image file is not an image that can be read" in page.text


def test_a_foreign_file_stays_and_an_old_report_is_replaced(run: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "index.html").write_text("old")
    _, files = written(run, out)
    assert files["notes.txt"] == "mine"
    assert files["index.html"] != "old"


def test_an_interrupted_report_leaves_the_old_one_whole(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    _, before = written(run, out)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    run.rated["warnings"] = ["changed"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write_report(run, out)
    assert {name: (out / name).read_text() for name in before} == before


def test_a_failure_while_rendering_writes_nothing(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> str:
        raise ValueError("broken")

    monkeypatch.setattr(report_module, "_rendered", broken)
    with pytest.raises(ValueError, match="broken"):
        write_report(run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_system_is_shown_without_a_comparison(run: Any, tmp_path: Path) -> None:
    alone = "beryl@fake"
    run.rated["systems"] = [alone]
    run.rated["rows"] = [row for row in run.rated["rows"] if row["system"] == alone]
    run.rated["differences"] = []
    run.samples = run.samples[run.samples["system"] == alone]
    run.scores = run.scores[run.scores["system"] == alone]
    page, files = written(run, tmp_path / "out")
    words = page.words()
    assert "There is one system, so nothing is compared." in words
    assert "31.2 (30.9 to 31.6)" in words
    assert "Verdict" not in words
    assert "is ahead" not in words
    assert list(csv.DictReader(files["differences.csv"].splitlines())) == []


def test_a_run_without_a_measurement_says_so(run: Any, tmp_path: Path) -> None:
    run.scores = run.scores[:0]
    run.rated |= {"systems": [], "rows": [], "differences": [], "controls": [], "warnings": []}
    page, _ = written(run, tmp_path / "out")
    words = page.words()
    assert "not scored: it was not measured in this run" in words
    assert "not scored: there is no pack in buffalo_l" in words
    assert "No control could be measured" in words
    assert page.tags.count("img") > 0


def test_a_run_without_an_image_is_still_a_report(run: Any, tmp_path: Path) -> None:
    run.samples, run.scores = pd.DataFrame(), run.scores[:0]
    run.rated |= {"systems": [], "rows": [], "differences": [], "controls": [], "warnings": []}
    page, _ = written(run, tmp_path / "out")
    assert page.words().count("Nothing measured") == 2


def test_three_systems_are_compared_pair_by_pair(run: Any, rated: Any, tmp_path: Path) -> None:
    run.rated["systems"].append("third@fake")
    run.rated["rows"].append(rated.row("reproducibility.ssim", "scenes", "third@fake", 0.7, 0.1))
    pair = rated.difference("reproducibility.ssim", "scenes", 0.25, 0.1, "beryl@fake") | {"system_b": "third@fake"}
    run.rated["differences"].append(pair)
    page, _ = written(run, tmp_path / "out")
    assert "beryl@fake is ahead of onyx@fake and third@fake" in page.words()
    assert "Differences between each two systems" in page.words()


def test_tables_hold_the_numbers_of_the_ratings(run: Any, tmp_path: Path) -> None:
    _, files = written(run, tmp_path / "out")
    rows = list(csv.DictReader(files["comparison.csv"].splitlines()))
    assert len(rows) == len(run.rated["rows"])
    assert float(rows[0]["mean"]) == run.rated["rows"][0]["mean"]
    assert (rows[3]["mean"], rows[3]["reasons"]) == ("", "no_face=1")
    differences = list(csv.DictReader(files["differences.csv"].splitlines()))
    assert differences[2]["better_system"] == "beryl@fake"
    document = json.loads(files["report.json"])
    assert document["counts"]["images"] == len(run.samples)
    assert document["summary"][3] == {
        "dimension": "reproducibility",
        "verdict": "beryl@fake is ahead",
        "better_system": "beryl@fake",
    }


def test_long_prompts_are_counted_where_adherence_is_told(run: Any, tmp_path: Path) -> None:
    page, _ = written(run, tmp_path / "out")
    assert "3 of 12 prompts are longer than the text encoder reads at once" in page.text
    run.provenance["long_prompts"] = {"share": 0.0, "n": 0, "of": 12}
    page, _ = written(run, tmp_path / "out")
    assert "longer than the text encoder reads" not in page.text


def test_weak_encoder_is_told_where_the_warnings_are(run: Any, tmp_path: Path) -> None:
    run.provenance["encoders"][0] |= {"name": "embedded:lite", "note": "weak offline encoder, not CLIP"}
    page, files = written(run, tmp_path / "out")
    assert "embedded:lite: weak offline encoder, not CLIP." in page.text
    assert "weak offline encoder, not CLIP" in files["report.md"]


def test_left_out_rows_of_the_image_set_are_listed(run: Any, tmp_path: Path) -> None:
    run.provenance["image_set"]["skipped"] = [{"row": 7, "reason": "the file is truncated"}]
    page, files = written(run, tmp_path / "out")
    assert "row 7: the file is truncated" in page.text
    assert "row 7 of the image set was left out" in files["report.md"]
