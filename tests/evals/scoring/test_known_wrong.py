"""From pixels to stars, on own pictures: sources, other prompts' pictures, and masks filled with them have one star."""

import io

import PIL.Image
import pytest

from evals.definition import read_definition
from evals.generation.simulated.drawing import draw
from evals.imageset.imageset import write_image_set
from evals.rating.stage import rate_run
from evals.scoring.stage import score
from evals.suites.edit_scenes import draw_edited, draw_source
from evals.suites.references import edit_mask
from evals.suites.suite import read_suite

SIDE, N = 256, 8
SYSTEMS = ("first@demo", "second@demo")
WRONG_EDITS = ("source@demo", "fills@demo", "greys@demo", "wrong@demo")


GREY = PIL.Image.new("RGB", (SIDE, SIDE), (128, 128, 128))


def small(picture):
    return picture.convert("RGB").resize((SIDE, SIDE))


@pytest.fixture
def image_set(tmp_path):
    """Two systems that draw what was asked, and some that exchange pictures, hand them back or fill their masks."""
    folder, samples = tmp_path / "set", []
    (folder / "given").mkdir(parents=True)
    scenes, edits = read_suite("demo-precise").items[:N], read_suite("demo-editing").items[:N]
    for n, item in enumerate(scenes):
        facts = {"suite": "scenes", "prompt_id": item.id, "prompt": item.prompt}
        for system, tint in zip(SYSTEMS, read_definition("demo").simulated, strict=True):
            honest = tint.model_copy(update={"defects": ()})
            samples.append((draw(item, 1, 0, honest, SIDE), {**facts, "system": system}))
        other = scenes[(n + 5) % len(scenes)]
        samples.append((draw(other, 2, 0, honest, SIDE), {**facts, "system": "wrong@demo"}))
    for n, item in enumerate(edits):
        source, edited = small(draw_source(item)), small(draw_edited(item))
        others = [small(draw_edited(edits[(n + step) % len(edits)])) for step in (3, 5)]
        with PIL.Image.open(io.BytesIO(edit_mask(item))) as opened:
            mask = opened.convert("L").resize((SIDE, SIDE), PIL.Image.Resampling.NEAREST)
        mask.save(folder / f"given/mask{n}.png")
        source.save(folder / f"given/source{n}.png")
        facts = {"suite": "edits", "prompt_id": item.id, "prompt": item.prompt, "caption": item.caption}
        facts |= {"source_caption": item.source_caption, "mask": f"given/mask{n}.png"}
        facts["reference_images"] = [f"given/source{n}.png"]
        for system, picture in (("source@demo", source), ("greys@demo", PIL.Image.composite(GREY, source, mask))):
            samples.append((picture, {**facts, "system": system}))
        for repeat, other in enumerate(others):
            filled = PIL.Image.composite(other, source, mask)
            for system, picture in (("wrong@demo", other), ("fills@demo", filled)):
                samples.append((picture, {**facts, "system": system, "repeat": repeat}))
        samples += [(edited, {**facts, "system": system}) for system in SYSTEMS]
    return write_image_set(folder, samples)


@pytest.mark.slow
def test_what_does_nothing_of_what_was_asked_has_one_star(image_set, tmp_path):
    metrics = ["adherence.margin", "editing.direction", "editing.preserved"]
    rows = {row["id"]: row for row in rate_run(score(image_set, tmp_path / "run", metrics))["stars"]["rows"]}
    assert {name: row["combine"] for name, row in rows.items()} == {
        "edits:adherence": "arithmetic", "scenes:adherence": "arithmetic", "edits:editing": "geometric",
    }  # fmt: skip
    for name, wrong in (("scenes:adherence", ("wrong@demo",)), ("edits:editing", WRONG_EDITS)):
        row = rows[name]
        assert row["problem"] is None
        stars = {cell["system"]: cell["stars"] for cell in row["cells"]}
        assert {system: stars[system] for system in wrong if stars[system] > 1.1} == {}
        assert min(stars[system] for system in SYSTEMS) > 1.7
        assert 0 < row["chance"] < 0.5
    adherence, editing = rows["scenes:adherence"]["components"][0]["scale"], rows["edits:editing"]
    assert "stars that another encoder gives are not comparable" in adherence["comparability"]
    assert {part["metric"]: part["scale"]["comparability"] is None for part in editing["components"]} == {
        "editing.direction": False, "editing.preserved": True,
    }  # fmt: skip
