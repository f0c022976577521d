"""Prompts that differ only in white space or Unicode form are one prompt; all others are not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.imageset.prompts import id_of_prompt, with_one_text_a_prompt, words_of_prompt

CAFE = "caf\u00e9 terrace"
FORMS = [
    CAFE + "\n", "  " + CAFE, CAFE.replace(" ", "  "), CAFE.replace(" ", "\u00a0"), CAFE.replace(" ", "\u3000"),
    CAFE.replace(" ", "\r\n"), unicodedata.normalize("NFD", CAFE), "\ufeff" + CAFE, CAFE.replace(" ", "\u200b "),
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_white_space_and_unicode_form_make_no_other_prompt(form):
    assert form != CAFE
    assert words_of_prompt(form) == words_of_prompt(CAFE) == CAFE
    assert id_of_prompt(form) == id_of_prompt(CAFE)


@pytest.mark.parametrize(
    "other", ["cafe terrace", "Caf\u00e9 terrace", "caf\u00e9terrace", "caf\u00e9 terrace.", "caf\u00e9 \uff54errace"]
)
def test_what_looks_different_is_another_prompt(other):
    assert words_of_prompt(other) != CAFE


@given(st.text())
def test_comparing_twice_changes_nothing_and_no_form_does(text):
    words = words_of_prompt(text)
    assert words_of_prompt(words) == words
    assert words_of_prompt(f"\n{unicodedata.normalize('NFD', words)} ") == words


def rows(*prompts, suite="s"):
    return [{"suite": suite, "prompt": prompt} for prompt in prompts]


def test_all_forms_of_a_prompt_are_measured_with_one_text_suite_by_suite():
    table = rows(*FORMS, "a cup", CAFE) + rows("a cup\n", " a cup", suite="t")
    texts = [row["prompt"] for row in with_one_text_a_prompt(table)]
    assert texts == [CAFE] * len(FORMS) + ["a cup", CAFE] + [" a cup"] * 2
    assert [row["prompt"] for row in with_one_text_a_prompt(rows("two\n\nlines"))] == ["two\n\nlines"]
