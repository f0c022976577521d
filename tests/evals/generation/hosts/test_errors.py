import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.generation.answers import MalformedResponse
from evals.generation.hosts.errors import message_of, rejection, retry_after_s, withheld
from evals.generation.hosts.transport import HttpAnswer
from tests.evals.generation.hosts.conftest import answer


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        ("The input or output was flagged as sensitive. Please try again with different inputs. (E005)", "filtered"),
        ("Content Moderated", "filtered"),
        ("The generated image violates our content policy", "filtered"),
        ("Request Moderated", "refused"),
        ("Your prompt was flagged as inappropriate", "refused"),
        ("Invalid: prompt contains prohibited content", "refused"),
        ("", None),
        ("prompt: field required", None),
        ("failed to load the safety checker", None),
        ("the request timed out", None),
    ],
)
def test_words_about_the_prompt_mean_refused_about_a_picture_filtered_and_others_neither(words, outcome):
    assert withheld(words) == outcome


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"code": 429, "message": "quota"}}, "quota"),
        ({"error": None, "detail": "no credit"}, "no credit"),
        ({"message": "two\n  lines"}, "two lines"),
        ({"detail": [{"loc": ["body", "width"], "msg": "too small"}]}, "body.width: too small"),
        ({"detail": [{"loc": None, "msg": "too small"}, "and more"]}, "too small; and more"),
        ({"detail": [{"loc": "width", "msg": None}]}, "width: None"),
        (b"<h1>Bad   gateway</h1>", "<h1>Bad gateway</h1>"),
        ({}, ""),
    ],
)
def test_the_words_of_an_error_are_found_where_vendors_put_them(body, message):
    assert message_of(answer(body, 400)) == message


def test_a_waiting_time_is_given_in_seconds_or_as_a_date():
    at = email.utils.formatdate(1_000_060, usegmt=True)
    assert retry_after_s(answer({}, 429, retry_after="7")) == 7.0
    assert retry_after_s(answer({}, 429, retry_after=at), now=1_000_000.0) == 60.0
    assert retry_after_s(answer({}, 429, retry_after=at), now=2_000_000.0) == 0.0
    assert retry_after_s(answer({}, 429)) is None
    assert retry_after_s(answer({}, 429, retry_after="9" * 400)) is None
    assert rejection(answer({}, 429, retry_after="7")).delay_s == 7.0


@given(st.text(max_size=40) | st.integers(0, 10**330).map(str))
def test_no_waiting_time_breaks_anything(value):
    seconds = retry_after_s(HttpAnswer(429, {"retry-after": value}, b""))
    assert seconds is None or 0 <= seconds < float("inf")


def test_numbers_and_text_that_no_file_can_hold_do_not_come_in():
    odd = rb'{"cost": NaN, "more": 1e999, "text": "half \ud83d, whole \ud83d\ude00", "seed": 7, "share": 0.5}'
    body = answer(odd).json()
    assert (body["cost"], body["more"], body["seed"], body["share"]) == (None, None, 7, 0.5)
    assert body["text"] == "half \ufffd, whole 😀"


def test_bytes_that_are_no_utf_8_do_not_cost_the_picture():
    assert answer(b'\xef\xbb\xbf{"text": "caf\xe9", "url": "u"}').json()["url"] == "u"
    with pytest.raises(MalformedResponse):
        answer(b"\xff\xfe").json()
