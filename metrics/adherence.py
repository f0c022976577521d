"""Prompt adherence: how close an image is to what was asked for, in the shared space of an image and a text encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.encoders.clauses import EmbeddedPrompt
from metrics.measurement import Measurement, Subject, scored, unscored

FloatArray = npt.NDArray[np.floating]


def prompt_adherence(image_vector: FloatArray, chunk_matrix: FloatArray) -> float:
    r"""Return 100 x the mean cosine between an image and the clauses of its prompt.

    .. math:: 100 \cdot \frac{1}{n} \sum_{i=1}^{n} \cos(v, t_i)

    CLIPScore of Hessel et al. (2021, "CLIPScore: A Reference-free Evaluation Metric for Image Captioning") without
    its prefix, its factor 2.5 and its clipping at 0. Values are specific to the encoder: never compare them across
    encoders. A prompt that fits the encoder's context is one clause.

    Parameters
    ----------
    image_vector
        Shape (d,), unit length.
    chunk_matrix
        Shape (n, d), unit rows, one per clause.

    Returns
    -------
    adherence
        In -100..100, higher is better.

    Examples
    --------
    >>> prompt_adherence(np.array([1.0, 0.0]), np.array([[0.6, 0.8], [0.0, 1.0]]))
    30.0
    """
    return float(np.mean(_cosines(image_vector, chunk_matrix)) * 100)


def similarity_matrix(
    image_vectors: Sequence[FloatArray], prompts: Sequence[EmbeddedPrompt]
) -> npt.NDArray[np.float64]:
    """Return the prompt adherence of every image to every prompt.

    The diagonal of a suite's own matrix is the metric; what lies beside it is what shuffled prompts and decoys score.

    Parameters
    ----------
    image_vectors
        m unit vectors of shape (d,).
    prompts
        n embedded prompts of the same encoder.

    Returns
    -------
    adherence
        Shape (m, n), as in :func:`prompt_adherence`.

    Examples
    --------
    >>> east = {"chunks": np.array([[1.0, 0.0]]), "clauses": ["east"], "n_tokens": 3}
    >>> north = {"chunks": np.array([[0.0, 1.0]]), "clauses": ["north"], "n_tokens": 3}
    >>> similarity_matrix([np.array([0.6, 0.8])], [east, north])
    array([[60., 80.]])
    """
    vectors = np.stack([np.asarray(vector, np.float64) for vector in image_vectors])
    return np.stack([100 * np.mean(vectors @ prompt["chunks"].T, axis=1) for prompt in prompts], axis=1)


def clip_similarity(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure ``adherence.clip``: each sample's image against its prompt, as :func:`prompt_adherence`.

    Needs the features ``clip_image`` of the image and ``prompt`` of the given prompt, both of one encoder.

    Returns
    -------
    measurements
        In order. ``details`` carries ``n_chunks``, ``n_tokens`` (the prompt's, uncut), ``min_chunk`` (the lowest
        clause's own value, in the metric's unit) and, for a prompt that was cut, ``lowest_clause`` (its text).
    """
    measurements = []
    for subject in subjects:
        vector: FloatArray = subject.images[0]["clip_image"]
        prompt: EmbeddedPrompt = subject.given["prompt"]
        cosines = _cosines(vector, prompt["chunks"])
        lowest = int(np.argmin(cosines))
        details: dict[str, Any] = {
            "n_chunks": len(prompt["chunks"]),
            "n_tokens": prompt["n_tokens"],
            "min_chunk": float(cosines[lowest] * 100),
        }
        if len(cosines) > 1:
            details["lowest_clause"] = prompt["clauses"][lowest]
        measurements.append(scored(subject, prompt_adherence(vector, prompt["chunks"]), **details))
    return measurements


def decoy_margin(subjects: Sequence[Subject]) -> list[Measurement]:
    r"""Measure ``adherence.margin``: how much closer an image is to its prompt than to the suite's other prompts.

    .. math:: s(v, p) - \frac{1}{m} \sum_{j=1}^{m} s(v, d_j)

    with :math:`s` as in :func:`prompt_adherence` and :math:`d_j` the m other prompts of the suite. An image that an
    encoder finds close to every prompt (a bias that differs between systems) gains nothing, which is why ratings use
    the margin and not the raw value.

    Returns
    -------
    measurements
        In order. ``details`` carries ``adherence`` (the raw value), ``decoy_mean``, ``rank`` (of the own prompt among
        all, 1 is best, ties count against it) and ``n_prompts``. Reason: ``no_decoys`` in a suite of one prompt.
    """
    found: dict[int, Measurement] = {}
    suites: dict[int, list[int]] = {}
    for n, subject in enumerate(subjects):
        suites.setdefault(id(subject.given["decoys"]), []).append(n)
    for members in suites.values():
        prompts: Mapping[str, EmbeddedPrompt] = subjects[members[0]].given["decoys"]
        place = {text: n for n, text in enumerate(prompts)}
        similarities = similarity_matrix([subjects[n].images[0]["clip_image"] for n in members], list(prompts.values()))
        for n, row in zip(members, similarities, strict=True):
            found[n] = _margin(subjects[n], row, place[subjects[n].given["prompt_text"]])
    return [found[n] for n in range(len(subjects))]


def _margin(subject: Subject, similarities: npt.NDArray[np.float64], own: int) -> Measurement:
    others = np.delete(similarities, own)
    if others.size == 0:
        return unscored(subject, "no_decoys")
    rank = 1 + int((others >= similarities[own]).sum())
    value, mean = float(similarities[own]), float(others.mean())
    return scored(subject, value - mean, adherence=value, decoy_mean=mean, rank=rank, n_prompts=len(similarities))


def _cosines(image_vector: FloatArray, chunk_matrix: FloatArray) -> npt.NDArray[np.float64]:
    # float64 keeps a cosine of unit float32 vectors from straying past 1 by more than they do themselves
    return np.asarray(chunk_matrix, np.float64) @ np.asarray(image_vector, np.float64)
