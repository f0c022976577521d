"""Money: what is held and counted over several systems and runs, and that nobody waits for what never comes back."""

import json
from dataclasses import replace

import pytest

from evals.facts.models import read_facts
from evals.facts.pricing import ImagePrice, MegapixelPrice
from evals.generation.answers import Ended, Finished, OutcomeUnknown, Rejected, ResponseMetadata, Running
from evals.generation.clients import GenerationError
from evals.generation.ledger import Ledger
from evals.generation.pictures import Picture, Pictures
from evals.generation.plan import plan_sha256
from evals.generation.prices import charged_usd, max_request_usd, worst_request_usd


def prices_of(*prices):
    return tuple(ImagePrice(usd=price, source="twinlens") for price in prices)


@pytest.fixture
def accepted_before(run, scripted):
    """Write the ledger of a process that died with one task accepted, after some that were rejected."""

    def written(requests, sample_id, max_cost_usd=0.01, failures=0):
        run.folder.mkdir(parents=True, exist_ok=True)
        ledger = Ledger(run.folder / "ledger.jsonl")
        ledger.open_for(plan_sha256(requests))
        for _ in range(failures):
            ledger.append("submitted", sample_id, max_cost_usd=max_cost_usd)
            ledger.append("rejected", sample_id, possible_cost_usd=max_cost_usd)
        ledger.append("submitted", sample_id, max_cost_usd=max_cost_usd)
        ledger.append("accepted", sample_id, task=scripted.accepted("t").task)
        ledger.close()

    return written


def test_a_task_of_an_earlier_run_is_not_kept_waiting_by_requests_that_wait_for_its_money(
    run, scripted, accepted_before
):
    requests = scripted.requests(3)
    accepted_before(requests, "s2")
    generation = run(scripted.host_with_task(Finished(url="u")), requests, concurrency=1, budget_usd=0.015)
    assert generation.outcomes == {"m@h": {"pending": 2, "ok": 1}}


def test_doubtful_money_of_earlier_runs_stays_counted_while_its_task_is_followed(run, scripted, accepted_before):
    requests = scripted.requests(10)
    accepted_before(requests, "s0", failures=3)
    generation = run(scripted.host_with_task(Finished(url="u")), requests, budget_usd=0.06)
    assert generation.spent_usd == pytest.approx(0.06)
    assert generation.outcomes == {"m@h": {"ok": 3, "pending": 7}}


def test_nobody_waits_for_money_held_for_a_task_of_a_system_that_stopped(run, scripted):
    requests = [scripted.request(0, system="x@h"), scripted.request(1)]
    host = scripted.host_with_task(Running("Pending"), Rejected("http_401", stops="check the key"))
    generation = run(host, requests, budget_usd=0.015)
    assert generation.outcomes == {"x@h": {"pending": 1}, "m@h": {"pending": 1}}
    assert host.submitted == ["s0"]


def test_nobody_waits_for_money_held_by_a_request_that_the_disk_ended(run, scripted, monkeypatch):
    def failing(*_):
        raise OSError(28, "No space left on device", "disk")

    monkeypatch.setattr(Pictures, "store", failing)
    with pytest.raises(OSError, match="No space"):
        run(scripted.Host(), scripted.requests(3), budget_usd=0.015)


def test_a_price_that_only_the_task_names_is_held_while_it_is_at_work(run, scripted):
    polls = [*[Running("Pending")] * 20, Finished(url="u")]
    host = scripted.host_with_task(*polls, cost=0.03, s1=[Rejected("http_429", delay_s=0.01)])
    generation = run(host, scripted.requests(2), budget_usd=0.035)
    assert generation.outcomes == {"m@h": {"ok": 1, "pending": 1}}
    assert generation.spent_usd == pytest.approx(0.03)


def test_where_the_host_names_no_price_the_highest_source_counts_against_the_budget(run, scripted):
    generation = run(scripted.Host(), scripted.requests(20), budget_usd=0.50, prices=prices_of(0.01, 0.02, 0.09))
    assert generation.outcomes == {"m@h": {"ok": 5, "pending": 15}}
    assert generation.spent_usd == pytest.approx(0.45)
    row, event = run.rows()[0], json.loads((run.folder / "ledger.jsonl").read_text().splitlines()[-1])
    assert (row["cost_usd"], row["cost_basis"], row["may_have_cost_usd"]) == (0.02, "listed", pytest.approx(0.07))
    assert (event["cost_usd"], event["at_most_usd"]) == (0.02, 0.09)


def test_of_one_picture_that_came_nothing_counts_for_the_others_that_an_answer_can_hold(run, scripted):
    pro = read_facts().find("gemini-3-pro-image@google")
    requests = [replace(request, size="1K") for request in scripted.requests(1)]
    generation = run(scripted.Host(), requests, prices=pro.prices, sizes=pro.sizes, pictures_at_most=3)
    assert generation.spent_usd == pytest.approx(max_request_usd(requests[0], pro), rel=1e-6)
    event = json.loads((run.folder / "ledger.jsonl").read_text().splitlines()[-1])
    assert event["at_most_usd"] == pytest.approx(generation.spent_usd)


def test_a_price_above_the_worst_counts_in_full_from_the_answer_on(run, scripted):
    dear = [Finished(content=scripted.png("red"), metadata=ResponseMetadata(cost_usd=0.5))]
    host = scripted.Host({"s0": dear})
    generation = run(host, scripted.requests(5), budget_usd=0.30, concurrency=1)
    assert generation.budget_reached
    assert (generation.outcomes["m@h"], host.submitted) == ({"ok": 1, "pending": 4}, ["s0"])
    assert generation.spent_usd == pytest.approx(0.5)
    assert run.rows()[0]["may_have_cost_usd"] == 0


def test_two_pictures_a_request_do_not_overshoot_the_budget(run, scripted):
    """With one picture held a request, two in flight billed 0.81 of a budget of 0.60."""
    two = ResponseMetadata(usage={"input_text": 10, "output_image": 2 * 1120, "output_text": 162}, n_pictures=2)
    host = scripted.Host({f"s{n}": [Finished(content=scripted.png("red"), metadata=two)] for n in range(6)})
    pro = read_facts().find("gemini-3-pro-image@google")
    requests = [replace(request, size="1K") for request in scripted.requests(6)]
    generation = run(host, requests, budget_usd=1.2, prices=pro.prices, sizes=pro.sizes, pictures_at_most=3)
    assert generation.budget_reached
    assert (generation.outcomes["m@h"]["ok"], generation.spent_usd) == (3, pytest.approx(3 * 0.270764))


def test_after_an_answer_that_was_dearer_than_the_facts_say_as_much_is_held_for_the_next(run, scripted):
    dear = ResponseMetadata(cost_usd=0.03)  # three times the price of the facts
    answers = [[Finished(content=scripted.png("red"), metadata=dear)] for _ in range(10)]
    host = scripted.Host({f"s{n}": answer for n, answer in enumerate(answers)})
    generation = run(host, scripted.requests(10), budget_usd=0.10, concurrency=1)
    assert (generation.outcomes["m@h"], generation.spent_usd) == ({"ok": 3, "pending": 7}, pytest.approx(0.09))
    again = run(host, scripted.requests(10), budget_usd=0.11, concurrency=1)
    assert again.outcomes == generation.outcomes, "the next process knows it from the ledger"


def test_the_budget_that_is_named_suffices_for_all_that_is_missing_of_a_prompt(run, scripted):
    # The price of the one request that was left out first was named, and the same command asked for nothing.
    dear = ResponseMetadata(cost_usd=0.03)  # three times the price of the facts
    requests = [replace(scripted.request(0), sample_id=f"s{n}", repeat=n) for n in range(4)]
    host = scripted.Host({f"s{n}": [Finished(content=scripted.png("red"), metadata=dear)] for n in range(4)})
    generation = run(host, requests, budget_usd=0.05, concurrency=1)
    assert (generation.outcomes["m@h"], generation.refused_usd) == ({"ok": 1, "pending": 3}, pytest.approx(0.09))
    assert "$0.09 has to be held for what is missing of a prompt" in generation.problem
    assert generation.least_budget == "to $0.12 or more"
    assert run(host, requests, budget_usd=0.12, concurrency=1).outcomes["m@h"] == {"ok": 4}


def test_what_ended_at_a_cost_and_is_asked_again_stays_counted(run, scripted):
    interrupted = Ended("failed", "failed", "interrupted", ResponseMetadata(cost_usd=0.01), passes=True)
    host = scripted.host_with_task(Running("Pending"))
    run(host, scripted.requests(1), scripted.impatient)
    host.polls["t"] = [interrupted]
    assert run(host, scripted.requests(1)).n_passing == 1
    assert run(host, scripted.requests(1)).spent_usd == pytest.approx(0.02)


def test_what_an_interrupted_task_was_charged_above_the_worst_stays_counted_when_it_is_sent_again(run, scripted):
    interrupted = Ended("failed", "failed", "interrupted", ResponseMetadata(cost_usd=0.04), passes=True)
    host = scripted.host_with_task(interrupted, s0=[scripted.accepted(), scripted.accepted("t2", cost=0.05)])
    host.polls["t2"] = [Finished(url="u")]
    assert run(host, scripted.requests(1)).spent_usd == pytest.approx(0.09)


@pytest.mark.parametrize(
    ("side", "cost"),
    [(1000, 0.03), (1100, 0.03), (1500, 0.06), (2048, 0.075)],  # in megapixels of the size that came
)
def test_a_picture_larger_than_was_asked_for_counts_as_what_it_is(run, scripted, side, cost):
    prices = (MegapixelPrice(first=0.03, further=0.015, input=0.015, source="twinlens"),)
    host = scripted.Host({f"s{n}": [Finished(content=scripted.png("red", side))] for n in range(12)})
    requests = [replace(request, size="1K") for request in scripted.requests(12)]
    generation = run(host, requests, prices=prices, sizes=("1K", "2K"), budget_usd=0.3, concurrency=1)
    assert generation.spent_usd == pytest.approx(cost * generation.outcomes["m@h"]["ok"])
    assert 0.29 < generation.spent_usd <= 0.3 + 1e-9
    assert [row["cost_usd"] for row in run.rows()] == [pytest.approx(cost)] * generation.outcomes["m@h"]["ok"]


def test_no_picture_that_came_is_free_whatever_its_size_unless_its_offer_is(scripted):
    # One of 1536 pixels, a size that most offers have no price for, settled at 0, and no budget ended the run.
    offers = [each for each in read_facts().offers.values() if each.prices and not each.is_free]
    assert len(offers) > 30
    for offer, size in [(each, size) for each in offers for size in each.sizes]:
        request = replace(scripted.request(0, system=offer.system), size=size)
        held_usd = worst_request_usd(request, offer)
        for side in (64, 600, 1024, 1100, 1200, 1280, 1536, 1800, 2048, 3000, 4096, 9000):
            picture = Picture("x.png", "png", 1, side, side, "", "")
            cost, basis, at_most = charged_usd(request, offer, held_usd, 0, ResponseMetadata(), 1, picture)
            assert (basis, cost > 0, at_most >= cost) == ("listed", True, True), (offer.system, size, side)
            assert at_most >= max_request_usd(request, offer) - 1e-9, (offer.system, size, side)


def test_a_larger_picture_is_charged_as_the_next_larger_size_that_every_source_prices(scripted):
    offer = scripted.offer(sizes=("1K", "2K"), prices=(ImagePrice(usd={"1K": 0.1, "2K": 0.2}, source="twinlens"),))
    request = replace(scripted.request(0), size="1K")

    def charged(side, offer=offer, held_usd=0.1):
        picture = Picture("x.png", "png", 1, side, side, "", "")
        return charged_usd(request, offer, held_usd, 0, ResponseMetadata(), 1, picture)

    assert [charged(side)[0] for side in (1024, 1536, 2048, 4096)] == [0.1, 0.2, 0.2, 0.2]
    no_prices = offer.model_copy(update={"prices": ()})
    assert charged(1536, no_prices, held_usd=0.3) == (None, "none", 0.3), "what is held stays counted"


def test_what_an_answer_has_cost_is_known_without_the_files_that_were_sent_along(run, scripted, tmp_path):
    # They were opened once more after the money was spent: an unreadable one left the request without an ending.
    reference = tmp_path / "reference.png"
    reference.write_bytes(scripted.png("red", 2000))
    item = scripted.request(0).item.model_copy(update={"reference_images": (reference,)})
    prices = (MegapixelPrice(first=0.03, further=0.015, input=0.01, source="twinlens"),)

    def gone(_):
        reference.unlink(missing_ok=True)
        return True

    with pytest.raises(FileNotFoundError):  # the tables need it, but the ledger is what must not miss anything
        run(scripted.Host(may_answer=gone), [replace(scripted.request(0), item=item)], prices=prices)
    submitted, ended = map(json.loads, (run.folder / "ledger.jsonl").read_text().splitlines()[1:])
    assert (submitted["event"], submitted["references_mp"]) == ("submitted", 4)
    assert (ended["event"], ended["at_most_usd"]) == ("completed", pytest.approx(0.03 + 4 * 0.01))


def test_a_task_of_a_ledger_without_the_megapixels_of_its_references_is_still_charged(scripted, tmp_path):
    item = scripted.request(0).item.model_copy(update={"reference_images": (tmp_path / "gone.png",)})
    offer = scripted.offer(prices=(MegapixelPrice(first=0.03, further=0.015, input=0.01, source="twinlens"),))
    charged = charged_usd(
        replace(scripted.request(0), item=item), offer, 0.07, None, ResponseMetadata(), 1, picture=None
    )
    assert charged == (pytest.approx(0.04), "listed", 0.07)


@pytest.mark.parametrize("usd", [None, {"1K": 0.01}])
def test_a_budget_needs_a_price_for_the_size_that_is_asked_for(run, scripted, usd):
    prices = () if usd is None else (ImagePrice(usd=usd, source="twinlens"),)
    with pytest.raises(GenerationError, match="no price of m@h in 512 is known"):
        run(scripted.Host(), scripted.requests(2), budget_usd=0.01, prices=prices, sizes=("1K",))


def test_every_way_to_end_is_counted_the_same_in_rows_in_ledger_and_in_the_sum(run, scripted):
    host = scripted.Host(
        {
            "s0": [OutcomeUnknown("ReadTimeout")],
            "s1": [Rejected("http_500", may_have_cost=True)] * 2,
            "s2": [scripted.accepted("t")],
            "s3": [Ended("filtered", "IMAGE_SAFETY", metadata=ResponseMetadata(cost_usd=0.02))],
            "s4": [Finished(content=b"no picture")],
            "s5": [Rejected("http_503")] * 4,
            "s6": [Ended("refused", "x")],
        },
        {"t": [Running("Pending")]},
    )
    for budget_usd in (None, 1.0):
        generation = run(
            host, scripted.requests(8), scripted.impatient, prices=prices_of(0.01, 0.03), budget_usd=budget_usd
        )
        counted = sum((row["cost_usd"] or 0.0) + row["may_have_cost_usd"] for row in run.rows())
        assert generation.n_pending == 0
        assert generation.spent_usd == pytest.approx(counted)
    assert generation.spent_usd == pytest.approx(0.03 + 0.03 * 3 + 0.03 + 0.02 + 0.03 + 0.03 * 2)


def test_an_error_while_a_task_is_asked_for_leaves_the_task_to_a_later_run(run, scripted):
    host = scripted.host_with_task(OSError(5, "I/O error", "disk"))
    with pytest.raises(OSError, match="I/O"):
        run(host, scripted.requests(3), budget_usd=0.015)
    host.polls["t"] = [Finished(url="u")]
    generation = run(host, scripted.requests(3), budget_usd=0.03)
    assert generation.outcomes == {"m@h": {"ok": 3}}
    assert host.submitted.count("s0") == 1


def test_more_pictures_than_were_thought_possible_count_each_time_as_many_and_no_more(run, scripted):
    six = Finished(content=scripted.png("red"), metadata=ResponseMetadata(n_pictures=6))
    host = scripted.Host({f"s{n}": [six] for n in range(4)})
    generation = run(host, scripted.requests(4), pictures_at_most=3, concurrency=1)
    assert generation.spent_usd == pytest.approx(4 * 6 * 0.01)
