"""Delivery: a paid picture is fetched as long as it can be, and one that cannot be is told as such."""

import asyncio
from dataclasses import replace

import httpx2 as httpx
import pytest

from evals.generation.answers import Ended, Expired, Finished, Rejected, Running, UntrustedUrl
from evals.generation.delivering import Delivered, deliver
from evals.generation.pacing import Stop
from evals.generation.pictures import NotAPicture

OLD = Finished(url="old")


@pytest.fixture
def delivered(scripted):

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


EXPIRED, FOREIGN = Expired("HTTP 403"), UntrustedUrl("h named an address that is not the vendor's")
NEW, PICTURE = Finished(url="new"), b"picture"


@pytest.mark.parametrize(
    ("downloads", "polls"),
    [
        *(
            ([trouble, PICTURE], [OLD])
            for trouble in (httpx.ConnectError("down"), httpx.ReadTimeout("slow"), b"garbage")
        ),
        ([EXPIRED, PICTURE], [OLD]),
        ([EXPIRED], [Finished(content=PICTURE)]),
        *(
            ([EXPIRED], [trouble, OLD, NEW])
            for trouble in (Rejected("http_503"), Rejected("http_401", stops="check"), Running("odd"))
        ),
    ],
)
def test_trouble_on_the_way_or_in_asking_for_a_fresh_address_does_not_give_a_paid_picture_up(
    delivered, downloads, polls
):
    assert delivered({"old": downloads, "new": [PICTURE]}, polls).picture == PICTURE


@pytest.mark.parametrize(
    ("download", "poll", "reason"),
    [
        (EXPIRED, Rejected("http_503"), "delivery_failed"),  # a later run asks again
        (EXPIRED, Ended("failed", "task_not_found"), "delivery_expired"),
        (EXPIRED, FOREIGN, "untrusted_url"),
        (FOREIGN, FOREIGN, "untrusted_url"),
    ],
)
def test_what_ends_the_search_is_told(delivered, download, poll, reason):
    outcome = delivered({"old": [download]}, [poll])
    assert (outcome.outcome, outcome.reason) == ("failed", reason)


def test_bytes_that_came_with_the_answer_are_stored_or_not_and_never_tried_twice(delivered):
    assert delivered({}, finished=Finished(content=PICTURE)) == Delivered(PICTURE, None)
    outcome = delivered({}, finished=Finished(content=b"garbage"), backoff_s=900.0, longest_backoff_s=900.0)
    assert (outcome.outcome, outcome.reason) == ("failed", "not_a_picture")


def test_a_picture_whose_every_address_has_expired_is_told_as_such(delivered, scripted):
    polls = [Finished(url=f"u{number}") for number in range(9)]
    outcome = delivered({url: [scripted.expired()] for url in ["old", *(f"u{number}" for number in range(9))]}, polls)
    assert outcome.reason == "delivery_expired"
    assert "may be charged" in outcome.message


def test_a_stopped_run_leaves_a_task_to_the_next_one_and_fetches_what_no_task_leads_to(delivered):
    for with_task in (True, False):
        stop = Stop()
        stop.request()
        outcome = delivered({"old": [httpx.ConnectError("down"), PICTURE]}, stop=stop, with_task=with_task)
        assert (outcome is None) is with_task
    assert outcome.picture == PICTURE
