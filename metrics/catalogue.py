"""The table of every metric, one literal row each. Imports nothing heavy: lists are instant."""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points

from metrics.controls import Control
from metrics.scale import Anchor, Scale
from metrics.specification import MetricSpec

DIMENSIONS = ("adherence", "identity", "text", "reproducibility", "editing", "structure", "brand", "quality")
"""Our dimensions in the order of star tables; those of other packages come after them."""

_REPEATS = ("seed", "repeat")
_SEQUENCE = ("sequence_id", "shot")
_SEEDS: tuple[Control, ...] = ("identical_image", "different_seed")
_UNFIT = ("embedded",)
_ANTONYMS = "metrics.quality:all_antonyms"
_CLIP_IQA = "CLIP-IQA, Wang et al. 2023; own pairs, softmax of 100 x cosine"
_OBJECTS = ("objects",)
_PHRASES = "metrics.structure:phrases_of"
_EDIT = ("reference_images",)
_EDIT_CONTROLS: tuple[Control, ...] = ("unedited_source", "unrelated_picture")
_KEEPING: tuple[Control, ...] = ("unedited_source", "unrelated_fill", "blank_fill")
_FOLLOWING: tuple[Control, ...] = (*_EDIT_CONTROLS, "blank_picture", "unrelated_fill", "blank_fill")
_UNTOLD = ("prompt_is_file_name",)
_PROMPTS: tuple[Control, ...] = ("shuffled_prompt", "blank_picture")
_TEXTS: tuple[Control, ...] = ("rendered_text", "shuffled_text")
_ONE_SIN = "it counts one sin alone, of which a picture of something else is free as well"

_ABOVE_SHUFFLED = Scale(Anchor("shuffled_prompt"), Anchor("shuffled_prompt", deviations=4.0))
_FACES = Scale(Anchor("impostor"), Anchor(of_encoder=True))
_COLOURS = Scale(Anchor("impostor"), Anchor(declared=2.0))
_KEPT = Scale(Anchor("unrelated_picture"), Anchor("unedited_source"))
_REPEATED = Scale(Anchor("different_seed"), Anchor("identical_image"))
_ERRORS = Scale(Anchor(declared=1.0), Anchor("rendered_text"))
_READ = Scale(Anchor(declared=0.0), Anchor("rendered_text"))
# Declared ceilings are choices, not measurements: a CIEDE2000 of 2, a PSNR of 40 dB, four deviations above known-wrong
# arrangements. Reports say that they are declared.

_OWN: tuple[MetricSpec, ...] = (
    MetricSpec(
        "adherence.clip", 1, "Prompt adherence, raw", "100 x cosine", "higher", (-100, 100), "sample",
        ("clip_image", "prompt"), "metrics.adherence:clip_similarity",
        "Hessel et al. 2021, without the prefix, the factor 2.5 and the clipping",
        excludes=_UNTOLD, controls=_PROMPTS, scale=_ABOVE_SHUFFLED, primary=2, ranks_as="adherence.margin",
        derived=("agreement",),
    ),
    MetricSpec(
        "adherence.margin", 2, "Prompt adherence", "100 x cosine above decoys", "higher", (-200, 200), "sample",
        ("clip_image", "prompt"), "metrics.adherence:decoy_margin",
        "own prompt minus the mean of the suite's other prompts; R-precision's distractors (Park et al. 2021)",
        excludes=_UNTOLD, decoys=True, controls=_PROMPTS, scale=_ABOVE_SHUFFLED, primary=1,
    ),
    MetricSpec(
        "adherence.vqa", 1, "Prompt adherence, asked", "probability of yes", "higher", (0, 1), "sample",
        ("vqa_answer",), "metrics.adherence:vqa_score", "VQAScore, Lin et al. 2024; all tokens that spell yes",
        excludes=_UNTOLD, question="metrics.adherence:question_text", controls=("shuffled_prompt",),
        scale=Scale(Anchor("shuffled_prompt"), Anchor(declared=1.0)), derived=("agreement",),
    ),
    MetricSpec(
        "adherence.step_order", 1, "Order of the steps", "share of (picture, other step) pairs", "higher", (0, 1),
        "sequence", ("clip_image", "prompt"), "metrics.adherence:step_order",
        "area under the ROC curve of own against other steps; Kendall 1938",
        columns=_SEQUENCE, excludes=_UNTOLD, texts="metrics.adherence:step_texts",
        controls=("shuffled_steps", "exchanged_picture"), scale=Scale.declared(0.5, 1.0),
    ),
    MetricSpec(
        "brand.palette", 1, "Declared colours", "CIEDE2000", "lower", (0, None), "sample",
        ("palette",), "metrics.brand:palette_adherence", "CIEDE2000, Sharma et al. 2005; nearest dominant colour",
        columns=("palette",), controls=("impostor", "blank_picture"), scale=_COLOURS, primary=1,
    ),
    MetricSpec(
        "brand.consistency", 1, "Palette over a brand's pieces", "CIEDE2000", "lower", (0, None), "sequence",
        ("palette",), "metrics.brand:palette_consistency",
        "share-weighted nearest CIEDE2000, both directions, mean over pairs",
        columns=("palette", *_SEQUENCE), controls=("impostor",), scale=_COLOURS, primary=2,
    ),
    MetricSpec(
        "identity.faces", 1, "Faces found", "faces", "neither", (1, None), "sample",
        ("faces",), "metrics.identity:face_count", "the encoder's own detector", columns=_SEQUENCE,
    ),
    MetricSpec(
        "identity.reference", 1, "Identity to the reference", "face similarity", "higher", (None, 1), "sample",
        ("faces",), "metrics.identity:to_reference", "ViStoryBench 2026, cross similarity",
        columns=("reference_images",), references=True, controls=("impostor",), scale=_FACES, primary=2,
    ),
    MetricSpec(
        "identity.self", 1, "Identity over all pairs of shots", "face similarity", "higher", (None, 1), "shots",
        ("faces",), "metrics.identity:pair_similarity", "ViStoryBench 2026, self similarity",
        columns=_SEQUENCE, controls=("impostor",), scale=_FACES, primary=1,
    ),
    MetricSpec(
        "identity.previous", 1, "Identity to the previous shot", "face similarity", "higher", (None, 1), "consecutive",
        ("faces",), "metrics.identity:pair_similarity", "VBench 2023, subject consistency, on faces",
        columns=_SEQUENCE, controls=("impostor",), scale=_FACES, primary=3,
    ),
    MetricSpec(
        "identity.drift", 1, "Identity drift", "face similarity per shot", "higher", (None, None), "sequence",
        ("faces",), "metrics.identity:drift", "least-squares slope of the similarity to the first shot over the shots",
        columns=_SEQUENCE, derived=("shots",),
        no_scale="faces that are all different from the start drift as little as one that stays the same",
    ),
    MetricSpec(
        "identity.people", 1, "Identity of several people", "face similarity", "higher", (0, 1), "shots",
        ("faces",), "metrics.identity:people_similarity", "optimal matching (Kuhn 1955), over the larger cast",
        columns=_SEQUENCE, controls=("impostor",), scale=_FACES, primary=4,
    ),
    MetricSpec(
        "identity.copy_paste", 1, "Copy of the reference face", "share of equal hash bits", "lower", (0, 1), "sample",
        ("faces",), "metrics.identity:copy_paste",
        "perceptual hash of the face crops; after ViStoryBench's copy-paste guard",
        columns=("reference_images",), references=True, no_scale=_ONE_SIN,
    ),
    MetricSpec(
        "identity.pairs", 1, "Identity of every pair of faces", "face similarity", "higher", (None, 1), "pair",
        ("faces",), "metrics.identity:pair_similarity", "verification protocol of LFW (Huang et al. 2007)",
        on_request=True, primary=5, no_scale="it mixes pairs of the same and of different people on purpose",
    ),
    MetricSpec(
        "editing.preserved", 2, "Preserved outside the mask", "SSIM", "higher", (-1, 1), "sample",
        ("edit_difference",), "metrics.editing:preserved_ssim",
        "Wang et al. 2004 over outside pixels alone, eroded by 5; after PIE-Bench (Ju et al. 2023)",
        columns=_EDIT, excludes=_SEQUENCE, controls=_EDIT_CONTROLS, fulfilled_by=_KEEPING, scale=_KEPT, primary=1,
    ),
    MetricSpec(
        "editing.preserved_psnr", 2, "Preserved outside, PSNR", "dB, at most 100", "higher", (0, 100), "sample",
        ("edit_difference",), "metrics.editing:preserved_psnr",
        "10 log10(255^2 / MSE) over outside pixels alone; after PIE-Bench (Ju et al. 2023)",
        columns=_EDIT, excludes=_SEQUENCE, controls=("unrelated_picture",), fulfilled_by=_KEEPING,
        scale=Scale(Anchor("unrelated_picture"), Anchor(declared=40.0)),
    ),
    MetricSpec(
        "editing.preserved_lpips", 2, "Perceptual change outside", "LPIPS (AlexNet)", "lower", (0, None), "sample",
        ("edit_lpips",), "metrics.editing:preserved_lpips",
        "Zhang et al. 2018, v0.1, inside of the mask taken from the source, over the outside's share",
        columns=_EDIT, excludes=_SEQUENCE, controls=_EDIT_CONTROLS, fulfilled_by=_KEEPING, scale=_KEPT,
    ),
    MetricSpec(
        "editing.changed_outside", 2, "Changed outside the mask", "share of pixels", "lower", (0, 1), "sample",
        ("edit_difference",), "metrics.editing:changed_outside", "pixels with a channel that differs by over 10 of 255",
        columns=_EDIT, excludes=_SEQUENCE, controls=_EDIT_CONTROLS, fulfilled_by=_KEEPING, scale=_KEPT,
    ),
    MetricSpec(
        "editing.changed_inside", 2, "Changed inside the mask", "share of pixels", "neither", (0, 1), "sample",
        ("edit_difference",), "metrics.editing:changed_inside", "pixels with a channel that differs by over 10 of 255",
        columns=_EDIT, excludes=_SEQUENCE, controls=_EDIT_CONTROLS,
    ),
    MetricSpec(
        "editing.no_op", 2, "Edits that did nothing", "share of edits", "lower", (0, 1), "sample",
        ("edit_difference",), "metrics.editing:no_op", "mean difference below what re-encoding costs, everywhere",
        columns=_EDIT, excludes=_SEQUENCE, controls=("unedited_source",), no_scale=_ONE_SIN, rate=True,
    ),
    MetricSpec(
        "editing.similarity", 1, "Similarity to the source", "100 x cosine", "neither", (-100, 100), "sample",
        ("clip_image",), "metrics.editing:image_similarity", "CLIP-I of MagicBrush (Zhang et al. 2023)",
        columns=_EDIT, excludes=_SEQUENCE, references=True, controls=_EDIT_CONTROLS,
    ),
    MetricSpec(
        "editing.direction", 1, "Edit in the direction of the text", "100 x cosine", "higher", (-100, 100), "sample",
        ("clip_image", "prompt"), "metrics.editing:edit_direction",
        "directional similarity of StyleGAN-NADA (Gal et al. 2021) and Emu Edit (Sheynin et al. 2023)",
        texts="metrics.editing:direction_texts",
        columns=_EDIT, excludes=(*_SEQUENCE, *_UNTOLD), references=True, controls=_FOLLOWING,
        scale=Scale(Anchor("unrelated_picture"), Anchor("unrelated_picture", deviations=4.0)), primary=2,
    ),
    MetricSpec(
        "editing.follows", 1, "Gain towards the text", "100 x cosine gained", "higher", (-200, 200), "sample",
        ("clip_image", "prompt"), "metrics.editing:instruction_gain",
        "similarity to the text after the edit, over the source's own; after Emu Edit (Sheynin et al. 2023)",
        texts="metrics.editing:direction_texts",
        columns=_EDIT, excludes=(*_SEQUENCE, *_UNTOLD), references=True, controls=_FOLLOWING,
        scale=Scale(Anchor("unedited_source"), Anchor("unrelated_picture", deviations=4.0)), primary=3,
    ),
    MetricSpec(
        "quality.lighting", 1, "Shaped lighting (proxy)", "probability", "higher", (0, 1), "sample",
        ("clip_image", "prompt"), "metrics.quality:lighting", _CLIP_IQA, texts=_ANTONYMS, unfit_encoders=_UNFIT,
        bias_metric="quality.neutral", controls=("blank_picture",),
    ),
    MetricSpec(
        "quality.depth_of_field", 1, "Shallow depth of field (proxy)", "probability", "higher", (0, 1), "sample",
        ("clip_image", "prompt"), "metrics.quality:depth_of_field", _CLIP_IQA, texts=_ANTONYMS, unfit_encoders=_UNFIT,
        bias_metric="quality.neutral", controls=("blank_picture",),
    ),
    MetricSpec(
        "quality.cinematic", 1, "Cinematic look (proxy)", "probability", "higher", (0, 1), "sample",
        ("clip_image", "prompt"), "metrics.quality:cinematic", _CLIP_IQA, texts=_ANTONYMS, unfit_encoders=_UNFIT,
        bias_metric="quality.neutral", controls=("blank_picture",),
    ),
    MetricSpec(
        "quality.realism", 1, "Photographic realism (proxy)", "probability", "higher", (0, 1), "sample",
        ("clip_image", "prompt"), "metrics.quality:realism", _CLIP_IQA, texts=_ANTONYMS, unfit_encoders=_UNFIT,
        bias_metric="quality.neutral", controls=("blank_picture",),
    ),
    MetricSpec(
        "quality.composition", 1, "Composition (proxy)", "probability", "higher", (0, 1), "sample",
        ("clip_image", "prompt"), "metrics.quality:composition", _CLIP_IQA, texts=_ANTONYMS, unfit_encoders=_UNFIT,
        bias_metric="quality.neutral", controls=("blank_picture",),
    ),
    MetricSpec(
        "quality.neutral", 1, "Control: texts that mean the same", "probability", "neither", (0, 1), "sample",
        ("clip_image", "prompt"), "metrics.quality:neutral", _CLIP_IQA, texts=_ANTONYMS, unfit_encoders=_UNFIT,
    ),
    MetricSpec(
        "quality.aesthetic", 1, "Aesthetic rating (proxy)", "rating, about 1 to 10", "higher", (None, None), "sample",
        ("aesthetic",), "metrics.quality:aesthetic", "LAION aesthetic predictor, 2022",
        scale=Scale.declared(4.0, 7.0), controls=("blank_picture",),
    ),
    MetricSpec(
        "quality.sharpness", 1, "Sharpness at 1024 px", "squared levels", "neither", (0, None), "sample",
        ("technical",), "metrics.quality:sharpness", "Pech-Pacheco et al. 2000",
    ),
    MetricSpec(
        "quality.exposure", 1, "Mean luma", "share of white", "neither", (0, 1), "sample",
        ("technical",), "metrics.quality:exposure", "ITU-R BT.601",
    ),
    MetricSpec(
        "quality.clipped", 1, "Clipped shadows and highlights", "share of pixels", "neither", (0, 1), "sample",
        ("technical",), "metrics.quality:clipped", "luma within 1 % of either end",
    ),
    MetricSpec(
        "quality.contrast", 1, "RMS contrast", "share of the range", "neither", (0, 0.5), "sample",
        ("technical",), "metrics.quality:contrast", "Peli 1990",
    ),
    MetricSpec(
        "quality.colourfulness", 1, "Colourfulness", "Hasler-Süsstrunk M", "neither", (0, None), "sample",
        ("technical",), "metrics.quality:colourfulness", "Hasler and Süsstrunk 2003",
    ),
    MetricSpec(
        "quality.noise", 1, "Noise", "levels of 255", "neither", (0, None), "sample",
        ("technical",), "metrics.quality:noise", "Immerkær 1996, median for the mean",
    ),
    MetricSpec(
        "quality.blockiness", 1, "JPEG blockiness", "ratio, 1 is none", "neither", (0, None), "sample",
        ("technical",), "metrics.quality:blockiness", "Wang, Sheikh and Bovik 2002, median over grid lines",
    ),
    MetricSpec(
        "quality.bars", 1, "Letterbox bars", "share of area", "neither", (0, 1), "sample",
        ("technical",), "metrics.quality:bars", "luma up to 16 at opposite edges",
    ),
    MetricSpec(
        "structure.objects", 1, "Objects present", "share of expected objects", "higher", (0, 1), "sample",
        ("detections",), "metrics.structure:objects",
        "GenEval (Ghosh et al. 2023), presence; each absent thing that is seen takes one object away",
        columns=_OBJECTS, question=_PHRASES, controls=("exchanged_picture",), rate=True, primary=2,
    ),
    MetricSpec(
        "structure.counts", 1, "Exact counts", "share of expected objects", "higher", (0, 1), "sample",
        ("detections",), "metrics.structure:counts", "GenEval 2023, counting; exact for single things too",
        columns=_OBJECTS, question=_PHRASES, controls=("exchanged_picture",), rate=True,
    ),
    MetricSpec(
        "structure.colours", 1, "Colours of objects", "share of expected colours", "higher", (0, 1), "sample",
        ("detections",), "metrics.structure:colours",
        "basic colour terms (Berlin and Kay 1969) nearest in CIELAB, of the box's middle; not GenEval's CLIP",
        columns=_OBJECTS, question=_PHRASES, controls=("exchanged_picture",), rate=True,
    ),
    MetricSpec(
        "structure.relations", 2, "Spatial relations", "share of decidable relations", "higher", (0, 1), "sample",
        ("detections",), "metrics.structure:relations",
        "GenEval 2023, position: margin 0.1, component 0.5, in pixels",
        columns=(*_OBJECTS, "relations"), question=_PHRASES, controls=("mirror_image", "exchanged_picture"), rate=True,
        scale=Scale(Anchor("mirror_image"), Anchor(declared=1.0)),
    ),
    MetricSpec(
        "structure.positions", 1, "Positions in the picture", "share of expected positions", "higher", (0, 1), "sample",
        ("detections",), "metrics.structure:positions", "own rule: halves of the picture, middle third for centre",
        columns=_OBJECTS, question=_PHRASES, controls=("mirror_image", "exchanged_picture"), rate=True,
        scale=Scale(Anchor("mirror_image"), Anchor(declared=1.0)),
    ),
    MetricSpec(
        "structure.all", 2, "Scene correct", "1 if all that is expected holds", "higher", (0, 1), "sample",
        ("detections",), "metrics.structure:everything", "GenEval 2023, correctness of a picture",
        columns=_OBJECTS, question=_PHRASES, controls=("exchanged_picture",), rate=True, primary=1,
    ),
    MetricSpec(
        "text.cer", 2, "Character error rate", "errors per expected character", "lower", (0, None), "sample",
        ("ocr",), "metrics.text.accuracy:character_error_rate",
        "Levenshtein 1966, as in jiwer; without case and spaces, insertions within lines counted",
        columns=("expected_text",), controls=_TEXTS, scale=_ERRORS, primary=2,
    ),
    MetricSpec(
        "text.wer", 2, "Word error rate", "errors per expected word", "lower", (0, None), "sample",
        ("ocr",), "metrics.text.accuracy:word_error_rate",
        "Levenshtein over words; words joined or cut in reading are no errors",
        columns=("expected_text",), controls=_TEXTS, scale=_ERRORS, primary=4,
    ),
    MetricSpec(
        "text.similarity", 2, "Text similarity", "1 - normalised edit distance", "higher", (0, 1), "sample",
        ("ocr",), "metrics.text.accuracy:edit_similarity", "1-NED of ICDAR 2019 and AnyText 2023",
        columns=("expected_text",), controls=_TEXTS, scale=_READ, primary=1,
    ),
    MetricSpec(
        "text.exact_lines", 2, "Lines read exactly", "share of expected lines", "higher", (0, 1), "sample",
        ("ocr",), "metrics.text.accuracy:exact_line_rate", "sentence accuracy of AnyText 2023",
        columns=("expected_text",), controls=_TEXTS, scale=_READ, primary=3, rate=True,
    ),
    MetricSpec(
        "text.hallucinated", 2, "Hallucinated characters", "share of read characters", "lower", (0, 1), "sample",
        ("ocr",), "metrics.text.accuracy:hallucinated_character_rate",
        "inserted and unexpected characters over all read; may be asked for unless the text is complete",
        columns=("expected_text",), controls=_TEXTS, scale=_ERRORS,
    ),
    MetricSpec(
        "text.confidence", 2, "Legibility", "mean recognition score", "higher", (0, 1), "sample",
        ("ocr",), "metrics.text.accuracy:reading_confidence", "the OCR engine's own score, weighted by characters",
        columns=("expected_text",),
        no_scale="any text is legible, whether it was asked for or not",
    ),
    MetricSpec(
        "reproducibility.identical", 1, "Pixel-identical repeats", "share of pairs", "higher", (0, 1), "repeats",
        ("difference",), "metrics.reproducibility:pixel_identical", "equality of decoded pixels",
        columns=_REPEATS, controls=_SEEDS, scale=_REPEATED, primary=4, rate=True,
    ),
    MetricSpec(
        "reproducibility.max_difference", 1, "Largest pixel difference", "levels of 255", "lower", (0, 255), "repeats",
        ("difference",), "metrics.reproducibility:max_difference",
        "largest absolute difference over pixels and channels",
        columns=_REPEATS, controls=_SEEDS, scale=_REPEATED,
    ),
    MetricSpec(
        "reproducibility.mean_difference", 1, "Mean pixel difference", "levels of 255", "lower", (0, 255), "repeats",
        ("difference",), "metrics.reproducibility:mean_difference", "mean absolute difference over pixels and channels",
        columns=_REPEATS, controls=_SEEDS, scale=_REPEATED, primary=2, derived=("seed_ratio",),
    ),
    MetricSpec(
        "reproducibility.psnr", 1, "Peak signal-to-noise ratio", "dB, at most 100", "higher", (0, 100), "repeats",
        ("difference",), "metrics.reproducibility:psnr", "10 log10(255^2 / MSE), identical pixels shown as the cap",
        columns=_REPEATS, controls=_SEEDS, scale=_REPEATED,
    ),
    MetricSpec(
        "reproducibility.ssim", 1, "Structural similarity", "SSIM", "higher", (-1, 1), "repeats",
        ("difference",), "metrics.reproducibility:ssim", "Wang et al. 2004: Gaussian window, sigma 1.5, RGB mean",
        columns=_REPEATS, controls=_SEEDS, scale=_REPEATED, primary=1,
    ),
    MetricSpec(
        "reproducibility.phash_distance", 1, "Perceptual-hash distance", "bits of 64", "lower", (0, 64), "repeats",
        ("phash",), "metrics.reproducibility:phash_distance", "Hamming distance of 64-bit DCT hashes (ImageHash)",
        columns=_REPEATS, controls=_SEEDS, scale=_REPEATED, primary=3,
    ),
    MetricSpec(
        "reproducibility.lpips", 1, "Learned perceptual distance", "LPIPS (AlexNet)", "lower", (0, None), "repeats",
        ("lpips",), "metrics.reproducibility:lpips", "Zhang et al. 2018, v0.1",
        columns=_REPEATS, controls=_SEEDS, scale=_REPEATED,
    ),
)  # fmt: skip


def _with_packages(own: tuple[MetricSpec, ...]) -> tuple[MetricSpec, ...]:
    """Return our own rows and those that installed packages bring under the entry point group ``twinlens.metrics``."""
    rows = {row.id: row for row in own}
    for entry in entry_points(group="twinlens.metrics"):
        try:
            brought = entry.load()
            for row in (brought,) if isinstance(brought, MetricSpec) else tuple(brought):
                if row.id in rows:
                    raise ValueError(f"there is a metric {row.id!r} already")
                rows[row.id] = row
        except Exception as error:  # whatever a package raises, the other metrics must not be lost with it
            warnings.warn(f"metrics of {entry.value} are left out: {error}", stacklevel=2)
    return tuple(rows.values())


METRICS = _with_packages(_OWN)
"""Every metric, those of installed packages last."""

_BY_ID = {row.id: row for row in METRICS}


def metric(metric_id: str) -> MetricSpec:
    """Return the row of ``metric_id``.

    Raises KeyError if there is no such metric.
    """
    return _BY_ID[metric_id]


def is_weak(encoder: str) -> bool:
    """Return whether an encoder, by name, is one that was seen to fail the control of some metric.

    Examples
    --------
    >>> is_weak("embedded:lite"), is_weak("open_clip:ViT-B-32/laion2b_s34b_b79k")
    (True, False)
    """
    return any(encoder.partition(":")[0] in row.unfit_encoders for row in METRICS)


def primary_metrics(dimension: str) -> tuple[MetricSpec, ...]:
    """Return the metrics that may speak for a dimension: the first that was scored does, never the largest."""
    rows = [row for row in METRICS if row.dimension == dimension and row.primary]
    return tuple(sorted(rows, key=lambda row: row.primary))
