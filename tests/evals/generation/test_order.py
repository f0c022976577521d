"""Whatever stops a run (money, a system's end, Ctrl-C) leaves prompts that all systems were asked."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.definition import read_definition
from evals.generation.answers import Ended, Rejected
from evals.generation.budget import Budget
from evals.generation.order import prompt_groups, slices
from evals.generation.plan import plan_requests
from evals.suites.sampling import sampled

SYSTEMS = ("slow@h", "fast@h", "third@h")


def asked_of_all(scripted, n_prompts, systems=SYSTEMS, repeats=2):
    requests = [scripted.request(n, system=system) for n in range(n_prompts) for system in systems]
    return [
        replace(each, sample_id=f"{each.system[:4]}-{each.item.id}-{repeat}", repeat=repeat)
        for each in requests
        for repeat in range(repeats)
    ]


def pictures_by_prompt(run):
    return Counter(row["prompt_id"] for row in run.rows() if row["outcome"] == "ok")


def test_suites_take_turns_and_stand_at_what_a_smaller_part_would_have_drawn():
    definition = read_definition("flux2-vs-nano-banana")
    groups = prompt_groups(plan_requests(definition))
    assert sum(len(group.requests) for group in groups) == len(plan_requests(definition))
    begun = [group for group in groups if group.place < 0.25]
    for suite in ("precise", "brands", "logic"):
        drawn = {item.id for item in sampled(definition.suite(suite), "25%", definition.seed).items}
        of_suite = {r.item.id for group in begun for r in group.requests if r.suite == suite}
        assert of_suite <= drawn
        assert len(of_suite) >= len(drawn) - 4  # a sequence has up to four shots
    assert {r.system for r in begun[0].requests} == set(definition.systems)


def test_timed_prompts_take_turns_with_the_others_and_nothing_is_lost():
    groups = prompt_groups(plan_requests(read_definition("flux2-vs-nano-banana")))
    parts = slices(groups)
    assert sum(len(timed) + len(others) for timed, others in parts) == len(groups)
    n_timed = [len(timed) for timed, _ in parts]
    assert max(n_timed) - min(n_timed) <= 3 <= min(n_timed)
    assert all(group.timed for timed, _ in parts for group in timed)


@pytest.mark.parametrize("budget_usd", [0.05, 0.23, 0.47])
def test_money_that_ends_leaves_only_prompts_that_were_asked_of_all(run, scripted, budget_usd):
    answers = {f"fast-p{n}-0": [Rejected("http_503")] * 2 for n in range(3)}
    requests = asked_of_all(scripted, 20)
    generation = run(scripted.Host(answers), requests, budget_usd=budget_usd)
    assert generation.budget_reached
    counts = pictures_by_prompt(run) if budget_usd > 0.06 else Counter()
    assert set(counts.values()) <= {6}
    assert len(counts) == int(budget_usd / 0.06 + 1e-9)
    assert generation.n_pending == 120 - 6 * len(counts)
    run(scripted.Host(), requests, budget_usd=2.0)
    assert set(pictures_by_prompt(run).values()) == {6}


def test_when_a_system_stops_the_others_are_not_asked_what_cannot_be_compared_unless_told_to(run, scripted):
    requests = asked_of_all(scripted, 20, SYSTEMS[:2])

    def without_credit():
        return scripted.Host({"slow-p2-0": [Rejected("http_402", "no credit", stops="top it up")]})

    generation = run(without_credit(), requests, concurrency=2)
    asked = {system: sum(counts.values()) - counts["pending"] for system, counts in generation.outcomes.items()}
    # What is in flight ends; nothing is begun any more.
    assert asked["fast@h"] <= asked["slow@h"] + 6
    assert "--keep-going" in generation.problem
    generation = run(without_credit(), requests, concurrency=2, keep_going=True)
    assert generation.outcomes["fast@h"] == {"ok": 40}
    assert generation.outcomes["slow@h"]["pending"] > 0
    assert "--keep-going" not in generation.problem
    assert run(scripted.Host(), requests).problem is None


@pytest.mark.parametrize("stops", [1, 2])
def test_while_two_systems_go_on_they_are_asked_everything_and_a_last_one_nothing_more(run, scripted, stops):
    no_credit = Rejected("http_402", "no credit", stops="top it up")
    host = scripted.Host({f"{system}-p2-0": [no_credit] for system in ("slow", "thir")[:stops]})
    generation = run(host, asked_of_all(scripted, 20), concurrency=1, budget_usd=1.2)
    asked = {system: counts.get("ok", 0) for system, counts in generation.outcomes.items()}
    assert asked["slow@h"] < 10
    assert (asked["fast@h"] == 40) is (stops == 1)
    assert (asked["third@h"] == 40) is (stops == 1)
    assert asked["fast@h"] <= asked["third@h"] + 6
    assert ("--keep-going" in generation.problem) is (stops == 2)
    assert run(scripted.Host(), asked_of_all(scripted, 20)).problem is None


def test_a_system_of_which_nothing_comes_but_failures_is_stopped_before_the_others_pictures_are_paid_for(run, scripted):
    wrong = Ended("failed", "http_422", "body.seed: extra fields not permitted")
    failing = {f"slow-p{n}-{repeat}": [wrong] for n in range(20) for repeat in range(2)}
    generation = run(scripted.Host(failing), asked_of_all(scripted, 20, SYSTEMS[:2]), concurrency=1)
    assert generation.outcomes["slow@h"] == {"failed": 5, "pending": 35}
    assert "extra fields not permitted" in generation.stopped["slow@h"]
    assert generation.outcomes["fast@h"]["ok"] <= 6


@pytest.mark.parametrize("cost", [True, False])
def test_errors_of_a_server_stop_a_system_of_which_nothing_else_comes(run, scripted, cost):
    broken = Rejected("http_500" if cost else "http_503", "broken", may_have_cost=cost)
    host = scripted.Host({f"s{n}": [broken] * 8 for n in range(12)})
    generation = run(host, scripted.requests(12), concurrency=1)
    assert generation.outcomes["m@h"] == {"failed": 5, "pending": 7}
    assert "broken" in generation.stopped["m@h"]
    assert len(host.submitted) <= 6 * (3 if cost else scripted.quick.attempts)


def test_a_system_that_answers_may_fail_at_many_prompts(run, scripted):
    wrong = Ended("failed", "http_422", "too long")
    failing = {f"slow-p{n}-0": [wrong if n else Ended("refused", "text_only")] for n in range(20)}
    generation = run(scripted.Host(failing), asked_of_all(scripted, 20, SYSTEMS[:2], repeats=1), concurrency=1)
    assert generation.outcomes == {"slow@h": {"refused": 1, "failed": 19}, "fast@h": {"ok": 20}}


def test_a_fast_host_does_not_run_ahead_of_a_slow_one(run, scripted):
    host = scripted.Host()
    slow = [f"slow-p{n}-0" for n in range(40)]
    ahead = []

    def may_answer(sample_id):
        if sample_id in slow:
            ahead.append(sum(each.startswith("fast") for each in host.submitted) - slow.index(sample_id))
        return True

    host.may_answer = may_answer
    run(host, asked_of_all(scripted, 40, SYSTEMS[:2], repeats=1), concurrency=3)
    assert max(ahead) <= 6


@given(st.lists(st.tuples(st.integers(1, 4), st.floats(0.01, 0.3)), min_size=1, max_size=15), st.floats(0, 2))
@settings(max_examples=50)
def test_what_is_reserved_is_never_refused_later_and_the_limit_is_kept(groups, limit_usd):
    async def scene():
        budget = Budget(limit_usd)

        async def buy(name, price):
            assert await budget.hold(name, price)
            assert budget.spent_usd + budget.held_usd <= limit_usd + 1e-6
            await asyncio.sleep(0)
            await budget.settle(name, price / 2)

        async def begin(number, size, price):
            prices = {f"{number}-{n}": price for n in range(size)}
            if await budget.reserve(prices):
                await asyncio.gather(*(buy(name, price) for name in prices))

        await asyncio.wait_for(asyncio.gather(*(begin(n, *group) for n, group in enumerate(groups))), 60)
        assert budget.held_usd == 0

    asyncio.run(scene())
