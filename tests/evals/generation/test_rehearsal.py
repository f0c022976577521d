"""Rehearsals: systems on every host are played, and decline what their script says."""

import json

import pytest

from evals.definition import Defect, read_definition
from evals.facts.models import read_facts
from evals.facts.pricing import expected_cost_usd
from evals.generation.hosts import HOSTS
from evals.generation.pacing import RetryPolicy
from evals.generation.rehearsal import simulated_systems
from evals.generation.simulated.serving import FORMATS
from evals.generation.stage import generate
from evals.imageset.contract import IMAGES, LEDGER
from evals.imageset.imageset import read_image_set
from tests.simulators.rendering import plain_renderer

DEMO = read_definition("demo")
AURORA, BOREALIS = DEMO.simulated


def rehearsed(definition, out):
    with simulated_systems(definition, read_facts(), out / IMAGES / LEDGER) as systems:
        return generate(systems, out, retry_policy=RetryPolicy(first_poll_s=0.01))


@pytest.mark.parametrize("like", ["gemini-3.1-flash-image@google", "flux-2-pro@bfl", "flux-2-pro@fal"])
def test_each_system_declines_what_its_script_says_and_nothing_else(tmp_path, like):
    refusing = Defect(does="refuse", suite="demo-speed", items=("cup", "bottle"))
    both = (refusing.model_copy(update={"items": ("clock",)}), Defect(does="withhold", suite="demo-speed", items="cup"))
    declining = (
        AURORA.model_copy(update={"defects": (refusing,), "like": like}),
        BOREALIS.model_copy(update={"defects": both}),
    )
    changes = {"suites": ("demo-speed",), "rows": (), "simulated": declining}
    generation = rehearsed(DEMO.model_copy(update=changes), tmp_path)
    assert generation.outcomes == {
        AURORA.name: {"ok": 3, "refused": 2},
        BOREALIS.name: {"ok": 3, "refused": 1, "filtered": 1},
    }
    made = {(row["system"], row["prompt_id"]) for row in read_image_set(generation.folder).rows}
    assert {item for system, item in made if system == AURORA.name} == {"clock", "umbrella", "balloon"}
    assert {item for system, item in made if system == BOREALIS.name} == {"umbrella", "balloon", "bottle"}


def test_a_system_on_any_host_can_be_rehearsed_at_its_own_price(tmp_path, monkeypatch):
    monkeypatch.setattr("evals.generation.simulated.rendering.suite_renderer", lambda system, suites: plain_renderer)
    offers = {offer.host: offer for offer in read_facts().offers.values() if "1K" in offer.sizes}
    assert set(offers) == set(HOSTS)
    systems = tuple(offer.system for offer in offers.values())
    changes = {"systems": systems, "simulated": (), "suites": ("demo-speed",), "rows": (), "size": "1K"}
    generation = rehearsed(DEMO.model_copy(update=changes), tmp_path)
    rows = [json.loads(line) for line in (generation.folder / "requests.jsonl").open()]
    assert all(row["simulated"] for row in [*rows, *read_image_set(generation.folder).rows])
    for offer in offers.values():
        of_offer = [row for row in rows if row["system"] == offer.system.replace("@", "@simulated-")]
        assert [row["outcome"] for row in of_offer] == ["ok"] * 5
        if offer.host not in FORMATS:
            assert {row["cost_usd"] for row in of_offer} == {expected_cost_usd(offer, "1K")}
