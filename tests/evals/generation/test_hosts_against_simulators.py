"""Every host against the simulator of its wire format: the two were written apart, so each checks the other."""

import asyncio
import base64
import io
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx2 as httpx
import PIL.Image
import pytest

from evals.facts.models import read_facts
from evals.facts.pricing import SIZES
from evals.generation.answers import Accepted, Ended, Finished, OutcomeUnknown, Rejected, Running
from evals.generation.simulated.call_log import CallLog
from tests.evals.generation.hosts.conftest import KEY, image_request, opened
from tests.evals.generation.simulated_runs import model_of
from tests.simulators.clients import encoded
from tests.simulators.faults import FORMATS, ODD, FaultyHost, serve_faulty

WAIT_S = 7.0
OFFERS = [offer for offer in read_facts().offers.values() if offer.host in FORMATS]
TYPICAL = {
    "google": "gemini-nano-banana-2.1@google",
    "vertex": "gemini-3-pro-image@vertex",
    "bfl": "flux-2-pro@bfl",
    "replicate": "flux-2-pro@replicate",
    "fal": "flux-2-pro@fal",
    "fireworks, a picture": "flux-1-schnell@fireworks",
    "fireworks, a task": "flux-kontext-pro@fireworks",
    "atlascloud": "flux-2-pro@atlascloud",
    "comfyui": "flux-1-schnell@comfyui",
}
PICTURE = base64.b64decode(encoded())
_POLLS_AT_MOST = 20
SYNCHRONOUS = ("google", "vertex", "fireworks, a picture")

each_host = pytest.mark.parametrize("typical", TYPICAL)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the runner would see at the end: the last answer, and the picture's bytes."""

    answer: object
    content: bytes | None = None

    @property
    def picture(self):
        return PIL.Image.open(io.BytesIO(self.content))


@contextmanager
def simulated(offer, behaviour="ok", server_key=KEY, **settings):
    """Serve an offer by its format's simulator; yields how to ask for a picture, and the log of calls."""
    key, log = None if offer.host == "comfyui" else server_key, CallLog()
    host = FaultyHost([model_of(offer)], key, lambda arrival, prompt: behaviour, retry_after_s=WAIT_S, **settings)
    with serve_faulty({offer.host: host}, log) as addresses:

        async def asked(request, references, answer_s, offer):
            # Loading the certificates of the web would take longer than the whole test.
            async with httpx.AsyncClient(verify=False, trust_env=False) as client:
                host = opened(offer.host, base_url=addresses[offer.host], http=client)
                call = host.prepare(request, offer, references)
                return await _outcome(host, replace(call, answer_s=answer_s))

        def ask(request, references=(), answer_s=60.0, offer=offer):
            return asyncio.run(asked(request, references, answer_s, offer))

        yield ask, log


def answered(typical, behaviour="ok", answer_s=60.0, **settings):
    offer = typical_offer(typical)
    with simulated(offer, behaviour, **settings) as (ask, log):
        return ask(request_of(offer), answer_s=answer_s), log


async def _outcome(host, call):
    answer = await host.submit(call)
    if isinstance(answer, Accepted):
        task = answer.task
        for _ in range(_POLLS_AT_MOST):
            answer = await host.poll(task)
            if not isinstance(answer, Running):
                break
            await asyncio.sleep(0.01)
    if not isinstance(answer, Finished):
        return Outcome(answer)
    return Outcome(answer, answer.content if answer.content is not None else await host.download(answer.url))


def request_of(offer, size=None, seed=42):
    return image_request(size=size or smallest(offer), seed=seed)


def smallest(offer):
    return min(offer.sizes, key=SIZES.get)


def typical_offer(typical):
    return read_facts().offers[TYPICAL[typical]]


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.system)
def test_every_offer_of_the_facts_gives_the_pixels_and_takes_the_seed_and_reference_images(offer):
    n_references = min(2, offer.references_at_most)
    with simulated(offer) as (ask, log):
        outcomes = [ask(request_of(offer), [PICTURE] * n) for n in sorted({0, n_references})]
    for outcome, call in zip(outcomes, log.calls, strict=True):
        assert isinstance(outcome.answer, Finished), outcome.answer
        assert outcome.picture.size == (SIZES[smallest(offer)],) * 2
        assert (call.prompt, call.outcome, call.keys_at_delivery) == ("a cat", "ok", 0)
        assert call.seed == (42 if offer.takes_seed else None)
    assert (log.calls[0].api_id, log.calls[-1].n_references) == (offer.api_id, n_references)


@each_host
def test_every_size_of_a_typical_offer_gives_its_pixels_and_the_smallest_and_largest_seed_are_taken(typical):
    offer = typical_offer(typical)
    with simulated(offer) as (ask, log):
        for size in offer.sizes:
            assert ask(request_of(offer, size)).picture.size == (SIZES[size], SIZES[size])
        for seed in (0, 2**31 - 1):
            assert isinstance(ask(request_of(offer, seed=seed)).answer, Finished)
            # 0 would mean "any" to Fireworks.
            taken = 2**31 - 1 if typical == "fireworks, a picture" else seed
            assert log.calls[-1].seed == (taken if offer.takes_seed else None)


@each_host
def test_a_picture_that_takes_its_time_is_waited_for(typical):
    outcome, log = answered(typical, queue_s=0.02, work_s=0.05)
    assert outcome.picture.size == (SIZES[smallest(typical_offer(typical))],) * 2
    assert log.calls[0].outcome == "ok"


@each_host
@pytest.mark.parametrize("behaviour", ["rate_limited", "unavailable", "internal"])
def test_a_passing_error_is_turned_away_and_may_be_sent_again(typical, behaviour):
    outcome, log = answered(typical, behaviour)
    assert isinstance(outcome.answer, Rejected)
    assert (outcome.answer.stops, outcome.answer.delay_s) == ("", WAIT_S if behaviour == "rate_limited" else None)
    # Google says that an error of its own is not charged.
    assert outcome.answer.may_have_cost or behaviour != "internal" or typical in ("google", "vertex")
    assert log.charged_usd == 0.0


@each_host
def test_an_error_in_the_dress_of_a_good_answer_may_be_sent_again(typical):
    answer = answered(typical, "masked")[0].answer
    assert answer.passes if isinstance(answer, Ended) else answer.stops == ""
    assert "overloaded" in answer.message


@pytest.mark.parametrize(
    ("typical", "behaviour"),
    # Other hosts do not tell the day's quota from a rate limit.
    [(typical, "daily_quota") for typical in ("google", "vertex", "bfl")]
    + [(typical, behaviour) for typical in TYPICAL for behaviour in ("bad_key", "no_credit", "echo_key")],
)
def test_a_wrong_key_an_empty_account_or_a_used_up_quota_stops_the_system(typical, behaviour):
    answer = answered(typical, behaviour)[0].answer
    assert isinstance(answer, Rejected)
    assert answer.stops


@pytest.mark.parametrize("typical", [name for name in TYPICAL if name != "comfyui"])
def test_another_key_than_the_servers_is_let_in_nowhere(typical):
    with simulated(typical_offer(typical), server_key="another-key") as (ask, log):
        answer = ask(request_of(typical_offer(typical))).answer
    assert (type(answer), bool(answer.stops), log.calls) == (Rejected, True, [])


@each_host
def test_an_unknown_model_stops_the_system(typical):
    offer = typical_offer(typical)
    with simulated(offer) as (ask, log):
        answer = ask(request_of(offer), offer=offer.model_copy(update={"api_id": f"{offer.api_id}-x"})).answer
    assert isinstance(answer, Rejected)
    assert answer.stops
    assert log.calls == []


@each_host
@pytest.mark.parametrize("behaviour", ["gateway_timeout", "stall", "drop", "drop_before", "garbage", "truncated"])
def test_an_answer_that_is_lost_is_never_taken_for_anything_else(typical, behaviour):
    # A busy machine may not have taken the request in when a short patience ends: then it is asked with a longer one.
    for answer_s in (0.3, 3.0, 30.0) if behaviour == "stall" else (60.0,):
        outcome, log = answered(typical, behaviour, answer_s=answer_s)
        assert isinstance(outcome.answer, OutcomeUnknown), outcome.answer
        if log.calls:
            break
    assert [call.outcome for call in log.calls] == ["rejected" if behaviour == "drop_before" else "lost"]


@each_host
@pytest.mark.parametrize("behaviour", ODD)
def test_a_picture_in_an_odd_answer_is_the_picture(typical, behaviour):
    outcome, log = answered(typical, behaviour)
    assert outcome.picture.size == (SIZES[smallest(typical_offer(typical))],) * 2
    several = behaviour == "two_pictures" and typical in ("google", "vertex", "replicate", "fal", "atlascloud")
    assert outcome.answer.metadata.n_pictures == (2 if several else None)
    assert log.calls[0].outcome == "ok"


# Requests that end without a picture

ENDS = {"refuse_prompt": "refused", "text_only": "refused", "filter_image": "filtered", "error_status": "failed"}


@pytest.mark.parametrize(
    ("typical", "behaviour"),
    # A server of one's own moderates nothing.
    [(typical, end) for typical in TYPICAL for end in ENDS if typical != "comfyui" or end == "error_status"],
)
def test_an_end_without_a_picture_is_read_as_what_it_was(typical, behaviour):
    outcome, log = answered(typical, behaviour)
    answer = outcome.answer
    if typical in SYNCHRONOUS and behaviour == "error_status":
        assert isinstance(answer, Rejected)
        return
    expected = ENDS[behaviour]
    assert log.calls[0].outcome == expected
    if typical == "replicate" and expected == "refused":
        expected = "filtered"  # its words, "the input or output was flagged", do not tell which
    assert isinstance(answer, Ended), answer
    assert (answer.outcome, bool(answer.reason)) == (expected, True)


@pytest.mark.parametrize(
    ("typical", "size", "seed"),
    [(typical, "4K", 42) for typical in ("google", "vertex", "bfl", "replicate", "fal", "atlascloud")]
    + [(typical, "512", 1.5) for typical in TYPICAL if typical_offer(typical).takes_seed],
)
def test_a_size_or_a_seed_that_the_host_does_not_take_ends_the_request_and_is_not_charged(typical, size, seed):
    offer = typical_offer(typical)
    with simulated(offer.model_copy(update={"sizes": ("512",)})) as (ask, log):
        answer = ask(request_of(offer, size, seed)).answer
    assert isinstance(answer, Ended), answer
    assert (answer.outcome, log.calls) == ("failed", [])
