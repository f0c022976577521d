"""The estimate: sums that can be checked by hand, what is unknown stays unknown, and what the prompts can show."""

import json
from dataclasses import replace

import pytest
from PIL import Image

from evals.cli.estimate import estimate_requests, print_estimate
from evals.definition import read_definition
from evals.facts.models import read_facts
from evals.facts.pricing import max_cost_usd
from evals.facts.sources import FactsError
from evals.generation.plan import ImageRequest, plan_requests
from evals.rating.statistics.power import smallest_detectable_effect
from evals.suites.suite import PromptItem

FACTS = read_facts()


def plan(systems, n_prompts=10, size="1K", suite="things", **of_item):
    """Return a plan: every system is asked every prompt once."""
    return [
        ImageRequest(
            sample_id=f"{system}/{suite}/{number}",
            system=system,
            suite=suite,
            item=PromptItem(suite=suite, id=f"p{number}", prompt="A cup.", **of_item),
            seed=1,
            repeat=0,
            size=size,
        )
        for number in range(n_prompts)
        for system in systems
    ]


def test_money_is_the_number_of_images_times_the_price():
    found = estimate_requests(plan(["flux-2-pro@bfl", "flux-2-max@bfl"], 100), FACTS)
    pro, most = found.systems
    assert (pro.system, pro.n_images, pro.expected_cost_usd) == ("flux-2-pro@bfl", 100, pytest.approx(3.0))
    assert (most.expected_cost_usd, most.max_cost_usd) == (pytest.approx(7.0), pytest.approx(7.0))
    assert (found.n_images, found.expected_cost_usd, found.max_cost_usd) == (
        200,
        pytest.approx(10.0),
        pytest.approx(10.0),
    )


def test_sources_that_disagree_give_a_range():
    found = estimate_requests(plan(["flux-2-flex@bfl"], 100), FACTS)
    assert (found.expected_cost_usd, found.max_cost_usd) == (pytest.approx(5.5), pytest.approx(6.0))


def test_hours_are_the_cited_latency_at_what_the_host_takes_at_once():
    (pro,) = estimate_requests(plan(["flux-2-pro@bfl"], 1000), FACTS).systems
    assert pro.hours == pytest.approx(1000 * 4.5 / 20 / 3600)
    assert pro.reasons == ()


def test_several_latencies_count_with_their_median():
    (pro,) = estimate_requests(plan(["gemini-3-pro-image@google"], 80), FACTS).systems
    assert pro.hours == pytest.approx(80 * (18.1 + 14.0) / 2 / 8 / 3600)


def test_a_smaller_picture_takes_no_longer_than_a_measured_larger_one():
    (small,) = estimate_requests(plan(["flux-2-pro@bfl"], 100, "512"), FACTS).systems
    assert small.hours == pytest.approx(100 * 4.5 / 20 / 3600)


def test_a_larger_picture_than_anybody_measured_has_no_hours():
    (large,) = estimate_requests(plan(["flux-2-pro@bfl"], 100, "2K"), FACTS).systems
    assert large.hours is None
    assert large.reasons == ("nobody has measured its latency at 2K",)


def test_a_limit_a_minute_can_be_what_takes_the_time():
    facts = replace(FACTS, hosts={**FACTS.hosts, "bfl": FACTS.hosts["bfl"].model_copy(update={"per_minute": 10.0})})
    (pro,) = estimate_requests(plan(["flux-2-pro@bfl"], 600), facts).systems
    assert pro.hours == pytest.approx(1.0)


def test_systems_of_one_host_share_its_time_and_hosts_work_side_by_side():
    one = estimate_requests(plan(["flux-2-pro@replicate"], 100), FACTS).hours
    other = estimate_requests(plan(["flux-2-flex@replicate"], 100), FACTS).hours
    elsewhere = estimate_requests(plan(["gemini-3-pro-image@google"], 10), FACTS).hours
    together = estimate_requests(plan(["flux-2-pro@replicate", "flux-2-flex@replicate"], 100), FACTS).hours
    assert together == pytest.approx(one + other)
    both = plan(["flux-2-pro@replicate"], 100) + plan(["gemini-3-pro-image@google"], 10)
    assert estimate_requests(both, FACTS).hours == pytest.approx(max(one, elsewhere))


def test_what_is_unknown_of_one_system_is_unknown_in_all():
    found = estimate_requests(plan(["flux-2-pro@bfl", "flux-2-dev@replicate"]), FACTS)
    known, unknown = found.systems
    assert known.expected_cost_usd == pytest.approx(0.3)
    assert (unknown.expected_cost_usd, unknown.max_cost_usd) == (None, None)
    assert "no source gives its price" in unknown.reasons
    assert (found.expected_cost_usd, found.max_cost_usd) == (None, None)
    assert estimate_requests(plan(["flux-2-pro@bfl", "flux-2-max@bfl"]), FACTS).hours is None


def test_references_are_charged_by_their_own_size(tmp_path):
    files = []
    for number, side in enumerate((512, 2048)):
        files.append(tmp_path / f"{number}.png")
        Image.new("L", (side, side)).save(files[-1])
    (pro,) = estimate_requests(plan(["flux-2-pro@bfl"], 10, reference_images=tuple(files)), FACTS).systems
    assert pro.expected_cost_usd == pro.max_cost_usd == pytest.approx(10 * (0.03 + (1 + 4) * 0.015))


def test_the_first_shot_that_is_sent_along_is_charged():
    requests = [replace(request, first_shot="another") for request in plan(["flux-2-pro@bfl"], 10, "2K")]
    (pro,) = estimate_requests(requests, FACTS).systems
    assert pro.expected_cost_usd == pytest.approx(10 * (0.075 + 4 * 0.015))


def test_a_long_prompt_raises_the_most_that_it_can_cost():
    long = [
        replace(request, item=request.item.model_copy(update={"prompt": "cup " * 5_000}))
        for request in plan(["gemini-3-pro-image@google"], 1)
    ]
    usual = plan(["gemini-3-pro-image@google"], 1)
    offer = FACTS.find("gemini-3-pro-image@google")
    assert estimate_requests(usual, FACTS).max_cost_usd == pytest.approx(max_cost_usd(offer, "1K"))
    assert estimate_requests(long, FACTS).max_cost_usd == pytest.approx(max_cost_usd(offer, "1K") + 19_000 * 2e-6)


def test_a_suite_shows_what_its_prompts_can_show():
    (suite,) = estimate_requests(plan(["flux-2-pro@bfl", "flux-2-max@bfl"], 34), FACTS).suites
    assert (suite.suite, suite.n_prompts, suite.n_images) == ("things", 34, 68)
    assert suite.smallest_effect == pytest.approx(0.495, abs=0.001)
    assert suite.reason is None


def test_repeats_show_no_smaller_differences():
    once = plan(["flux-2-pro@bfl", "flux-2-max@bfl"], 34)
    twice = once + [replace(request, repeat=1, sample_id=request.sample_id + "/1") for request in once]
    assert (
        estimate_requests(twice, FACTS).suites[0].smallest_effect
        == estimate_requests(once, FACTS).suites[0].smallest_effect
    )


def test_the_shots_of_a_sequence_count_once():
    requests = [
        replace(request, item=request.item.model_copy(update={"sequence_id": f"s{int(request.item.id[1:]) // 4}"}))
        for request in plan(["flux-2-pro@bfl", "flux-2-max@bfl"], 40)
    ]
    (suite,) = estimate_requests(requests, FACTS).suites
    assert (suite.n_prompts, suite.n_images) == (10, 80)
    assert suite.smallest_effect == smallest_detectable_effect(10)


@pytest.mark.parametrize(
    ("systems", "n_prompts", "reason"),
    [
        (["flux-2-pro@bfl"], 34, "only one system is asked"),
        (["flux-2-pro@bfl", "flux-2-max@bfl"], 4, "no interval is given below 5 prompts"),
    ],
)
def test_a_suite_that_can_show_nothing_says_why(systems, n_prompts, reason):
    (suite,) = estimate_requests(plan(systems, n_prompts), FACTS).suites
    assert (suite.smallest_effect, suite.reason) == (None, reason)


def test_an_unknown_system_is_refused_by_name():
    with pytest.raises(FactsError, match=r"did you mean flux-2-pro@bfl\?"):
        estimate_requests(plan(["flux-2-pr@bfl"]), FACTS)


def test_simulated_systems_take_the_price_of_the_real_ones():
    definition = read_definition("demo")
    requests = plan_requests(definition)
    offers = {system.name: FACTS.find(system.like) for system in definition.simulated}
    found = estimate_requests(requests, FACTS, offers)
    assert found.n_images == len(requests)
    assert found.expected_cost_usd > 0
    assert {suite.suite.partition("@")[0] for suite in found.suites} == set(definition.suites)


def test_nothing_asked_is_nothing_spent():
    found = estimate_requests([], FACTS)
    assert (found.n_images, found.expected_cost_usd, found.max_cost_usd, found.hours) == (0, 0.0, 0.0, 0.0)
    assert found.systems == found.suites == ()


def test_the_estimate_fits_into_json_and_says_with_which_power():
    found = estimate_requests(plan(["flux-2-pro@bfl", "flux-2-max@bfl"]), FACTS).as_dict()
    assert json.loads(json.dumps(found))["suites"][0]["n_prompts"] == 10
    assert (found["power"], found["alpha"]) == (0.8, 0.05)


def test_people_see_money_hours_and_what_is_unknown(capsys):
    print_estimate(estimate_requests(plan(["flux-2-pro@bfl", "flux-2-dev@replicate"], 1000), FACTS))
    shown = capsys.readouterr().out
    assert "flux-2-pro@bfl" in shown
    assert "30.00" in shown
    assert "note: flux-2-dev@replicate: no source gives its price" in shown
    assert "0.09 SD" in shown
    assert max(map(len, shown.splitlines())) <= 140
