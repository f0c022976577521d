"""A run that is killed again and again: every picture once, no task bought twice, and what is unknown is told."""

import json
import multiprocessing
import random
from collections import Counter

import pytest

from evals.generation.ledger import read_events, replay
from evals.generation.simulated.call_log import CallLog
from evals.imageset.contract import LEDGER
from evals.imageset.imageset import read_image_set
from tests.evals.generation.simulated_runs import FREE_HOST, a_plan, faulty_hosts, run_once
from tests.simulators.faults import serve_faulty

N_REQUESTS = 100


@pytest.mark.parametrize("n_kills", [15, pytest.param(60, marks=pytest.mark.slow)])
def test_many_kills_lose_nothing_and_buy_nothing_twice(tmp_path, n_kills):
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["tests.evals.generation.simulated_runs"])
    moments, kills, runs, unsent = random.Random(60), 0, 0, 0
    while kills < n_kills:
        out, log = tmp_path / f"run-{runs}", CallLog()
        runs += 1
        with serve_faulty(faulty_hosts(work_s=0.06), log) as addresses:
            while kills < n_kills:
                process = processes.Process(target=run_once, args=(out, N_REQUESTS, addresses))
                process.start()
                process.join(moments.uniform(0.05, 0.6))
                if process.exitcode is not None:
                    assert process.exitcode == 0
                    break
                process.kill()
                process.join()
                kills += 1
            generation = run_once(out, N_REQUESTS, addresses)
        assert generation.n_pending == 0
        unsent += check(out / "images", log)
    print(f"{kills} kills in {runs} runs of {N_REQUESTS} requests; {unsent} died before they were sent")


def check(images, log):
    """Hold a run that was killed against the simulators' log; return how many requests died before they were sent."""
    requests = {request.sample_id: request for request in a_plan(N_REQUESTS)}
    events, torn = read_events(images / LEDGER)
    states = replay(events)
    assert not torn
    assert set(states) == set(requests)

    made = [sample_id for sample_id, state in states.items() if state.status == "ok"]
    rows = read_image_set(images).rows
    assert sorted(row["sample_id"] for row in rows) == sorted(made)
    assert len({row["pixel_sha256"] for row in rows}) == len(rows)

    arrivals = Counter(call.prompt for call in log.calls if call.host != FREE_HOST)
    assert max(arrivals.values(), default=0) <= 1, "a paid request was sent twice"
    accepted = {event["sample_id"] for event in events if event["event"] == "accepted"}
    assert all(states[sample_id].outcome == "ok" for sample_id in accepted)

    paid = {sample_id for sample_id, request in requests.items() if not request.system.endswith(FREE_HOST)}
    in_log = {sample_id for sample_id in paid if arrivals[requests[sample_id].prompt]}
    unknown = {sample_id for sample_id in paid if states[sample_id].outcome == "unknown"}
    listed = {
        row["sample_id"] for row in map(json.loads, (images / "requests.jsonl").open()) if row["outcome"] == "unknown"
    }
    assert unknown == listed
    # A request that died between the ledger and the wire is unknown too: nobody but the host could tell.
    assert in_log - set(made) == unknown & in_log
    assert set(requests) - paid <= set(made)
    spent = sum(states[sample_id].spent_usd for sample_id in requests)
    assert log.charged_usd <= spent + 1e-9
    return len(unknown - in_log)
