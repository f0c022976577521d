"""Sources and masks: the same picture every time, and a mask that holds the edit and spares everything else."""

import hashlib
import io
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from evals.imageset.columns import Edit, SceneObject
from evals.suites.edit_scenes import draw_edited
from evals.suites.items import SOURCE_SIDE, DrawnSource, PackageSource, PromptItem
from evals.suites.references import edit_mask, n_references, reference_contents, reference_hashes, source_picture
from evals.suites.suite import read_suite

EDITING = {item.id: item for item in read_suite("editing").items}
CUP = SceneObject(name="cup", colour="red", position="left")
BOOK = SceneObject(name="book", colour="blue", position="right")
JAR = SceneObject(name="jar", colour="yellow", position="left")
PLAIN = PromptItem(suite="mine", id="a", prompt="A cat")
CHANGED_LEVELS = 10


def changed(model, **fields):
    return model.model_copy(update=fields)


def an_edit(does, target="picture", to=None, objects=(CUP, BOOK), after=()):
    source = DrawnSource(setting="beach", objects=objects)
    edit = Edit(does=does, target=target, to=to)
    return PromptItem(suite="mine", id="a", prompt="Do it", objects=after, source=source, edit=edit)


ONE_OF_EACH = {
    "recolour": an_edit("recolour", "cup", "green"),
    "remove": an_edit("remove", "cup"),
    "replace": an_edit("replace", "cup", "cat"),
    "add": an_edit("add", to="cat", after=(SceneObject(name="cat", position="centre"),)),
    "write": an_edit("write", "jar", "HONEY", objects=(JAR, BOOK)),
    "background": an_edit("background", to="snow"),
}


def pixels(content):
    with PIL.Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened).astype(np.int16)


def may_change(item):
    return pixels(edit_mask(item)) > 127


def changed_by(item):
    after = np.asarray(draw_edited(item)).astype(np.int16)
    return np.abs(after - pixels(source_picture(item))).max(axis=2) > CHANGED_LEVELS


@pytest.mark.parametrize("does", ONE_OF_EACH)
def test_the_mask_holds_the_edit_and_nothing_but_it_changes(does):
    item = ONE_OF_EACH[does]
    mask, difference = may_change(item), changed_by(item)
    assert difference.sum() > 1000
    assert not (difference & ~mask).any()
    assert mask.mean() < (0.95 if does == "background" else 0.5)


@pytest.mark.parametrize("does", ["recolour", "remove", "replace", "add"])
def test_a_mask_spares_the_things_that_must_stay(does):
    item = ONE_OF_EACH[does]
    other = changed(item, source=DrawnSource(setting="beach", objects=(CUP, changed(BOOK, colour="red"))))
    book = np.abs(pixels(source_picture(item)) - pixels(source_picture(other))).max(axis=2) > CHANGED_LEVELS
    assert book.sum() > 1000
    assert not (book & may_change(item)).any()


def test_a_mask_follows_the_outline_of_a_thing_leaves_things_out_of_a_background_and_holds_a_label_only():
    cup = may_change(ONE_OF_EACH["recolour"])
    rows, columns = np.nonzero(cup)
    assert 0.4 < cup.sum() / ((np.ptp(rows) + 1) * (np.ptp(columns) + 1)) < 0.95
    background, things = may_change(ONE_OF_EACH["background"]), changed_by(ONE_OF_EACH["remove"])
    assert background[0].all()
    assert (background & things).sum() < 0.2 * things.sum()
    recolouring = changed(ONE_OF_EACH["write"], edit=Edit(does="recolour", target="jar", to="red"))
    assert may_change(ONE_OF_EACH["write"]).sum() < 0.5 * may_change(recolouring).sum()


def test_restyling_must_keep_nothing_and_has_no_mask():
    assert edit_mask(EDITING["mushroom-embroidery"]) is None
    assert edit_mask(EDITING["cat-watercolour"]) is None
    assert edit_mask(PLAIN) is None


@pytest.mark.parametrize("item_id", EDITING)
def test_every_source_of_the_suite_is_a_square_and_its_mask_as_large(item_id):
    item = EDITING[item_id]
    with PIL.Image.open(io.BytesIO(source_picture(item))) as source:
        assert (source.format, source.mode) == ("PNG", "RGB")
        assert source.width == source.height <= SOURCE_SIDE
    if (mask := edit_mask(item)) is not None:
        assert pixels(mask).shape == source.size
        assert set(np.unique(pixels(mask))) == {0, 255}


def test_a_packages_picture_is_the_middle_of_its_file_and_the_box_lies_where_it_did():
    item = EDITING["spoon-away"]
    assert pixels(source_picture(item)).shape == (400, 400, 3)
    rows, columns = np.nonzero(may_change(item))
    assert (columns.min(), columns.max()) == (round(0.52 * 600) - 100, round(0.73 * 600) - 101)
    assert (rows.min(), rows.max()) == (round(0.13 * 400), round(0.85 * 400) - 1)


def test_a_source_of_another_side_is_that_large_and_another_request():
    item = ONE_OF_EACH["recolour"]
    small = changed(item, source=changed(item.source, side=512))
    assert pixels(source_picture(small)).shape == (*pixels(edit_mask(small)).shape, 3) == (512, 512, 3)
    assert not (changed_by(small) & ~may_change(small)).any()
    assert reference_hashes(small) != reference_hashes(item)


def test_sources_of_the_usual_side_are_known_by_the_name_that_they_always_had():
    (name,) = reference_hashes(EDITING["cup-green"])
    assert name == "be03bd88a152ad88b70f7b2288d6922f4a6ba0fb633247b84ee22e5f5ea9fc25"


def test_a_missing_package_or_source_is_named():
    source = PackageSource(package="nothing_of_that_name", file="a.png", box=(0, 0, 1, 1))
    with pytest.raises(FileNotFoundError, match=r"a\.png is not in the package nothing_of_that_name"):
        source_picture(changed(EDITING["spoon-away"], source=source))
    with pytest.raises(ValueError, match="item 'a': there is no source to draw"):
        source_picture(PLAIN)


def test_another_process_makes_the_same_pictures_and_finds_packages_without_importing_them():
    code = (
        "import sys; from evals.suites.suite import read_suite; from evals.suites.references import *; import hashlib;"
        "items = [read_suite('editing').item(name) for name in ('cup-green', 'spoon-away')];"
        "made = [part for item in items for part in (source_picture(item), edit_mask(item))];"
        "assert 'skimage' not in sys.modules and 'torch' not in sys.modules;"
        "print(hashlib.sha256(b''.join(made)).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    edit_mask.cache_clear()
    source_picture.cache_clear()
    items = [EDITING["cup-green"], EDITING["spoon-away"]]
    made = [part for item in items for part in (source_picture(item), edit_mask(item))]
    assert there == hashlib.sha256(b"".join(made)).hexdigest()


def test_references_are_the_files_and_then_the_source_each_known_by_what_it_shows(tmp_path):
    path = tmp_path / "style.png"
    path.write_bytes(b"style")
    item = changed(EDITING["cup-green"], reference_images=(path,))
    assert reference_contents(item) == [b"style", source_picture(item)]
    assert n_references(item) == len(reference_hashes(item)) == 2
    assert (reference_contents(PLAIN), n_references(PLAIN)) == ([], 0)
    before = reference_hashes(item)
    assert reference_hashes(changed(item, tags=("other",), caption="other")) == before
    assert reference_hashes(changed(item, source=changed(item.source, setting="forest")))[1] != before[1]
    path.write_bytes(b"another")
    assert reference_hashes(item)[0] != before[0]
    photo = EDITING["spoon-away"]
    other_photo = changed(photo, source=changed(photo.source, file="data/rocket.jpg"))
    assert reference_hashes(other_photo) != reference_hashes(photo)
