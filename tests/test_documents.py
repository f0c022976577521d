"""The documents: every relative link of every Markdown file leads somewhere, and the README's map is the tree's."""

import re
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
_LINK = re.compile(r"\]\(([^)\s]+)\)|<img[^>]+src=\"([^\"]+)\"")


def tracked(pattern: str) -> list[str]:
    listed = subprocess.run(["git", "ls-files", pattern], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    return listed.stdout.split() or [str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob(f"[!.]*/**/{pattern}")]


def headings(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", tracked("*.md"))
def test_every_link_of_a_document_leads_somewhere(document):
    path = CHECKOUT / document
    dangling = []
    for match in _LINK.finditer(path.read_text(encoding="utf-8")):
        link = match[1] or match[2]
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in headings(target.read_text(encoding="utf-8"))):
            dangling.append(link)
    assert not dangling


def test_every_room_and_no_other_stands_in_the_readme():
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    house = text.split("## Where things are")[1].split("```")[1]
    named = set(re.findall(r"^ *([a-z_]+)/", house, re.MULTILINE))
    rooms = {path.parent.name for path in (CHECKOUT / "evals").glob("*/__init__.py")}
    assert rooms | {"datasets", "metrics", "encoders", "evals", "notebooks", "reports", "tests"} <= named
    assert all((CHECKOUT / name).is_dir() or (CHECKOUT / "evals" / name).is_dir() for name in named - {"encoders"})
