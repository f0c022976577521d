"""The estimate: sums that can be checked by hand, what is unknown stays unknown, and what the prompts can show."""

import json
import re
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from evals.cli.estimate import estimate_requests, first_share, print_estimate
from evals.cli.main import main
from evals.definition import read_definition
from evals.facts.models import read_facts
from evals.facts.pricing import max_cost_usd
from evals.facts.sources import FactsError
from evals.generation.plan import ImageRequest, plan_requests
from evals.rating.statistics.power import SPREADS_IN_STARS, smallest_detectable_effect
from evals.suites.suite import PromptItem

FACTS = read_facts()
PRO_S = (6 + 18.4) / 2
"""The median of what two sources told of FLUX.2 [pro], of a range the longer end."""


def plan(systems, n_prompts=10, size="1K", suite="things", **of_item):
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


@pytest.mark.parametrize(
    ("system", "n", "size", "expected_usd", "max_usd", "hours"),
    [
        ("flux-2-max@bfl", 100, "1K", 7.0, 7.0, 100 * 30.1 / 20 / 3600),
        ("flux-2-flex@bfl", 100, "1K", 5.5, 6.0, None),  # two sources disagree
        (
            "flux-2-pro@bfl",
            1000,
            "1K",
            30.0,
            30.0,
            1000 * PRO_S / 20 / 3600,
        ),  # 20 at once
        ("flux-2-pro@bfl", 100, "512", 3.0, 3.0, 100 * PRO_S / 20 / 3600),  # no longer than the measured larger size
        ("flux-2-pro@bfl", 100, "2K", 7.5, 7.5, None),  # larger than anybody measured
    ],
)
def test_money_is_the_price_of_every_image_and_hours_are_the_cited_latency(
    system, n, size, expected_usd, max_usd, hours
):
    (one,) = estimate_requests(plan([system], n, size), FACTS).systems
    assert (one.system, one.n_images) == (system, n)
    assert (one.expected_cost_usd, one.max_cost_usd) == pytest.approx((expected_usd, max_usd))
    assert one.hours == (hours and pytest.approx(hours))
    assert one.reasons == (() if hours else (f"nobody has measured its latency at {size}",))


def test_what_is_timed_is_asked_one_by_one():
    requests = [replace(request, timed=number < 10) for number, request in enumerate(plan(["flux-2-pro@bfl"], 30))]
    (pro,) = estimate_requests(requests, FACTS).systems
    assert pro.hours == pytest.approx((10 * PRO_S + 20 * PRO_S / 20) / 3600)


def test_several_latencies_count_with_their_median():
    (pro,) = estimate_requests(plan(["gemini-3-pro-image@google"], 80), FACTS).systems
    assert pro.hours == pytest.approx(80 * 18.1 / 8 / 3600)  # of 14.0, 18.1 and 19.0


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
    estimate = estimate_requests(plan(["flux-2-pro@bfl", "flux-2-dev@replicate"]), FACTS)
    priced, unpriced = estimate.systems
    assert priced.expected_cost_usd == pytest.approx(0.3)
    assert "no source gives its price" in unpriced.reasons
    assert {one.expected_cost_usd for one in (unpriced, estimate)} == {None}
    assert {one.max_cost_usd for one in (unpriced, estimate)} == {None}
    both = estimate_requests(plan(["flux-2-pro@bfl", "flux-2-flex@bfl"], 100), FACTS)
    assert (both.n_images, both.expected_cost_usd, both.hours) == (200, pytest.approx(8.5), None)


def test_references_are_charged_by_their_own_size_and_a_first_shot_by_that_of_the_suite(tmp_path):
    files = []
    for number, side in enumerate((512, 2048)):
        files.append(tmp_path / f"{number}.png")
        Image.new("L", (side, side)).save(files[-1])
    (pro,) = estimate_requests(plan(["flux-2-pro@bfl"], 10, reference_images=tuple(files)), FACTS).systems
    assert pro.expected_cost_usd == pro.max_cost_usd == pytest.approx(10 * (0.03 + (1 + 4) * 0.015))
    requests = [replace(request, first_shot="another") for request in plan(["flux-2-pro@bfl"], 10, "2K")]
    assert estimate_requests(requests, FACTS).expected_cost_usd == pytest.approx(10 * (0.075 + 4 * 0.015))


def test_a_long_prompt_raises_the_most_that_it_can_cost():
    (usual,) = plan(["gemini-3-pro-image@google"], 1)
    long = replace(usual, item=usual.item.model_copy(update={"prompt": "cup " * 5_000}))
    most = max_cost_usd(FACTS.find("gemini-3-pro-image@google"), "1K")
    assert estimate_requests([usual], FACTS).max_cost_usd == pytest.approx(most)
    assert estimate_requests([long], FACTS).max_cost_usd == pytest.approx(most + 19_000 * 2e-6)


def test_a_suite_shows_what_its_prompts_can_show_and_repeats_and_shots_show_no_more():
    once = plan(["flux-2-pro@bfl", "flux-2-max@bfl"], 34)
    again = [replace(request, repeat=1, sample_id=request.sample_id + "/1") for request in once]
    for requests in (once, once + again):
        (suite,) = estimate_requests(requests, FACTS).suites
        assert (suite.suite, suite.n_prompts, suite.n_images, suite.reason) == ("things", 34, len(requests), None)
        assert suite.smallest_effect == pytest.approx(0.495, abs=0.001)
        assert suite.smallest_stars == pytest.approx(0.495 * 0.8, abs=0.001)
        assert suite.smallest_stars_among_all == suite.smallest_stars
    shots = [
        replace(request, item=request.item.model_copy(update={"sequence_id": f"s{int(request.item.id[1:]) // 4}"}))
        for request in plan(["flux-2-pro@bfl", "flux-2-max@bfl"], 40)
    ]
    (suite,) = estimate_requests(shots, FACTS).suites
    assert (suite.n_prompts, suite.n_images, suite.smallest_effect) == (10, 80, smallest_detectable_effect(10))


@pytest.mark.parametrize(
    ("systems", "n_prompts", "reason"),
    [
        (["flux-2-pro@bfl"], 34, "only one system is asked"),
        (["flux-2-pro@bfl", "flux-2-max@bfl"], 4, "no interval is given below 5 prompts"),
    ],
)
def test_a_suite_that_can_show_nothing_says_why(systems, n_prompts, reason):
    (suite,) = estimate_requests(plan(systems, n_prompts), FACTS).suites
    assert (suite.smallest_effect, suite.smallest_stars, suite.reason) == (None, None, reason)


def test_more_comparisons_need_a_larger_difference():
    four = ["flux-2-pro@bfl", "flux-2-max@bfl", "gemini-3-pro-image@google", "gemini-nano-banana-2.1@google"]
    suites = estimate_requests([*plan(four, 30), *plan(four, 30, suite="more")], FACTS).suites
    assert {suite.smallest_stars_among_all for suite in suites} == {
        0.8 * smallest_detectable_effect(30, alpha=0.05 / 12)
    }


def test_differences_vary_from_prompt_to_prompt_as_in_the_published_runs():
    reports = Path(__file__).resolve().parents[3] / "reports"
    spreads = [
        pair["detectable"] / smallest_detectable_effect(pair["n_prompts"])
        for report in reports.glob("*/report.json")
        for row in json.loads(report.read_text())["ratings"]["stars"]["rows"]
        if row["kind"] == "measured"
        for pair in row["differences"]
        if pair["detectable"]
    ]
    assert statistics.quantiles(spreads, n=4) == pytest.approx(SPREADS_IN_STARS, abs=0.1)


def test_an_unknown_system_is_refused_by_name():
    with pytest.raises(FactsError, match=r"did you mean flux-2-pro@bfl\?"):
        estimate_requests(plan(["flux-2-pr@bfl"]), FACTS)


def test_simulated_systems_take_the_price_of_the_real_ones():
    definition = read_definition("demo")
    requests = plan_requests(definition)
    offers = {system.name: FACTS.find(system.like) for system in definition.simulated}
    estimate = estimate_requests(requests, FACTS, offers)
    assert estimate.n_images == len(requests)
    assert estimate.expected_cost_usd > 0
    assert {suite.suite.partition("@")[0] for suite in estimate.suites} == set(definition.suites)


def test_nothing_asked_is_nothing_spent():
    nothing = estimate_requests([], FACTS)
    assert (nothing.n_images, nothing.expected_cost_usd, nothing.max_cost_usd, nothing.hours) == (0, 0.0, 0.0, 0.0)
    assert nothing.systems == nothing.suites == ()


def test_the_estimate_fits_into_json_and_a_terminal(capsys):
    estimate = estimate_requests(plan(["flux-2-pro@bfl", "flux-2-dev@replicate"], 1000), FACTS)
    document = json.loads(json.dumps(estimate.as_dict()))
    assert (document["suites"][0]["n_prompts"], document["power"], document["alpha"]) == (1000, 0.8, 0.05)
    print_estimate({"100%": estimate})
    shown = capsys.readouterr().out
    for text in ("flux-2-pro@bfl", "30.00", "note: flux-2-dev@replicate: no source gives its price", "0.1 stars"):
        assert text in shown
    assert shown.startswith("2,000 images of 2 systems: the price is unknown; 10.2 min of asking.\n")


def test_the_main_eval_is_estimated_on_one_screen_in_money_and_stars(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = CliRunner().invoke(main, ["estimate", "flux2-vs-nano-banana"], catch_exceptions=False).stdout.splitlines()
    assert (len(lines) <= 40, max(map(len, lines)) <= 80) == (True, True)
    assert re.match(r"2,400 images of 4 systems: \$[\d.]+, at most \$[\d.]+; ", lines[0])
    parts = {line.split()[0]: line.split() for line in lines if re.match(r"\d+% ", line)}
    assert list(parts) == ["25%", "50%", "100%"]
    assert parts["100%"][1] == "2400"
    assert " ".join(parts["100%"][4:10]) == "15 of 15 0.3 to 0.7"
    usd = [float(parts[limit][2].strip("$")) for limit in parts]
    assert usd[:2] == pytest.approx([usd[2] / 4, usd[2] / 2], rel=0.1)


def test_a_part_is_what_a_limit_draws_where_suites_are_as_large(tmp_path):
    definition = read_definition("flux2-vs-nano-banana")
    limited = definition.model_copy(update={"limit": "25%"})
    part = {request.sample_id for request in first_share(plan_requests(definition), 0.25)}
    assert part == {request.sample_id for request in plan_requests(limited)}
