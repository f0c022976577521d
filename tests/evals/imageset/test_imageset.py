"""The image-set format: what is read, what is written, and what is refused, with row, reason and remedy."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngInfo

from evals.imageset.imageset import ImageSetError, read_image_set, write_image_set


def picture(seed: int = 0, size: tuple[int, int] = (32, 24)) -> PIL.Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)


def make(folder: Path, rows: list[dict], text: str | None = None) -> Path:
    """Write pictures for the rows and metadata.jsonl as given, so that anything can be wrong in it."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for n, row in enumerate(rows):
        name = row.get("file_name")
        if isinstance(name, str) and name.startswith("images/") and ".." not in name and not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            picture(n).save(folder / name)
    lines = text if text is not None else "\n".join(json.dumps(row) for row in rows)
    (folder / "metadata.jsonl").write_text(lines, encoding="utf-8")
    return folder


def row(n: int = 0, **more) -> dict:
    return {"file_name": f"images/{n}.png", "system": "a", "prompt": f"prompt {n}", **more}


def refusal(folder: Path) -> str:
    with pytest.raises(ImageSetError) as caught:
        read_image_set(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


BAD_ROWS = {
    "parent folder": (row(1, file_name="../1.png"), "leads out of the folder", "copy the file"),
    "hidden parent": (row(1, file_name="images/../../1.png"), "leads out of the folder", "copy the file"),
    "absolute": (row(1, file_name="/etc/hostname"), "absolute path", "relative to the folder"),
    "drive letter": (row(1, file_name="C:/1.png"), "absolute path", "relative to the folder"),
    "backslash": (row(1, file_name="images\\1.png"), "not a portable path", "write it as folder/name.png"),
    "dot part": (row(1, file_name="images/./1.png"), "not a portable path", "write it as folder/name.png"),
    "missing file": (row(1, file_name="elsewhere/1.png"), "does not exist", "take the row out"),
    "a folder": (row(1, file_name="images"), "does not exist", "take the row out"),
    "missing reference": (row(1, reference_images=["refs/r.png"]), "does not exist", "take the row out"),
    "reference outside": (row(1, reference_images=["../r.png"]), "leads out", "copy the file"),
    "mask outside": (row(1, mask="../m.png"), "leads out", "copy the file"),
    "no system": ({"file_name": "images/1.png", "prompt": "p"}, "'system': it is missing or null", "fill it in"),
    "no file name": ({"system": "a", "prompt": "p"}, "'file_name': it is missing or null", "fill it in"),
    "null system": (row(1, system=None), "'system': it is missing or null", "fill it in"),
    "empty prompt": (row(1, prompt="  "), "'prompt': the text is empty", "fill it in"),
    **{
        name: (row(1, **columns), problem, "correct it or take the row out")
        for name, columns, problem in (
            ("number as system", {"system": 3}, "column 'system': 3 is not a text"),
            ("text as seed", {"seed": "7"}, "column 'seed': '7' is not a whole number"),
            ("fraction as shot", {"shot": 1.5}, "column 'shot': 1.5 is not a whole number"),
            ("boolean as repeat", {"repeat": True}, "column 'repeat': True is not a whole number"),
            ("text as references", {"reference_images": "r.png"}, "column 'reference_images': 'r.png' is not a list"),
            ("object as prompt", {"prompt": {"text": "p"}}, "column 'prompt': {'text': 'p'} is not a text"),
            ("mixed tags", {"tags": ["a", 1]}, "column 'tags', entry 2: 1 is not a text"),
            ("null in a list", {"reference_images": [None]}, "column 'reference_images', entry 1: None is not a text"),
            ("number as text", {"expected_text": ["a", 1]}, "column 'expected_text': it is neither a text nor a list"),
            ("names as objects", {"objects": ["cup"]}, "column 'objects', entry 1: 'cup' is not an object"),
            ("text as edit", {"edit": "recolour"}, "column 'edit': 'recolour' is not an object"),
            ("text as count", {"objects": [{"name": "cup", "count": "2"}]}, "field 'count': '2' is not a whole number"),
            ("seen and not", {"objects": [{"name": "cup"}], "absent": ["Cup"]}, "'Cup' is among the objects"),
            ("no colour", {"palette": ["#c8102e", "redd"]}, "column 'palette', entry 2: 'redd' is not a colour"),
            ("beyond white", {"palette": ["rgb(300, 0, 0)"]}, "'rgb(300, 0, 0)' is not a colour"),
            ("relation to itself", {"objects": [{"name": "cup", "position": ["above", 0]}]}, "['above', 0] is none of"),
            (
                "relation to nothing",
                {"objects": [{"name": "cup", "position": ["above", 1]}]},
                "['above', 1] is none of",
            ),
        )
    },
    "nameless object": (row(1, objects=[{"count": 2}]), "entry 1, field 'name': it is missing", "fill it in"),
    "half a relation": (row(1, relations=[{"first": "a", "relation": "on"}]), "'second': it is missing", "fill it in"),
    "unknown field": (row(1, objects=[{"name": "a", "colr": "red"}]), "'colr': there is no such field", "'colour'?"),
    "two names": (row(1, objects=[{"name": "a", "class": "b"}]), "'name': it is given twice", "leave out"),
    "unknown place": (row(1, objects=[{"name": "a", "position": "lft"}]), "there is no position 'lft'", "'left'?"),
    "none of it": (row(1, objects=[{"name": "a", "count": 0}]), "'count': 0 is too small", "named in 'absent'"),
    "unknown relation": (
        row(1, relations=[{"first": "a", "relation": "abov", "second": "b"}]),
        "column 'relations', entry 1, field 'relation': there is no relation 'abov'",
        "'above'?",
    ),
    "see-through": (row(1, palette=["#cc112280"]), "'#cc112280' lets through", "write the colour that is seen"),
    "no width": (row(1, width=0), "column 'width': 0 is too small", "at least 1"),
    "time before it began": (row(1, latency_s=-0.1), "column 'latency_s': -0.1 is too small", "at least 0"),
    "negative shot": (row(1, shot=-1), "column 'shot': -1 is too small", "at least 0"),
    "seed beyond 64 bits": (row(1, seed=2**64), "18446744073709551616 is beyond 64 bits", "leave the seed out"),
    "mixed list of one's own": (row(1, x=["a", 1]), "column 'x' holds a list of mixed types", "one type"),
    "deep column of one's own": (row(1, x=json.loads("[" * 60 + "]" * 60)), "more than 50 levels deep", "flat"),
    "half a character": (row(1, prompt="\ud83d"), "half a character", "UTF-8"),
    "same file": (row(1, file_name="images/0.png"), "repeats the file of row 1", "its own file"),
    "same sample": (row(1, prompt="prompt 0"), "repeats the (system, prompt, seed, repeat, shot) of row 1", "repeat"),
    "same sample_id": (row(1, sample_id="x"), "repeats the sample_id of row 1", "unique"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_row_is_refused_with_row_reason_and_remedy_or_left_out_and_counted(tmp_path, case):
    bad, reason, remedy = BAD_ROWS[case]
    first = row(0, sample_id="x") if case == "same sample_id" else row(0)
    message = refusal(make(tmp_path / "set", [first, bad]))
    assert all(part in message for part in ("row 2", reason, remedy))
    image_set = read_image_set(tmp_path / "set", skip_bad=True)
    assert [kept["file_name"] for kept in image_set.rows] == ["images/0.png"]
    assert [problem.row for problem in image_set.skipped] == [2]
    assert reason in image_set.skipped[0].what


def thing(name: str, **more) -> dict:
    return {"name": name, "count": 1, "colour": None, "position": None, "material": None, **more}


TAKEN = {
    "short and long, with names and without the mark": (
        {"palette": ["#c12", "cc1122", "#CC1122FF", "Red", "rgb(204, 17, 34)"]},
        {"palette": ["#cc1122", "#cc1122", "#cc1122", "#ff0000", "#cc1122"]},
    ),
    "GenEval's": (
        {"objects": [{"class": "lamp", "count": 1}, {"class": "chair", "color": "red", "position": ["right of", 0]}]},
        {
            "objects": [thing("lamp"), thing("chair", colour="red")],
            "relations": [{"first": "chair", "relation": "right of", "second": "lamp"}],
        },
    ),
    "other words for a place": (
        {"objects": [{"label": "cup", "position": "Center"}],
         "relations": [{"subject": "cup", "predicate": "to the left_of", "object": "jar"}]},
        {"objects": [thing("cup", position="centre")],
         "relations": [{"first": "cup", "relation": "left of", "second": "jar"}]},
    ),
    "null for what a table has no value of": (
        {"objects": [{"name": "cup", "count": None, "colour": None}], "mask": None},
        {"objects": [thing("cup")], "mask": None},
    ),
    "a blank name": ({"sequence_id": " ", "mask": ""}, {"sequence_id": None, "mask": None}),
    "a size in numbers": ({"size": [1024, 768]}, {"size": "1024x768"}),
    "the ends of 64 bits": ({"seed": 2**64 - 1}, {"seed": 2**64 - 1}),
    "a negative seed": ({"seed": -(2**63)}, {"seed": -(2**63)}),
    "columns of one's own": ({"x": [{"y": 1}], "steps": 2**63}, {"x": [{"y": 1}], "steps": 2**63}),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_another_spelling_is_taken_and_read_as_ours(tmp_path, case):
    written, expected = TAKEN[case]
    (read,) = read_image_set(make(tmp_path / "set", [row(0, **written)])).rows
    assert {column: read.get(column) for column in {*written, *expected}} == expected


def test_seeds_that_no_type_of_integer_holds_together_are_refused(tmp_path):
    folder = make(tmp_path / "set", [row(0, seed=2**63), row(1, seed=-1), row(2)])
    assert "row 2: column 'seed' holds one below 0, other rows one from 2^63 on" in refusal(folder)
    assert [kept.get("seed") for kept in read_image_set(folder, skip_bad=True).rows] == [2**63, None]


BAD_FILES = {
    "invalid JSON": ('{"file_name": "images/0.png", ', "row 1: is not valid JSON"),
    "beyond any number": ('{"file_name": "images/0.png", "system": "a", "prompt": "p", "x": 1e999}', "not valid JSON"),
    "NaN": ('{"file_name": "images/0.png", "system": "a", "prompt": "p", "x": NaN}', "not valid JSON"),
    "a name twice": ('{"system": "a", "system": "b"}', "row 1: is not valid JSON ('system' is given twice)"),
    "a list": ('["images/0.png"]', "row 1: is not a JSON object"),
    "deep nesting": ("[" * 100_000, "row 1: is not valid JSON"),
    "empty": ("", "holds no usable row"),
    "blank lines": ("\n\n  \n", "holds no usable row"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_metadata_is_refused(tmp_path, case):
    text, reason = BAD_FILES[case]
    assert reason in refusal(make(tmp_path / "set", [], text))


def test_a_missing_folder_missing_metadata_and_what_is_no_utf8_are_told_apart(tmp_path):
    assert "there is no folder" in refusal(tmp_path / "nowhere")
    assert "metadata.jsonl: does not exist" in refusal(tmp_path)
    (tmp_path / "metadata.jsonl").write_bytes(b'{"prompt": "\xff\xfe"}')
    assert "not UTF-8" in refusal(tmp_path)


@pytest.mark.parametrize("linked", ["images/1.png", "images"])
def test_a_link_out_of_the_folder_is_refused(tmp_path, linked):
    outside = make(tmp_path / "outside", [row(1)])
    folder = make(tmp_path / "set", [row(0, file_name="0.png"), row(1)])
    picture().save(folder / "0.png")
    shutil.rmtree(folder / "images")
    if linked != "images":
        (folder / "images").mkdir()
    (folder / linked).symlink_to(outside / linked)
    assert "through a link" in refusal(folder)


def test_a_link_within_the_folder_is_fine(tmp_path):
    folder = make(tmp_path / "set", [row(0)])
    (folder / "images/again.png").symlink_to(folder / "images/0.png")
    assert len(read_image_set(make(folder, [row(1, file_name="images/again.png")])).rows) == 1


def test_a_column_has_one_type_the_minority_is_named_and_whole_and_fractional_numbers_are_one(tmp_path):
    styles = [row(n, style=style) for n, style in enumerate(["x", "y", 3])]
    message = refusal(make(tmp_path / "mixed", styles))
    assert "row 3: column 'style' holds an integer where a string is expected" in message
    latencies = [row(n, latency_s=latency_s) for n, latency_s in enumerate([1, 1.5, None])]
    assert len(read_image_set(make(tmp_path / "numbers", latencies)).rows) == 3


def test_an_empty_list_is_of_any_type(tmp_path):
    rows = [row(n, x=x, tags=x) for n, x in enumerate([[], [], ["a"]])]
    assert len(read_image_set(make(tmp_path / "set", rows)).rows) == 3


BAD_REQUESTS = {
    "half a line": (b"{", "is not valid JSON"),
    "no object": (b"[]", "is not a JSON object"),
    "a name twice": (b'{"system": "b", "outcome": "ok", "outcome": "refused"}', "'outcome' is given twice"),
    "no outcome": (b'{"system": "b"}', "column 'outcome': it is missing"),
    "no system": (b'{"outcome": "ok"}', "column 'system': it is missing"),
    "another outcome": (b'{"system": "b", "outcome": "refusd"}', "no outcome 'refusd'; did you mean 'refused'?"),
    "text as cost": (b'{"system": "b", "outcome": "ok", "cost_usd": "0.1"}', "'cost_usd': '0.1' is not a number"),
    "less than no time": (b'{"system": "b", "outcome": "ok", "latency_s": -1}', "'latency_s': -1"),
    "a negative seed beside a large one": (b'{"system": "b", "outcome": "ok", "seed": -1}', "holds one below 0"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_bad_request_is_refused_with_its_row_also_where_bad_rows_are_skipped(tmp_path, case):
    line, problem = BAD_REQUESTS[case]
    folder = make(tmp_path / "set", [row(0)])
    first = b'{"system": "b", "outcome": "ok", "seed": 9223372036854775808}\n'
    (folder / "requests.jsonl").write_bytes(first + line)
    assert problem in refusal(folder)
    with pytest.raises(ImageSetError, match=r"requests.jsonl row 2: "):
        read_image_set(folder, skip_bad=True)


@pytest.mark.parametrize(("encoding", "is_read"), [("utf-8", True), ("utf-8-sig", True), ("utf-16", False)])
def test_requests_are_read_in_the_encodings_of_the_samples(tmp_path, encoding, is_read):
    folder = make(tmp_path / "set", [row(0)])
    for name, line in (("metadata", row(0, prompt="Zürich")), ("requests", {"system": "ü", "outcome": "refused"})):
        text = json.dumps(line, ensure_ascii=False)
        (folder / f"{name}.jsonl").write_text(text, encoding=encoding if is_read or name == "requests" else "utf-8")
    if is_read:
        assert read_image_set(folder).outcomes == {"ü": {"refused": 1}}
    else:
        assert "requests.jsonl: is not UTF-8 text" in refusal(folder)


WARNINGS = [
    ([row(0, file_name="images/flux-dev/0.png")], "Hugging Face reads 'dev' in a path"),
    ([row(0), row(1, seed=3)], "not every row has seed"),
    ([row(0, seed=2**63)], "Hugging Face reads them as floating-point numbers"),
    ([row(0, prompt_id="x"), row(1, prompt_id="x", system="b")], "prompt_id 'x' stands for different prompts"),
    ([row(0, prompt_id="x", prompt="a cup"), row(1, prompt_id="x", prompt="a  cup\n", system="b")], None),
    ([row(0, sequence_id="x", shot=1), row(1, sequence_id="x", shot=None)], "has a sequence_id and no shot"),
    ([row(0, sequence_id="x", shot=1), row(1, sequence_id=None, shot=1)], "has a shot and no sequence_id"),
    ([row(0, sequence_id="x", shot=1, seed=1), row(1, sequence_id="x", shot=1, seed=2)],
     "shot 1 of 'x' by a is there 2 times"),
    ([row(0, sequence_id="x", shot=1, repeat=0), row(1, sequence_id="x", shot=1, repeat=1)], None),
    ([row(0, file_name="images/device/0.png")], None),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "sentence"), WARNINGS)
def test_what_trips_other_loaders_is_a_warning(tmp_path, rows, sentence):
    warnings = read_image_set(make(tmp_path / "set", rows)).warnings
    assert [sentence in warning for warning in warnings] == ([True] if sentence else [])


@pytest.fixture
def stored(tmp_path):
    """Return a function that writes pictures as an image set, some columns filled in, and reads its rows back."""

    def write(*contents, **columns):
        samples = [
            (content, {"system": "a", "prompt": "p", "repeat": n, **columns}) for n, content in enumerate(contents)
        ]
        return read_image_set(write_image_set(tmp_path / "set", samples)).rows

    return write


@pytest.mark.parametrize("mode", ["CMYK", "LAB", "HSV", "1", "P", "LA", "I;16"])
def test_a_picture_of_any_mode_is_written(stored, mode):
    drawn = picture(0).convert("RGB").convert(mode) if mode != "LAB" else PIL.Image.new("LAB", (8, 8), (128, 9, 9))
    assert stored(drawn)[0]["width"] == drawn.width


def test_a_rotated_picture_is_written_upright(stored, tmp_path):
    buffer, exif = io.BytesIO(), PIL.Image.Exif()
    exif[0x0112] = 6
    picture(0, (16, 8)).save(buffer, format="JPEG", exif=exif)
    (only,) = stored(PIL.Image.open(buffer))
    assert (only["width"], only["height"]) == (8, 16)
    with PIL.Image.open(tmp_path / "set" / only["file_name"]) as written:
        assert written.size == (8, 16)


def test_missing_ids_are_filled_in_and_stable(tmp_path):
    folder = make(tmp_path / "set", [row(0), row(1)])
    first, second = read_image_set(folder).rows
    assert first["suite"] == "default"
    assert first["sample_id"] != second["sample_id"]
    assert read_image_set(make(folder, [row(1), row(0)])).rows == [second, first]


def test_a_written_set_has_the_same_columns_in_every_row_and_no_empty_one_and_is_never_overwritten(tmp_path):
    first = (picture(0), {"system": "a", "prompt": "p", "seed": 1, "mask": None})
    folder = write_image_set(tmp_path / "set", [first, (picture(1), {"system": "b", "prompt": "p", "language": "en"})])
    before = (folder / "metadata.jsonl").read_text()
    rows = [json.loads(line) for line in before.splitlines()]
    assert rows[0].keys() == rows[1].keys()
    assert "mask" not in rows[0]
    assert rows[0]["language"] is None
    with pytest.raises(ImageSetError, match="already exists"):
        write_image_set(folder, [(picture(1), {"system": "a", "prompt": "q"})])
    assert (folder / "metadata.jsonl").read_text() == before


def test_a_written_picture_is_lossless_and_named_by_content_and_bytes_are_untouched(stored, tmp_path):
    buffer = io.BytesIO()
    picture(4).save(buffer, format="JPEG")
    drawn, brought = stored(picture(3), buffer.getvalue(), system="train")
    assert "train" not in drawn["file_name"]
    assert drawn["file_sha256"].startswith(Path(drawn["file_name"]).stem)
    with PIL.Image.open(tmp_path / "set" / drawn["file_name"]) as written:
        assert np.array_equal(np.asarray(written), np.asarray(picture(3)))
    assert brought["file_name"].endswith(".jpg")
    assert (tmp_path / "set" / brought["file_name"]).read_bytes() == buffer.getvalue()


def test_equal_pictures_get_files_of_their_own_and_share_the_pixel_hash_however_a_png_was_packed(stored):
    packed = []
    for level, note in ((0, ""), (9, "x"), (6, "other")):
        buffer, info = io.BytesIO(), PngInfo()
        info.add_text("note", note)
        picture(6).save(buffer, format="PNG", compress_level=level, pnginfo=info)
        packed.append(buffer.getvalue())
    rows = stored(*packed, picture(6), picture(6))
    assert len({row["file_name"] for row in rows}) == 5
    assert len({row["file_sha256"] for row in rows}) == 4
    assert len({row["pixel_sha256"] for row in rows}) == 1


def test_interrupted_writing_leaves_no_image_set(tmp_path):
    def pictures():
        yield picture(0), {"system": "a", "prompt": "p"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_image_set(tmp_path / "set", pictures())
    assert not (tmp_path / "set/metadata.jsonl").exists()


def test_hugging_face_opens_a_written_set_as_it_is(tmp_path):
    datasets = pytest.importorskip("datasets")
    texts = {"a": "OPEN", "b": None}
    samples = [(picture(), {"system": system, "prompt": "p", "expected_text": text}) for system, text in texts.items()]
    folder = write_image_set(tmp_path / "set", samples)
    loaded = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
    (split,) = loaded.values()
    assert {row["system"]: row["expected_text"] for row in split} == texts
    assert split.num_rows == 2
    assert split[0]["image"].size == (32, 24)


@pytest.mark.parametrize("n_rows", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_thousands_of_rows_open_without_touching_an_image(tmp_path, monkeypatch, n_rows):
    (tmp_path / "images").mkdir()
    with (tmp_path / "metadata.jsonl").open("w") as out:
        for n in range(n_rows):
            (tmp_path / f"images/{n}.png").touch()
            out.write(json.dumps(row(n, seed=1, repeat=0)) + "\n")

    def touched(*_args, **_kwargs):
        raise AssertionError("an image was opened")

    monkeypatch.setattr(PIL.Image, "open", touched)
    assert len(read_image_set(tmp_path).rows) == n_rows


def test_an_answer_in_no_time_has_no_known_latency(tmp_path):
    folder = make(tmp_path / "set", [row(0, latency_s=0.0), row(1, latency_s=0.2)])
    assert [sample["latency_s"] for sample in read_image_set(folder).rows] == [None, 0.2]
