"""The published reports: nothing private is in them, and each says how it was made."""

import re
from pathlib import Path

import pytest

REPORTS = Path(__file__).resolve().parents[2] / "reports"
TEXTS = sorted(path for path in REPORTS.rglob("*") if path.suffix in (".html", ".md", ".json", ".csv"))

_FOLDER = re.compile(r"(?<![\w.])/(?:home|root|tmp|work|Users|mnt|opt|var)/")


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(REPORTS)))
def test_a_report_names_no_folder_of_a_machine(path):
    found = _FOLDER.search(path.read_text())
    assert found is None, found


def test_real_pictures_are_compared_by_numbers_alone():
    folder = REPORTS / "illustration-styles"
    assert (folder / "report.json").is_file()
    pictures = [path.name for path in folder.rglob("*") if path.suffix in (".png", ".jpg", ".jpeg", ".webp")]
    assert pictures == ["card.png"]  # the stars, as a figure
    assert not any("data:image" in path.read_text() for path in folder.rglob("*.*ml"))


def test_each_report_stands_in_the_readme_with_the_command_that_made_it():
    readme = (REPORTS / "README.md").read_text()
    for folder in (path for path in REPORTS.iterdir() if path.is_dir()):
        assert f"{folder.name}/" in readme
    assert readme.count("twinlens report") >= 2
    assert "twinlens audit" in readme
