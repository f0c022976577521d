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


def test_sources_and_exchanged_pictures_are_named_behind_everyone_who_does_something(rows):
    named = 0
    for name, row in rows.items():
        cells = {cell["system"]: cell for cell in row["cells"]}
        for difference in row["differences"]:
            if WRONG not in (difference["system_a"], difference["system_b"]):
                continue
            assert difference["better_system"] != WRONG, name
            other = difference["system_a"]
            is_clear = cells[other]["low"] > cells[WRONG]["high"]
            # Alone in its row that is enough; among all that an eval compares it takes two stars and seven prompts.
            assert not is_clear or difference["low"] > 0, (name, other)
            if is_clear and cells[other]["stars"] >= 2 and difference["n_prompts"] >= 7:
                assert difference["better_system"] == other, (name, other)
                named += 1
    assert named >= 12
