"""The audit of the article: what must come out, each check on known facts, and what a run may change."""

import pandas as pd
import pytest

from evals.audit.checks import Able, Cheaper, Price, Request, SameModel, Served, Sized
from evals.audit.claims import audit, read_audited_article
from evals.audit.evidence import Evidence
from evals.audit.measured import COST, Measurable
from evals.audit.rules import RULES, VERDICTS
from evals.definition import read_definition
from evals.facts.models import read_facts
from evals.facts.sources import FactsError
from evals.rating.operations import operations
from tests.evals.facts.conftest import ARTICLE_FILE
from tests.refusals import refusal_of

ARTICLE, FACTS = read_audited_article(), read_facts()
FOUND = {claim.id: claim for claim in audit(ARTICLE)}
PRO, MAX, GEMINI = "flux-2-pro@bfl", "flux-2-max@bfl", "gemini-3-pro-image@google"


def of(check, operated=None):
    return check.check(Evidence(ARTICLE.day, operated))


def price(stated, *systems):
    return Price(stated=stated, systems=systems, size="1K")


def run_of(system, latencies=(), size="1K", simulated=False, cost_usd=None, in_flight=1):
    same = {"system": system, "suite": "s", "size": size, "outcome": "ok", "simulated": simulated, "cost_usd": cost_usd}
    same["in_flight"] = in_flight
    return operations(pd.DataFrame([{**same, "prompt_id": str(n), "latency_s": s} for n, s in enumerate(latencies)]))


@pytest.mark.parametrize(
    ("verdict", "claims"),
    [
        ("right", "price-premium monthly-difference saved-per-50000 bfl-key google-one-call"),
        ("imprecise", "faster-at-4k flux-exposes-steps undercuts max-erases-advantage"),
        ("outdated", "bfl-server weights-flux hosts-of-nano-banana"),
        ("untested", "lora-google latency-google-1k quality-identity"),
        (
            "wrong",
            "additional-hours cheaper-per-image price-nano-banana-1k price-flux-pro price-flux-max price-flux-4k "
            "bfl-path bfl-one-call flux-steps-field google-path google-prompt-field google-width no-multimodal-flux "
            "two-names-one-model lora-flux flux-on-fireworks flux-4k free-tier-google",
        ),
    ],
)
def test_known_claims_get_their_verdict(verdict, claims):
    assert {claim: FOUND[claim].verdict for claim in claims.split()} == dict.fromkeys(claims.split(), verdict)


def test_known_numbers_come_out_of_what_they_are_computed_from():
    numbers = {
        "additional-hours": 3.06, "cheaper-per-image": 37.5, "price-premium": 60, "faster-at-4k": 22.73,
        "monthly-difference": 1500, "saved-per-50000": 750, "price-nano-banana-1k": 0.07, "price-flux-pro": 0.03,
        "price-flux-max": 0.07, "price-flux-4k": 0.16,
    }  # fmt: skip
    assert {claim: FOUND[claim].computed for claim in numbers} == pytest.approx(numbers, abs=0.005)
    premium, path = FOUND["price-premium"], FOUND["bfl-path"]
    assert (premium.given, premium.stated, premium.unit) == ("prices", "60", "%")
    assert premium.sentence.startswith("By its own prices the premium is 0.04 / 0.025 - 1 = 60%;")
    assert "$0.025 is what FLUX.1 [dev] costs there." in FOUND["price-flux-pro"].sentence
    assert "makes none, and at its largest, 2K, costs $0.16" in FOUND["price-flux-4k"].sentence
    assert (FOUND["additional-hours"].given, path.given, path.computed) == ("latencies", None, None)


def test_every_claim_is_a_short_quote_with_a_verdict_a_sentence_a_source_and_its_day():
    assert len(FOUND) == len(ARTICLE.claims) >= 45
    assert set(RULES) == set(VERDICTS) == {claim.verdict for claim in FOUND.values()}
    for claim in FOUND.values():
        assert claim.sentence.endswith((".", '"'))
        assert claim.read == max(source.read for source in claim.sources)
        assert len(claim.quote.split()) <= 15
        assert claim.notes == ()  # those are of a run
    rows = {row.id for row in read_definition("flux2-vs-nano-banana").rows}
    assert {claim.quality.row for claim in ARTICLE.claims if claim.quality} <= rows


def test_whoever_told_the_prices_and_times_of_a_claims_systems_is_among_its_sources():
    for claim in ARTICLE.claims:
        check = claim.price or claim.measurable
        for offer in (FACTS.find(system) for system in (check.systems if check else ())):
            told = offer.prices if claim.price else [time for time in offer.latencies if time.size == check.size]
            assert {each.source for each in told} <= set(claim.sources), claim.id


def test_the_article_is_not_audited_by_its_order():
    backwards = ARTICLE.model_copy(update={"claims": ARTICLE.claims[::-1]})
    assert audit(backwards)[::-1] == list(FOUND.values())


def cheaper(system, *than):
    return Cheaper(system=system, than=than, size="1K")


def can_use_lora(states, system):
    return Able(id="lora", states=states, systems=(system,))


def served(model, *hosts, nowhere_else=False):
    return Served(models=(model,), hosts=hosts, nowhere_else=nowhere_else)


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (price("0.065", PRO, MAX), "imprecise"),
        (price("0.05", PRO, MAX), "wrong"),
        (price("0.07", "flux-2-dev@replicate"), "untested"),  # no source gives its price
        (cheaper(PRO, MAX, GEMINI), "right"),
        (cheaper(MAX, PRO, GEMINI), "imprecise"),
        (cheaper(MAX, PRO), "wrong"),
        (cheaper("flux-2-dev@replicate", PRO), "untested"),  # no source gives its price
        # Two sources give flux-2-flex 0.05 and 0.06 at 1K: either is told, none is in between.
        (price("0.06", "flux-2-flex@bfl"), "right"),
        (price("0.05", "flux-2-flex@bfl"), "right"),
        (cheaper("flux-2-flex@bfl", MAX), "right"),
        (cheaper("flux-2-flex@bfl", "flux-2-flex@fal"), "imprecise"),
        (can_use_lora("no", PRO), "right"),
        (can_use_lora("yes", PRO), "wrong"),
        (can_use_lora("yes", "flux-2-klein-4b@bfl"), "imprecise"),
        (can_use_lora("partly", "flux-2-klein-4b@bfl"), "right"),
        (can_use_lora("yes", GEMINI), "untested"),
        (can_use_lora("yes", "flux-kontext-pro@fireworks"), "untested"),
        (Sized(systems=(GEMINI,), size="4K"), "right"),
        (Sized(systems=(GEMINI, MAX), size="4K"), "imprecise"),
        (Sized(systems=(MAX,), size="4K"), "wrong"),
        (served("flux-2-pro", "replicate", "fal"), "right"),
        (served("gemini-3.1-flash-image", "google"), "outdated"),
        (served("gemini-nano-banana-2.1", "google"), "wrong"),  # not yet, on the article's day
        (served("flux-2-pro", "fireworks"), "wrong"),
        (served("flux-2-pro", "bfl", "fireworks"), "imprecise"),
        (served("gemini-3-pro-image", "google", "vertex", nowhere_else=True), "wrong"),
        (served("gemini-3.1-flash-lite-image", "google", "vertex", nowhere_else=True), "right"),
        (served("gemini-nano-banana-2.1", "google", "vertex", nowhere_else=True), "wrong"),
        (SameModel(names=("Flux Max", "FLUX.2 [max]")), "right"),
        (SameModel(names=("Flux Pro", "FLUX.2 [max]")), "wrong"),
    ],
    ids=repr,
)
def test_a_check_on_known_facts_gets_its_verdict(check, verdict):
    assert of(check).verdict == verdict


def test_a_range_that_somebody_told_stays_a_range():
    flux = FOUND["latency-flux-1k"].sentence
    assert "What others told of 1K: flux-2-pro@bfl 3 to 6 s (1 picture), flux-2-pro@bfl 18.4 s (1 picture)," in flux
    assert "declined the one with known characters" in flux
    assert "gemini-3.1-flash-image@google 9 to 10 s" in FOUND["latency-google-1k"].sentence
    assert "flux-2-flex@bfl costs $0.05 to $0.06" in of(price("0.07", "flux-2-flex@bfl")).sentence


def test_a_finding_has_the_figure_of_the_nearest_system_and_the_sources_of_its_answer():
    for usd in (0.07, 0.03):
        assert of(price(str(usd), PRO, MAX)).computed == pytest.approx(usd)
    assert {"bfl-openapi", "bfl-docs"} <= {source.id for source in of(can_use_lora("yes", PRO)).sources}


@pytest.mark.parametrize(
    ("part", "right", "outdated"),
    [
        ("host", "api.bfl.ai", "api.bfl.ml"),
        ("path", "/v1/flux-2-pro", "/v1/flux-2-max"),
        ("header", "X-Key", "Authorization"),
        ("field", "input_image", "steps"),
        ("calls", "several", "one"),
    ],
)
def test_a_part_of_a_request_is_right_if_twinlens_sends_it(part, right, outdated):
    for verdict, stated in (("right", right), ("outdated", outdated)):
        assert of(Request(system=PRO, part=part, stated=stated, otherwise="outdated")).verdict == verdict


SECONDS = (8.0, 9.0, 9.5, 10.0, 10.5, 11.0, 12.0, 9.2)


def with_run(operated):
    return {claim.id: claim for claim in audit(ARTICLE, operated)}


def test_a_measured_latency_replaces_untested_and_changes_nothing_else():
    found = with_run(run_of("gemini-3.1-flash-image@vertex", SECONDS, cost_usd=0.04))
    latency = found["latency-google-1k"]
    assert (latency.verdict, latency.computed, latency.unit) == ("wrong", pytest.approx(9.75), "s")
    assert latency.sentence.startswith(
        "Measured in the run, the median latency at 1K was 9.75 s (95% interval 9 to 11)"
    )
    assert [id_ for id_, claim in found.items() if claim.verdict != FOUND[id_].verdict] == ["latency-google-1k"]
    assert with_run(run_of(PRO, [2.9, 3.0, 3.1, 3.1, 3.2, 3.3, 3.0, 3.1]))["latency-flux-1k"].verdict == "right"


def test_a_claim_about_all_systems_needs_all_of_them_measured():
    one, other = run_of("gemini-3-pro-image@google", SECONDS), run_of(PRO, SECONDS)
    alone = with_run(one)["not-below-a-second"]
    assert (alone.verdict, alone.notes) == ("untested", ("Not measured: flux-2-pro@bfl.",))
    assert with_run([*one, *other])["not-below-a-second"].verdict == "right"
    fast = run_of(PRO, [0.4, 0.5, 0.5, 0.6, 0.6, 0.5])
    assert with_run([*one, *fast])["not-below-a-second"].verdict == "imprecise"


@pytest.mark.parametrize(
    ("operated", "note"),
    [
        (("flux-2-pro@simulated-bfl", SECONDS, "1K", True), "flux-2-pro@simulated-bfl of the run is simulated"),
        ((PRO, SECONDS, "1K", True), "flux-2-pro@bfl of the run is simulated: it says nothing about the real one."),
        ((PRO, SECONDS[:5]), "flux-2-pro@bfl of the run has no interval: 5 pictures are too few."),
        ((PRO, [None] * 8), "flux-2-pro@bfl of the run has no median latency: no time of this kind was told for any"),
        (("flux-2-pro@fal", SECONDS), "The run did not ask flux-2-pro@bfl or flux-2-max@bfl for 1K pictures."),
        ((PRO, SECONDS, "2K"), "The run did not ask flux-2-pro@bfl or flux-2-max@bfl for 1K pictures."),
    ],
)
def test_what_is_simulated_too_little_or_another_thing_leaves_a_claim_untested_with_the_reason(operated, note):
    found = with_run(run_of(*operated))["latency-flux-1k"]
    assert found.verdict == "untested"
    assert len(found.notes) == 1
    assert found.notes[0].startswith(note)


def test_a_latency_of_unknown_concurrency_says_so_and_one_under_load_decides_nothing():
    unknown, loaded = (with_run(run_of(PRO, SECONDS, in_flight=n))["latency-flux-1k"] for n in (None, 24))
    assert (unknown.verdict, unknown.notes) == (
        "wrong",
        ("How many requests of flux-2-pro@bfl were in flight at once is not known.",),
    )
    assert (loaded.verdict, "others of the system were in flight" in loaded.notes[0]) == ("untested", True)


def test_what_a_run_paid_decides_where_no_source_has_a_price_and_is_a_note_elsewhere():
    unknown = price("0.07", "flux-2-dev@replicate")
    paid = of(unknown, run_of("flux-2-dev@replicate", SECONDS, cost_usd=0.07))
    assert (paid.verdict, paid.computed) == ("right", pytest.approx(0.07))
    assert of(unknown, run_of("flux-2-dev@replicate", SECONDS, cost_usd=0.07, simulated=True)).verdict == "untested"
    known = of(price("0.025", PRO), run_of(PRO, SECONDS, cost_usd=0.03))
    assert (known.verdict, known.notes) == ("wrong", ("The run counted $0.03 a picture for flux-2-pro@bfl.",))
    measured = Measurable(figure=COST, stated="0.03", systems=(PRO,), size="1K")
    assert of(measured).sentence == "Only a run can tell."
    assert of(measured, run_of(PRO, SECONDS, cost_usd=0.045)).verdict == "wrong"


SMALL = (
    ARTICLE_FILE.removesuffix("claims: [whatever]\n")
    + """\
claims:
  - id: premium
    quote: a premium
    section: Top
    kind: arithmetic
    arithmetic:
      stated: "60"
      unit: "%"
      given: prices
      readings:
        - {words: the premium, operation: percent_more, of: 0.04, than: 0.025}
      list_prices_of: [flux-2-pro@bfl, flux-2-max@bfl]
    sources: article
  - id: host
    quote: a host
    section: Top
    kind: host
    request: {system: flux-2-pro@bfl, part: calls, stated: one, otherwise: outdated}
    sources: article
  - id: name
    quote: a name
    section: Top
    kind: name
    cited: {verdict: right}
    says: It is so.
    sources: article
"""
)


@pytest.mark.parametrize(
    ("passage", "put", "line", "problem"),
    [
        ("id: host", "id: premium", 27, "'premium' is listed twice"),
        ("    cited: {verdict: right}\n", "", 33, "a claim has one check, and it has none of arithmetic, price"),
        ("    cited:", "    quality: {row: a}\n    cited:", 33, "a claim has one check, and it has quality and cited"),
        ("    says: It is so.\n", "", 33, "it is missing; a verdict that nothing computes says why"),
        ('stated: "60"', "stated: 60", 20, "60 is not text; put it in quotes, so that all its digits count"),
        ('stated: "60"', "stated: sixty", 20, "'sixty' is not a number"),
        ('stated: "60"', "stated: 30 to 15", 20, "15 is below 30"),
        ("than: 0.025", "than: 0", 24, "there is no percentage of nothing"),
        ("than: 0.025", "than: 0.025, times: 3", 24, "percent_more has no field"),
        ("percent_more", "difference_times", 24, "difference_times needs this field"),
        ("[flux-2-pro@bfl, flux-2-max@bfl]", PRO, 25, "it names two systems"),
        ("system: flux-2-pro@bfl", "system: flux-2-dev@local", 31, "depends on this machine"),
        ("stated: one", "stated: two", 31, "there is no number of calls 'two'; known are one, several"),
    ],
)
def test_a_mistake_is_one_sentence_that_says_where(tmp_path, passage, put, line, problem):
    path = tmp_path / "article.yaml"
    path.write_text(SMALL)
    assert [claim.id for claim in read_audited_article(path).claims] == ["premium", "host", "name"]
    sentence = refusal_of(read_audited_article, FactsError, path, passage, put)
    assert sentence.startswith(f"article.yaml, line {line}, claim ")
    assert problem in sentence
