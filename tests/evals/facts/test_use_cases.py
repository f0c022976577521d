"""Use cases: the shipped ones are complete and weigh rows that exist, mistakes are told with their place."""

import pytest

from evals.definition import read_definition
from evals.facts.article import read_article
from evals.facts.sources import FactsError
from evals.facts.use_cases import Requirements, UseCase, read_use_cases
from tests.refusals import refusal_of

SMALL = """\
version: 1
use_cases:
  - id: small
    title: Small
    why: because
    weights: {precise: 1, cost: 2.5}
    requires: {host: vertex}
  - {id: large, title: Large, why: because, weights: {precise: 1}}
"""


def test_a_file_is_read(written):
    small, large = read_use_cases(written("use-cases.yaml", SMALL))
    assert (small.weights, small.requires) == ({"precise": 1, "cost": 2.5}, Requirements(host="vertex"))
    assert large == UseCase(id="large", title="Large", why="because", weights={"precise": 1.0})


def test_those_that_are_shipped_are_the_articles_and_weigh_measured_rows_of_the_published_eval():
    cases = {case.id: case for case in read_use_cases()}
    assert list(cases) == [case.id for case in read_article().use_cases]
    assert cases["self-hosting"].requires.capability == "open_weights"
    assert cases["google-cloud"].requires.host == "vertex"
    measured = {row.id for row in read_definition("flux2-vs-nano-banana").rows if row.declared is None}
    assert all(set(case.weights) <= measured for case in cases.values())


@pytest.mark.parametrize(
    ("passage", "put", "place", "problem"),
    [
        (
            "precise: 1, cost",
            "precise: 0, cost",
            "use case 'small', weights, field 'precise'",
            "0 is too small; it is above 0",
        ),
        ("{precise: 1, cost: 2.5}", "{}", "use case 'small', field 'weights'", "it is empty; name the rows that count"),
        ("host: vertex", "host: vortex", "requires, field 'host'", "there is no host 'vortex'; did you mean 'vertex'?"),
        ("host: vertex", "capability: fly", "requires, field 'capability'", "there is no capability 'fly'; known are"),
        ("id: large", "id: small", "use case 'small'", "'small' is listed twice"),
        ("version: 1", "version: 0", "line 1, field 'version'", "0 is too small; it is at least 1"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_where(written, passage, put, place, problem):
    sentence = refusal_of(read_use_cases, FactsError, written("use-cases.yaml", SMALL), passage, put)
    assert f"{place}: {problem}" in sentence
