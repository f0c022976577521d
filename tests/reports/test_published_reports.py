"""The published reports: numbers come out again, nothing private is in them, each says how it was made."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

REPORTS = Path(__file__).resolve().parents[2] / "reports"
TEXTS = sorted(path for path in REPORTS.rglob("*") if path.suffix in (".html", ".md", ".json", ".csv"))

_FOLDER = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|mnt|opt|var)/")


def test_the_numbers_of_the_demo_come_out_again(demo_run):
    key = ["metric", "suite", "system"]
    published = pd.read_csv(REPORTS / "demo/comparison.csv", keep_default_na=False, na_values=[""]).set_index(key)
    fresh = pd.read_csv(demo_run / "report/comparison.csv", keep_default_na=False, na_values=[""]).set_index(key)
    assert published.index.equals(fresh.index)
    counted = ["n_prompts", "n_scored", "n_unscored"]
    pd.testing.assert_frame_equal(published[counted], fresh[counted])
    estimated = ["mean", "low", "high"]
    pd.testing.assert_frame_equal(published[estimated], fresh[estimated], rtol=0.01, atol=0.01)


def test_the_stars_of_the_demo_come_out_again(demo_run):
    def stars(report: Path) -> dict[tuple[str, str], float | None]:
        rows = json.loads(report.read_text())["ratings"]["stars"]["rows"]
        return {(row["id"], cell["system"]): cell["stars"] for row in rows if row["suite"] for cell in row["cells"]
                if row["kind"] == "measured"}  # fmt: skip

    published, fresh = stars(REPORTS / "demo/report.json"), stars(demo_run / "report/report.json")
    assert published
    assert fresh == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(REPORTS)))
def test_a_report_names_no_folder_of_a_machine(path):
    found = _FOLDER.search(path.read_text())
    assert found is None, found


def test_real_pictures_are_compared_by_numbers_alone():
    folder = REPORTS / "illustration-styles"
    assert (folder / "report.json").is_file()
    assert not [path for path in folder.rglob("*") if path.suffix in (".png", ".jpg", ".jpeg", ".webp")]
    assert not any("data:image" in path.read_text() for path in folder.rglob("*") if path.is_file())


def test_each_report_stands_in_the_readme_with_the_command_that_made_it():
    readme = (REPORTS / "README.md").read_text()
    for folder in (path for path in REPORTS.iterdir() if path.is_dir()):
        assert f"{folder.name}/" in readme
    assert readme.count("twinlens report") >= 2
    assert "twinlens audit" in readme
