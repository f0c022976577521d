"""Identity consistency: do the faces of a set of images belong to the same people?

All similarities are those of :func:`face_similarity`, on the scale of the encoder that made the faces; two encoders'
values are never comparable. The *main face* of an image is its largest. An image without a face gives a reason,
never a number. Boxes of the faces that were used lie in each measurement's ``details["boxes"]``, keyed by sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from metrics.encoders.faces import Face
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored
from metrics.reproducibility import hamming_distance

MIN_SHOTS_FOR_DRIFT = 3
"""A first shot to compare with and two more to lay a line through."""

HASH_BITS = 64


def face_similarity(a: Face, b: Face) -> float:
    """Return how alike two faces are: cosine, or 1 - Euclidean distance, as their encoder asks.

    Cosine of unit embeddings for insightface (Deng et al. 2019; same person from about 0.40), one minus the Euclidean
    distance of raw embeddings for dlib (King 2017; threshold 0.6, so same person from 0.40). At most 1. Raises
    ValueError if the faces come from two different encoders.

    Examples
    --------
    >>> import numpy as np
    >>> from metrics.encoders.faces import Face
    >>> def face(*embedding):
    ...     unit = np.array(embedding, dtype=np.float32)
    ...     return Face(box=[0.0, 0.0, 9.0, 9.0], score=1.0, embedding=unit, distance="cosine", crop_phash="0" * 16)
    >>> round(face_similarity(face(1.0, 0.0), face(0.6, 0.8)), 3)
    0.6
    """
    if a["distance"] != b["distance"] or a["embedding"].shape != b["embedding"].shape:
        raise ValueError("faces of two different encoders cannot be compared: encode both with one")
    first, second = a["embedding"].astype(np.float64), b["embedding"].astype(np.float64)
    if a["distance"] == "euclidean":
        return 1.0 - float(np.linalg.norm(first - second))
    return min(float(first @ second), 1.0)


@measured_one_by_one
def face_count(subject: Subject) -> Measurement:
    """Count the faces of each image; ``no_face`` where there is none. ``boxes`` holds all of them, largest first."""
    faces = _faces(subject.images[0])
    if not faces:
        return unscored(subject, "no_face")
    return scored(subject, len(faces), boxes={subject.sample_ids[0]: [face["box"] for face in faces]})


@measured_one_by_one
def to_reference(subject: Subject) -> Measurement:
    r"""Measure how alike the main face is to the main faces of the references.

    .. math:: \frac{1}{|R|} \sum_{r \in R} \mathrm{sim}(f, r)

    over the references R that show a face (cross similarity of ViStoryBench 2026). The mean and not the best:
    references are views of one person, and a maximum would rise with each reference that is added.

    ``details`` holds the similarity to each reference (None where it shows no face), their minimum and the boxes of
    the references' main faces. Reasons: ``no_face_in_reference`` where no reference shows a face, even if the image
    shows none either, because then the task was impossible and the system not at fault; else ``no_face``.
    """

    def closeness(face: Face, references: Sequence[Face | None]) -> tuple[float, Mapping[str, Any]]:
        similarities = [None if reference is None else face_similarity(face, reference) for reference in references]
        numbers = [similarity for similarity in similarities if similarity is not None]
        return float(np.mean(numbers)), {"similarities": similarities, "minimum": min(numbers)}

    return _against_references(subject, closeness)


@measured_one_by_one
def copy_paste(subject: Subject) -> Measurement:
    """Measure how far the main face is a copy of a reference's picture: the share of equal hash bits, 0 to 1.

    ``1 - Hamming(a, b) / 64`` between the perceptual hashes of the two face crops, the highest over the references:
    one copied reference is a copy. Unrelated crops lie around 0.5, a pasted one near 1. It guards the identity to
    the reference (after ViStoryBench 2026), which a pasted picture would fool. Reasons as in :func:`to_reference`.
    """

    def equal_bits(face: Face, references: Sequence[Face | None]) -> tuple[float, Mapping[str, Any]]:
        shares = [None if reference is None else _equal_hash_bits(face, reference) for reference in references]
        largest = max(share for share in shares if share is not None)
        return largest, {"shares": shares, "reference": shares.index(largest)}

    return _against_references(subject, equal_bits)


@measured_one_by_one
def pair_similarity(subject: Subject) -> Measurement:
    """Measure how alike the main faces of two images are; ``no_face`` where either image shows none.

    Its mean over all pairs of n unit embeddings e is the self similarity of ViStoryBench 2026, which equals
    ``(n |mean e|^2 - 1) / (n - 1)``. ``details["without_face"]`` names the samples that show no face.
    """
    boxes = _boxes_of_main_faces(subject)
    # An image that pairs with none because it shows no face comes alone.
    faces = [face for face in map(_main_face, subject.images) if face is not None]
    if len(faces) < 2:
        return unscored(subject, "no_face", boxes=boxes, without_face=_samples_without_face(subject))
    return scored(subject, face_similarity(*faces), boxes=boxes)


@measured_one_by_one
def drift(subject: Subject) -> Measurement:
    r"""Measure how fast a sequence's main face moves away from its first: similarity lost (negative) per shot.

    .. math:: \frac{\sum_i (x_i - \bar x)(s_i - \bar s)}{\sum_i (x_i - \bar x)^2}

    the least-squares slope of :math:`s_i`, the similarity of shot i to the first shot with a face, over the shot
    number :math:`x_i`. The first shot's similarity to itself is left out: it is 1 by definition, and a character
    that is drawn equally well in all other shots would seem to drift.

    ``details["similarities"]`` maps each sample to its similarity to the first (None where it shows no face).
    Reason: ``too_few_shots`` where fewer than three shots show a face, or those after the first share one number.
    """
    faces = [_main_face(image) for image in subject.images]
    boxes = _boxes_of_main_faces(subject)
    first = next((face for face in faces if face is not None), None)
    similarities = [None if first is None or face is None else face_similarity(first, face) for face in faces]
    details = {"boxes": boxes, "similarities": dict(zip(subject.sample_ids, similarities, strict=True))}
    shots = [(float(row["shot"]), s) for row, s in zip(subject.rows, similarities, strict=True) if s is not None]
    x, y = np.array(shots[1:], dtype=np.float64).reshape(-1, 2).T
    if len(shots) < MIN_SHOTS_FOR_DRIFT or np.ptp(x) == 0:
        return unscored(subject, "too_few_shots", **details)
    centred = x - x.mean()
    return scored(subject, float(centred @ (y - y.mean()) / (centred @ centred)), **details)


@measured_one_by_one
def people_similarity(subject: Subject) -> Measurement:
    r"""Measure how well all people of one shot agree with all people of another, each matched to one other.

    .. math:: \frac{1}{\max(n_a, n_b)} \max_{\pi} \sum_{(i, j) \in \pi} \max(\mathrm{sim}(a_i, b_j), 0)

    over one-to-one matchings :math:`\pi` (Kuhn 1955), so that one face never stands for two people as greedy
    matching allows. A person who is in one shot only adds nothing to the sum and still counts in the divisor: no
    similarity is invented for the absent, they are people on whom the shots do not agree. Hence losing a person from
    the shot that shows no more people than the other never raises the value, where the mean over matched pairs alone
    would reward losing the worst-drawn one (it is in ``details["matched_mean"]`` for diagnosis). Negative
    similarities count as no agreement, else losing such a person would pay. People whom both shots leave out cannot
    be seen here; the number of faces is a metric of its own. 0 to 1.

    ``details`` holds the matched pairs (indices into ``boxes``, largest face first, and their similarity),
    ``missing`` (people of the first shot only) and ``extra`` (of the second only), as counts. Reason: ``no_face``
    where either shot shows no face at all.
    """
    from scipy.optimize import linear_sum_assignment

    first, second = (_faces(image) for image in subject.images[:2])
    boxes = {
        sample_id: [face["box"] for face in faces]
        for sample_id, faces in zip(subject.sample_ids, (first, second), strict=True)
        if faces
    }
    if not first or not second:
        return unscored(subject, "no_face", boxes=boxes, without_face=_samples_without_face(subject))
    similarities = np.array([[face_similarity(a, b) for b in second] for a in first])
    agreements = np.maximum(similarities, 0.0)
    rows, columns = linear_sum_assignment(agreements, maximize=True)
    matched = [
        {"faces": [int(i), int(j)], "similarity": float(similarities[i, j])} for i, j in zip(rows, columns, strict=True)
    ]
    return scored(
        subject,
        float(agreements[rows, columns].sum()) / max(len(first), len(second)),
        boxes=boxes,
        matched=matched,
        matched_mean=float(similarities[rows, columns].mean()),
        missing=len(first) - len(matched),
        extra=len(second) - len(matched),
    )


def _faces(image: Mapping[str, Any]) -> list[Face]:
    faces: list[Face] = image["faces"]
    return faces


def _main_face(image: Mapping[str, Any]) -> Face | None:
    """Return the largest face: the first, as encoders order them (the surest detection may be a bystander)."""
    faces = _faces(image)
    return faces[0] if faces else None


def _boxes_of_main_faces(subject: Subject) -> dict[str, list[float]]:
    faces = zip(subject.sample_ids, map(_main_face, subject.images), strict=True)
    return {sample_id: face["box"] for sample_id, face in faces if face is not None}


def _samples_without_face(subject: Subject) -> list[str]:
    faces = zip(subject.sample_ids, map(_faces, subject.images), strict=True)
    return [sample_id for sample_id, faces_found in faces if not faces_found]


def _against_references(
    subject: Subject, compare: Callable[[Face, Sequence[Face | None]], tuple[float, Mapping[str, Any]]]
) -> Measurement:
    references = [_main_face(reference) for reference in subject.context["references"]]
    face = _main_face(subject.images[0])
    reference_boxes = [None if reference is None else reference["box"] for reference in references]
    details: dict[str, Any] = {"boxes": _boxes_of_main_faces(subject), "reference_boxes": reference_boxes}
    if all(reference is None for reference in references):
        return unscored(subject, "no_face_in_reference", **details)
    if face is None:
        return unscored(subject, "no_face", **details)
    value, more = compare(face, references)
    return scored(subject, value, **details, **more)


def _equal_hash_bits(a: Face, b: Face) -> float:
    return 1.0 - hamming_distance(a["crop_phash"], b["crop_phash"]) / HASH_BITS
