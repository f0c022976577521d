"""How the readers of facts are held to refuse what is wrong: in one sentence, with file, line, entry and field."""

import pytest

from evals.facts.sources import FactsError

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


@pytest.fixture
def refusal(written):
    """Return a function that reads a file in which a passage was replaced; returns line, place and problem."""

    def refuse(read, name, text, passage, put):
        assert passage in text, passage
        with pytest.raises(FactsError) as refused:
            read(written(name, text.replace(passage, put, 1)))
        message = str(refused.value)
        assert message.startswith(f"{name}, line ")
        assert "\n" not in message
        place, _, problem = message.partition(": ")
        line, _, place = place.removeprefix(f"{name}, line ").partition(", ")
        return int(line), place, problem

    return refuse
