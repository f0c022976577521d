"""The table of every metric and every feature, one literal row each. Imports nothing heavy: lists are instant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from metrics.encoders.catalogue import Role
from metrics.measurement import Measurements, Subject

Better = Literal["higher", "lower", "neither"]

SubjectKind = Literal[
    "sample",  # one image
    "pair",  # any two images of the set that have the feature
    "shots",  # two shots of one sequence
    "consecutive",  # a shot of a sequence and the shot before it
    "sequence",  # all shots of one sequence
    "repeats",  # two images of the same system, prompt and seed
]

Control = Literal["shuffled_prompt", "impostor", "rendered_text", "different_seed", "identical_image"]


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature: what is computed from an image, a text or a pair of images, and by which encoder."""

    name: str
    of: Literal["image", "text", "pair"]
    role: Role


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric: a frozen row of the catalogue.

    ``columns`` are the image-set columns that it needs, ``features`` the features, ``references`` whether the
    features of the reference images are needed too, ``decoys`` whether the suite's other prompts are, ``function`` is
    ``module:function`` over a batch of subjects, ``controls`` the arrangements with a known answer, ``on_request``
    that it is computed only when asked for by name.
    """

    id: str
    version: int
    title: str
    unit: str
    better: Better
    range: tuple[float | None, float | None]
    subject: SubjectKind
    features: tuple[str, ...]
    function: str
    source: str
    columns: tuple[str, ...] = ()
    references: bool = False
    decoys: bool = False
    controls: tuple[Control, ...] = ()
    on_request: bool = False

    @property
    def dimension(self) -> str:
        """The part of the id before the dot, such as ``identity``."""
        return self.id.split(".", 1)[0]

    def load(self) -> Callable[[list[Subject]], Measurements]:
        """Import and return the metric's function."""
        module, _, name = self.function.partition(":")
        function: Callable[[list[Subject]], Measurements] = getattr(import_module(module), name)
        return function


FEATURES: dict[str, FeatureSpec] = {
    row.name: row
    for row in (
        FeatureSpec("clip_image", "image", "adherence"),
        FeatureSpec("prompt", "text", "adherence"),
        FeatureSpec("faces", "image", "identity"),
        FeatureSpec("ocr", "image", "text"),
        FeatureSpec("phash", "image", "pixels"),
        FeatureSpec("difference", "pair", "pixels"),
        FeatureSpec("lpips", "pair", "perceptual"),
    )
}

_REPEATS = ("seed", "repeat")
_SEQUENCE = ("sequence_id", "shot")

METRICS: tuple[MetricSpec, ...] = (
    MetricSpec(
        "adherence.clip", 1, "Prompt adherence, raw", "100 x cosine", "higher", (-100, 100), "sample",
        ("clip_image", "prompt"), "metrics.adherence:clip_similarity",
        "Hessel et al. 2021, without the prefix, the factor 2.5 and the clipping",
        controls=("shuffled_prompt",),
    ),
    MetricSpec(
        "adherence.margin", 1, "Prompt adherence", "100 x cosine above decoys", "higher", (-200, 200), "sample",
        ("clip_image", "prompt"), "metrics.adherence:decoy_margin",
        "own prompt minus the mean of the suite's other prompts; R-precision's distractors (Park et al. 2021)",
        decoys=True, controls=("shuffled_prompt",),
    ),
    MetricSpec(
        "identity.faces", 1, "Faces found", "faces", "neither", (1, None), "sample",
        ("faces",), "metrics.identity:face_count", "the encoder's own detector",
    ),
    MetricSpec(
        "identity.reference", 1, "Identity to the reference", "face similarity", "higher", (None, 1), "sample",
        ("faces",), "metrics.identity:to_reference", "ViStoryBench 2026, cross similarity",
        columns=("reference_images",), references=True, controls=("impostor",),
    ),
    MetricSpec(
        "identity.self", 1, "Identity over all pairs of shots", "face similarity", "higher", (None, 1), "shots",
        ("faces",), "metrics.identity:pair_similarity", "ViStoryBench 2026, self similarity",
        columns=_SEQUENCE, controls=("impostor",),
    ),
    MetricSpec(
        "identity.previous", 1, "Identity to the previous shot", "face similarity", "higher", (None, 1), "consecutive",
        ("faces",), "metrics.identity:pair_similarity", "VBench 2023, subject consistency, on faces",
        columns=_SEQUENCE, controls=("impostor",),
    ),
    MetricSpec(
        "identity.drift", 1, "Identity drift", "face similarity per shot", "higher", (None, None), "sequence",
        ("faces",), "metrics.identity:drift", "least-squares slope of the similarity to the first shot over the shots",
        columns=_SEQUENCE,
    ),
    MetricSpec(
        "identity.people", 1, "Identity of several people", "face similarity", "higher", (0, 1), "shots",
        ("faces",), "metrics.identity:people_similarity", "optimal matching (Kuhn 1955), over the larger cast",
        columns=_SEQUENCE, controls=("impostor",),
    ),
    MetricSpec(
        "identity.copy_paste", 1, "Copy of the reference face", "share of equal hash bits", "lower", (0, 1), "sample",
        ("faces",), "metrics.identity:copy_paste",
        "perceptual hash of the face crops; after ViStoryBench's copy-paste guard",
        columns=("reference_images",), references=True,
    ),
    MetricSpec(
        "identity.pairs", 1, "Identity of every pair of faces", "face similarity", "higher", (None, 1), "pair",
        ("faces",), "metrics.identity:pair_similarity", "verification protocol of LFW (Huang et al. 2007)",
        on_request=True,
    ),
    MetricSpec(
        "text.cer", 1, "Character error rate", "errors per expected character", "lower", (0, None), "sample",
        ("ocr",), "metrics.text:character_error_rate", "Levenshtein 1966; ICDAR convention, insertions counted",
        columns=("expected_text",), controls=("rendered_text",),
    ),
    MetricSpec(
        "text.wer", 1, "Word error rate", "errors per expected word", "lower", (0, None), "sample",
        ("ocr",), "metrics.text:word_error_rate", "Levenshtein over words, insertions counted",
        columns=("expected_text",), controls=("rendered_text",),
    ),
    MetricSpec(
        "text.similarity", 1, "Text similarity", "1 - normalised edit distance", "higher", (0, 1), "sample",
        ("ocr",), "metrics.text:edit_similarity", "1-NED of ICDAR 2019 and AnyText 2023",
        columns=("expected_text",), controls=("rendered_text",),
    ),
    MetricSpec(
        "text.exact_lines", 1, "Lines read exactly", "share of expected lines", "higher", (0, 1), "sample",
        ("ocr",), "metrics.text:exact_line_rate", "sentence accuracy of AnyText 2023",
        columns=("expected_text",), controls=("rendered_text",),
    ),
    MetricSpec(
        "text.hallucinated", 1, "Hallucinated characters", "share of read characters", "lower", (0, 1), "sample",
        ("ocr",), "metrics.text:hallucinated_character_rate", "inserted characters over characters read",
        columns=("expected_text",), controls=("rendered_text",),
    ),
    MetricSpec(
        "text.confidence", 1, "Legibility", "mean recognition score", "higher", (0, 1), "sample",
        ("ocr",), "metrics.text:reading_confidence", "the OCR engine's own score, weighted by characters",
    ),
    MetricSpec(
        "reproducibility.identical", 1, "Pixel-identical repeats", "share of pairs", "higher", (0, 1), "repeats",
        ("difference",), "metrics.reproducibility:pixel_identical", "equality of decoded pixels",
        columns=_REPEATS, controls=("identical_image", "different_seed"),
    ),
    MetricSpec(
        "reproducibility.max_difference", 1, "Largest pixel difference", "levels of 255", "lower", (0, 255), "repeats",
        ("difference",), "metrics.reproducibility:max_difference",
        "largest absolute difference over pixels and channels",
        columns=_REPEATS, controls=("identical_image", "different_seed"),
    ),
    MetricSpec(
        "reproducibility.mean_difference", 1, "Mean pixel difference", "levels of 255", "lower", (0, 255), "repeats",
        ("difference",), "metrics.reproducibility:mean_difference", "mean absolute difference over pixels and channels",
        columns=_REPEATS, controls=("identical_image", "different_seed"),
    ),
    MetricSpec(
        "reproducibility.psnr", 1, "Peak signal-to-noise ratio", "dB, at most 100", "higher", (0, 100), "repeats",
        ("difference",), "metrics.reproducibility:psnr", "10 log10(255^2 / MSE), identical pixels shown as the cap",
        columns=_REPEATS, controls=("identical_image", "different_seed"),
    ),
    MetricSpec(
        "reproducibility.ssim", 1, "Structural similarity", "SSIM", "higher", (-1, 1), "repeats",
        ("difference",), "metrics.reproducibility:ssim", "Wang et al. 2004: Gaussian window, sigma 1.5, RGB mean",
        columns=_REPEATS, controls=("identical_image", "different_seed"),
    ),
    MetricSpec(
        "reproducibility.phash_distance", 1, "Perceptual-hash distance", "bits of 64", "lower", (0, 64), "repeats",
        ("phash",), "metrics.reproducibility:phash_distance", "Hamming distance of 64-bit DCT hashes (ImageHash)",
        columns=_REPEATS, controls=("identical_image", "different_seed"),
    ),
    MetricSpec(
        "reproducibility.lpips", 1, "Learned perceptual distance", "LPIPS (AlexNet)", "lower", (0, None), "repeats",
        ("lpips",), "metrics.reproducibility:lpips", "Zhang et al. 2018, v0.1",
        columns=_REPEATS, controls=("identical_image", "different_seed"),
    ),
)  # fmt: skip

_BY_ID = {row.id: row for row in METRICS}


def metric(metric_id: str) -> MetricSpec:
    """Return the row of ``metric_id``.

    Raises
    ------
    KeyError
        If there is no such metric.
    """
    return _BY_ID[metric_id]
