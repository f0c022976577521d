import email.utils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.generation.answers import MalformedResponse
from evals.generation.hosts.errors import message_of, passes, rejection, unmasked, wait_s, withheld
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
        ("Request moderated. No credits were charged.", "refused"),
        ("names of fields are case-sensitive", None),
        ("width: choose a moderate number", None),
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
        ({"success": False, "errors": [{"code": 1, "message": "no"}]}, "no"),
        ({"code": 429, "msg": "slow down"}, "slow down"),
        (b"<h1>Bad   gateway</h1>", "<h1>Bad gateway</h1>"),
        ({}, ""),
    ],
)
def test_the_words_of_an_error_are_found_where_vendors_put_them(body, message):
    assert message_of(answer(body, 400)) == message


def test_a_waiting_time_is_given_in_seconds_or_as_a_date():
    at = email.utils.formatdate(1_000_060, usegmt=True)
    assert wait_s(answer({}, 429, retry_after="7")) == 7.0
    assert wait_s(answer({}, 429, retry_after=at), now=1_000_000.0) == 60.0
    assert wait_s(answer({}, 429, retry_after=at), now=2_000_000.0) == 0.0
    assert wait_s(answer({}, 429)) is None
    assert wait_s(answer({}, 429, retry_after=at.replace("GMT", "-0000")), now=1_000_000.0) == 60.0
    assert wait_s(answer({}, 429, retry_after="1m30s", retry_after_ms="90500")) == 90.5
    assert wait_s(answer({}, 429, retry_after="9" * 400)) is None
    assert rejection(answer({}, 429, retry_after="7")).delay_s == 7.0


LOW_CREDIT = (
    "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per minute with a burst "
    "of 1 requests while you have less than $5.0 in credit."
)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"detail": LOW_CREDIT, "status": 429, "retry_after": 10}, 10.0),
        ({"detail": f"{LOW_CREDIT} Your rate limit resets in ~9s."}, 9.0),
        ({"detail": "Request was throttled. Expected available in 1 second."}, 1.0),
        ({"error": "rate_limit_exceeded", "retry_after": "5"}, 5.0),
        ({"error": {"message": "slow down", "retry_after_ms": 2500}}, 2.5),
        ({"detail": {"message": "slow down", "retry_after_seconds": 3}}, 3.0),
        ({"error": {"message": "Please retry in 34.424s.", "details": [{"retryDelay": "34s"}]}}, 34.424),
        ({"message": "Please try again in 2 minutes"}, 120.0),
        ({"message": "Please try again in 20ms"}, 0.02),
        ({"message": "Please try again in 1m30s."}, 90.0),
        ({"message": "Please wait 1 minute and 30 seconds."}, 90.0),
        ({"error": {"retryAfter": "1h2m3.5s"}}, 3723.5),
        ({"detail": [{"msg": "slow down", "ctx": {"retry_after": 5}}]}, 5.0),
        ({"parameters": {"retryAfterSeconds": 6}, "errors": [{"message": "slow down"}]}, 6.0),
        ({"error": {"details": [{"metadata": {"retryDelay": "0.5s"}}]}}, 0.5),
        ({"message": "You may retry 3 more times, with 24 simultaneous requests"}, None),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"retry_after": 5}}}}}}}}, None),
        ({"retry_after": None}, None),
        ({"retry_after": True, "message": "Rate limit exceeded: 5/min. Please retry later."}, None),
        ({"retry_after": -3, "detail": [{"msg": "wait"}]}, None),
        (b"<h1>Slow down</h1>", None),
    ],
)
def test_a_waiting_time_is_found_in_the_body_wherever_a_vendor_puts_it(body, seconds):
    assert rejection(answer(body, 429)).delay_s == (None if seconds is None else pytest.approx(seconds))
    header_too = answer(body, 429, retry_after="4")
    assert wait_s(header_too) == pytest.approx(max(4.0, seconds or 0.0)), "the longest counts"


@pytest.mark.parametrize(
    ("status", "body", "stops"),
    [
        (403, {"detail": "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai"}, "top it up"),
        (403, {"detail": "User is locked. Reason: TOP_UP."}, "top it up"),
        (403, {"detail": "User is locked. Reason: Admin lock. Please contact support@fal.ai"}, "ask the host why"),
        (412, {"error": "Account x is suspended, possibly due to reaching the monthly spending limit"}, "top it up"),
        (429, {"message": "Insufficient balance"}, "top it up"),
        (429, {"message": "Your prepayment credits are depleted."}, "top it up"),
        (403, {"detail": "You are out of credits."}, "top it up"),
        (400, {"error": "Not enough credits for this request"}, "top it up"),
        (429, {"detail": "You have no credits left"}, "top it up"),
        (403, {"detail": "The key lacks a scope"}, "check the key"),
    ],
)
def test_short_money_and_a_locked_account_are_no_matter_of_the_key(status, body, stops):
    assert stops in rejection(answer(body, status)).stops


@pytest.mark.parametrize(
    "words",
    [
        "Request moderated. No credits were charged.",
        "a piano balanced on a rope",
        "a volcano credited to nobody",
        "the balance is not enough of a field",
        "user input: the door is locked",
        "cannot generate limited editions of an uninterrupted line",
    ],
)
def test_innocent_words_stop_no_system_and_are_no_failure_that_passes(words):
    assert rejection(answer({"detail": words}, 422)) is None
    assert not passes(words)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}, 429),
        ({"detail": "Request was throttled.", "status": 429, "retry_after": 9}, 429),
        ({"code": 500, "message": "x", "data": {"id": "1"}}, 500),
        ({"error": "the model is gone"}, 400),
        ({"detail": [{"msg": "no", "type": "value_error"}]}, 400),
        ({"code": "429", "msg": "slow down"}, 429),
        ({"status_code": 503, "message": "busy"}, 503),
        ({"success": False, "errors": [{"code": 1, "message": "no"}]}, 400),
        ({"success": False, "msg": "no"}, 400),
        ({"id": "1", "status": "failed", "error": "out of memory"}, 200),
        ({"status": "COMPLETED", "error": "x"}, 200),
        ({"code": 200, "message": "success", "data": {"id": "1"}}, 200),
        ({"error": None, "output": "u"}, 200),
        ({}, 200),
    ],
)
def test_an_error_in_the_dress_of_a_good_answer_is_read_as_the_error(body, status):
    assert unmasked(answer(body)).status == status


@given(st.text(max_size=40) | st.integers(0, 10**330).map(str))
def test_no_waiting_time_breaks_anything(value):
    for told in (HttpAnswer(429, {"retry-after": value}, b""), answer({"retry_after": value, "detail": value}, 429)):
        seconds = wait_s(told)
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
