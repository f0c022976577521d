"""Delivery: a paid picture is fetched as long as it can be, and one that cannot be is told as such."""

import asyncio
from dataclasses import replace

import httpx2 as httpx
import pytest

from evals.generation.answers import Ended, Finished, Rejected, Running, UntrustedUrl
from evals.generation.delivering import Delivered, deliver
from evals.generation.pacing import Stop
from evals.generation.pictures import NotAPicture

OLD = Finished(url="old")


@pytest.fixture
def delivered(scripted):
    """Deliver what is at ``old`` and return what came of it."""

    def brought(downloads, polls=(OLD,), finished=OLD, stop=None, with_task=True, **retry_policy):
        host = scripted.Host(polls={"t": list(polls)}, downloads=downloads)
        task = scripted.accepted("t").task if with_task else None

        async def store(content):
            if content == b"garbage":
                raise NotAPicture("is not an image")
            return content

        async def scene():
            patient = replace(scripted.quick, **retry_policy)
            return await deliver(finished, task, host, store, patient, stop or Stop())

        return asyncio.run(asyncio.wait_for(scene(), 120))

    return brought


def test_what_came_with_the_answer_is_stored_without_a_download(delivered):
    outcome = delivered({}, finished=Finished(content=b"picture"))
    assert outcome == Delivered(b"picture", None)


def test_bytes_that_came_with_the_answer_are_not_tried_twice(delivered):
    outcome = delivered({}, finished=Finished(content=b"garbage"), backoff_s=900.0, longest_backoff_s=900.0)
    assert (outcome.outcome, outcome.reason) == ("failed", "not_a_picture")


@pytest.mark.parametrize("trouble", [httpx.ConnectError("down"), httpx.ReadTimeout("slow"), b"garbage"])
def test_trouble_on_the_way_is_got_over(delivered, trouble):
    assert delivered({"old": [trouble, b"picture"]}).picture == b"picture"


@pytest.mark.parametrize("trouble", [Rejected("http_503"), Rejected("http_401", stops="check"), Running("odd")])
def test_trouble_in_asking_for_a_fresh_address_does_not_give_a_paid_picture_up(delivered, scripted, trouble):
    outcome = delivered({"old": [scripted.expired()], "new": [b"picture"]}, [trouble, OLD, Finished(url="new")])
    assert outcome.picture == b"picture"


def test_a_host_that_names_no_fresh_address_in_time_is_asked_again_by_a_later_run(delivered, scripted):
    outcome = delivered({"old": [scripted.expired()]}, [Rejected("http_503")])
    assert (outcome.outcome, outcome.reason) == ("failed", "delivery_failed")


def test_an_address_that_is_not_served_yet_is_asked_for_again(delivered, scripted):
    assert delivered({"old": [scripted.expired(), b"picture"]}).picture == b"picture"


def test_a_picture_whose_every_address_has_expired_is_told_as_such(delivered, scripted):
    polls = [Finished(url=f"u{number}") for number in range(9)]
    outcome = delivered({url: [scripted.expired()] for url in ["old", *(f"u{number}" for number in range(9))]}, polls)
    assert outcome.reason == "delivery_expired"
    assert "may be charged" in outcome.message


def test_a_fresh_answer_with_the_picture_itself_is_taken(delivered, scripted):
    assert delivered({"old": [scripted.expired()]}, [Finished(content=b"picture")]).picture == b"picture"


def test_a_task_that_is_gone_ends_the_search(delivered, scripted):
    outcome = delivered({"old": [scripted.expired()]}, [Ended("failed", "task_not_found")])
    assert outcome.reason == "delivery_expired"


@pytest.mark.parametrize("where", ["old", "new"])
def test_a_foreign_address_ends_the_search_whoever_names_it(delivered, scripted, where):
    foreign = UntrustedUrl("h named an address that is not the vendor's")
    outcome = delivered({"old": [foreign if where == "old" else scripted.expired()]}, [foreign])
    assert (outcome.outcome, outcome.reason) == ("failed", "untrusted_url")


def test_a_stopped_run_leaves_a_task_to_the_next_one_and_fetches_what_no_task_leads_to(delivered):
    def stopped():
        stop = Stop()
        stop.request()
        return stop

    downloads = [httpx.ConnectError("down"), b"picture"]
    assert delivered({"old": list(downloads)}, stop=stopped()) is None
    assert delivered({"old": list(downloads)}, stop=stopped(), with_task=False).picture == b"picture"
