"""A storm of faults: every request ends in one outcome, as the simulators' log says, and no budget is exceeded."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from evals.generation.simulated.call_log import CallLog
from evals.generation.stage import generate
from evals.imageset.contract import OUTCOMES
from tests.evals.generation.simulated_runs import HASTE, a_plan, faulty_hosts, open_systems
from tests.simulators.faults import FORMATS, UNDELIVERABLE, serve_faulty, storm

FAULTS = (
    "rate_limited",
    "unavailable",
    "internal",
    "gateway_timeout",
    "drop",
    "drop_before",
    "garbage",
    "truncated",
    "not_an_image",
    "expired",
    "refuse_prompt",
    "filter_image",
    "text_only",
    "error_status",
    "odd_status",
    "never_ready",
)
AT_ONCE = ("google", "vertex", "fireworks")
"""The hosts that answer with the picture: one that is never ready would keep the test waiting for an answer."""

OUTCOME_OF = {
    "ok": "ok",
    "refused": "refused",
    "filtered": "filtered",
    "failed": "failed",
    "lost": "unknown",
    "rejected": "unknown",  # the connection was cut before the request was taken in: only the host knows that
}
TELLS_REFUSED_FROM_FILTERED = {"replicate": False}
RETRY_POLICY = replace(HASTE, task_s=5.0)


def a_storm(tmp_path, n, seed, **options):
    log, requests = CallLog(), a_plan(n)

    def script_of(host):
        faults = [fault for fault in FAULTS if host not in AT_ONCE or fault != "never_ready"]
        return storm(0.3, 100 * seed + list(FORMATS).index(host), faults)

    hosts = faulty_hosts(script_of=script_of, retry_after_s=0.05, work_s=0.02)
    with serve_faulty(hosts, log) as addresses:
        generation = generate(
            open_systems(requests, addresses, concurrency=6), tmp_path, retry_policy=RETRY_POLICY, **options
        )
    rows = [json.loads(line) for line in (tmp_path / "images" / "requests.jsonl").open()]
    return generation, log, rows


def as_the_log_says(calls):
    """Return the outcome of a request from all of its calls."""
    last = calls[-1]
    if last.outcome == "ok" and last.behaviour in UNDELIVERABLE:
        return "failed"
    if last.outcome == "open":  # the task was never seen done
        return "timeout"
    if last.outcome == "refused" and not TELLS_REFUSED_FROM_FILTERED.get(last.host, True):
        return "filtered"
    return OUTCOME_OF[last.outcome]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_request_ends_in_the_outcome_that_the_log_says(tmp_path, seed):
    generation, log, rows = a_storm(tmp_path, 160, seed)
    assert generation.n_pending == 0
    assert len({row["sample_id"] for row in rows}) == len(rows) == 160
    arrivals: dict[str, list] = {}
    for call in log.calls:
        arrivals.setdefault(call.prompt, []).append(call)
    told = {row["prompt"]: row["outcome"] for row in rows}
    expected = {prompt: as_the_log_says(calls) for prompt, calls in arrivals.items()}
    wrong = {prompt: (told[prompt], arrivals[prompt]) for prompt in expected if told[prompt] != expected[prompt]}
    assert not wrong
    never_arrived = set(told) - set(expected)
    assert not never_arrived
    assert Counter(told.values()) == Counter(expected.values())
    assert set(told.values()) == set(OUTCOMES), "the storm should show every outcome"
    assert log.charged_usd <= generation.spent_usd + 1e-9
    assert log.keys_at_delivery == 0


def test_a_budget_is_exceeded_neither_by_the_ledger_nor_by_the_log(tmp_path):
    generation, log, rows = a_storm(tmp_path, 400, 3, budget_usd=1.0)
    assert generation.budget_reached
    assert 0.5 < generation.spent_usd <= 1.0
    assert 0.3 < log.charged_usd <= 1.0
    assert len(rows) < 400
