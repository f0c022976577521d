"""Open-vocabulary detectors: where in a picture the things are that a list of phrases names (OWLv2, Grounding DINO)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import PIL.Image

from metrics.encoders.catalogue import Image
from metrics.encoders.colour_names import COLOURS_VERSION, Colour, middle_colour
from metrics.encoders.dual import feature_version
from metrics.encoders.local_models import TransformersModel, load_transformers_model
from metrics.encoders.runtime import TOKENIZING, encode_by_key, exact_inference

if TYPE_CHECKING:
    import torch

Floats = npt.NDArray[np.float32]
Question = tuple[Image, str]
"""A picture and the phrases that are looked for in it, one a line, lower-case and sorted."""

SCORE_FLOOR = 0.05
"""What scores less is not kept: no rule looks that low, and a detector proposes thousands of boxes."""

OWLV2_TEMPLATE = "a photo of a {}"
"""The wording in which OWLv2's own examples ask."""

NMS_OVERLAP = 0.5
"""Of two boxes of one phrase with a larger intersection over union, the lower-scoring is a duplicate."""

_APACHE = ("google/owlv2-", "IDEA-Research/grounding-dino-")


class Detection(TypedDict):
    """One thing that was found in a picture.

    ``phrase`` is the one of the phrases asked for that fits the box best; ``score`` the detector's, 0..1, on a scale
    of its own; ``box`` is ``[x0, y0, x1, y1]`` as fractions of the width and height of the picture, cut at its edges;
    ``picture_size`` that width and height in pixels, without which the two axes of a box have no common length (see
    `box_in_pixels`); ``colour`` that of the box's middle.
    """

    phrase: str
    score: float
    box: list[float]
    picture_size: list[int]
    colour: Colour


def box_in_pixels(detection: Detection) -> list[float]:
    """Return the box ``[x0, y0, x1, y1]`` of a detection in pixels of its picture.

    Examples
    --------
    >>> box_in_pixels({"box": [0.5, 0.5, 1.0, 1.0], "picture_size": [1600, 900]})
    [800.0, 450.0, 1600.0, 900.0]
    """
    width, height = detection["picture_size"]
    return [edge * side for edge, side in zip(detection["box"], (width, height) * 2, strict=True)]


class Proposals(NamedTuple):
    """The boxes that a network proposes for one picture, before any are left out.

    ``scores`` has shape (boxes, phrases); ``boxes`` shape (boxes, 4), corners as fractions of the picture's width and
    height, which may reach over its edges.
    """

    scores: Floats
    boxes: Floats


@dataclass(frozen=True, slots=True)
class Detector:
    """A network that finds what is named.

    Preprocessing and tokens are the model's own. A box belongs to the phrase that scores highest on it, as in the
    models' own post-processing, so one cat is not a dog as well. Nothing depends on what else is in a batch (to 1e-5).
    """

    name: str
    licence: str
    weights_sha256: str | None
    version: str
    network: torch.nn.Module
    device: str
    propose: Callable[[list[PIL.Image.Image], list[list[str]]], list[Proposals]]
    batch_key: Callable[[Image, str], Hashable]
    """Questions of one key can share a batch without changing each other's answer."""
    revision: str | None
    batch_size: int = 4

    def encode(self, questions: Sequence[Question]) -> list[list[Detection]]:
        """Return what is found for each question with a score of at least ``SCORE_FLOOR``, in the network's order."""

        def key(question: Question) -> Hashable:
            return bool(_phrases(question[1])) and (self.batch_key(*question),)

        return encode_by_key(questions, key, self.batch_size, self._detect)

    def _detect(self, questions: Sequence[Question]) -> list[list[Detection]]:
        phrases = [_phrases(text) for _, text in questions]
        if not phrases[0]:
            return [[] for _ in questions]
        with exact_inference():
            proposals = self.propose([PIL.Image.fromarray(image) for image, _ in questions], phrases)
        images = (image for image, _ in questions)
        return [_detections(*each) for each in zip(images, phrases, proposals, strict=True)]


def load_owlv2(model: str, device: str = "auto") -> Detector:
    """Load an OWLv2 detector (Minderer et al. 2023) from files on this machine.

    ``model`` and ``device`` as in :func:`load_transformers_model`, such as ``google/owlv2-base-patch16-ensemble``.
    Raises EncoderUnavailable if there is no such model on this machine, or it is no OWLv2.
    """
    loaded = _load(f"owlv2:{model}", device, "owlv2")
    network, target, tokenizer = loaded.network, loaded.device, loaded.tokenizer()
    longest = network.config.text_config.max_position_embeddings

    def propose(pictures: list[PIL.Image.Image], phrases: list[list[str]]) -> list[Proposals]:
        # every picture of a batch is given equally many phrases; those that fill up are left out again below
        most = max(map(len, phrases))
        texts = [OWLV2_TEMPLATE.format(phrase) for each in phrases for phrase in [*each, *[""] * most][:most]]
        # the tokenizer cuts in front of the end token, which is the one that the text is pooled at
        with TOKENIZING:
            tokens = tokenizer(texts, padding="max_length", max_length=longest, truncation=True, return_tensors="pt")
        output = network(
            pixel_values=loaded.image_processor(images=pictures, return_tensors="pt")["pixel_values"].to(target),
            input_ids=tokens["input_ids"].to(target),
            attention_mask=tokens["attention_mask"].to(target),
        )
        scores, boxes = output.logits.sigmoid().cpu().numpy(), _corners(output.pred_boxes.cpu().numpy())
        return [
            Proposals(scores[n, :, : len(phrases[n])], boxes[n] * _padded_square(picture))
            for n, picture in enumerate(pictures)
        ]

    return _detector(loaded, propose, lambda image, text: None, template=OWLV2_TEMPLATE.replace(" ", "_"))


def _padded_square(picture: PIL.Image.Image) -> Floats:
    """Return the sides of the square that OWLv2 sees, as multiples of the width and height of the picture."""
    return (max(picture.size) / np.array([*picture.size] * 2)).astype(np.float32)


def load_grounding_dino(model: str, device: str = "auto") -> Detector:
    """Load a Grounding DINO detector (Liu et al. 2023) from files on this machine.

    The phrases are read as one caption with a full stop behind each. The score of a phrase is that of the best of its
    tokens. Only pictures of one size that are asked for the same phrases share a batch: padding, of either, would
    move the boxes.

    ``model`` and ``device`` as in :func:`load_transformers_model`, such as ``IDEA-Research/grounding-dino-tiny``.
    Raises EncoderUnavailable if there is no such model on this machine, or it is no Grounding DINO.
    """
    loaded = _load(f"grounding_dino:{model}", device, "grounding-dino")
    import torch  # after it: where there is no such model none is needed

    network, target, tokenizer = loaded.network, loaded.device, loaded.tokenizer()
    longest = network.config.max_text_len

    def propose(pictures: list[PIL.Image.Image], phrases: list[list[str]]) -> list[Proposals]:
        caption, spans = _caption(phrases[0])
        with TOKENIZING:
            tokens = tokenizer(caption, return_offsets_mapping=True, return_token_type_ids=True)
        if len(tokens["input_ids"]) > longest:
            raise ValueError(f"the phrases take {len(tokens['input_ids'])} tokens, and {loaded.name} reads {longest}")
        pixels = loaded.image_processor(images=pictures, return_tensors="pt")
        output = network(
            **{key: pixels[key].to(target) for key in ("pixel_values", "pixel_mask")},
            **{
                key: torch.tensor([tokens[key]] * len(pictures), device=target)
                for key in ("input_ids", "attention_mask", "token_type_ids")
            },
        )
        scores, boxes = output.logits.sigmoid().cpu().numpy(), _corners(output.pred_boxes.cpu().numpy())
        tokens_of_phrase = [_tokens_within(span, tokens["offset_mapping"]) for span in spans]
        return [
            Proposals(np.stack([of_picture[:, places].max(axis=1) for places in tokens_of_phrase], axis=1), where)
            for of_picture, where in zip(scores, boxes, strict=True)
        ]

    return _detector(loaded, propose, lambda image, text: (image.shape, text))


def _caption(phrases: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Return the phrases as one text, and where in it each begins and ends.

    Examples
    --------
    >>> _caption(["blue book", "cup"])
    ('blue book. cup.', [(0, 9), (11, 14)])
    """
    # a full stop ends a phrase for the network
    plain = [" ".join(phrase.replace(".", " ").split()) for phrase in phrases]
    starts = np.cumsum([0, *(len(phrase) + 2 for phrase in plain)]).tolist()
    spans = [(start, start + len(phrase)) for start, phrase in zip(starts, plain, strict=False)]
    return ". ".join(plain) + ".", spans


def _tokens_within(span: tuple[int, int], offsets: Sequence[tuple[int, int]]) -> list[int]:
    return [n for n, (start, end) in enumerate(offsets) if span[0] <= start < end <= span[1]]


def _load(name: str, device: str, model_type: str) -> TransformersModel:
    return load_transformers_model(
        name,
        device,
        "AutoModelForZeroShotObjectDetection",
        f"{model_type} model",
        lambda network: network.config.model_type == model_type,
    )


def _detector(
    loaded: TransformersModel,
    propose: Callable[[list[PIL.Image.Image], list[list[str]]], list[Proposals]],
    batch_key: Callable[[Image, str], Hashable],
    **settings: Any,
) -> Detector:
    is_apache = loaded.name.partition(":")[2].startswith(_APACHE) and loaded.licence.startswith("see ")
    return Detector(
        name=loaded.name,
        licence="Apache-2.0" if is_apache else loaded.licence,
        weights_sha256=loaded.weights_sha256,
        version=feature_version(
            floor=SCORE_FLOOR, boxes="fractions+size", colours=COLOURS_VERSION, **loaded.processing(), **settings
        ),
        network=loaded.network,
        device=loaded.device,
        propose=propose,
        batch_key=batch_key,
        revision=loaded.revision,
    )


def _phrases(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


def _corners(boxes: Floats) -> Floats:
    """Return boxes given by centre, width and height as boxes given by two corners."""
    centre, size = boxes[..., :2], boxes[..., 2:]
    return np.concatenate([centre - size / 2, centre + size / 2], axis=-1)


def _detections(image: Image, phrases: Sequence[str], proposals: Proposals) -> list[Detection]:
    best = proposals.scores.argmax(axis=1)
    scores = proposals.scores.max(axis=1)
    boxes = proposals.boxes.clip(0, 1)
    # what lies wholly in the padding has no extent in the picture
    kept = (scores >= SCORE_FLOOR) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    height, width = image.shape[:2]
    return [
        {
            "phrase": phrases[best[n]],
            "score": round(float(scores[n]), 6),
            "box": (box := [round(float(edge), 6) for edge in boxes[n]]),
            "picture_size": [width, height],
            "colour": middle_colour(image, box),
        }
        for n in np.flatnonzero(kept)
    ]


def mirrored(detections: Sequence[Detection]) -> list[Detection]:
    """Return what would be found in the picture's mirror image: every box with its x turned into 1 - x.

    The control of relations and positions: what holds to the left or right fails in the mirror, and
    what holds above or below stays. It needs no second look of the detector.
    """
    boxes = (detection["box"] for detection in detections)
    return [
        {**detection, "box": [1 - x1, y0, 1 - x0, y1]}
        for detection, (x0, y0, x1, y1) in zip(detections, boxes, strict=True)
    ]


def without_duplicates(detections: Sequence[Detection]) -> list[Detection]:
    """Return the detections, highest score first, without those that repeat a better one of the same phrase.

    Greedy non-maximum suppression at an intersection over union above ``NMS_OVERLAP``. Of equal scores the earlier
    detection wins.
    """
    kept: list[Detection] = []
    for detection in sorted(detections, key=lambda detection: -detection["score"]):
        better = [other["box"] for other in kept if other["phrase"] == detection["phrase"]]
        if not better or _intersection_over_union(detection["box"], better).max() <= NMS_OVERLAP:
            kept.append(detection)
    return kept


def _intersection_over_union(box: Sequence[float], others: Sequence[Sequence[float]]) -> npt.NDArray[np.float64]:
    a, b = np.asarray(box, np.float64), np.asarray(others, np.float64)
    sides = np.clip(np.minimum(a[2:], b[:, 2:]) - np.maximum(a[:2], b[:, :2]), 0, None)
    shared = sides.prod(axis=1)
    union = (a[2:] - a[:2]).prod() + (b[:, 2:] - b[:, :2]).prod(axis=1) - shared
    overlaps: npt.NDArray[np.float64] = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlaps
