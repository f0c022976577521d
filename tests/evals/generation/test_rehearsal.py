"""Rehearsals: what the script lets a simulated system decline comes back as a refusal or a filtered picture."""

from dataclasses import replace

from evals.definition import Defect, read_definition
from evals.facts.models import read_facts
from evals.generation.rehearsal import simulated_systems
from evals.generation.stage import generate
from evals.imageset.contract import IMAGES, LEDGER
from evals.imageset.imageset import read_image_set

DEMO = read_definition("demo")
AURORA, BOREALIS = DEMO.simulated


def test_each_system_declines_what_its_script_says_and_nothing_else(tmp_path):
    declining = (
        replace(AURORA, defects=(Defect("refuse", "demo-speed", ("cup", "bottle")),)),
        replace(
            BOREALIS, defects=(Defect("withhold", "demo-speed", ("cup",)), Defect("refuse", "demo-speed", ("clock",)))
        ),
    )
    definition = replace(DEMO, suites=("demo-speed",), rows=(), simulated=declining)
    with simulated_systems(definition, read_facts(), tmp_path / IMAGES / LEDGER) as systems:
        generation = generate(systems, tmp_path)
    assert generation.outcomes == {
        AURORA.name: {"ok": 3, "refused": 2},
        BOREALIS.name: {"ok": 3, "refused": 1, "filtered": 1},
    }
    made = {(row["system"], row["prompt_id"]) for row in read_image_set(generation.folder).rows}
    assert {item for system, item in made if system == AURORA.name} == {"clock", "umbrella", "balloon"}
    assert {item for system, item in made if system == BOREALIS.name} == {"umbrella", "balloon", "bottle"}
