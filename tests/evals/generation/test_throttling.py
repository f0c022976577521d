"""Throttles: a host that takes few requests at a time gets them as it wants them, and every picture comes."""

import asyncio
import json
import math

import httpx2 as httpx
import pytest

from evals.facts.models import read_facts
from evals.generation.answers import Ended, Finished, Rejected, Running
from evals.generation.clients import OpenSystems, real_systems
from evals.generation.pacing import RateLimiter, RetryPolicy
from evals.generation.request_loop import SystemClient
from evals.generation.stage import generate
from tests.evals.generation.hosts.conftest import opened
from tests.evals.generation.simulated_runs import a_plan
from tests.evals.generation.turned_clock import now, turn_clock

LOW_CREDIT = (
    "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per minute with a burst "
    "of 1 requests while you have less than $5.0 in credit. Your rate limit resets in ~{}s."
)


class LowCredit:
    """Replicate with an account that may create one prediction every ten seconds."""

    def __init__(self, picture, body):
        self.picture, self.body = picture, body
        self.free_at, self.times, self.throttled = 0.0, [], 0

    async def __call__(self, request):
        await asyncio.sleep(0.2)
        if request.url.path.endswith(".png"):
            return httpx.Response(200, content=self.picture)
        if request.method == "GET":
            output = "https://replicate.delivery/x.png"
            return httpx.Response(200, json={"id": "p", "status": "succeeded", "output": output})
        if (left_s := self.free_at - now()) > 0:
            self.throttled += 1
            return httpx.Response(429, json=self.body(left_s))
        self.free_at = now() + 10.0
        self.times.append(now())
        return httpx.Response(201, json={"id": f"p{len(self.times)}", "status": "starting"})


def in_field(left_s):
    return {"detail": LOW_CREDIT.format(math.ceil(left_s)), "status": 429, "retry_after": math.ceil(left_s)}


def too_short(left_s):
    return {"detail": "Request was throttled.", "status": 429, "retry_after": math.floor(left_s)}


def at_once(left_s):
    return {"detail": "Request was throttled.", "status": 429, "retry_after": 0}


def in_words(left_s):
    return {"detail": f"Request was throttled. Expected available in {math.ceil(left_s)} seconds."}


@pytest.mark.parametrize(
    ("body", "careful", "needless"),
    # A host that says only with the picture whether it takes a request in is not begun with one request.
    [(in_field, True, 1), (in_words, True, 1), (too_short, True, 5), (in_field, False, 7), (at_once, True, 100)],
)
def test_a_low_credit_account_brings_every_picture_without_needless_requests(
    tmp_path, monkeypatch, scripted, body, careful, needless
):
    turn_clock(monkeypatch)
    vendor = LowCredit(scripted.png("red"), body)
    requests = a_plan(20, ["flux-2-pro@replicate"])
    offer = read_facts().find("flux-2-pro@replicate")
    client = SystemClient(opened("replicate", vendor), offer, RateLimiter(8, careful=careful))
    generation = generate(OpenSystems(requests, {offer.system: client}), tmp_path)
    assert generation.outcomes == {offer.system: {"ok": 20}}
    assert vendor.throttled <= needless
    assert len(vendor.times) == 20
    slack = 2.0 if body is at_once else 1.2  # a host that says 0 s leaves the wait to be guessed
    assert vendor.times[-1] - vendor.times[0] < 19 * 10 * slack, "it is not slower than it must be"
    attempts = [json.loads(line)["attempts"] for line in (tmp_path / "images/requests.jsonl").open()]
    assert sum(attempts) == 20 + vendor.throttled


def test_a_host_that_names_no_wait_at_all_is_not_asked_for_a_task_without_a_pause(tmp_path, monkeypatch, scripted):
    turn_clock(monkeypatch)
    asked = []

    class Busy(scripted.Host):
        async def poll(self, task):
            asked.append(now())
            assert len(asked) < 30
            busy = asked[-1] < asked[0] + 60
            return Rejected("http_429", "slow down", delay_s=0.0, throttled=True) if busy else Finished(url="u")

    host = Busy({"s0": [scripted.accepted()]}, downloads={"u": [scripted.png("red")]})
    generation = generate(scripted.systems(host, scripted.requests(1)), tmp_path, retry_policy=RetryPolicy())
    assert generation.outcomes == {"m@h": {"ok": 1}}


def test_a_limit_a_minute_is_learnt_from_what_was_taken_in(tmp_path, monkeypatch, scripted):
    turn_clock(monkeypatch)
    sent, turned_away = [], []

    class Minutes(scripted.Host):
        """Takes 30 requests in each minute of the clock, at once."""

        async def submit(self, call):
            await asyncio.sleep(0.1)
            moment = now()
            if sum(at // 60 == moment // 60 for at in sent) >= 30:
                turned_away.append(moment)
                return Rejected("http_429", delay_s=60 - moment % 60, throttled=True)
            sent.append(moment)
            return Finished(content=scripted.png("red"))

    requests = scripted.requests(100)
    generation = generate(scripted.systems(Minutes(), requests, concurrency=6), tmp_path, retry_policy=RetryPolicy())
    assert generation.outcomes == {"m@h": {"ok": 100}}
    assert len(turned_away) < 15
    assert sent[-1] - sent[0] < 4 * 60, "100 requests at 30 a minute"


def test_a_host_that_takes_nothing_in_any_more_is_given_up_and_asked_by_the_same_command(run, scripted):
    throttled = Rejected("http_429", "slow down", delay_s=0.001, throttled=True)
    host = scripted.Host({f"s{n}": [throttled] * 100 for n in range(3)})
    generation = run(host, scripted.requests(3))
    assert generation.outcomes == {"m@h": {"failed": 3}}
    assert len(host.submitted) <= 3 * 4
    assert generation.missing == "3 of 3 pictures are missing (3 failed for reasons that pass)"
    assert run(scripted.Host(), scripted.requests(3)).missing is None


def test_a_prediction_that_was_interrupted_is_asked_for_again(run, scripted):
    interrupted = Ended("failed", "failed", "Prediction interrupted; please retry (code: PA)", passes=True)
    host = scripted.host_with_task(interrupted, s0=[scripted.accepted(), scripted.accepted("t2")])
    host.polls["t2"] = [Finished(url="u")]
    generation = run(host, scripted.requests(1))
    assert generation.outcomes == {"m@h": {"ok": 1}}
    assert run.rows()[0]["attempts"] == 2
    assert generation.spent_usd == pytest.approx(0.02), "the first one may have been charged"


@pytest.mark.parametrize(
    "failing",
    [
        [Rejected("http_500", "broken", may_have_cost=True)] * 3,
        [Ended("failed", "E9243", "Prediction start error", passes=True)] * 3,
    ],
)
def test_what_fails_for_reasons_that_pass_is_asked_again_by_the_same_command_and_its_money_stays_counted(
    run, scripted, failing
):
    host = scripted.Host({"s0": list(failing)})
    generation = run(host, scripted.requests(2))
    assert generation.outcomes == {"m@h": {"failed": 1, "ok": 1}}
    assert (generation.n_pending, generation.n_passing, generation.problem) == (0, 1, None)
    assert generation.spent_usd == pytest.approx(0.04)
    again = run(host, scripted.requests(2))
    assert (again.outcomes, again.missing) == ({"m@h": {"ok": 2}}, None)
    assert again.spent_usd == pytest.approx(0.05)


def test_later_shots_whose_first_one_is_asked_again_are_missing_too(run, scripted):
    requests = [scripted.request(0, shot=1), scripted.request(1, shot=2, first_shot="s0"), scripted.request(2)]
    generation = run(scripted.host_with_task(Running("Pending")), requests, scripted.impatient)
    assert generation.missing == "2 of 3 pictures are missing (2 failed for reasons that pass)"


def test_a_models_own_limit_is_kept_beside_its_hosts(tmp_path, scripted):
    host, requests = scripted.Host(), scripted.requests(20)
    rate_limiter = RateLimiter(10)
    client = SystemClient(host, scripted.offer(concurrency=3), rate_limiter)
    generate(OpenSystems(requests, {"m@h": client}), tmp_path, retry_policy=scripted.quick)
    assert host.peak == 3
    assert read_facts().find("flux-kontext-max@bfl").concurrency == 6


def test_hosts_that_answer_at_once_whether_they_take_a_request_in_are_begun_with_one(monkeypatch, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: m\nsystems: [flux-2-pro@replicate, gemini-3-pro-image@google]\nsuites: [cinematic]\nseed: 1\n"
    )
    from evals.definition import read_definition

    keys = {"REPLICATE_API_TOKEN": "k" * 9, "GEMINI_API_KEY": "k" * 9}
    clients = real_systems(read_definition(path), read_facts(), keys).clients
    careful = {name: client.rate_limiter._careful for name, client in clients.items()}
    assert careful == {"flux-2-pro@replicate": True, "gemini-3-pro-image@google": False}
