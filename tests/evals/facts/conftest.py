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


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a file of facts, with two sources (docs, blog) beside it."""

    def write(name, text, sources=SOURCES):
        (tmp_path / "sources.yaml").write_text(sources, encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write
