"""Files of facts for the tests of their readers."""

import pytest

SOURCES = """\
docs:
  what: The documents
  url: https://docs.example
  read: 2026-11-22
  trust: A
blog: {what: A blog, read: 2026-11-22, trust: C}
"""

ARTICLE_FILE = """\
title: A or B
url: https://blog.example
day: 2026-07-15
stars:
  - id: precise
    title: Precision
    source: a forum
    columns:
      - {name: Flux, stars: 4.5, models: flux-2-pro}
      - {name: Banana, stars: 3, models: [gemini-3-pro-image, gemini-3.1-flash-image]}
use_cases:
  - {id: budget, title: Budget, recommends: Flux, models: [flux-2-pro]}
  - {id: quality, title: Quality, recommends: Flux, models: [flux-2-max]}
claims: [whatever]
"""


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file of facts, with two sources (docs, blog) beside it."""

    def write(name, text, sources=SOURCES):
        (tmp_path / "sources.yaml").write_text(sources, encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write
