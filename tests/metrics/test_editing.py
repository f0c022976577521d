"""Precision editing: published formulas, the two controls on drawn edits, and the reasons for having no value."""

from io import BytesIO
from itertools import chain

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image as Picture
from PIL import ImageDraw
from skimage import data

from metrics import editing
from metrics.catalogue import METRICS
from metrics.editing import direction_similarity, direction_texts, is_no_op
from metrics.encoders.catalogue import load_encoder
from metrics.encoders.edits import edit_difference, load_edit_pixels
from metrics.encoders.lpips import load_lpips
from metrics.measurement import Subject
from tests.metrics.contract import assert_contract, embedded, measure, unit

PIXELS = load_edit_pixels("rgb8", "cpu")
TEXTS = ["a red circle", "a blue circle"]
CAPTIONED = {"prompt": "Paint the circle blue.", "source_caption": TEXTS[0], "caption": TEXTS[1]}

unit_vectors = st.integers(0, 2**32 - 1).map(lambda seed: unit(*np.random.default_rng(seed).normal(size=6)))


def semantic(output, source, texts, row=CAPTIONED):
    references = () if source is None else ({"clip_image": source},)
    return Subject(
        ("a",), (row,), ({"clip_image": output},), {"references": references, "texts": texts}, {"kind": "drawn"}
    )


def pixelwise(source, output, mask=None, name="a"):
    (difference,) = PIXELS.encode([(source, output, mask)])
    return Subject((name,), ({"prompt": "edit"},), context={"edit_difference": difference})


def draw(shape, colour, ground):
    picture = Picture.new("RGB", (160, 160), ground)
    pen = ImageDraw.Draw(picture)
    for x in range(0, 160, 16):
        pen.line([(x, 140), (x + 8, 159)], fill="grey")
    if shape == "triangle":
        pen.polygon([(80, 30), (40, 110), (120, 110)], fill=colour)
    else:
        {"circle": pen.ellipse, "square": pen.rectangle}[shape]([40, 30, 120, 110], fill=colour)
    return np.asarray(picture)


def mask_of_the_shape():
    mask = np.zeros((160, 160, 3), np.uint8)
    mask[24:116, 34:126] = 255
    return mask


DRAWN = [
    ("circle", "red", "blue", "white"),
    ("square", "green", "yellow", "black"),
    ("triangle", "blue", "red", "white"),
    ("circle", "yellow", "purple", "black"),
    ("triangle", "purple", "orange", "pink"),
]
SOURCES = [draw(shape, before, ground) for shape, before, _, ground in DRAWN]
OUTPUTS = [draw(shape, after, ground) for shape, _, after, ground in DRAWN]
ROWS = [
    {"prompt": f"Paint the {shape} {after}.", "source_caption": f"a {before} {shape}", "caption": f"a {after} {shape}"}
    for shape, before, after, _ in DRAWN
]


def as_file(image, **options):
    file = BytesIO()
    Picture.fromarray(image).save(file, **options)
    return np.asarray(Picture.open(file).convert("RGB"))


def photographs():
    return [np.ascontiguousarray(getattr(data, name)()[..., :3]) for name in ("astronaut", "chelsea", "coffee")]


# The formulas

EAST, NORTH, UP = unit(1, 0, 0), unit(0, 1, 0), unit(0, 0, 1)


def measured_direction(output, source, *after):
    """Measure the edit of a source towards the clauses of a text, which it would have to be turned to from "up"."""
    texts = {TEXTS[0]: embedded(UP), TEXTS[1]: embedded(*after)}
    return measure(editing.edit_direction, semantic(output, source, texts))


def test_direction_of_a_worked_example():
    measured = measured_direction(unit(0.8, 0.6, 0), EAST, unit(0, 1, 1))
    assert measured.value == pytest.approx(87.64691, abs=1e-3)
    assert measured.details == {"kind": "drawn", "text": "captions", "n_chunks": 1, "no_op": False}


@given(unit_vectors, unit_vectors, unit_vectors, unit_vectors)
def test_undoing_an_edit_goes_the_other_way(source, output, before, after):
    assume(not np.array_equal(before, after) and not np.array_equal(source, output))
    there = direction_similarity(source, output, before, after)
    back = direction_similarity(output, source, before, after)
    assert there == pytest.approx(-back, abs=1e-9)
    assert -100 <= there <= 100
    assert direction_similarity(before, after, source, output) == pytest.approx(there, abs=1e-9)
    assert direction_similarity(source, output, source, output) == pytest.approx(100)


def test_no_change_scores_zero_and_says_so():
    for output in (EAST, unit(1, 2e-4, 0)):
        measured = measured_direction(output, EAST, unit(0, 1, 1))
        assert (measured.value, measured.details["no_op"]) == (0, True)


def test_a_text_of_two_clauses_counts_as_their_mean_direction():
    vectors = unit(0.2, 0.9, 0.1), unit(1, 0.3, 0)
    measured, expected = measured_direction(*vectors, NORTH, UP), measured_direction(*vectors, unit(0, 1, 1))
    assert measured.value == pytest.approx(expected.value, abs=1e-4)
    assert (measured.details["n_chunks"], expected.details["n_chunks"]) == (2, 1)


def test_the_gain_is_of_the_output_over_the_source():
    texts = {TEXTS[0]: embedded(unit(1, 0)), TEXTS[1]: embedded(unit(0, 1))}
    measured = measure(editing.instruction_gain, semantic(unit(0.6, 0.8), unit(0.8, 0.6), texts))
    assert measured.value == pytest.approx(20, abs=1e-4)
    assert (measured.details["output"], measured.details["source"]) == pytest.approx((80, 60), abs=1e-4)


def test_similarity_is_a_hundred_cosines():
    measured = measure(editing.image_similarity, semantic(unit(0.6, 0.8), unit(1, 0), {}))
    assert measured.value == pytest.approx(60, abs=1e-4)


@pytest.mark.parametrize(
    ("row", "texts", "origin"),
    [
        (CAPTIONED, ("a red circle", "a blue circle"), "captions"),
        ({"prompt": "Paint it."}, ("a picture", "Paint it."), "instruction"),
        ({"prompt": "Paint it.", "source_caption": "a wall"}, ("a picture", "Paint it."), "instruction"),
        ({"prompt": "Paint it.", "caption": "a red wall"}, ("a picture", "a red wall"), "caption"),
        ({"prompt": "Paint it.", "caption": " ", "source_caption": None}, ("a picture", "Paint it."), "instruction"),
    ],
)
def test_which_texts_stand_for_the_edit(row, texts, origin):
    assert direction_texts(row) == texts
    prompts = {text: embedded(unit(n, 1)) for n, text in enumerate(texts)}
    for metric in (editing.edit_direction, editing.instruction_gain):
        measured = measure(metric, semantic(unit(1, 1), unit(1, 0), prompts, row))
        assert measured.details["text"] == origin


# Nothing was done


@pytest.mark.parametrize(
    "options", [{"format": "PNG"}, {"format": "JPEG", "quality": 85}, {"format": "WEBP", "quality": 85}], ids=str
)
def test_saving_a_picture_again_is_no_edit(options):
    for picture in photographs():
        assert is_no_op(edit_difference(picture, as_file(picture, **options), None))


def test_saving_a_picture_again_a_pixel_further_is_no_edit():
    picture = photographs()[0]
    source, moved = picture[:-1, 1:], picture[:-1, :-1]
    measured = measure(editing.no_op, pixelwise(source, as_file(moved, format="JPEG", quality=90)))
    assert measured.value == 1
    assert measured.details["shift"] == [1, 0]


@pytest.mark.parametrize("side", [24, 32, 64])
def test_an_edit_is_found_however_small_in_its_picture(side):
    picture = photographs()[0]
    output = picture.copy()
    output[100 : 100 + side, 200 : 200 + side] = 255 - output[100 : 100 + side, 200 : 200 + side]
    assert edit_difference(picture, output, None)["whole"]["mae"] < editing.NO_OP_MAE
    assert measure(editing.no_op, pixelwise(picture, output)).value == 0


def test_a_dot_is_an_edit_with_a_mask_and_a_slightly_brighter_picture_is_one():
    grey, mask = np.full((128, 128, 3), 120, np.uint8), np.zeros((128, 128, 3), np.uint8)
    dotted = grey.copy()
    dotted[60:66, 60:66], mask[60:66, 60:66] = 220, 255
    edits = [(dotted,), (dotted, mask), (grey + np.uint8(3),), (grey + np.uint8(5),)]
    assert [measure(editing.no_op, pixelwise(grey, *edit)).value for edit in edits] == [1, 0, 1, 0]


# The two controls: each metric puts both on their side of a true edit

PRESERVED = [editing.preserved_ssim, editing.preserved_psnr, editing.changed_outside]


@pytest.fixture(scope="module")
def arrangements():
    """Of every drawn edit: the true one, the unedited source, and another item's output."""
    mask = mask_of_the_shape()
    others = [*OUTPUTS[1:], OUTPUTS[0]]
    return [
        [pixelwise(source, candidate, mask) for candidate in (output, source, other)]
        for source, output, other in zip(SOURCES, OUTPUTS, others, strict=True)
    ]


def test_the_unedited_source_is_a_no_op_that_preserves_everything_and_the_unrelated_picture_little(arrangements):
    of_unrelated = []
    for subjects in arrangements:
        preserved = [[one.value for one in metric(subjects)] for metric in PRESERVED]
        edited, unedited, unrelated = zip(*preserved, strict=True)
        assert edited == unedited == pytest.approx((1, 100, 0))
        of_unrelated.append(unrelated)
        assert [measured.value for measured in editing.no_op(subjects)] == [0, 1, 0]
        edited, unedited, _ = editing.changed_inside(subjects)
        assert edited.value > 0.3
        assert edited.details["mean_difference"] > 20
        assert (unedited.value, unedited.details["mean_difference"]) == (0, 0)
    ssim, decibels, changed = np.mean(of_unrelated, axis=0)
    assert ssim < 0.95
    assert decibels < 60
    assert changed > 0.3


@pytest.fixture(scope="module")
def lpips_outside(shared):
    """Return a function that measures LPIPS outside the mask of (source, output, mask) by the real network."""
    encoder = load_lpips(str(shared("models/lpips") / "lpips_alex.onnx"), "cpu")
    return lambda edits: editing.preserved_lpips(
        [Subject(("a",), ({},), context={"edit_lpips": edit}) for edit in encoder.encode(edits)]
    )


def test_lpips_puts_the_controls_on_their_sides(lpips_outside):
    mask = mask_of_the_shape()
    measured = lpips_outside([(SOURCES[0], candidate, mask) for candidate in (OUTPUTS[0], SOURCES[0], OUTPUTS[1])])
    edited, unedited, unrelated = (one.value for one in measured)
    assert edited == unedited == 0
    assert unrelated > 0.2


def test_the_size_of_the_mask_does_not_flatter_lpips(lpips_outside):
    source = np.repeat(data.gravel()[:, :, None], 3, axis=2)
    noise = np.random.default_rng(0).normal(0, 20, source.shape)
    output = np.clip(source + noise, 0, 255).astype(np.uint8)
    masks = [np.zeros_like(source) for _ in range(3)]
    masks[1][:, :256], masks[2][:, :384] = 255, 255
    measured = lpips_outside([(source, output, mask) for mask in masks])
    none, half, most = (one.value for one in measured)
    assert [half, most] == pytest.approx([none, none], rel=0.1)
    assert measured[2].details["frame_distance"] < 0.3 * none


@pytest.fixture(scope="module")
def drawn_edits():
    """Every drawn source held against its own edit, itself, and the other items' edits, by a real encoder."""
    encoder = load_encoder("embedded:lite", "cpu")
    vectors = encoder.encode([*SOURCES, *OUTPUTS])
    sources, outputs = vectors[: len(DRAWN)], vectors[len(DRAWN) :]
    without_captions = [{"prompt": row["prompt"]} for row in ROWS]
    needed = sorted(set(chain.from_iterable(direction_texts(row) for row in [*ROWS, *without_captions])))
    texts = dict(zip(needed, encoder.encode(needed), strict=True))

    def arranged(rows):
        others = [(i, j) for i in range(len(rows)) for j in range(len(rows)) if i != j]
        return (
            [semantic(output, source, texts, row) for output, source, row in zip(outputs, sources, rows, strict=True)],
            [semantic(source, source, texts, row) for source, row in zip(sources, rows, strict=True)],
            [semantic(outputs[j], sources[i], texts, rows[i]) for i, j in others],
        )

    return {"captions": arranged(ROWS), "instruction": arranged(without_captions)}


@pytest.mark.parametrize("metric", [editing.edit_direction, editing.instruction_gain])
@pytest.mark.parametrize("origin", ["captions", "instruction"])
def test_a_real_encoder_tells_true_edits_from_both_controls(drawn_edits, metric, origin):
    edited, unedited, unrelated = ([one.value for one in metric(each)] for each in drawn_edits[origin])
    assert unedited == [0] * len(DRAWN)
    assert np.mean(edited) > np.mean(unrelated) + 5
    assert np.mean(edited) > 2
    if origin == "captions":
        assert min(edited) > 0


def test_the_unedited_source_is_most_similar_and_the_unrelated_picture_least(drawn_edits):
    edited, unedited, unrelated = (
        np.mean([one.value for one in editing.image_similarity(each)]) for each in drawn_edits["captions"]
    )
    assert unedited == pytest.approx(100, abs=1e-3)
    assert unrelated < edited < unedited


# Reasons, details and the contract


WHITE, THIN = np.full((2, 160, 160, 3), 255, np.uint8)
THIN[:3] = 0
CORNER = SOURCES[0][:8, :8]
SAME_TEXTS = dict.fromkeys(TEXTS, embedded(UP))


def distant(distance, mask_share):
    edit = {"distance": distance, "mask_share": mask_share, "resized": False, "shift": [0, 0], "aligned": False}
    return Subject(("a",), ({},), context={"edit_lpips": edit})


@pytest.mark.parametrize(
    ("metrics", "subject", "reason"),
    [
        ("edit_direction instruction_gain image_similarity", semantic(EAST, None, {}), "no_source"),
        ("preserved_ssim preserved_psnr changed_outside preserved_lpips", Subject(("a",), ({},)), "no_source"),
        ("changed_inside no_op", Subject(("a",), ({},)), "no_source"),
        ("edit_direction", semantic(NORTH, EAST, SAME_TEXTS), "texts_agree"),
        ("preserved_ssim preserved_psnr changed_outside changed_inside", pixelwise(SOURCES[0], OUTPUTS[0]), "no_mask"),
        ("preserved_lpips", distant(None, None), "no_mask"),
        ("preserved_ssim preserved_psnr changed_outside", pixelwise(SOURCES[0], OUTPUTS[0], WHITE), "mask_covers_all"),
        ("preserved_lpips", distant(None, 1.0), "mask_covers_all"),
        ("changed_inside", pixelwise(SOURCES[0], OUTPUTS[0], 0 * WHITE), "mask_is_empty"),
        # no window fits into what lies outside
        ("preserved_ssim", pixelwise(SOURCES[0], SOURCES[0], THIN), "mask_covers_all"),
        ("preserved_ssim", pixelwise(CORNER, CORNER, THIN[:8, :8]), "image_too_small"),
    ],
)
def test_what_cannot_be_measured_has_its_reason(metrics, subject, reason):
    for metric in metrics.split():
        measured = measure(getattr(editing, metric), subject)
        assert (measured.value, measured.reason) == (None, reason), metric


def test_what_needs_no_mask_or_no_window_is_measured_all_the_same():
    assert measure(editing.no_op, pixelwise(SOURCES[0], OUTPUTS[0])).value == 0
    assert measure(editing.preserved_psnr, pixelwise(SOURCES[0], SOURCES[0], THIN)).value == 100


def test_a_resized_output_is_said_to_be():
    output = np.asarray(Picture.fromarray(OUTPUTS[0]).resize((320, 240)))
    measured = measure(editing.preserved_ssim, pixelwise(SOURCES[0], output, mask_of_the_shape()))
    assert measured.details["resized"] is True
    assert measured.details["mask_share"] == pytest.approx((92 / 160) ** 2)


@pytest.mark.parametrize("row", [row for row in METRICS if row.dimension == "editing"], ids=lambda row: row.id)
def test_every_metric_keeps_order_details_and_range(row, arrangements):
    random = np.random.default_rng(4)
    texts = {text: embedded(unit(*random.normal(size=6))) for text in TEXTS}
    subjects = []
    for n, pixels in enumerate(chain.from_iterable(arrangements)):
        output, source = ({"clip_image": unit(*random.normal(size=6))} for _ in range(2))
        of_edit = {**pixels.context, **distant(n / 30, 0.5).context, "references": (source,), "texts": texts}
        subjects.append(Subject((str(n),), (CAPTIONED,), (output,), of_edit, {"kind": n}))
    assert_contract(row.load(), subjects, row.range)
