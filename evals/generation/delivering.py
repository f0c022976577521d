"""Brings a finished picture home: downloads it, asks for its address anew where that is no longer served, stores it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from evals.generation.answers import Ended, Expired, Finished, MalformedResponse, PollAnswer, Task, UntrustedUrl
from evals.generation.hosts import Host
from evals.generation.pacing import RetryPolicy, Stop
from evals.generation.pictures import NotAPicture, Picture
from evals.generation.spooling import Spooled
from evals.imageset.contract import DELIVERY_EXPIRED, DELIVERY_FAILED, NOT_A_PICTURE, UNTRUSTED_URL

UNDELIVERED = frozenset({NOT_A_PICTURE, DELIVERY_EXPIRED, DELIVERY_FAILED, UNTRUSTED_URL})
"""The reasons of a request whose picture was made, and may be charged, but never arrived."""

_OTHERS_AT_MOST = 8
"""How many further pictures of an answer are fetched; no vendor sends more, and a broken one could name thousands."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A picture on disk, and how long its last download took; None where it came with the answer."""

    picture: Picture
    download_s: float | None = None


async def deliver(
    finished: Finished,
    task: Task | None,
    host: Host,
    store: Callable[[bytes | Spooled], Awaitable[Picture]],
    retry_policy: RetryPolicy,
    stop: Stop,
) -> Delivered | Ended | None:
    """Download, check and store a picture.

    Returns
    -------
    Delivered, Ended or None
        None if the run stopped before and a later one can ask for the task again.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    import httpx2 as httpx

    trouble = Ended("failed", DELIVERY_FAILED, "it was made, but never arrived")
    for number in range(1, retry_policy.attempts + 1):
        try:
            if finished.url is None:
                return Delivered(await store(finished.content or b""))
            began = time.monotonic()
            content = await host.download(finished.url)
            download_s = time.monotonic() - began
            return Delivered(await store(content), download_s)
        except UntrustedUrl as error:
            return Ended("failed", UNTRUSTED_URL, str(error))
        except NotAPicture as error:
            if finished.url is None:
                return Ended("failed", NOT_A_PICTURE, f"it was answered with bytes that are no picture: {error}")
            trouble = Ended("failed", NOT_A_PICTURE, f"what was delivered is no picture: {error}")
        except Expired as error:
            expired = f"the address of the picture is no longer served ({error}); it was made and may be charged"
            trouble = Ended("failed", DELIVERY_EXPIRED, expired)
            fresh = await _poll_again(task, host)
            if isinstance(fresh, Ended):
                return fresh if fresh.reason == UNTRUSTED_URL else trouble
            if isinstance(fresh, Finished):
                is_another, finished = fresh.url != finished.url, fresh
                if is_another:
                    continue
            elif fresh is not None:
                trouble = Ended("failed", DELIVERY_FAILED, f"{expired}; the host names no other address yet")
        except (httpx.HTTPError, httpx.StreamError, MalformedResponse) as error:
            trouble = Ended("failed", DELIVERY_FAILED, f"it was made, but never arrived ({type(error).__name__})")
        if number < retry_policy.attempts and not await _waited(retry_policy.backoff(number), task, stop):
            return None
    return trouble


async def keep_others(
    finished: Finished, host: Host, keep: Callable[[bytes | Spooled], Awaitable[str]]
) -> tuple[list[str], str | None]:
    """Keep the other pictures of an answer, each tried once.

    Returns
    -------
    files, message
        Their files, and a clause on those that were not kept, None if all were.

    Raises
    ------
    OSError
        If one cannot be written.
    """
    import httpx2 as httpx

    files: list[str] = []
    reasons: list[str] = []
    for other in finished.others[:_OTHERS_AT_MOST]:
        try:
            files.append(await keep(await host.download(other) if isinstance(other, str) else other))
        except (httpx.HTTPError, httpx.StreamError, MalformedResponse, UntrustedUrl, Expired, NotAPicture) as error:
            reasons.append(str(error) or type(error).__name__)
    if len(finished.others) > _OTHERS_AT_MOST:
        reasons.append(f"more than {_OTHERS_AT_MOST} are not fetched")
    n_lost = len(finished.others) - len(files)
    further = "further picture was" if n_lost == 1 else "further pictures were"
    return files, f"{n_lost} {further} not kept: {'; '.join(reasons)}" if n_lost else None


async def _poll_again(task: Task | None, host: Host) -> PollAnswer | None:
    try:
        return await host.poll(task) if task is not None else None
    except UntrustedUrl as error:
        return Ended("failed", UNTRUSTED_URL, str(error))


async def _waited(seconds: float, task: Task | None, stop: Stop) -> bool:
    """Wait before the next try; False if the run stops. A picture that no task leads to is fetched now or never."""
    if task is None:
        await asyncio.sleep(seconds)
        return True
    return not await stop.sleep(seconds)
