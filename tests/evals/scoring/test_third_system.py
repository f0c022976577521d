"""The demo beside a system that hands back sources and other prompts' pictures: it is last in every measured row."""

import pytest

from evals.rating.stage import rate_run
from tests.evals.scoring.exchanged import WRONG, with_exchanged_pictures


@pytest.fixture(scope="module")
def rows(demo_run, tmp_path_factory):
    """Return the measured rows of the demo with the third system; what no encoder at hand measures is left out."""
    run = with_exchanged_pictures(demo_run, tmp_path_factory.mktemp("third"))
    table = [row for row in rate_run(run)["stars"]["rows"] if row["kind"] == "measured"]
    unmeasured = [row["id"] for row in table if row["problem"]]
    assert unmeasured == ["structure"], "nothing else lacks an encoder, and every control holds"
    return {row["id"]: row for row in table if not row["problem"]}


def test_sources_and_exchanged_pictures_are_last_in_every_row(rows):
    assert len(rows) == 12
    for name, row in rows.items():
        wrong, *others = sorted(row["cells"], key=lambda cell: cell["system"] != WRONG)
        print(f"{name:20} chance {row['chance']:.2f}", *(f"{cell['stars']:.2f}" for cell in (wrong, *others)))
        assert wrong["stars"] <= 1.1, name
        assert wrong["low"] == 1.0, name
        assert all(other["stars"] >= wrong["stars"] for other in others), name
        assert max(other["stars"] for other in others) > 1.5, name


def test_sources_and_exchanged_pictures_are_never_named_ahead_and_often_behind(rows):
    pairs = [(name, pair) for name, row in rows.items() for pair in row["differences"]]
    against = [(name, pair["better_system"]) for name, pair in pairs if WRONG in (pair["system_a"], pair["system_b"])]
    named = [(name, better) for name, better in against if better]
    print(len(named), "of", len(against), "named")
    assert WRONG not in dict(named).values()
    assert len(named) >= len(against) / 2
