"""The runner with a scripted host: every answer leads to its one outcome, and nothing is sent twice by itself."""

from dataclasses import replace

import httpx2 as httpx
import pytest

from evals.facts.pricing import FreePrice
from evals.generation.answers import Ended, Finished, OutcomeUnknown, Rejected, ResponseMetadata, Running, UntrustedUrl
from evals.generation.stage import generate, still_open
from evals.imageset.imageset import read_image_set


def outcomes(generation):
    (counts,) = generation.outcomes.values()
    return counts


def test_a_set_of_pictures_is_an_image_set_in_the_order_of_the_plan(run, scripted):
    host = scripted.Host()
    generation = run(host, scripted.requests(6), concurrency=3)
    assert (outcomes(generation), host.peak) == ({"ok": 6}, 3)
    assert generation.problem is None
    assert host.closed
    rows = read_image_set(run.folder).rows
    assert [row["sample_id"] for row in rows] == [f"s{i}" for i in range(6)]
    assert {(row["width"], row["format"], row["host"], row["model"]) for row in rows} == {(8, "png", "h", "m")}
    assert generation.spent_usd == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (Ended("refused", "SAFETY", "no"), "refused", "SAFETY"),
        (Ended("filtered", "IMAGE_SAFETY"), "filtered", "IMAGE_SAFETY"),
        (Ended("failed", "http_422", "width: too large"), "failed", "http_422"),
        (OutcomeUnknown("ReadTimeout"), "unknown", "ReadTimeout"),
        (Finished(content=b"no picture"), "failed", "not_a_picture"),
    ],
)
def test_an_answer_leads_to_its_outcome_and_is_final(run, scripted, answer, outcome, reason):
    host = scripted.Host({"s0": [answer]})
    assert outcomes(run(host, scripted.requests(1))) == {outcome: 1}
    assert run.rows()[0]["reason"] == reason
    assert outcomes(run(host, scripted.requests(1))) == {outcome: 1}
    assert host.submitted == ["s0"]


def test_what_nobody_knows_counts_at_its_worst_and_is_asked_again_only_if_allowed(run, scripted):
    host = scripted.Host({"s0": [OutcomeUnknown("ReadTimeout")]})
    generation = run(host, scripted.requests(2))
    assert [row["sample_id"] for row in generation.unknown] == ["s0"]
    assert generation.unknown[0]["may_have_cost_usd"] == pytest.approx(0.01)
    assert generation.spent_usd == pytest.approx(0.02)
    again = run(host, scripted.requests(2), retry_unknown=True)
    assert outcomes(again) == {"ok": 2}
    assert host.submitted.count("s0") == 2
    assert again.spent_usd == pytest.approx(0.03)


def test_a_free_system_is_asked_again_without_being_allowed_to(run, scripted):
    free = FreePrice(source="twinlens")
    host = scripted.Host({"s0": [OutcomeUnknown("ReadTimeout")]})
    assert outcomes(run(host, scripted.requests(1), prices=(free,))) == {"unknown": 1}
    assert outcomes(run(host, scripted.requests(1), prices=(free,))) == {"ok": 1}


def test_a_request_in_flight_when_the_process_died_is_unknown_to_the_next_one(run, scripted):
    generate(scripted.systems(scripted.Host(), scripted.requests(1)), run.out, retry_policy=scripted.quick)
    ledger = run.folder / "ledger.jsonl"
    ledger.write_text("".join(line for line in ledger.open() if "completed" not in line))
    for table in ("requests.jsonl", "metadata.jsonl"):
        (run.folder / table).unlink()
    host = scripted.Host()
    generation = run(host, scripted.requests(1))
    assert outcomes(generation) == {"unknown": 1}
    assert generation.unknown[0]["reason"] == "answer_lost"
    assert host.submitted == []


def test_a_task_is_asked_for_until_it_is_ready_and_its_picture_fetched(run, scripted):
    metadata = ResponseMetadata(prompt_used="rewritten", seed_used=9, model_version="v3")
    polls = (Running("Pending", queued=True), Running("Odd"), Finished(url="u", metadata=metadata))
    host = scripted.host_with_task(*polls, cost=0.045)
    run(host, scripted.requests(1))
    (row,) = read_image_set(run.folder).rows
    assert (row["cost_usd"], row["cost_basis"]) == (0.045, "reported")
    assert (row["prompt_used"], row["seed_used"], row["model_version"]) == ("rewritten", 9, "v3")
    assert row["latency_s"] == pytest.approx(row["queue_s"] + row["generation_s"] + row["download_s"], abs=1e-3)


@pytest.mark.parametrize(
    ("poll", "outcome", "reason"),
    [
        (Ended("refused", "Request Moderated"), "refused", "Request Moderated"),
        (Ended("filtered", "Content Moderated"), "filtered", "Content Moderated"),
        (Finished(url="u"), "failed", "delivery_expired"),
    ],
)
def test_a_task_without_a_picture_ends_as_told_for_good_and_costs_what_was_named(run, scripted, poll, outcome, reason):
    host = scripted.host_with_task(poll, url_holds=scripted.expired(), cost=0.03)
    generation = run(host, scripted.requests(1))
    assert (outcomes(generation), run.rows()[0]["reason"]) == ({outcome: 1}, reason)
    assert generation.spent_usd == pytest.approx(0.03)
    assert outcomes(run(host, scripted.requests(1))) == {outcome: 1}
    assert host.submitted == ["s0"]


@pytest.mark.parametrize(
    ("poll", "outcome", "words"),
    [
        (Running("Reasoning"), "timeout", "Reasoning"),
        (Rejected("http_429", delay_s=9000.0), "timeout", "http_429"),
        (Finished(url="u"), "failed", "never arrived"),
    ],
)
def test_a_picture_that_did_not_come_in_time_is_asked_for_again_by_a_later_run(run, scripted, poll, outcome, words):
    host = scripted.host_with_task(poll, url_holds=httpx.ConnectError("down"))
    generation = run(host, scripted.requests(1), scripted.impatient)
    assert outcomes(generation) == {outcome: 1}
    assert words in run.rows()[0]["message"]
    assert generation.spent_usd == pytest.approx(0.01)
    host.polls["t"], host.downloads["u"] = [Finished(url="u")], [scripted.png("blue")]
    assert outcomes(run(host, scripted.requests(1))) == {"ok": 1}
    assert host.submitted == ["s0"]


def test_a_request_that_is_turned_away_is_sent_again(run, scripted):
    host = scripted.Host({"s0": [Rejected("http_429", delay_s=0.001), Rejected("http_503")]})
    generation = run(host, scripted.requests(1))
    assert outcomes(generation) == {"ok": 1}
    assert host.submitted == ["s0"] * 3
    assert run.rows()[0]["attempts"] == 3
    assert generation.spent_usd == pytest.approx(0.01)


def test_a_request_that_is_always_turned_away_failed_and_is_asked_again_by_a_later_run(run, scripted):
    host = scripted.Host({"s0": [Rejected("http_503", "overloaded")] * 4})
    assert outcomes(run(host, scripted.requests(1))) == {"failed": 1}
    assert run.rows()[0]["message"] == "overloaded"
    assert outcomes(run(host, scripted.requests(1))) == {"ok": 1}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([Rejected("http_401", "bad key", stops="check the key")], "bad key; check the key"),
        ([Rejected("http_429", "slow down", delay_s=9000, throttled=True)], "asks to wait 9000 s"),
        ([Rejected("no_connection", "refused")] * 4, "cannot be reached"),
    ],
)
def test_a_system_that_cannot_go_on_is_stopped_while_the_others_go_on(run, scripted, answers, said):
    good, bad = scripted.requests(3), [scripted.request(n, system="x@h") for n in (10, 11, 12)]
    host = scripted.Host({request.sample_id: list(answers) for request in bad})
    generation = run(host, [*good, *bad])
    assert generation.outcomes == {"m@h": {"ok": 3}, "x@h": {"pending": 3}}
    assert said in generation.stopped["x@h"]
    assert said in generation.problem
    assert "3 requests were not asked" in generation.problem
    assert len(still_open([*good, *bad], run.out)) == 3


def test_a_stopped_system_is_finished_by_a_later_run(run, scripted):
    host = scripted.Host({"s1": [Rejected("http_402", "no credit", stops="top it up")]})
    assert outcomes(run(host, scripted.requests(5), concurrency=1)) == {"ok": 1, "pending": 4}
    assert outcomes(run(host, scripted.requests(5), concurrency=1)) == {"ok": 5}
    assert sorted(host.submitted) == ["s0", "s1", "s1", "s2", "s3", "s4"]


def test_the_budget_holds_what_is_in_flight_at_its_worst(run, scripted):
    host = scripted.Host()
    generation = run(host, scripted.requests(20), budget_usd=0.055)
    assert outcomes(generation) == {"ok": 5, "pending": 15}
    assert generation.budget_reached
    assert "the budget of 0.055 USD allows no more" in generation.problem
    more = run(host, scripted.requests(20), budget_usd=0.10)
    assert outcomes(more) == {"ok": 10, "pending": 10}
    assert more.spent_usd == pytest.approx(0.10)


def test_later_shots_are_sent_with_the_first_shots_picture(run, scripted):
    first = scripted.request(0, shot=1)
    later = [scripted.request(n, shot=n + 1, first_shot="s0") for n in (1, 2)]
    content = scripted.png("green")
    host = scripted.Host({"s0": [Finished(content=content)]})
    run(host, [first, *later])
    assert host.references == {"s0": [], "s1": [content], "s2": [content]}
    rows = {row["sample_id"]: row for row in read_image_set(run.folder).rows}
    assert rows["s1"]["reference_images"] == [rows["s0"]["file_name"]]


def test_a_count_is_told_after_every_outcome(tmp_path, scripted):
    seen = []
    systems = scripted.systems(scripted.Host({"s1": [Ended("refused", "no")]}), scripted.requests(3))
    generate(
        systems, tmp_path, retry_policy=scripted.quick, watch=lambda count: seen.append((count.ended, count.pictures))
    )
    assert seen[0] == (0, 0)
    assert seen[-1] == (3, 2)
    assert len(seen) == 4


@pytest.mark.parametrize("error", [ValueError("it takes no reference images"), UntrustedUrl("not the vendor's")])
def test_a_request_that_cannot_be_put_stops_its_system_and_no_other(run, scripted, error):
    host = scripted.Host()
    prepare = host.prepare

    def refusing(request, offer, references):
        if request.system == "x@h":
            raise error
        return prepare(request, offer, references)

    host.prepare = refusing
    generation = run(host, [scripted.request(9, system="x@h"), *scripted.requests(3)], budget_usd=0.04)
    assert generation.outcomes == {"x@h": {"pending": 1}, "m@h": {"ok": 3}}
    assert str(error) in generation.stopped["x@h"]
    assert generation.spent_usd == pytest.approx(0.03)


def test_a_first_shot_that_comes_in_a_later_run_brings_the_later_ones(run, scripted):
    requests = [scripted.request(0, shot=1), *[scripted.request(n, shot=n + 1, first_shot="s0") for n in (1, 2)]]
    host = scripted.host_with_task(Running("Pending"))
    assert outcomes(run(host, requests, scripted.impatient)) == {"timeout": 1, "failed": 2}
    assert (run.rows()[1]["reason"], host.submitted) == ("no_first_shot", ["s0"])
    host.polls["t"] = [Finished(url="u")]
    assert outcomes(run(host, requests)) == {"ok": 3}
    assert host.submitted == ["s0", "s1", "s2"]
    assert host.references["s2"] == [scripted.png("blue")]


def test_references_are_read_when_it_is_a_requests_turn(run, scripted, tmp_path):
    picture = tmp_path / "reference.png"
    picture.write_bytes(scripted.png("red"))
    requests = [
        replace(request, item=request.item.model_copy(update={"reference_images": (picture,)}))
        for request in scripted.requests(6)
    ]
    host = scripted.Host(may_answer=lambda _: picture.unlink(missing_ok=True) is None)
    with pytest.raises(FileNotFoundError, match="reference"):
        run(host, requests, concurrency=1)
    assert host.submitted == ["s0"]
