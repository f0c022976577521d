"""From pixels to stars: a system that hands back sources and other prompts' pictures is last in every row."""

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

SIDE = 256
SYSTEMS = ("first@demo", "second@demo")


def small(picture):
    return picture.convert("RGB").resize((SIDE, SIDE))


@pytest.fixture
def image_set(tmp_path):
    """Two systems that draw what was asked, each in its own tint, and one that exchanges or hands back pictures."""
    folder, samples = tmp_path / "set", []
    (folder / "given").mkdir(parents=True)
    scenes, edits = read_suite("demo-precise").items, read_suite("demo-editing").items[:8]
    for n, item in enumerate(scenes):
        facts = {"suite": "scenes", "prompt_id": item.id, "prompt": item.prompt}
        for system, tint in zip(SYSTEMS, read_definition("demo").simulated, strict=True):
            honest = tint.model_copy(update={"defects": ()})
            samples.append((draw(item, 1, 0, honest, SIDE), {**facts, "system": system}))
        other = scenes[(n + 5) % len(scenes)]
        samples.append((draw(other, 2, 0, honest, SIDE), {**facts, "system": "wrong@demo"}))
    for n, item in enumerate(edits):
        small(draw_source(item)).save(folder / f"given/source{n}.png")
        with PIL.Image.open(io.BytesIO(edit_mask(item))) as mask:
            mask.convert("L").resize((SIDE, SIDE), PIL.Image.Resampling.NEAREST).save(folder / f"given/mask{n}.png")
        facts = {"suite": "edits", "prompt_id": item.id, "prompt": item.prompt, "caption": item.caption}
        facts |= {"source_caption": item.source_caption, "mask": f"given/mask{n}.png"}
        facts["reference_images"] = [f"given/source{n}.png"]
        for system in (*SYSTEMS, "wrong@demo"):
            picture = small(draw_source(item) if system == "wrong@demo" else draw_edited(item))
            samples.append((picture, {**facts, "system": system}))
    return write_image_set(folder, samples)


def test_a_system_of_sources_and_exchanged_pictures_is_last_in_every_row(image_set, tmp_path):
    metrics = ["adherence.margin", "editing.direction", "editing.preserved"]
    rows = {row["id"]: row for row in rate_run(score(image_set, tmp_path / "run", metrics))["stars"]["rows"]}
    assert {name: row["combine"] for name, row in rows.items()} == {
        "edits:adherence": "arithmetic", "scenes:adherence": "arithmetic", "edits:editing": "geometric",
    }  # fmt: skip
    for name in ("scenes:adherence", "edits:editing"):
        row = rows[name]
        assert row["problem"] is None
        stars = {cell["system"]: cell["stars"] for cell in row["cells"]}
        assert stars["wrong@demo"] <= 1.2
        assert min(stars[system] for system in SYSTEMS) > 1.7
        assert 0 < row["chance"] < 0.5
    adherence, editing = rows["scenes:adherence"]["components"][0]["scale"], rows["edits:editing"]
    assert "stars that another encoder gives are not comparable" in adherence["comparability"]
    assert {part["metric"]: part["scale"]["comparability"] is None for part in editing["components"]} == {
        "editing.direction": False, "editing.preserved": True,
    }  # fmt: skip
