"""The table of encoder libraries: what each is for, its licence, and where its loader lives. Imports no model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""A decoded image: RGB, uint8, shape (height, width, 3), upright, alpha composited on white."""

Role = Literal[
    "adherence",
    "identity",
    "text",
    "perceptual",
    "pixels",
    "detector",
    "edit_pixels",
    "technical",
    "aesthetic",
    "vqa",
    "palette",
]

OTHER_WEIGHTS = "TWINLENS_OTHER_WEIGHTS"
"""The environment variable that, set to 1, lets weights be used that are not the known ones of their name."""

EXTRACTORS: tuple[Role, ...] = ("pixels", "edit_pixels", "technical", "palette")
"""The roles of plain arithmetic: no weights, so that the same pixels give everyone the same numbers."""


class EncoderUnavailable(Exception):
    """The encoder cannot be loaded on this machine; the message is one sentence that says what to do."""


class CannotEncode(Exception):
    """An encoder cannot see what it is given, by a limit of its own.

    ``reason`` is one of `metrics.measurement.REASONS`; any other exception becomes ``encoder_failed``.
    """

    def __init__(self, reason: str, what: str) -> None:
        """Keep the reason and the clause that tells what could not be seen."""
        self.reason = reason
        super().__init__(what)


class Encoder(Protocol):
    """A loaded model, or an extractor without weights.

    ``encode`` takes a batch of what `metrics.features.FEATURES` says of its feature: images, texts, or tuples of them
    (two images of a pair; source, output and mask or None of an edit; image and text of a question).
    ``name`` is ``library:model/weights``; ``weights_sha256`` the hash of the weights file (of the concatenated
    hashes, if there are several; None where there are no weights); ``version`` covers decoding and preprocessing,
    so that a change of either never reads an old feature. What ``encode`` raises about a batch is found again one by
    one, and becomes the reason of the inputs that it is about. An encoder that runs several inputs at once says how
    many in ``batch_size``; it is given no more, and others one, so that what is computed is kept at once. Several
    threads call ``encode`` at once, with images; with texts one at a time. One that has a method ``load`` takes its
    models into memory there, or at the first input: what is known of everything needs none.
    """

    name: str
    licence: str
    weights_sha256: str | None
    version: str

    def encode(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Return one feature an input, in order."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The best value that an encoder can be expected to give, and where that number comes from."""

    value: float
    source: str


@dataclass(frozen=True, slots=True)
class EncoderLibrary:
    """One row: a library whose models fill one role.

    ``ceiling`` is the mean similarity of real photographs of one person, where the role is identity.
    ``needs_consent`` says that its licence does not allow every use, so whoever fetches its weights must accept it.
    ``pinned`` are the ``weights_sha256`` of models whose weights come with a package; others are refused.
    """

    library: str
    role: Role
    licence: str
    loader: str
    default_model: str | None
    note: str
    ceiling: Ceiling | None = None
    needs_consent: bool = False
    pinned: Mapping[str, str] = field(default_factory=dict)


_PHOTOGRAPHS = (
    "photographs of four people (the examples of face_recognition 1.3, six pairs, mean over people): "
    "twinlens score PHOTOGRAPHS --metrics identity.self --encoder"
)

ENCODERS: tuple[EncoderLibrary, ...] = (
    EncoderLibrary(
        "open_clip", "adherence", "of the weights (OpenAI and LAION: MIT)",
        "metrics.encoders.clip:load_open_clip", "ViT-B-32/laion2b_s34b_b79k",
        "any open_clip model: TAG as in ViT-B-32/laion2b_s34b_b79k, hf-hub:ORG/NAME, local-dir:FOLDER, "
        "MODEL/FILE.pt",
    ),
    EncoderLibrary(
        "embedded", "adherence", "Apache-2.0 (towers and heads)",
        "metrics.encoders.embedded.encoder:load_embedded", "lite",
        "a weak encoder from installed packages for machines without CLIP weights; not CLIP",
        pinned={"lite": "e7845d35df4325725751c8faa666c7ac80fd0909e0296a22debee35d664ae334"},
    ),
    EncoderLibrary(
        "transformers", "adherence", "of the weights", "metrics.encoders.clip:load_transformers", None,
        "any CLIP or SigLIP model of transformers: ORG/NAME in the local cache, or a folder",
    ),
    EncoderLibrary(
        "dlib", "identity", "CC0-1.0 (weights), BSL-1.0 (code)", "metrics.encoders.faces:load_dlib", "resnet_v1",
        "the ResNet face descriptor of dlib, from the public-domain files of face_recognition_models",
        ceiling=Ceiling(0.61, f"measured: {_PHOTOGRAPHS} dlib:resnet_v1"),
        pinned={"resnet_v1": "e31262d78cc0b625eef095b3a8e1a0dd4acd5b41bfedfd20f8f60c13da9ab3ac"},
    ),
    EncoderLibrary(
        "insightface", "identity", "packs: non-commercial research only; code: MIT",
        "metrics.encoders.faces:load_insightface", None,
        "an insightface pack: a name under ~/.insightface/models, or a folder",
        ceiling=Ceiling(0.69, f"measured with a MobileFaceNet pack alone: {_PHOTOGRAPHS} insightface:PACK"),
        needs_consent=True,
    ),
    EncoderLibrary(
        "rapidocr", "text", "Apache-2.0", "metrics.encoders.ocr:load_rapidocr", "pp-ocrv6-small",
        "RapidOCR with the PP-OCR models that its package ships",
        pinned={"pp-ocrv6-small": "e90316b40b3d38f2966b2255b22b3bb6fd4cbeb94d92c72401f7eec1b83ca706"},
    ),
    EncoderLibrary(
        "tesseract", "text", "Apache-2.0", "metrics.encoders.ocr:load_tesseract", None,
        "Tesseract with its installed languages; needs the tesseract program and pytesseract",
    ),
    EncoderLibrary(
        "lpips", "perceptual", "BSD-2-Clause", "metrics.encoders.lpips:load_lpips", "alex",
        "LPIPS v0.1 of repeats, and of edits outside their mask: lpips_MODEL.onnx (ONNX) in the weights folder, or "
        "the path of one",
    ),
    EncoderLibrary(
        "pixels", "pixels", "Apache-2.0", "metrics.encoders.pixels:load_pixels", "rgb8",
        "plain arithmetic on decoded pixels; no weights",
    ),
    EncoderLibrary(
        "owlv2", "detector", "Apache-2.0 (google's weights)",
        "metrics.encoders.detector:load_owlv2", "google/owlv2-base-patch16-ensemble",
        "any OWLv2 of transformers: ORG/NAME in the local cache, or a folder",
    ),
    EncoderLibrary(
        "grounding_dino", "detector", "Apache-2.0 (IDEA-Research's weights)",
        "metrics.encoders.detector:load_grounding_dino", "IDEA-Research/grounding-dino-tiny",
        "any Grounding DINO of transformers: ORG/NAME in the local cache, or a folder",
    ),
    EncoderLibrary(
        "vqa", "vqa", "of the weights", "metrics.encoders.vqa:load_vqa", "Qwen/Qwen2-VL-2B-Instruct",
        "any image-text-to-text model of transformers: ORG/NAME in the local cache, or a folder",
    ),
    EncoderLibrary(
        "palette", "palette", "Apache-2.0", "metrics.encoders.palette:load_palette", "cielab",
        "dominant colours in CIELAB; no weights",
    ),
    EncoderLibrary(
        "technical", "technical", "Apache-2.0", "metrics.encoders.technical:load_technical", "rec601",
        "sharpness, exposure, contrast, colour, noise, JPEG blocks and bars of one image; no weights",
    ),
    EncoderLibrary(
        "aesthetic", "aesthetic", "heads: MIT (v1), Apache-2.0 (v2); towers: MIT",
        "metrics.encoders.aesthetic:load_aesthetic", "laion-v2-vit_l_14",
        "a LAION head from a file in the weights folder on OpenAI's CLIP: laion-v1-vit_b_32, laion-v1-vit_l_14, "
        "laion-v2-vit_l_14, or HEAD@TOWER",
    ),
    EncoderLibrary(
        "edit_pixels", "edit_pixels", "Apache-2.0", "metrics.encoders.edits:load_edit_pixels", "rgb8",
        "plain arithmetic on source, output and mask of an edit; no weights",
    ),
)  # fmt: skip


def library_of(name: str) -> EncoderLibrary:
    """Return the row for an encoder name ``library:model``.

    Raises EncoderUnavailable if no library of that name exists.
    """
    prefix = name.split(":", 1)[0]
    for row in ENCODERS:
        if row.library == prefix:
            return row
    known = ", ".join(row.library for row in ENCODERS)
    raise EncoderUnavailable(f"unknown encoder {name!r}: names start with one of {known}, as in dlib:resnet_v1")


def ceiling_of(name: str) -> Ceiling | None:
    """Return the best value that the encoder called ``name`` can be expected to give, None where nobody measured it."""
    return next((row.ceiling for row in ENCODERS if row.library == name.partition(":")[0]), None)


def default_names(role: Role) -> Sequence[str]:
    """Return the names that are tried for ``role`` when none is asked for, best first."""
    return [f"{row.library}:{row.default_model}" for row in ENCODERS if row.role == role and row.default_model]


FETCHABLE = ("open_clip", "transformers", "owlv2", "grounding_dino", "vqa", "insightface")
"""The libraries whose weights `metrics.encoders.weights.fetch` downloads."""


def fetch_command(role: str) -> str:
    """Return the command that fetches the best encoder of a role that can be fetched, empty where none can.

    Examples
    --------
    >>> fetch_command("adherence"), fetch_command("text")
    ('twinlens models fetch open_clip:ViT-B-32/laion2b_s34b_b79k', '')
    """
    rows = (row for row in ENCODERS if row.role == role and row.default_model and row.library in FETCHABLE)
    return next((f"twinlens models fetch {row.library}:{row.default_model}" for row in rows), "")


def load_encoder(name: str, device: str = "auto") -> Any:
    """Load the encoder called ``library:model/weights``; the only place that imports a model library.

    Raises EncoderUnavailable if the library or the weights are not on this machine, or the weights are others than the
    catalogue pins; the message names the remedy.
    """
    row = library_of(name)
    model = name.partition(":")[2] or row.default_model
    if not model:
        raise EncoderUnavailable(f"{row.library} needs a model: {row.library}:NAME ({row.note})")
    module, _, function = row.loader.partition(":")
    encoder = getattr(import_module(module), function)(model, device)
    check_weights(name, encoder.weights_sha256, row.pinned.get(model), "install its package again")
    return encoder


def check_weights(name: str, sha256: str | None, known: str | None, remedy: str) -> None:
    """Raise EncoderUnavailable if weights have another hash than is known for them, and the user does not want that.

    ``known`` is None where nothing is known of them. The user says so by the environment variable `OTHER_WEIGHTS`.
    """
    if sha256 in (None, known) or known is None or os.environ.get(OTHER_WEIGHTS) == "1":
        return
    raise EncoderUnavailable(
        f"the weights of {name} have the SHA-256 {sha256} and not {known}, which is known for them; {remedy}, "
        f"or set {OTHER_WEIGHTS}=1 to use them all the same"
    )
