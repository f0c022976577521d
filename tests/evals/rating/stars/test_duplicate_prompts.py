"""Prompts under several ids: the same words and pictures are one prompt, anything else is not."""

import pandas as pd
import pytest

from evals.rating.stars.duplicate_prompts import merge_duplicate_prompts


def samples(*rows):
    usual = {"suite": "s", "prompt": "a red cup"}
    return pd.DataFrame([{**usual, "file_name": f"images/{n}.png", **row} for n, row in enumerate(rows)])


def story(name, *words, suite="s", **more):
    return [
        {"suite": suite, "sequence_id": name, "shot": shot, "prompt_id": f"{name}-{shot}", "prompt": text, **more}
        for shot, text in enumerate(words, start=1)
    ]


def ids(table, column="prompt_id"):
    return table[column].tolist()


def test_the_same_words_under_two_ids_are_one_prompt():
    asked = samples({"prompt_id": "b"}, {"prompt_id": "a"}, {"prompt_id": "c", "prompt": "a blue cup"})
    merged = merge_duplicate_prompts(asked, asked)
    assert ids(merged) == ["a", "a", "c"]
    assert ids(merged, "original_id") == ["b", "a", "c"]


@pytest.mark.parametrize(
    "other",
    [
        {"prompt": "a blue cup"},
        {"suite": "t"},
        {"reference_images": ["references/kim.png"]},
        {"mask": "masks/left.png"},
        {"sequence_id": "tea", "shot": 1},
    ],
)
def test_other_words_suites_pictures_masks_or_a_place_in_a_sequence_are_another_prompt(other):
    asked = samples({"prompt_id": "a"}, {"prompt_id": "b", **other})
    merged = merge_duplicate_prompts(asked, asked)
    assert ids(merged) == ["a", "b"]
    assert "original_id" not in merged


def test_nothing_given_reads_the_same_however_it_is_written():
    asked = samples({"prompt_id": "a", "reference_images": None, "mask": None}, {"prompt_id": "b"})
    assert ids(merge_duplicate_prompts(asked, asked)) == ["a", "a"]


def test_edits_of_the_same_picture_are_one_prompt_and_of_two_pictures_two():
    asked = samples(
        {"prompt_id": "a", "reference_images": ["references/cup.png"]},
        {"prompt_id": "b", "reference_images": ["references/jar.png"]},
        {"prompt_id": "c", "reference_images": ["references/jar.png"]},
    )
    assert ids(merge_duplicate_prompts(asked, asked)) == ["a", "b", "b"]


def test_a_sequence_with_the_same_words_in_all_shots_is_the_same_sequence():
    asked = samples(*story("two", "kim sits", "kim runs"), *story("one", "kim sits", "kim runs"))
    merged = merge_duplicate_prompts(asked, asked)
    assert ids(merged, "sequence_id") == ["one"] * 4
    assert ids(merged, "original_id") == ["two", "two", "one", "one"]
    # Shots keep their ids: what was asked in each of them is still told apart.
    assert ids(merged) == ids(asked)


@pytest.mark.parametrize(
    "other",
    [
        story("two", "kim sits", "kim flies"),
        story("two", "kim runs", "kim sits"),
        story("two", "kim sits", "kim runs", "kim sleeps"),
        story("two", "kim sits", "kim runs", reference_images=["references/kim.png"]),
        story("two", "kim sits", "kim runs", suite="t"),
    ],
)
def test_a_sequence_with_another_shot_is_another_sequence(other):
    asked = samples(*story("one", "kim sits", "kim runs"), *other)
    assert set(ids(merge_duplicate_prompts(asked, asked), "sequence_id")) == {"one", "two"}


def test_a_first_shot_that_is_sent_along_does_not_tell_sequences_apart():
    asked = samples(*story("one", "kim sits", "kim runs"), *story("two", "kim sits", "kim runs"))
    asked["reference_images"] = [None, ["images/0.png"], None, ["images/2.png"]]
    assert set(ids(merge_duplicate_prompts(asked, asked), "sequence_id")) == {"one"}


def test_systems_and_repeats_of_a_prompt_are_no_duplicates_of_it():
    asked = samples(*[{"prompt_id": name, "system": system, "repeat": repeat}
                      for name in "ab" for system in ("left", "right") for repeat in (0, 1)])  # fmt: skip
    assert ids(merge_duplicate_prompts(asked, asked)) == ["a"] * 8


def never_came(*rows):
    return pd.DataFrame([{"suite": "s", "prompt": "a red cup", "outcome": "refused", **row} for row in rows])


def test_prompts_that_never_brought_a_picture_are_joined_by_their_words():
    came = samples({"prompt_id": "a"}, {"prompt_id": "b", "prompt": "a blue cup"})
    requests = never_came(
        {"prompt_id": "c"}, {"prompt_id": "e", "prompt": "a jar"}, {"prompt_id": "d", "prompt": "a jar"}
    )
    assert ids(merge_duplicate_prompts(requests, came, requests)) == ["a", "d", "d"]
    # Without the requests nobody knows what they asked for.
    assert ids(merge_duplicate_prompts(requests, came)) == ["c", "e", "d"]


def test_an_edit_that_never_came_is_joined_where_all_with_its_words_start_from_one_picture():
    cup, jar = ({"reference_images": [f"references/{name}.png"]} for name in ("cup", "jar"))
    requests = never_came({"prompt_id": "c"})
    of_one = samples({"prompt_id": "a", **cup}, {"prompt_id": "b", **cup})
    assert ids(merge_duplicate_prompts(requests, of_one, requests)) == ["a"]
    of_two = samples({"prompt_id": "a", **cup}, {"prompt_id": "b", **jar})
    assert ids(merge_duplicate_prompts(requests, of_two, requests)) == ["c"]


def test_a_sequence_is_told_by_the_words_of_its_shots_that_never_came_too():
    came = samples(*story("one", "kim sits", "kim runs"), *story("two", "kim sits"))
    same, other = (never_came(*story("two", "kim sits", words)) for words in ("kim runs", "kim flies"))
    assert set(ids(merge_duplicate_prompts(came, came, same), "sequence_id")) == {"one"}
    assert set(ids(merge_duplicate_prompts(came, came, other), "sequence_id")) == {"one", "two"}


def test_a_table_of_other_prompts_comes_back_as_it_is(score_table):
    asked = samples({"prompt_id": "a"}, {"prompt_id": "b"})
    requests = pd.DataFrame({"suite": ["s", None, "t"], "prompt_id": ["b", "b", "b"], "outcome": "refused"})
    # Of another suite, or of none that is told, nobody knows what it asked for.
    assert ids(merge_duplicate_prompts(requests, asked)) == ["a", "b", "b"]
    table = score_table([{"suite": "s", "prompt_id": "b"}])
    assert ids(merge_duplicate_prompts(table, asked)) == ["a"]
    assert merge_duplicate_prompts(table, asked.iloc[:0]) is table
    bare = pd.DataFrame({"system": ["left"], "outcome": ["ok"]})
    assert merge_duplicate_prompts(bare, asked) is bare
