"""How many prompts two systems share is counted, and said where they are few, with what nearly paired."""

import random
import string

import pandas as pd
import pytest

from evals import load_run, rate_run
from evals.cli.details import print_details
from evals.rating.common_prompts import common_prompts, nearly_equal, notes_on_forms, pairing_warnings
from tests.run_folder import write_run


def asked(system, *prompts, suite="s", **more):
    return [
        {"system": system, "suite": suite, "prompt_id": f"{system}{n}", "prompt": prompt, **more}
        for n, prompt in enumerate(prompts)
    ]


def said(rows):
    samples = pd.DataFrame(rows)
    return [*pairing_warnings(common_prompts(samples, None)), *notes_on_forms(samples)]


def numbered(*numbers):
    return [f"{'abcdefghijklmnopqrstuvwxyz'[n % 26] * 3} {n} {n * n}" for n in numbers]


@pytest.mark.parametrize(("n_common", "is_warned"), [(0, True), (36, True), (333, True), (334, False), (500, False)])
def test_fewer_than_half_of_the_prompts_in_common_are_said_aloud(n_common, is_warned):
    a, b = numbered(*range(500)), numbered(*range(500 - n_common, 1000 - n_common))
    (row,) = common_prompts(pd.DataFrame(asked("a", *a) + asked("b", *b)), None)
    assert (row["n_common"], row["n_prompts"]) == (n_common, 1000 - n_common)
    warnings = said(asked("a", *a) + asked("b", *b))
    assert bool(warnings) == is_warned
    if n_common == 36:
        assert warnings[0].startswith("36 of 964 prompts of suite s were asked of both a and b")


def test_the_pair_that_shares_least_is_named_and_the_others_are_counted():
    rows = asked("a", *"pqrstu") + asked("b", "p", "v", "w") + asked("c", *"vwxyz")
    (warning,) = said(rows)
    assert warning.startswith("None of 11 prompts of suite s was asked of both a and c (and 2 more pairs")


def test_a_sequence_is_one_prompt_and_what_brought_no_picture_was_asked_too():
    def story(system, *sequences):
        return [
            {**row, "prompt_id": row["prompt"], "sequence_id": name, "shot": shot}
            for name in sequences
            for shot, row in enumerate(asked(system, f"{name} sits", f"{name} runs"))
        ]  # fmt: skip

    rows = story("a", "kim", "lee") + story("b", "kim")
    (row,) = common_prompts(pd.DataFrame(rows), None)
    assert (row["n_common"], row["n_prompts"]) == (1, 2)
    refused = pd.DataFrame([{**row, "outcome": "refused"} for row in story("b", "lee")])
    (row,) = common_prompts(pd.DataFrame(rows), refused)
    assert (row["n_common"], row["n_prompts"]) == (2, 2)
    assert common_prompts(pd.DataFrame(rows), pd.DataFrame({"system": ["b"], "outcome": ["refused"]}))


def test_prompts_in_another_form_pair_and_are_said_once():
    words = ["a red cup", "two apples", "caf\u00e9"]
    other = ["a red cup\n", "two  apples", "cafe\u0301"]
    rows = asked("a", *words) + asked("b", *other)
    (row,) = common_prompts(pd.DataFrame(rows), None)
    assert (row["n_common"], row["n_prompts"]) == (3, 3)
    assert said(rows) == ["3 prompts differ from another only in white space or Unicode form and count as one."]
    assert not said(asked("a", *words) + asked("b", *words))


def test_what_nearly_paired_is_shown_at_most_three_times_where_it_differs():
    table = "on a wooden table in the morning sun beside an open window"
    a = [f"a {thing} {table}" for thing in ("red cup", "blue jar", "green vase", "round plate")]
    b = [text.replace(table, f"{table}.").title() for text in a] + ["two dogs run along a beach"]
    pairs = nearly_equal(a, b)
    assert pairs == [(text, other) for text, other in zip(sorted(a), sorted(b), strict=False)][:3]
    (warning,) = said(asked("a", *a) + asked("b", *b))
    assert "Nearly equal, and not paired: " in warning
    long = "the same words over and over again, " * 9
    (warning,) = said(asked("a", long + "at noon", "x") + asked("b", long + "at night", "y"))
    assert "at noon' and '…" in warning
    assert "at night'" in warning
    assert len(warning) < 400


def test_nothing_is_nearly_equal_to_nothing():
    assert nearly_equal([], ["a cup"]) == []
    assert nearly_equal(["", "?"], ["a cup", "!"]) == []


def test_thousands_of_prompts_are_searched():
    letters = random.Random(0)
    a, b = (["".join(letters.choices(string.ascii_lowercase + "    ", k=300)) for _ in range(2500)] for _ in "ab")
    b[1234] = a[77] + " at dusk"
    assert nearly_equal(a, b) == [(a[77], b[1234])]


def test_that_few_prompts_pair_is_the_first_warning_and_printed_above_the_tables(tmp_path, capsys):
    samples = [
        row | {"sample_id": f"s{n}", "file_name": f"{n}.png"}
        for n, row in enumerate(
            asked("a", "a red cup", "a jar", "a jug") + asked("b", "a red cup", "a red cups", "a vase")
        )
    ]
    scores = [
        {"system": row["system"], "suite": "s", "prompt_id": row["prompt_id"], "subject": [row["sample_id"]],
         "metric": "adherence.clip", "value": 20.0 + n}
        for n, row in enumerate(samples)
    ]  # fmt: skip
    run = load_run(write_run(tmp_path / "run", samples, scores))
    ratings = rate_run(run)
    begins = "1 of 5 prompts of suite s was asked of both a and b, and only these are compared."
    assert ratings["warnings"][0].startswith(begins)
    assert ratings["common_prompts"] == rate_run(run)["common_prompts"]
    assert ratings["common_prompts"][0]["n_common"] == 1
    print_details(run, rate_run(run))
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("only these are compared") == 1
    assert printed.index("warning: 1 of 5 prompts") < printed.index("images scored")
