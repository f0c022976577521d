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


CUP, JAR = ({"reference_images": [f"references/{name}.png"]} for name in ("cup", "jar"))


@pytest.mark.parametrize(
    ("prompts", "merged_ids"),
    [
        ([{"prompt_id": "b"}, {"prompt_id": "a"}, {"prompt_id": "c", "prompt": "a blue cup"}], "aac"),
        ([{"prompt_id": "a"}, {"prompt_id": "b", "suite": "t"}], "ab"),
        ([{"prompt_id": "a"}, {"prompt_id": "b", "mask": "masks/left.png"}], "ab"),
        ([{"prompt_id": "a"}, {"prompt_id": "b", "sequence_id": "tea", "shot": 1}], "ab"),
        ([{"prompt_id": "a"}, {"prompt_id": "b", **CUP}], "ab"),
        ([{"prompt_id": "a", **CUP}, {"prompt_id": "b", **JAR}, {"prompt_id": "c", **JAR}], "abb"),
        # Nothing to start from reads the same however it is written.
        ([{"prompt_id": "a", "reference_images": None, "mask": None}, {"prompt_id": "b"}], "aa"),
        # Systems and repeats of a prompt are no duplicates of it.
        ([{"prompt_id": name, "system": system, "repeat": repeat} for name in "ab" for system in ("left", "right")
          for repeat in (0, 1)], "a" * 8),
    ],
)  # fmt: skip
def test_only_the_same_words_pictures_and_mask_in_the_same_suite_are_one_prompt(prompts, merged_ids):
    asked = samples(*prompts)
    merged = merge_duplicate_prompts(asked, asked)
    assert ids(merged) == list(merged_ids)
    if merged_ids == "ab":
        assert "original_id" not in merged
    else:
        assert ids(merged, "original_id") == ids(asked)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (story("two", "kim sits", "kim runs"), True),
        # A first shot that is sent along does not tell sequences apart.
        ([{**row, "reference_images": [f"images/{row['shot']}.png"]} if row["shot"] > 1 else row
          for row in story("two", "kim sits", "kim runs")], True),
        (story("two", "kim sits", "kim flies"), False),
        (story("two", "kim runs", "kim sits"), False),
        (story("two", "kim sits", "kim runs", "kim sleeps"), False),
        (story("two", "kim sits", "kim runs", reference_images=["references/kim.png"]), False),
        (story("two", "kim sits", "kim runs", suite="t"), False),
    ],
)  # fmt: skip
def test_a_sequence_with_the_same_words_and_pictures_in_all_shots_is_the_same_sequence(other, same):
    asked = samples(*other, *story("one", "kim sits", "kim runs"))
    merged = merge_duplicate_prompts(asked, asked)
    assert set(ids(merged, "sequence_id")) == ({"one"} if same else {"one", "two"})
    if same:
        assert ids(merged, "original_id") == ["two", "two", "one", "one"]
    # Shots keep their ids: what was asked in each of them is still told apart.
    assert ids(merged) == ids(asked)


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
    requests = never_came({"prompt_id": "c"})
    for second, merged_id in ((CUP, "a"), (JAR, "c")):
        came = samples({"prompt_id": "a", **CUP}, {"prompt_id": "b", **second})
        assert ids(merge_duplicate_prompts(requests, came, requests)) == [merged_id]


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


def test_requests_that_name_no_suite_say_no_words():
    samples = pd.DataFrame({"suite": "s", "prompt_id": ["a", "b"], "prompt": "a red cup"})
    requests = pd.DataFrame({"suite": [None], "prompt_id": ["c"], "prompt": ["a red cup"]})
    assert merge_duplicate_prompts(samples, samples, requests)["prompt_id"].tolist() == ["a", "a"]
