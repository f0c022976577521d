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
from metrics.encoders.lpips import load_edit_lpips
from metrics.measurement import Subject
from tests.metrics.contract import assert_contract, embedded, unit

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
    return Subject((name,), ({"prompt": "edit"},), given={"edit_difference": difference})


def draw(shape, colour, ground):
    picture = Picture.new("RGB", (160, 160), ground)
    pen = ImageDraw.Draw(picture)
    for x in range(0, 160, 16):
        pen.line([(x, 140), (x + 8, 159)], fill="grey")
    if shape == "circle":
        pen.ellipse([40, 30, 120, 110], fill=colour)
    elif shape == "square":
        pen.rectangle([40, 30, 120, 110], fill=colour)
    else:
        pen.polygon([(80, 30), (40, 110), (120, 110)], fill=colour)
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
    {
        "prompt": f"Paint the {shape} {after}.",
        "source_caption": f"a {before} {shape}",
        "caption": f"a {after} {shape}",
    }
    for shape, before, after, _ in DRAWN
]


def as_file(image, **options):
    file = BytesIO()
    Picture.fromarray(image).save(file, **options)
    return np.asarray(Picture.open(file).convert("RGB"))


def photographs():
    return [np.ascontiguousarray(getattr(data, name)()[..., :3]) for name in ("astronaut", "chelsea", "coffee")]


def only(measurements):
    (measured,) = measurements
    return measured


# The formulas


def test_direction_of_a_worked_example():
    texts = {TEXTS[0]: embedded(unit(0, 0, 1)), TEXTS[1]: embedded(unit(0, 1, 1))}
    measured = only(editing.edit_direction([semantic(unit(0.8, 0.6, 0), unit(1, 0, 0), texts)]))
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


def test_a_picture_that_moves_as_its_text_does_scores_a_hundred():
    before, after = unit(1, 2, 3), unit(3, 1, 1)
    assert direction_similarity(before, after, before, after) == pytest.approx(100)
    assert direction_similarity(after, before, before, after) == pytest.approx(-100)


def test_no_change_scores_zero_and_says_so():
    texts = {TEXTS[0]: embedded(unit(0, 0, 1)), TEXTS[1]: embedded(unit(0, 1, 1))}
    source = unit(1, 0, 0)
    for output in (source, unit(1, 2e-4, 0)):
        measured = only(editing.edit_direction([semantic(output, source, texts)]))
        assert measured.value == 0
        assert measured.details["no_op"] is True


def test_texts_that_agree_name_no_direction():
    texts = dict.fromkeys(TEXTS, embedded(unit(0, 0, 1)))
    measured = only(editing.edit_direction([semantic(unit(0, 1, 0), unit(1, 0, 0), texts)]))
    assert (measured.value, measured.reason) == (None, "texts_agree")


def test_a_text_of_two_clauses_counts_as_their_mean_direction():
    parts = embedded(unit(0, 1, 0), unit(0, 0, 1))
    texts = {TEXTS[0]: embedded(unit(1, 0, 0)), TEXTS[1]: parts}
    whole = {TEXTS[0]: embedded(unit(1, 0, 0)), TEXTS[1]: embedded(unit(0, 1, 1))}
    vectors = unit(0.2, 0.9, 0.1), unit(1, 0.3, 0)
    measured, expected = (only(editing.edit_direction([semantic(*vectors, each)])) for each in (texts, whole))
    assert measured.value == pytest.approx(expected.value, abs=1e-4)
    assert (measured.details["n_chunks"], expected.details["n_chunks"]) == (2, 1)


def test_the_gain_is_of_the_output_over_the_source():
    texts = {TEXTS[0]: embedded(unit(1, 0)), TEXTS[1]: embedded(unit(0, 1))}
    measured = only(editing.instruction_gain([semantic(unit(0.6, 0.8), unit(0.8, 0.6), texts)]))
    assert measured.value == pytest.approx(20, abs=1e-4)
    assert (measured.details["output"], measured.details["source"]) == pytest.approx((80, 60), abs=1e-4)


def test_similarity_is_a_hundred_cosines():
    measured = only(editing.image_similarity([semantic(unit(0.6, 0.8), unit(1, 0), {})]))
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
    given_texts = {text: embedded(unit(n, 1)) for n, text in enumerate(texts)}
    for metric in (editing.edit_direction, editing.instruction_gain):
        measured = only(metric([semantic(unit(1, 1), unit(1, 0), given_texts, row)]))
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
    measured = only(editing.no_op([pixelwise(source, as_file(moved, format="JPEG", quality=90))]))
    assert measured.value == 1
    assert measured.details["shift"] == [1, 0]


@pytest.mark.parametrize("side", [24, 32, 64])
def test_an_edit_is_found_however_small_in_its_picture(side):
    picture = photographs()[0]
    output = picture.copy()
    output[100 : 100 + side, 200 : 200 + side] = 255 - output[100 : 100 + side, 200 : 200 + side]
    assert edit_difference(picture, output, None)["whole"]["mae"] < editing.NO_OP_MAE
    assert only(editing.no_op([pixelwise(picture, output)])).value == 0


def test_with_a_mask_even_a_dot_is_an_edit():
    picture, mask = np.full((128, 128, 3), 120, np.uint8), np.zeros((128, 128, 3), np.uint8)
    output = picture.copy()
    output[60:66, 60:66], mask[60:66, 60:66] = 220, 255
    assert only(editing.no_op([pixelwise(picture, output)])).value == 1, "below the floor without a mask"
    assert only(editing.no_op([pixelwise(picture, output, mask)])).value == 0


def test_a_picture_that_is_slightly_brighter_all_over_is_an_edit():
    grey = np.full((64, 64, 3), 120, np.uint8)
    assert only(editing.no_op([pixelwise(grey, grey + np.uint8(3))])).value == 1
    assert only(editing.no_op([pixelwise(grey, grey + np.uint8(5))])).value == 0


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


def test_the_unedited_source_preserves_everything_and_the_unrelated_picture_little(arrangements):
    for subjects in arrangements:
        for metric, best in zip(PRESERVED, (1, 100, 0), strict=True):
            edited, unedited, _ = (measured.value for measured in metric(subjects))
            assert edited == unedited == pytest.approx(best)
    of_unrelated = [[metric([subjects[2]])[0].value for metric in PRESERVED] for subjects in arrangements]
    ssim, decibels, changed = np.mean(of_unrelated, axis=0)
    assert ssim < 0.95
    assert decibels < 60
    assert changed > 0.3


def test_only_the_unedited_source_is_a_no_op(arrangements):
    for subjects in arrangements:
        assert [measured.value for measured in editing.no_op(subjects)] == [0, 1, 0]
        edited, unedited, _ = editing.changed_inside(subjects)
        assert edited.value > 0.3
        assert edited.details["mean_difference"] > 20
        assert (unedited.value, unedited.details["mean_difference"]) == (0, 0)


def test_lpips_puts_the_controls_on_their_sides(shared):
    encoder = load_edit_lpips(str(shared("models/lpips") / "lpips_alex.onnx"), "cpu")
    mask = mask_of_the_shape()
    edits = [(SOURCES[0], candidate, mask) for candidate in (OUTPUTS[0], SOURCES[0], OUTPUTS[1])]
    subjects = [Subject(("a",), ({},), given={"edit_lpips": edit}) for edit in encoder.encode(edits)]
    edited, unedited, unrelated = (measured.value for measured in editing.preserved_lpips(subjects))
    assert edited == unedited == 0
    assert unrelated > 0.2


def test_the_size_of_the_mask_does_not_flatter_lpips(shared):
    encoder = load_edit_lpips(str(shared("models/lpips") / "lpips_alex.onnx"), "cpu")
    source = np.repeat(data.gravel()[:, :, None], 3, axis=2)
    noise = np.random.default_rng(0).normal(0, 20, source.shape)
    output = np.clip(source + noise, 0, 255).astype(np.uint8)
    masks = [np.zeros_like(source) for _ in range(3)]
    masks[1][:, :256], masks[2][:, :384] = 255, 255
    edits = encoder.encode([(source, output, mask) for mask in masks])
    subjects = [Subject(("a",), ({},), given={"edit_lpips": edit}) for edit in edits]
    measured = editing.preserved_lpips(subjects)
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
        return (
            [semantic(output, source, texts, row) for output, source, row in zip(outputs, sources, rows, strict=True)],
            [semantic(source, source, texts, row) for source, row in zip(sources, rows, strict=True)],
            [
                semantic(outputs[j], sources[i], texts, rows[i])
                for i in range(len(rows))
                for j in range(len(rows))
                if i != j
            ],
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


def test_an_edit_without_a_mask_has_no_preservation_and_still_its_no_op():
    subject = pixelwise(SOURCES[0], OUTPUTS[0])
    for metric in (*PRESERVED, editing.changed_inside):
        measured = only(metric([subject]))
        assert (measured.value, measured.reason) == (None, "no_mask")
    distance = {"distance": None, "mask_share": None, "resized": False, "shift": [0, 0], "aligned": False}
    learned = only(editing.preserved_lpips([Subject(("a",), ({},), given={"edit_lpips": distance})]))
    assert learned.reason == "no_mask"
    assert only(editing.no_op([subject])).value == 0


def test_masks_that_leave_no_region_give_their_reason():
    white, black = np.full((160, 160, 3), 255, np.uint8), np.zeros((160, 160, 3), np.uint8)
    for metric in PRESERVED:
        assert only(metric([pixelwise(SOURCES[0], OUTPUTS[0], white)])).reason == "mask_covers_all"
    assert only(editing.changed_inside([pixelwise(SOURCES[0], OUTPUTS[0], black)])).reason == "mask_is_empty"
    distance = {"distance": None, "mask_share": 1.0, "resized": False, "shift": [0, 0], "aligned": False}
    learned = only(editing.preserved_lpips([Subject(("a",), ({},), given={"edit_lpips": distance})]))
    assert learned.reason == "mask_covers_all"


def test_an_outside_too_thin_or_a_picture_too_small_has_no_ssim_but_a_psnr():
    thin = np.full((160, 160, 3), 255, np.uint8)
    thin[:3] = 0
    subject = pixelwise(SOURCES[0], SOURCES[0], thin)
    assert only(editing.preserved_ssim([subject])).reason == "mask_covers_all"
    assert only(editing.preserved_psnr([subject])).value == 100
    tiny = pixelwise(SOURCES[0][:8, :8], SOURCES[0][:8, :8], thin[:8, :8])
    assert only(editing.preserved_ssim([tiny])).reason == "image_too_small"


def test_without_a_source_there_is_nothing_to_hold_the_output_against():
    for metric in (editing.edit_direction, editing.instruction_gain, editing.image_similarity):
        assert only(metric([semantic(unit(1, 0), None, {})])).reason == "no_source"
    for metric in (*PRESERVED, editing.changed_inside, editing.no_op, editing.preserved_lpips):
        assert only(metric([Subject(("a",), ({},))])).reason == "no_source"


def test_a_resized_output_is_said_to_be():
    output = np.asarray(Picture.fromarray(OUTPUTS[0]).resize((320, 240)))
    measured = only(editing.preserved_ssim([pixelwise(SOURCES[0], output, mask_of_the_shape())]))
    assert measured.details["resized"] is True
    assert measured.details["mask_share"] == pytest.approx((92 / 160) ** 2)


@pytest.mark.parametrize("row", [row for row in METRICS if row.dimension == "editing"], ids=lambda row: row.id)
def test_every_metric_keeps_order_details_and_range(row, arrangements):
    random = np.random.default_rng(4)
    texts = {text: embedded(unit(*random.normal(size=6))) for text in TEXTS}
    share = {"mask_share": 0.5, "resized": False, "shift": [0, 0], "aligned": False}
    subjects = [
        Subject(
            (str(n),),
            (CAPTIONED,),
            ({"clip_image": unit(*random.normal(size=6))},),
            {
                **pixels.given,
                "references": ({"clip_image": unit(*random.normal(size=6))},),
                "texts": texts,
                "edit_lpips": {"distance": n / 30, **share},
            },
            {"kind": n},
        )
        for n, pixels in enumerate(chain.from_iterable(arrangements))
    ]
    assert_contract(row.load(), subjects, row.range)
