"""What a latency row counts is asked one request at a time, alike for all systems, and every row says how it was."""

import asyncio
import statistics
from dataclasses import replace
from types import SimpleNamespace

import httpx2 as httpx
import pytest

from evals.definition import read_definition
from evals.generation.answers import Finished, Rejected, Running
from evals.generation.plan import plan_requests
from tests.evals.generation.conftest import ScriptedHost

SYSTEMS = ("slow@h", "fast@h")

EVAL = """\
name: mine
systems: [a@h, b@h]
suites: [demo-signs, demo-speed]
seed: 7
size: 1K
rows:
  - {id: signs, title: Text, suite: demo-signs, metrics: {text.cer: 1}}
  - {id: cost, title: Cost, computed: cost_per_image}
"""


@pytest.mark.parametrize(
    ("row", "timed"),
    [
        ("suite: demo-speed, computed: latency", {"demo-speed"}),
        ("suite: demo-speed, computed: latency, size: 4K", {"demo-speed@4K"}),
        ("computed: latency", {"demo-speed", "demo-signs"}),
        ("suite: demo-speed, computed: cost_per_image", set()),
    ],
)
def test_what_a_row_of_latency_counts_is_timed_under_the_name_that_it_has_anyway(tmp_path, row, timed):
    path = tmp_path / "mine.yaml"
    path.write_text(EVAL + f"  - {{id: speed, title: Speed, {row}}}\n")
    requests = plan_requests(read_definition(path))
    assert {request.suite for request in requests if request.timed} == timed
    assert {request.timed for request in requests if request.suite in timed} <= {True}
    path.write_text(EVAL)
    ids = {request.sample_id for request in requests}
    assert {request.sample_id for request in plan_requests(read_definition(path))} <= ids


class CrowdedHost(ScriptedHost):
    """Takes as many seconds for an answer as it is asked for pictures at once, on a clock that the test turns."""

    now = 1000.0

    async def submit(self, call):
        began, self.in_flight = self.now, self.in_flight + 1
        for _ in range(20):
            await asyncio.sleep(0)
        self.now = max(self.now, began + self.in_flight)
        self.in_flight -= 1
        return await super().submit(call)


@pytest.fixture
def crowded(monkeypatch):
    host = CrowdedHost()
    clock = SimpleNamespace(monotonic=lambda: host.now)
    for module in ("request_loop", "delivering"):
        monkeypatch.setattr(f"evals.generation.{module}.time", clock)
    return host


def both(scripted, numbers, timed):
    """Return the same requests to both systems, the first one's before all of the second's."""
    plain = [scripted.request(n, system=system) for system in SYSTEMS for n in numbers]
    return [replace(each, sample_id=f"{each.system[:4]}{each.item.id}", timed=timed) for each in plain]


def test_timed_requests_have_their_system_for_themselves_and_take_turns_with_the_bulk(run, scripted, crowded):
    bulk = [replace(request, suite="other") for request in both(scripted, range(10, 130), False)]
    requests = [*bulk, *both(scripted, range(6), True)]
    run(crowded, requests, concurrency=8)
    rows = {row["sample_id"]: row for row in run.rows()}
    timed = [rows[request.sample_id] for request in requests if request.timed]
    assert {row["in_flight"] for row in timed} == {1}
    # A host that two systems share has one request of each.
    assert {row["latency_s"] for row in timed} <= {1.0, 2.0}
    in_turn = [f"{system[:4]}p{n}" for n in range(6) for system in SYSTEMS]
    assert [sample_id for sample_id in crowded.submitted if sample_id in in_turn] == in_turn
    assert {request.sample_id for request in bulk} & set(crowded.submitted[:9])
    bulk = [rows[request.sample_id] for request in requests if not request.timed]
    assert min(row["in_flight"] for row in bulk) > 1
    assert statistics.median(row["latency_s"] for row in bulk) > 2.0


def test_one_systems_crowd_does_not_slow_what_is_rated_of_another(run, scripted, crowded):
    """The old way one system's row read several times the other's only because of how many were asked at once."""
    mine, theirs = both(scripted, range(6), True)[:6], both(scripted, range(2), True)[2:]
    run(crowded, [*mine, *theirs], concurrency=8)
    seconds = {request.system: [] for request in (*mine, *theirs)}
    for row in run.rows():
        seconds[row["system"]].append(row["latency_s"])
    assert max(seconds["slow@h"]) <= 2.0 >= max(seconds["fast@h"])


def test_most_requests_that_were_in_flight_at_once_are_counted_to_the_end_of_the_download(run, scripted):
    # The first one is sent alone, and is under load before it ends.
    requests = scripted.requests(3)
    host = scripted.Host(may_answer=lambda sample_id: len(host.submitted) == 3)
    run(host, requests)
    assert [row["in_flight"] for row in run.rows()] == [3, 3, 3]


def test_later_shots_and_tasks_of_an_earlier_process_leave_the_timed_ones_alone(run, scripted):
    shots = [scripted.request(0, shot=1), *[scripted.request(n, shot=n + 1, first_shot="s0") for n in (1, 2)]]
    timed = [replace(request, timed=True) for request in (shots[1], shots[2], shots[0], scripted.request(5))]
    host = scripted.Host({"s9": [scripted.accepted()]}, {"t": [Running("Pending")]}, {"u": [scripted.png("red")]})
    plan = [scripted.request(9), *timed, scripted.request(8)]
    assert run(host, plan, scripted.impatient).outcomes == {"m@h": {"timeout": 1, "ok": 5}}
    assert [sample_id for sample_id in host.submitted if sample_id in ("s0", "s1", "s2")] == ["s0", "s1", "s2"]
    assert {row["in_flight"] for row in run.rows() if row["sample_id"] in ("s0", "s1", "s2", "s5")} == {1}
    host.polls["t"] = [Finished(url="u")]
    assert run(host, plan).outcomes == {"m@h": {"ok": 6}}
    assert next(row for row in run.rows() if row["sample_id"] == "s9")["in_flight"] is None


def test_a_task_of_an_earlier_process_is_over_before_anything_is_timed(run, scripted):
    requests = [scripted.request(0), replace(scripted.request(1), timed=True)]
    host = scripted.host_with_task(Running("Pending"), s1=[Rejected("http_503")] * 4)
    run(host, requests, scripted.impatient)
    polls, submit, done = host.polls, host.submit, []
    polls["t"] = [Running("Pending")] * 3 + [Finished(url="u")]

    async def watched(call):
        done.append(len(polls["t"]) == 1)
        return await submit(call)

    host.submit = watched
    assert run(host, requests).outcomes == {"m@h": {"ok": 2}}
    assert done == [True]


def test_no_retry_counts_in_a_latency_neither_of_sending_nor_of_the_download(run, scripted, crowded):
    class Slow(CrowdedHost):
        async def download(self, url):
            self.now += 100.0
            return await super().download(url)

    crowded.__class__ = Slow
    crowded.scripts = {"s0": [Rejected("http_503"), Finished(url="u")]}
    crowded.downloads = {"u": [httpx.ConnectError("down"), httpx.ConnectError("down"), scripted.png("red")]}
    run(crowded, [replace(scripted.request(0), timed=True)])
    (row,) = run.rows()
    assert (row["attempts"], row["latency_s"], row["download_s"]) == (2, 101.0, 100.0)


def test_a_timed_system_that_stops_leaves_the_rounds_whole(run, scripted):
    requests = both(scripted, range(4), True)
    host = scripted.Host({"slowp1": [Rejected("http_402", "no credit", stops="top it up")]})
    assert run(host, requests).outcomes == {"slow@h": {"ok": 1, "pending": 3}, "fast@h": {"ok": 2, "pending": 2}}
    assert run(host, requests).outcomes == {"slow@h": {"ok": 4}, "fast@h": {"ok": 4}}
    assert {row["in_flight"] for row in run.rows()} == {1}
