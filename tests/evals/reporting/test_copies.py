"""Display copies: named by content, made once, holding nothing of the original but what is seen."""

import io

import PIL.Image
import PIL.PngImagePlugin
import pytest

from evals.rating.stage import rate_run
from evals.reporting.copies import LONGEST_SIDE, Copies, Copy
from evals.reporting.exhibits import collect
from evals.run import Run

from .conftest import SYSTEMS


@pytest.fixture
def every(run):
    return list(collect(run, rate_run(Run(run.path))["stars"], SYSTEMS).values())


def test_a_copy_is_small_and_has_no_metadata_and_one_name_for_one_content(run, every, tmp_path):
    told = PIL.PngImagePlugin.PngInfo()
    told.add_text("prompt", "secret words")
    large = PIL.Image.effect_noise((2000, 1000), 60).convert("RGB")
    for sample in ("b-bakery", "o-bakery"):
        large.save(run.image_path(sample), pnginfo=told, exif=b"Exif\0\0secret place")
    copies = Copies(run, tmp_path)
    copies.make(every)
    copy = copies.picture("b-bakery")
    assert copies.picture("o-bakery") == copy == Copy(copy.name, LONGEST_SIDE, LONGEST_SIDE // 2)
    content = (tmp_path / copy.address).read_bytes()
    assert b"secret" not in content
    with PIL.Image.open(io.BytesIO(content)) as opened:
        assert (opened.format, opened.size, dict(opened.getexif())) == ("WEBP", (768, 384), {})


def test_a_copy_that_is_there_is_kept_and_told_only_while_it_is_shown(run, every, tmp_path):
    copies = Copies(run, tmp_path)
    copies.make(every)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "pictures").iterdir()}
    run.image_path("b-bakery").write_bytes(b"not the same any more")
    again = Copies(run, tmp_path)
    again.make([exhibit for exhibit in every if exhibit.suite != "portraits"])
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "pictures").iterdir()}
    assert copies.addresses == {f"pictures/{name}" for name in before}
    assert again.addresses < copies.addresses
    assert len(again.addresses) == len(before) - 5  # four portraits, and the sign that is no picture now


def test_a_copy_of_what_was_scored_outlives_its_original(run, every, tmp_path):
    import hashlib

    content = run.image_path("b-bakery").read_bytes()
    run.samples["file_sha256"] = None
    run.samples.loc["b-bakery", "file_sha256"] = hashlib.sha256(content).hexdigest()
    Copies(run, tmp_path).make(every)
    run.image_path("b-bakery").write_bytes(b"another")
    kept, fresh = Copies(run, tmp_path), Copies(run, tmp_path / "elsewhere")
    for copies in (kept, fresh):
        copies.make(every)
    assert isinstance(kept.picture("b-bakery"), Copy)
    assert fresh.picture("b-bakery") == "The image file is not the one that was scored."


def test_what_is_no_picture_is_a_sentence_and_has_no_map(run, every, tmp_path):
    run.image_path("b-scene-0-0").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    run.image_path("o-scene-0-0").unlink()
    PIL.Image.new("RGB", (20, 20)).save(run.image_path("b-scene-1-0"))
    copies = Copies(run, tmp_path)
    copies.make(every)
    scenes = [exhibit for exhibit in every if exhibit.suite == "scenes"]
    assert "is not an image that can be read" in copies.picture("b-scene-0-0")
    assert copies.picture("o-scene-0-0") == "The image file is no longer there, or is not the one that was scored."
    assert [copies.difference(column.pair) for column in scenes[0].columns] == [None, None]
    assert [isinstance(copies.difference(column.pair), Copy) for column in scenes[1].columns] == [False, True]


def test_a_source_outside_the_set_is_never_read(run, every, tmp_path):
    PIL.Image.new("RGB", (20, 20)).save(tmp_path / "outside.png")
    copies = Copies(run, tmp_path / "out")
    assert (
        copies._copy_of_source("../../outside.png")
        == "The image file is no longer there, or is not the one that was scored."
    )
