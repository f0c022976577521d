"""Masks of every form and pictures with colour profiles, scored: equal values, or a reason and what was not applied."""

import io
import json

import numpy as np
import PIL.Image
import pytest

from evals.imageset.imageset import ImageSetError, write_image_set
from evals.scoring.provenance import provenance_warnings
from evals.scoring.stage import score
from tests.evals.imageset.icc import cmyk_profile, rgb_profile

SOURCE = np.random.default_rng(1).integers(60, 190, (64, 64, 3), dtype=np.uint8)
REGION = np.zeros((64, 64), bool)
REGION[8:40, 16:56] = True
EDITED = np.where(REGION[:, :, None], np.uint8(255) - SOURCE, SOURCE)

MASKS = {
    "white": PIL.Image.fromarray(np.uint8(255) * REGION),
    "classes": PIL.Image.fromarray(np.uint8(1) * REGION),
    "hole": PIL.Image.fromarray(np.dstack([SOURCE, np.uint8(255) * ~REGION])),
    "strokes": PIL.Image.fromarray(np.dstack([np.full_like(SOURCE, 255), np.uint8(255) * REGION])),
    "several": PIL.Image.fromarray(np.arange(64, dtype=np.uint8)[None].repeat(64, axis=0) // 22),
}
MEASURED = ["editing.preserved", "editing.changed_outside", "editing.changed_inside", "editing.no_op"]


@pytest.fixture
def edits(tmp_path):
    """One perfect edit with a mask of every form; the last form can be read in several ways."""
    rows = [{"system": "a", "prompt": f"edit {n}", "prompt_id": n, "mask": f"{n}.png"} for n in MASKS]
    (tmp_path / "set").mkdir()
    for name, mask in MASKS.items():
        mask.save(tmp_path / f"set/{name}.png")
    PIL.Image.fromarray(SOURCE).save(tmp_path / "set/source.png")
    samples = [(PIL.Image.fromarray(EDITED), {**row, "reference_images": ["source.png"]}) for row in rows]
    return write_image_set(tmp_path / "set", samples)


def test_every_form_of_a_mask_measures_one_edit_alike_or_says_why_not(edits, tmp_path):
    run = score(edits, tmp_path / "run", [*MEASURED, "quality.exposure"])
    table = run.scores[run.scores.control.isna()]
    for metric, value in zip(MEASURED, (1, 0, 1, 0), strict=True):
        of_metric = table[table.metric == metric].set_index("prompt_id")
        assert of_metric.value.drop("several").tolist() == pytest.approx([value] * 4, abs=0.01)
        assert of_metric.reason["several"] == "unclear_mask"
        assert "save it black and white" in json.loads(json.dumps(of_metric.details["several"]))["what"]
    assert table[table.metric == "quality.exposure"].value.notna().all()
    assert run.provenance["unreadable"] == []
    again = score(edits, tmp_path / "run", MEASURED).scores
    assert again[again.control.isna() & (again.prompt_id == "several")].reason.eq("unclear_mask").all()


def test_a_mask_that_is_no_picture_is_refused_with_its_row(edits, tmp_path):
    (edits / "hole.png").write_text("no picture")
    with pytest.raises(ImageSetError, match=r"row 3: .*hole\.png.* is not an image"):
        score(edits, tmp_path / "run", MEASURED)
    run = score(edits, tmp_path / "run", MEASURED, skip_bad=True)
    assert [problem["row"] for problem in run.provenance["unreadable"]] == [3]


def test_one_file_may_be_a_picture_and_a_mask(edits, tmp_path):
    lines = [json.loads(line) for line in (edits / "metadata.jsonl").read_text().splitlines()]
    lines = [{**line, "reference_images": ["hole.png"], "mask": "hole.png"} for line in lines[:1]]
    (edits / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    table = score(edits, tmp_path / "run", ["editing.changed_inside"]).scores
    assert table[table.control.isna()].details.iloc[0]["mask_share"] == REGION.mean()


def test_a_profile_is_applied_to_what_is_measured_and_one_that_cannot_be_is_told_each_time(tmp_path):
    def card(colour: tuple[int, int, int], profile: bytes | None) -> bytes:
        buffer = io.BytesIO()
        PIL.Image.new("RGB", (64, 64), colour).save(buffer, "PNG", icc_profile=profile)
        return buffer.getvalue()

    pictures = {
        "srgb": card((227, 6, 19), None),
        "p3": card((208, 46, 38), rgb_profile()),
        "inks": card((227, 6, 19), cmyk_profile()),
    }
    rows = [(each, {"system": name, "prompt": "a card", "palette": ["#e30614"]}) for name, each in pictures.items()]
    folder = write_image_set(tmp_path / "set", rows)
    for _ in range(2):  # the second time from the cache
        run = score(folder, tmp_path / "run", ["brand.palette"])
        by_system = run.scores[run.scores.control.isna()].set_index("system").value
        assert by_system["inks"] == by_system["srgb"]
        assert abs(by_system["p3"] - by_system["srgb"]) < 1
        (warning,) = [each for each in provenance_warnings(run.provenance) if "Colour profiles" in each]
        assert "in 1 of the rows, first in row 3" in warning
        assert "is for CMYK pixels and these are RGB" in warning
