"""Pictures on disk: untouched, one file a sample whatever happens at once, nothing half written."""

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import PIL.Image
import pytest

from evals.generation import pictures as module
from evals.generation.pictures import NotAPicture, Pictures
from evals.imageset.copying import copy_picture


def test_a_stored_picture_is_the_bytes_that_came_with_what_they_really_are(tmp_path, scripted):
    content = scripted.png("red") + b"provenance"
    picture = Pictures(tmp_path, {}).store("s0", content)
    assert (tmp_path / picture.file_name).read_bytes() == content
    assert (picture.format, picture.width, picture.height, picture.n_bytes) == ("png", 8, 8, len(content))


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", ".jpg"), ("WEBP", ".webp"), ("PNG", ".png")])
def test_the_name_tells_the_real_format_and_nothing_of_the_system(tmp_path, kind, suffix):
    buffer = io.BytesIO()
    PIL.Image.new("RGB", (8, 8), "red").save(buffer, kind)
    name = Pictures(tmp_path, {}).store("m@h", buffer.getvalue()).file_name
    copy = copy_picture(tmp_path, "references", buffer.getvalue())
    assert (name.partition("/")[0], name[-len(suffix) :], "m@h" in name) == ("images", suffix, False)
    assert (copy.partition("/")[0], copy[-len(suffix) :]) == ("references", suffix)


def test_a_copy_lies_once_under_a_name_of_its_content(tmp_path, scripted):
    names = [copy_picture(tmp_path, "masks", scripted.png(colour)) for colour in ("red", "blue", "red")]
    assert names[0] == names[2] != names[1]
    assert (tmp_path / names[0]).read_bytes() == scripted.png("red")
    assert sorted(f"masks/{path.name}" for path in (tmp_path / "masks").iterdir()) == sorted(set(names))


def test_equal_pictures_that_arrive_at_once_get_a_file_each(tmp_path, scripted):
    pictures, content = Pictures(tmp_path, {}), scripted.png("red")
    with ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda n: pictures.store(f"s{n}", content).file_name, range(40)))
    assert len(set(names)) == 40
    assert all((tmp_path / name).read_bytes() == content for name in names)


def test_a_later_process_takes_no_name_that_is_taken(tmp_path, scripted):
    content = scripted.png("red")
    first = Pictures(tmp_path, {}).store("s0", content)
    later = Pictures(tmp_path, {"s0": first.file_name})
    assert later.store("s1", content).file_name != first.file_name
    assert later.store("s0", content).file_name == first.file_name
    (tmp_path / first.file_name).unlink()
    assert not later.holds(first.file_name)


def test_what_is_no_picture_or_half_of_one_leaves_no_file(tmp_path, scripted):
    for content in (b"", b"<html>", b"\x89PNG\r\n\x1a\n", scripted.png("red")[:-30]):
        with pytest.raises(NotAPicture):
            Pictures(tmp_path, {}).store("s0", content)
    assert list(tmp_path.rglob("*.*")) == []


def test_a_full_disk_leaves_no_half_picture(tmp_path, scripted, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            Pictures(tmp_path, {}).store("s0", scripted.png("red"))
    assert list((tmp_path / "images").iterdir()) == []


def test_two_pictures_are_decoded_at_once_and_no_more(tmp_path, monkeypatch, scripted):
    counting, both, at_once, peaks = threading.Lock(), threading.Barrier(2), [0], []
    decoded = module._decoded

    def together(content):
        with counting:
            at_once[0] += 1
            peaks.append(at_once[0])
        both.wait(60)
        with counting:
            at_once[0] -= 1
        return decoded(content)

    monkeypatch.setattr(module, "_decoded", together)
    folder = Pictures(tmp_path, {})
    with ThreadPoolExecutor(8) as threads:
        stored = list(threads.map(lambda n: folder.store(f"s{n}", scripted.png((n, 0, 0))), range(16)))
    assert len({picture.file_name for picture in stored}) == 16
    assert max(peaks) == 2


@pytest.mark.parametrize("name", ["../private.png", "images/link.png", "images/\0.png"])
def test_a_name_of_a_received_ledger_that_leads_out_of_the_folder_is_not_read(tmp_path, scripted, name):
    (tmp_path / "private.png").write_bytes(scripted.png("red"))
    (tmp_path / "set/images").mkdir(parents=True)
    (tmp_path / "set/images/link.png").symlink_to(tmp_path / "private.png")
    pictures = Pictures(tmp_path / "set", {})
    assert not pictures.holds(name)
    with pytest.raises(OSError, match="leads out of its folder"):
        pictures.read(name)
