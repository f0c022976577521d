"""Operations against textbook quantiles and intervals, and that nothing missing is ever a zero."""

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals import load_run
from evals.imageset.imageset import ImageSetError
from evals.rating.operations import notes, operations
from evals.rating.request_figures import MISSING, moments_of
from evals.rating.stage import operations_of
from tests.run_folder import write_run

LATENCIES = [1.2, 1.3, 1.25, 1.4, 9.8, 1.31, 1.28, 1.33, 1.27, 1.5]
BEGUN = datetime(2026, 11, 22, 12, tzinfo=UTC)


def request(outcome="ok", **more):
    return {"system": "a@host", "suite": "s", "size": "1K", "outcome": outcome, **more}


def only(rows):
    (row,) = operations(pd.DataFrame(rows))
    return row


def figures(rows):
    return {name.removeprefix("operations."): figure for name, figure in only(rows)["figures"].items()}


def timed(start_s, end_s, outcome="ok", **more):
    at = [(BEGUN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds") for seconds in (start_s, end_s)]
    return request(outcome, sent_at=at[0], ended_at=at[1], **{"latency_s": end_s - start_s, **more})


def test_latency_has_the_linear_quantiles_and_the_median_an_interval_from_six_prompts_on():
    found = figures([request(latency_s=value) for value in LATENCIES])
    assert found["latency_p95"]["value"] == pytest.approx(6.065)
    assert found["latency_p50"]["value"] == pytest.approx(1.305)
    for n, has_interval in ((10, True), (6, True), (5, False)):
        median = figures([request(latency_s=value) for value in LATENCIES[:n]])["latency_p50"]
        assert (median["n"], median["low"] is not None) == (n, has_interval)
    assert only([request()])["quantile_method"] == "linear"


def test_the_prompt_is_the_unit_of_a_latency():
    """Five repeats of a prompt that take alike are no more evidence than one, and five prompts take no interval."""
    once = [request(prompt_id=f"p{n}", latency_s=value) for n, value in enumerate(LATENCIES * 2)]
    one, five = (figures(once * n)["latency_p50"] for n in (1, 5))
    assert (one["low"], one["high"]) == pytest.approx((five["low"], five["high"]), rel=0.02)
    assert figures(once[:5] * 5)["latency_p50"]["low"] is None


def test_the_stretch_of_time_is_the_unit_of_a_latency_and_of_throughput_too():
    """An hour in which answers take longer and longer tells less than the same answers in any order."""
    seconds = [1.0 + 0.2 * n for n in range(40)]
    drifting, mixed = (
        [
            timed(100 * n, 100 * n + s, prompt_id=f"p{n}")
            for n, s in enumerate(seconds[(n * step) % 40] for n in range(40))
        ]
        for step in (1, 17)
    )
    for name in ("latency_p50", "throughput"):
        drift, mix = figures(drifting)[name], figures(mixed)[name]
        assert drift["value"] == pytest.approx(mix["value"])
        assert drift["high"] - drift["low"] > 2 * (mix["high"] - mix["low"])
    assert (drift["began"], drift["ended"]) == ("2026-11-22T12:00:00+00:00", "2026-11-22T13:05:08+00:00")


def test_latency_one_at_a_time_and_under_load_are_two_figures():
    alone = [request(prompt_id=f"p{n}", latency_s=1.0 + n / 10, in_flight=1) for n in range(8)]
    loaded = [request(prompt_id=f"q{n}", latency_s=60.0 + n, in_flight=20 + n, queue_s=50.0) for n in range(8)]
    unknown = [request(prompt_id=f"r{n}", latency_s=5.0) for n in range(8)]
    found = figures([*alone, *loaded, *unknown])
    assert (found["latency_p50"]["value"], found["latency_p50"]["n"], found["latency_p50"]["in_flight"]) == (1.35, 8, 1)
    load = found["latency_under_load_p50"]
    assert (load["value"], load["n"], load["in_flight"]) == (63.5, 8, 23.5)
    # A part of the latency that only those under load tell is theirs.
    assert (found["queue_p50"]["value"], found["queue_p50"]["in_flight"]) == (50.0, 23.5)
    only_loaded = figures(loaded)
    assert only_loaded["latency_p50"]["reason"] == "only_under_load"
    not_known = figures([*loaded, *unknown])["latency_p50"]
    assert (not_known["value"], not_known["in_flight"]) == (5.0, None)
    assert figures(unknown)["latency_under_load_p50"]["reason"] == "no_load"
    # A timeout under load says nothing of requests that are asked one at a time.
    many = [request(prompt_id=f"p{n}", latency_s=1.0 + n / 10, in_flight=1) for n in range(80)]
    assert figures([*many, request("timeout", in_flight=9)])["latency_p95"]["at_least"] is False
    assert figures([*many, request("timeout", in_flight=1)])["latency_p95"]["at_least"] is True


def test_notes_say_what_a_latency_holds_for_and_what_is_not_known_of_it():
    rows = [timed(n, n + 1.0, in_flight=1) for n in range(6)]
    told, bare = (" ".join(notes(operations(pd.DataFrame(found)))) for found in (rows, [request(latency_s=1.0)]))
    assert "another hour or region" in told
    assert "another hour or region" in bare
    assert "a@host: how many requests were in flight at once is not known" in bare
    assert "not for drift" in bare
    assert "in flight" not in told
    assert notes(operations(pd.DataFrame([request()]))) == []


def test_a_p95_has_an_interval_from_many_values_on_and_none_where_it_is_a_lower_bound():
    rows = [request(latency_s=1 + n / 100) for n in range(300)]
    p95 = figures(rows)["latency_p95"]
    assert 3.6 < p95["low"] < p95["value"] < p95["high"] < 4.0
    assert figures(rows[:71])["latency_p95"]["low"] is None
    with_timeout = figures([*rows, request("timeout")])["latency_p95"]
    assert (with_timeout["low"], with_timeout["at_least"]) == (None, True)
    # Below 59 independent values it is a lower bound, and a note says so.
    for n, at_least in ((1, True), (58, True), (70, False)):
        assert figures(rows[:n])["latency_p95"]["at_least"] is at_least
        assert any("p95" in note for note in notes(operations(pd.DataFrame(rows[:n])))) is at_least
    repeated = [{**row, "prompt_id": f"p{n % 20}", "latency_s": 1 + n % 20} for n, row in enumerate(rows)]
    assert figures(repeated)["latency_p95"]["at_least"] is True


def test_the_latency_of_a_picture_of_another_size_does_not_count_and_is_counted():
    small = [{**request(latency_s=0.44, size="4K", width=1024, height=1024), "note": "other_size"} for _ in range(7)]
    large = [request(latency_s=20.0, size="4K", width=4096, height=4096) for _ in range(3)]
    row, found = only([*small, *large]), figures([*small, *large])
    assert (found["latency_p50"]["value"], found["latency_p50"]["n"]) == (20.0, 3)
    assert (row["outcomes"], row["reasons"]) == ({"ok": 10}, {"other_size": 7})
    assert "7 of 10 pictures came in another size than the 4K that was asked for" in " ".join(notes([row]))
    assert found["seconds_per_megapixel"]["n"] == 10
    assert figures(small)["latency_p50"]["reason"] == "other_size"


def test_latency_is_that_of_pictures_alone():
    found = figures([request(latency_s=2.0), request("refused", latency_s=50.0), request("failed", latency_s=70.0)])
    assert (found["latency_p50"]["value"], found["latency_p50"]["n"]) == (2.0, 1)


@pytest.mark.parametrize(("count", "n", "ends"), [(8, 10, (0.49016, 0.94332)), (0, 20, (0, 0.16113)), (1, 4, None)])
def test_a_rate_has_wilsons_interval_from_five_requests_on(count, n, ends):
    rate = figures([request("refused")] * count + [request()] * (n - count))["refusal_rate"]
    assert (rate["value"], rate["n"]) == (count / n, n)
    assert (rate["low"], rate["high"]) == (pytest.approx(ends, abs=5e-6) if ends else (None, None))


def test_the_prompt_is_the_unit_of_a_rate_and_its_words_stand_in_for_its_name():
    once = [request("refused" if i < 2 else "ok", prompt_id=f"p{i}") for i in range(10)]
    assert only(once * 10)["n_prompts"] == 10
    assert figures(once * 10)["refusal_rate"] == {**figures(once)["refusal_rate"], "n": 100}
    # A prompt of two suites is two prompts.
    rows = [request(prompt_id="p"), {**request(prompt_id="p"), "suite": "t"}, request(prompt="A cup"), request()]
    assert only([*rows, *rows[:3]])["n_prompts"] == 4


def test_every_outcome_has_its_rate_and_a_timeout_is_a_failure():
    outcomes = ["ok"] * 5 + ["refused"] * 2 + ["filtered", "failed", "timeout", "unknown"]
    rows = [request(outcome, reason=None if outcome == "ok" else outcome) for outcome in outcomes]
    found, row = figures(rows), only(rows)
    rates = {name: found[f"{name}_rate"]["value"] * 11 for name in ("refusal", "filter", "failure", "unknown")}
    assert rates == pytest.approx({"refusal": 2, "filter": 1, "failure": 2, "unknown": 1})
    assert row["outcomes"] == {"failed": 1, "filtered": 1, "ok": 5, "refused": 2, "timeout": 1, "unknown": 1}
    assert row["reasons"] == {"failed": 1, "filtered": 1, "refused": 2, "timeout": 1, "unknown": 1}


def test_a_shot_that_was_never_sent_and_a_deleted_file_are_no_failures_of_the_host():
    rows = [request("refused", cost_usd=0.0), *[request("failed", reason="no_first_shot", cost_usd=None)] * 4]
    rows.append(request(cost_usd=0.1))
    row, found = only(rows), figures(rows)
    assert (row["n_requests"], row["n_sent"], row["reasons"]) == (6, 2, {"no_first_shot": 4})
    assert (found["failure_rate"]["value"], found["refusal_rate"]["value"]) == (0.0, 0.5)
    assert (found["cost_per_accepted_image"]["value"], found["cost_per_accepted_image"]["at_least"]) == (0.1, False)
    # The money of a deleted file is gone.
    deleted = figures([request(cost_usd=0.1), request("failed", reason="file_missing", cost_usd=0.1)])
    assert deleted["failure_rate"]["value"] == 0.0
    assert deleted["cost_per_accepted_image"]["value"] == pytest.approx(0.2)


def test_refused_money_makes_accepted_pictures_dearer_and_no_picture():
    rows = [request(cost_usd=0.04, may_have_cost_usd=0.0)] * 3
    rows += [request("filtered", cost_usd=0.04, may_have_cost_usd=0.0), request("unknown", may_have_cost_usd=0.06)]
    found = figures(rows)
    assert found["cost_per_image"]["value"] == pytest.approx(0.04)
    assert found["cost_per_accepted_image"]["value"] == pytest.approx(0.16 / 3)
    assert found["cost_per_accepted_image"]["at_least"] is True
    assert found["cost_per_accepted_image_at_most"]["value"] == pytest.approx(0.22 / 3)
    assert any("Money" in note for note in notes(operations(pd.DataFrame(rows))))


def test_a_free_picture_costs_zero_and_an_unpriced_one_has_no_cost():
    free, unpriced = figures([request(cost_usd=0.0)]), figures([request(cost_usd=None)])
    assert free["cost_per_image"]["value"] == free["cost_per_accepted_image"]["value"] == 0.0
    for name in ("cost_per_image", "cost_per_accepted_image", "cost_per_accepted_image_at_most"):
        assert (unpriced[name]["value"], unpriced[name]["reason"]) == (None, "no_cost")
    in_vain = figures([request("refused", cost_usd=0.01, may_have_cost_usd=0.0)])
    assert {in_vain[name]["reason"] for name in in_vain if "cost" in name} == {"no_picture"}


def test_seconds_per_megapixel_come_from_the_size_of_the_picture():
    rows = [request(latency_s=4.0, width=2000, height=1000), request(latency_s=9.0, width=1000, height=1000)]
    found = figures([*rows, request(latency_s=1.0), request(width=100, height=100)])["seconds_per_megapixel"]
    assert (found["value"], found["n"]) == (5.5, 2)
    assert figures([request(latency_s=1.0)])["seconds_per_megapixel"]["reason"] == "no_pixel_size"


def test_queue_generation_and_download_stand_apart():
    rows = [request(latency_s=9.0, queue_s=1.0, generation_s=5.0, download_s=None)] * 2 + [request(queue_s=3.0)]
    found = figures(rows)
    assert (found["queue_p50"]["value"], found["queue_p50"]["n"]) == (1.0, 3)
    assert (found["generation_p50"]["value"], found["generation_p50"]["n"]) == (5.0, 2)
    assert (found["download_p50"]["value"], found["download_p50"]["reason"]) == (None, "no_time")


def test_throughput_counts_overlapping_requests_once_and_no_pause_between_them():
    rows = [timed(0, 30), timed(10, 40), timed(20, 25, "refused"), timed(1000, 1020)]
    found = figures(rows)
    assert found["throughput"]["value"] == pytest.approx(3 * 60 / 60)
    assert found["in_flight"]["value"] == pytest.approx((30 + 30 + 5 + 20) / 60)
    # A picture that a later process fetched is not in it.
    fetched_later = timed(0, 90_000, latency_s=None)
    assert figures([*rows, fetched_later])["throughput"] == found["throughput"]
    assert figures([fetched_later])["throughput"]["reason"] == "not_watched"


def test_requests_that_tell_only_their_outcome_give_rates_and_reasons_and_no_zero():
    found = figures([{"system": "a", "outcome": "ok"}, {"system": "a", "outcome": "refused"}])
    for name, figure in found.items():
        assert (figure["value"] is not None) == (figure["reason"] not in MISSING) == name.endswith("_rate")


@pytest.mark.parametrize("nonsense", ["soon", -1.0, math.nan, math.inf, [1.0]])
def test_what_is_no_time_is_left_out(nonsense):
    found = figures([request(latency_s=nonsense, sent_at="yesterday", ended_at=None), request(latency_s=3.0)])
    assert (found["latency_p50"]["value"], found["latency_p50"]["n"]) == (3.0, 1)


@pytest.mark.parametrize(
    "year", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2262-05-01T00:00:00Z", "-1"]
)
def test_a_time_that_no_clock_tells_is_no_time(year):
    rows = [request(sent_at=year, ended_at=year, in_flight=2), request(latency_s=3.0)]
    assert figures(rows)["latency_p50"]["value"] == 3.0
    assert np.isnan(moments_of(pd.DataFrame(rows), "sent_at")[0])


def test_sizes_and_systems_stand_apart_and_small_sizes_come_first():
    sizes = ["4K", "512", None, "1K", "2K", "square"]
    rows = [{**request(), "system": system, "size": size} for system in ("b", "a") for size in sizes]
    found = operations(pd.DataFrame(rows))
    ordered = ["512", "1K", "2K", "4K", None, "square"]
    assert [(row["system"], row["size"]) for row in found] == [(system, size) for system in "ab" for size in ordered]


def test_simulated_systems_are_named_in_the_notes():
    rows = [{**request(), "simulated": True}, {**request(), "system": "real@host", "simulated": False}]
    found = operations(pd.DataFrame(rows))
    (note,) = [note for note in notes(found) if "simulated" in note]
    assert note.startswith("a@host: simulated.")
    assert [row["simulated"] for row in found] == [True, False]


amounts = st.none() | st.floats(0, 100)
anything = st.fixed_dictionaries(
    {
        "system": st.sampled_from(["a", "b"]),
        "size": st.sampled_from(["1K", "4K", None]),
        "outcome": st.sampled_from(["ok", "refused", "filtered", "failed", "timeout", "unknown"]),
        "reason": st.sampled_from([None, "safety", "no_first_shot", "file_missing"]),
        "prompt_id": st.sampled_from(["p", "q", "r"]),
        "latency_s": amounts, "queue_s": amounts, "cost_usd": amounts, "may_have_cost_usd": amounts,
        "in_flight": st.sampled_from([None, 1, 2, 7]),
        "width": st.sampled_from([None, 512, 1024]), "height": st.sampled_from([None, 512]),
        "sent_at": st.sampled_from([None, "2026-11-22T12:00:00.000+00:00", "2026-11-22T12:00:07.250+00:00"]),
        "ended_at": st.sampled_from([None, "2026-11-22T12:00:03.125+00:00", "2026-11-22T12:01:00.000+00:00"]),
    }
)  # fmt: skip


@given(
    st.lists(anything, min_size=1, max_size=12).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows)))
)
@settings(max_examples=40)
def test_the_order_of_the_requests_does_not_matter(pair):
    rows, shuffled = pair
    assert operations(pd.DataFrame(shuffled)) == operations(pd.DataFrame(rows))


@given(st.lists(anything, min_size=1, max_size=12))
def test_every_figure_has_either_a_value_inside_its_interval_or_a_reason(rows):
    found = operations(pd.DataFrame(rows))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert sum(row["n_requests"] for row in found) == len(rows)
    for figure in (figure for row in found for figure in row["figures"].values()):
        assert (figure["value"] is None) == (figure["reason"] in MISSING)
        assert (figure["value"] is None) == (figure["n"] == 0)
        if figure["low"] is not None:
            assert figure["low"] <= figure["value"] <= figure["high"]


@given(st.lists(anything, min_size=1, max_size=12), st.sampled_from(["refused", "filtered"]), amounts)
def test_one_more_picture_withheld_never_lowers_its_rate_nor_the_price_of_a_picture(rows, outcome, cost_usd):
    rows = [{**row, "system": "a", "size": "1K"} for row in rows]
    more = {**rows[0], "outcome": outcome, "reason": "safety", "cost_usd": cost_usd}
    before, after = figures(rows), figures([*rows, more])
    for name in ("refusal_rate" if outcome == "refused" else "filter_rate", "cost_per_accepted_image"):
        if before[name]["value"] is not None:
            assert after[name]["value"] >= before[name]["value"]


@pytest.fixture
def run_folder(tmp_path):
    """Return a function that writes as much of a run as its operations need, and loads it."""

    def write(requests):
        images = tmp_path / "run" / "images"
        images.mkdir(parents=True)
        (images.parent / "scores.parquet").touch()
        if requests is not None:
            (images / "requests.jsonl").write_text(requests)
        write_run(images.parent, [{"sample_id": "s1", "system": "a@host", "width": 2000, "height": 1000}])
        return load_run(images.parent)

    return write


def as_lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_a_run_reads_its_requests_and_takes_the_size_of_a_picture_from_its_samples(run_folder):
    asked = as_lines(request(sample_id="s1", latency_s=4.0), request("refused", sample_id="s2"))
    run = run_folder(asked)
    assert list(run.requests["sample_id"]) == ["s1", "s2"]
    (row,) = operations_of(run)
    assert row["outcomes"] == {"ok": 1, "refused": 1}
    assert row["figures"]["operations.seconds_per_megapixel"]["value"] == 2.0


@pytest.mark.parametrize("requests", [None, "\n"])
def test_a_run_without_requests_has_no_operations(run_folder, requests):
    assert operations_of(run_folder(requests)) == []


@pytest.mark.parametrize("line", ["{", "[]", "3", "{}"])
def test_damaged_requests_are_told_in_one_sentence(run_folder, line):
    with pytest.raises(ImageSetError, match=r"requests\.jsonl row 1"):
        operations_of(run_folder(line))


@pytest.mark.parametrize(
    ("column", "simulated"),
    [({"simulated": True}, True), ({"simulated": False}, False), ({}, False)],
)
def test_the_requests_say_which_systems_were_simulated(run_folder, column, simulated):
    (row,) = operations_of(run_folder(as_lines({**request(), "system": "flux@simulated-bfl", **column})))
    assert row["simulated"] is simulated
