"""VQAScore from given answers."""

import pytest

from metrics.measurement import Subject
from metrics.question_answering import asked_about, vqa_score


def subject(yes, no):
    return Subject(("a",), ({"prompt": "a fox"},), ({"vqa_answer": {"yes": yes, "no": no}},))


def test_the_value_is_the_probability_of_yes_alone():
    (found,) = vqa_score([subject(0.3, 0.1)])
    assert found.value == 0.3
    assert found.details["no"] == 0.1
    assert found.details["yes_or_no"] == pytest.approx(0.4)


def test_a_sure_answer_is_not_more_than_one():
    (found,) = vqa_score([subject(1 + 1e-12, 1e-12)])
    assert found.value == 1
    assert found.details["yes_or_no"] == 1


def test_a_prompt_that_was_shuffled_is_below_the_own_one():
    own, shuffled = vqa_score([subject(0.9, 0.05), subject(0.1, 0.8)])
    assert own.value > shuffled.value


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"prompt": "Paint a fox.", "caption": "a fox"}, "a fox"),
        ({"prompt": "Paint a fox.", "caption": "  "}, "Paint a fox."),
        ({"prompt": "Paint a fox.", "caption": None}, "Paint a fox."),
        ({"prompt": "Paint a fox."}, "Paint a fox."),
    ],
)
def test_the_caption_is_asked_about_where_there_is_one(row, text):
    assert asked_about(row) == text


def test_values_depend_on_neither_batch_nor_order():
    subjects = [subject(n / 10, 0.05) for n in range(7)]
    assert vqa_score(subjects[::-1])[::-1] == [vqa_score([one])[0] for one in subjects]
    assert vqa_score([]) == []
