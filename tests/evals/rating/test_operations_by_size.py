"""Sizes are compared on the same prompts, and on nothing where no prompt was asked at two of them."""

import pandas as pd
import pytest

from evals.rating.operations_by_size import operations_by_size


def asked(system="a", size="1K", prompts="pq", latency_s=1.0, suite="logic", **more):
    """Return requests for prompts at a size, in the suite that the plan names for it."""
    named = suite if size == "1K" else f"{suite}@{size}"
    usual = {"system": system, "suite": named, "size": size, "outcome": "ok", "latency_s": latency_s}
    return [{**usual, "prompt_id": prompt, **more} for prompt in prompts]


def compared(*rows):
    found = operations_by_size(pd.DataFrame([row for group in rows for row in group]))
    return {(row["system"], row["size"]): row for row in found}


def median(row):
    return row["figures"]["operations.latency_p50"]["value"]


def test_only_prompts_that_were_asked_at_every_size_count():
    found = compared(asked(latency_s=2.0), asked(prompts="xyz", latency_s=90.0), asked(size="4K", latency_s=6.0))
    figures = {key: (row["n_requests"], median(row)) for key, row in found.items()}
    assert figures == {("a", "1K"): (2, 2.0), ("a", "4K"): (2, 6.0)}
    # A prompt of the same name in another suite is another prompt; without suites the name alone tells.
    found = compared(asked(), asked(suite="scenes", latency_s=90.0), asked(size="2K"))
    assert median(found["a", "1K"]) == 1.0
    rows = [{**row, "suite": None} for row in asked() + asked(size="2K")]
    assert {key: row["n_requests"] for key, row in compared(rows).items()} == {("a", "1K"): 2, ("a", "2K"): 2}


def test_sizes_of_a_system_ascend_and_systems_stand_apart():
    found = compared(asked("b", "4K"), asked("b", "2K"), asked("b"), asked("a", "2K"), asked("a"))
    assert list(found) == [("a", "1K"), ("a", "2K"), ("b", "1K"), ("b", "2K"), ("b", "4K")]


def test_a_system_with_one_size_has_it_on_the_prompts_of_the_others():
    found = compared(asked("big", prompts="pq"), asked("big", "4K", prompts="pq"), asked("small", prompts="pqrs"))
    assert found["small", "1K"]["n_requests"] == 2


def test_what_ended_without_a_picture_was_asked_all_the_same():
    found = compared(asked(), asked(size="4K", prompts="p"), asked(size="4K", prompts="q", outcome="refused"))
    assert found["a", "4K"]["outcomes"] == {"ok": 1, "refused": 1}
    assert found["a", "1K"]["n_requests"] == 2


@pytest.mark.parametrize(
    "rows",
    [
        [],
        asked(),
        asked() + asked("b", "4K"),  # two sizes, but of two systems
        asked() + asked(size="2K", prompts="x"),
        asked(size=None) + asked(size=None, prompts="r"),
        [{key: value for key, value in row.items() if key != "prompt_id"} for row in asked() + asked(size="4K")],
        [{key: value for key, value in row.items() if key != "size"} for row in asked() + asked(size="4K")],
    ],
)
def test_where_no_prompt_was_asked_at_two_sizes_there_is_nothing_to_compare(rows):
    assert operations_by_size(pd.DataFrame(rows)) == []
