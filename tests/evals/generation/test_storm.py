"""A storm of faults: every request ends in one outcome, as the simulators' log says, and no budget is exceeded."""

import json
from dataclasses import replace

import pytest

from evals.generation.simulated.call_log import CallLog
from evals.generation.stage import generate
from evals.imageset.contract import OUTCOMES
from tests.evals.generation.simulated_runs import HASTE, a_plan, faulty_hosts, open_systems
from tests.simulators.faults import FORMATS, SMALL, UNDELIVERABLE, serve_faulty, storm


def a_storm(tmp_path, n, seed, **options):
    log, requests = CallLog(), a_plan(n)

    def script_of(host):
        return storm(0.3, 100 * seed + list(FORMATS).index(host))

    hosts = faulty_hosts(script_of=script_of, retry_after_s=0.05, work_s=0.02)
    with serve_faulty(hosts, log) as addresses:
        generation = generate(open_systems(requests, addresses, concurrency=6), tmp_path, retry_policy=HASTE, **options)
    rows = [json.loads(line) for line in (tmp_path / "images" / "requests.jsonl").open()]
    return generation, log, rows


def as_the_log_says(calls):
    last = calls[-1]
    if last.outcome == "ok" and last.behaviour in UNDELIVERABLE:
        return "failed"
    if last.outcome == "rejected":  # where the connection was cut before, only the host knows that
        return "unknown" if last.behaviour == "drop_before" else "failed"
    # Its words do not tell which.
    if last.outcome == "refused" and last.host == "replicate":
        return "filtered"
    return "unknown" if last.outcome == "lost" else last.outcome


@pytest.mark.parametrize("seed", [6, pytest.param(7, marks=pytest.mark.slow)])
def test_every_request_ends_in_the_outcome_that_the_log_says(tmp_path, seed):
    generation, log, rows = a_storm(tmp_path, 160, seed)
    assert generation.n_pending == 0
    assert len({row["sample_id"] for row in rows}) == len(rows) == 160
    arrivals: dict[str, list] = {}
    for call in log.calls:
        arrivals.setdefault(call.prompt, []).append(call)
    outcomes = {row["prompt"]: row["outcome"] for row in rows}
    expected = {prompt: as_the_log_says(calls) for prompt, calls in arrivals.items()}
    assert set(outcomes) == set(expected)
    wrong = {
        prompt: (outcomes[prompt], arrivals[prompt]) for prompt in expected if outcomes[prompt] != expected[prompt]
    }
    assert not wrong
    assert set(outcomes.values()) == {*OUTCOMES} - {"timeout"}, "the storm should show every outcome but one"
    noted = {row["prompt"] for row in rows if row["note"] == "other_size"}
    small = {prompt for prompt in arrivals if arrivals[prompt][-1].behaviour == SMALL}
    assert noted == small & {prompt for prompt, outcome in outcomes.items() if outcome == "ok"}
    assert log.charged_usd <= generation.spent_usd + 1e-9
    assert log.keys_at_delivery == 0


def test_a_task_that_is_never_ready_is_a_timeout(tmp_path):
    systems = ("flux-2-pro@bfl", "flux-2-pro@replicate", "flux-2-pro@fal", "flux-2-pro@atlascloud")
    requests, log = a_plan(8, systems), CallLog()
    hosts = faulty_hosts(systems, lambda host: lambda arrival, prompt: "never_ready")
    with serve_faulty(hosts, log) as addresses:
        impatient = replace(HASTE, task_s=0.0)
        generation = generate(open_systems(requests, addresses), tmp_path, retry_policy=impatient)
    assert generation.outcomes == {system: {"timeout": 2} for system in systems}
    assert {call.outcome for call in log.calls} == {"open"}
    assert log.charged_usd <= generation.spent_usd + 1e-9


def test_a_budget_is_exceeded_neither_by_the_ledger_nor_by_the_log(tmp_path):
    generation, log, rows = a_storm(tmp_path, 400, 3, budget_usd=1.0)
    assert generation.budget_reached
    assert 0.5 < generation.spent_usd <= 1.0
    assert 0.3 < log.charged_usd <= 1.0
    assert len(rows) < 400
