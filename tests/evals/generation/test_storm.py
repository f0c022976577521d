"""A storm of faults: every request ends in one outcome, as the simulators' books say, and no budget is exceeded."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from evals.generation.simulated.artists import plain_artist
from evals.generation.simulated.books import Books
from evals.generation.simulated.server import FORMATS, serve
from evals.generation.simulated.service import storm
from evals.generation.stage import generate
from evals.imageset.contract import OUTCOMES
from tests.evals.generation.simulated_runs import HASTE, a_plan, a_simulation, open_systems

FAULTS = (
    "rate_limited",
    "unavailable",
    "internal",
    "gateway_timeout",
    "stall",
    "drop",
    "drop_before",
    "garbage",
    "truncated",
    "not_an_image",
    "expired",
    "refuse_prompt",
    "filter_image",
    "text_only",
    "moderated_request",
    "moderated_content",
    "error_status",
    "odd_status",
    "never_ready",
)
OUTCOME_OF = {
    "ok": "ok",
    "refused": "refused",
    "filtered": "filtered",
    "failed": "failed",
    "lost": "unknown",
    "undeliverable": "failed",
    "turned_away": "unknown",  # the connection was cut before the request was taken in: only the host knows that
}
TELLS_REFUSED_FROM_FILTERED = {"replicate": False}
RETRY_POLICY = replace(HASTE, task_s=5.0)


def a_storm(tmp_path, n, monkeypatch, seed, **options):
    monkeypatch.setattr("evals.generation.hosts.http_host.ANSWER_S", dict.fromkeys(("512", "1K", "2K", "4K"), 2.5))
    books, requests = Books(), a_plan(n)

    def script_of(host):
        return storm(0.3, 100 * seed + list(FORMATS).index(host), FAULTS)

    simulation = a_simulation(books, plain_artist, script_of=script_of, retry_after_s=0.05, work_s=0.02)
    with serve(simulation) as addresses:
        generation = generate(
            open_systems(requests, addresses, concurrency=6), tmp_path, retry_policy=RETRY_POLICY, **options
        )
    rows = [json.loads(line) for line in (tmp_path / "images" / "requests.jsonl").open()]
    return generation, books, rows


def as_the_books_say(entries):
    """Return the outcome of a request from all of its arrivals."""
    last = entries[-1]
    if last.outcome == "open":
        return "timeout" if last.behaviour == "never_ready" and last.task_id else "unknown"
    if last.outcome == "refused" and not TELLS_REFUSED_FROM_FILTERED.get(last.host, True):
        return "filtered"
    return OUTCOME_OF[last.outcome]


@pytest.mark.parametrize("seed", [1, 2])
def test_every_request_ends_in_the_outcome_that_the_books_say(tmp_path, monkeypatch, seed):
    generation, books, rows = a_storm(tmp_path, 160, monkeypatch, seed)
    assert generation.n_pending == 0
    assert len({row["sample_id"] for row in rows}) == len(rows) == 160
    arrivals: dict[str, list] = {}
    for entry in books.entries:
        arrivals.setdefault(entry.prompt, []).append(entry)
    told = {row["prompt"]: row["outcome"] for row in rows}
    expected = {prompt: as_the_books_say(entries) for prompt, entries in arrivals.items()}
    wrong = {prompt: (told[prompt], arrivals[prompt]) for prompt in expected if told[prompt] != expected[prompt]}
    assert not wrong
    never_arrived = set(told) - set(expected)
    assert not never_arrived
    assert Counter(told.values()) == Counter(expected.values())
    assert set(told.values()) == set(OUTCOMES), "the storm should show every outcome"
    assert books.charged_usd <= generation.spent_usd + 1e-9
    assert books.keys_at_delivery == 0


def test_a_budget_is_exceeded_neither_by_the_ledger_nor_by_the_books(tmp_path, monkeypatch):
    generation, books, rows = a_storm(tmp_path, 400, monkeypatch, 3, budget_usd=1.0)
    assert generation.budget_reached
    assert 0.5 < generation.spent_usd <= 1.0
    assert 0.3 < books.charged_usd <= 1.0
    assert len(rows) < 400
