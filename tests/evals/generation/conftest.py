"""A plan of a few requests, and a host inside the process that answers by script."""

import asyncio
import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import PIL.Image
import pytest

from evals.facts.models import Offer
from evals.facts.pricing import ImagePrice
from evals.generation.answers import Accepted, Expired, Finished, Task
from evals.generation.clients import OpenSystems
from evals.generation.pacing import RateLimiter, RetryPolicy, Stop
from evals.generation.plan import ImageRequest
from evals.generation.request_loop import SystemClient
from evals.generation.runner import run_requests
from evals.generation.stage import generate
from evals.suites.suite import PromptItem

QUICK = RetryPolicy(
    attempts=4,
    backoff_s=0.001,
    longest_backoff_s=0.002,
    first_poll_s=0.001,
    longest_poll_s=0.002,
    grace_s=0.1,
)
"""No wait to speak of, and all the time in the world for a task: only `IMPATIENT` gives one up."""

IMPATIENT = replace(QUICK, task_s=0.0)


def png(colour, side=8):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()


def an_offer(system="m@h", price=0.01, **changes):
    model, _, host = system.partition("@")
    prices = () if price is None else (ImagePrice(usd=price, source="twinlens"),)
    usual = {"api_id": model, "sizes": ("512", "1K"), "references_at_most": 4, "takes_seed": True, "prices": prices}
    return Offer(model=model, host=host, **(usual | changes))


def a_request(number, system="m@h", first_shot=None, shot=None):
    item = PromptItem(
        suite="suite", id=f"p{number}", prompt=f"prompt {number}", sequence_id="q" if shot else None, shot=shot
    )
    return ImageRequest(f"s{number}", system, "suite", item, 7, 0, "512", first_shot)


@dataclass
class ScriptedHost:
    """Plays a list of answers for each request, as soon as it may answer; a task's list is played by its polls."""

    scripts: dict = field(default_factory=dict)
    polls: dict = field(default_factory=dict)
    downloads: dict = field(default_factory=dict)
    may_answer: Callable[[str], bool] = lambda sample_id: True
    submitted: list = field(default_factory=list)
    references: dict = field(default_factory=dict)
    in_flight: int = 0
    peak: int = 0
    closed: bool = False

    def prepare(self, request, offer, references):
        self.references[request.sample_id] = list(references)
        return SimpleNamespace(id=request.sample_id, record=lambda: {"prompt": request.prompt})

    async def submit(self, call):
        self.submitted.append(call.id)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        await asyncio.sleep(0)
        while not self.may_answer(call.id):
            await asyncio.sleep(0.001)
        self.in_flight -= 1
        script = self.scripts.get(call.id, [])
        return _next([script.pop(0) if script else Finished(content=png((len(self.submitted), 0, 0)))])

    async def poll(self, task):
        return _next(self.polls[task.id])

    async def download(self, url):
        return _next(self.downloads[url])

    async def aclose(self):
        self.closed = True


def _next(script):
    """Return the next answer of a script, or raise it; the last one is repeated."""
    answer = script.pop(0) if len(script) > 1 else script[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


def systems_of(host, requests, concurrency=4, price=0.01, **changes):
    rate_limiter = RateLimiter(concurrency)
    names = dict.fromkeys(request.system for request in requests)
    clients = {name: SystemClient(host, an_offer(name, price, **changes), rate_limiter) for name in names}
    return OpenSystems(requests, clients)


def accepted(task_id="t", cost=None):
    return Accepted(Task(task_id, f"http://h/{task_id}", cost_usd=cost))


def host_with_task(*polls, url_holds=None, cost=None, **scripts):
    """Return a host that takes ``s0`` in as a task, whose picture is at ``u``."""
    scripts = {"s0": [accepted(cost=cost)], **scripts}
    return ScriptedHost(scripts, {"t": list(polls)}, {"u": [png("blue") if url_holds is None else url_holds]})


@pytest.fixture
def scripted():
    return SimpleNamespace(
        Host=ScriptedHost,
        host_with_task=host_with_task,
        systems=systems_of,
        request=a_request,
        requests=lambda n, **facts: [a_request(number, **facts) for number in range(n)],
        accepted=accepted,
        png=png,
        offer=an_offer,
        quick=QUICK,
        impatient=IMPATIENT,
        expired=lambda: Expired("HTTP 403"),
    )


def in_plan_order(items, suite, seed):
    """Return the places of prompts that are asked in the order of the plan."""
    units = list(dict.fromkeys(item.sequence_id or item.id for item in items))
    return {item.id: ((n := units.index(item.sequence_id or item.id)) / len(units), str(n)) for item in items}


@pytest.fixture
def run(tmp_path, scripted, monkeypatch):
    """Generate with a scripted host into one folder, in the order of the plan, and return how it ended.

    What waits for ever fails.
    """
    monkeypatch.setattr("evals.generation.order.places", in_plan_order)

    async def in_time(*args):
        await asyncio.wait_for(run_requests(*args), 120)

    monkeypatch.setattr("evals.generation.stage.run_requests", in_time)

    def generated(host, requests, retry_policy=scripted.quick, **options):
        ours = {name: options.pop(name) for name in ("budget_usd", "retry_unknown", "keep_going") if name in options}
        systems = scripted.systems(host, requests, **options)
        return generate(systems, tmp_path / "run", retry_policy=retry_policy, **ours)

    generated.folder = tmp_path / "run" / "images"
    generated.rows = lambda: [json.loads(line) for line in (generated.folder / "requests.jsonl").open()]
    generated.out = tmp_path / "run"
    return generated


@pytest.fixture
def stop_requested(monkeypatch):
    """Return a function that tells whether some run was asked to stop."""
    requested, request = threading.Event(), Stop.request

    def observed(self):
        request(self)
        requested.set()

    monkeypatch.setattr(Stop, "request", observed)
    return requested.is_set


@pytest.fixture
def interrupted_when():
    """Send this process a signal as soon as something is so, and once more when the first one was heard."""
    # Whoever runs the tests may have told this process to ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threads = []

    def start(is_so, number=signal.SIGINT, times=1):
        def send():
            wait_for(is_so)
            handler = signal.getsignal(number)
            os.kill(os.getpid(), number)
            if times == 2:
                wait_for(lambda: signal.getsignal(number) is not handler)
                os.kill(os.getpid(), number)

        def wait_for(condition):
            until = time.monotonic() + 60
            while not condition() and time.monotonic() < until:
                time.sleep(0.005)

        threads.append(threading.Thread(target=send))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGINT, before)
