"""Prompt adherence: does a picture show what was asked for?

Three ways to tell: how close it is to its prompt in the shared space of an image and a text encoder
(:func:`clip_similarity`, :func:`decoy_margin`), what a vision-language model answers about it (:func:`vqa_score`), and
whether each picture of a story shows its own step rather than another one (:func:`step_order`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.encoders.dual import EmbeddedPrompt
from metrics.encoders.vqa import Answer
from metrics.measurement import Measurement, Subject, measured_one_by_one, scored, unscored

FloatArray = npt.NDArray[np.floating]
Floats = npt.NDArray[np.float64]


def prompt_adherence(image_vector: FloatArray, chunk_matrix: FloatArray) -> float:
    r"""Return 100 x the mean cosine between an image and the clauses of its prompt.

    .. math:: 100 \cdot \frac{1}{n} \sum_{i=1}^{n} \cos(v, t_i)

    CLIPScore of Hessel et al. (2021, "CLIPScore: A Reference-free Evaluation Metric for Image Captioning") without its
    prefix, its factor 2.5 and its clipping at 0. Values are specific to the encoder: never compare them across
    encoders. A prompt that fits the encoder's context is one clause. ``image_vector`` has shape (d,) and
    ``chunk_matrix`` (n, d), one row per clause, all of unit length. The result is in -100..100, higher is better.

    Examples
    --------
    >>> prompt_adherence(np.array([1.0, 0.0]), np.array([[0.6, 0.8], [0.0, 1.0]]))
    30.0
    """
    return float(np.mean(_cosines(image_vector, chunk_matrix)) * 100)


def similarity_matrix(image_vectors: Sequence[FloatArray], prompts: Sequence[EmbeddedPrompt]) -> Floats:
    """Return the prompt adherence of every image to every prompt.

    The diagonal of a suite's own matrix is the metric; what lies beside it is what shuffled prompts and decoys score.
    The m image vectors have shape (d,) and unit length, the n prompts come from the same encoder; the matrix has shape
    (m, n), its values as in :func:`prompt_adherence`.

    Examples
    --------
    >>> east = {"chunks": np.array([[1.0, 0.0]]), "clauses": ["east"], "n_tokens": 3}
    >>> north = {"chunks": np.array([[0.0, 1.0]]), "clauses": ["north"], "n_tokens": 3}
    >>> similarity_matrix([np.array([0.6, 0.8])], [east, north])
    array([[60., 80.]])
    """
    vectors = np.stack([np.asarray(vector, np.float64) for vector in image_vectors])
    return np.stack([100 * np.mean(vectors @ prompt["chunks"].T, axis=1) for prompt in prompts], axis=1)


@measured_one_by_one
def clip_similarity(subject: Subject) -> Measurement:
    """Measure ``adherence.clip``: each sample's image against its prompt, as :func:`prompt_adherence`.

    Needs the features ``clip_image`` of the image and ``prompt`` of the given prompt, both of one encoder. ``details``
    carries ``n_chunks``, ``n_tokens`` (the prompt's, uncut), ``min_chunk`` (the lowest clause's own value, in the
    metric's unit) and, for a prompt that was cut, ``lowest_clause`` (its text).
    """
    vector: FloatArray = subject.images[0]["clip_image"]
    prompt: EmbeddedPrompt = subject.context["prompt"]
    cosines = _cosines(vector, prompt["chunks"])
    lowest = int(np.argmin(cosines))
    details: dict[str, Any] = {
        "n_chunks": len(prompt["chunks"]),
        "n_tokens": prompt["n_tokens"],
        "min_chunk": float(cosines[lowest] * 100),
    }
    if len(cosines) > 1:
        details["lowest_clause"] = prompt["clauses"][lowest]
    return scored(subject, prompt_adherence(vector, prompt["chunks"]), **details)


def decoy_margin(subjects: Sequence[Subject]) -> list[Measurement]:
    r"""Measure ``adherence.margin``: how much closer an image is to its prompt than to the suite's other prompts.

    .. math:: s(v, p) - \frac{1}{m} \sum_{j=1}^{m} s(v, d_j)

    with :math:`s` as in :func:`prompt_adherence` and :math:`d_j` the m other prompts of the suite. An image that an
    encoder finds close to every prompt (a bias that differs between systems) gains nothing, which is why ratings use
    the margin and not the raw value. Where a control holds it against another prompt, the prompt that it was made from
    is no decoy either: it would lower what a wrong prompt gets. The measurements are in order. ``details`` carries
    ``adherence`` (the raw value), ``decoy_mean``, ``rank`` (of its prompt among it and the decoys, 1 is best, ties
    count against it) and ``n_prompts`` (how many these are). Reason: ``no_decoys`` where there is no other prompt.
    """
    margins: dict[int, Measurement] = {}
    suites: dict[int, list[int]] = {}
    for n, subject in enumerate(subjects):
        suites.setdefault(id(subject.context["decoys"]), []).append(n)
    for members in suites.values():
        prompts: Mapping[str, EmbeddedPrompt] = subjects[members[0]].context["decoys"]
        place = {text: n for n, text in enumerate(prompts)}
        similarities = similarity_matrix([subjects[n].images[0]["clip_image"] for n in members], list(prompts.values()))
        for n, row in zip(members, similarities, strict=True):
            target, own = subjects[n].context["prompt_text"], subjects[n].rows[0].get("prompt", "")
            margins[n] = _margin(subjects[n], row, place[target], place.get(own, place[target]))
    return [margins[n] for n in range(len(subjects))]


def _margin(subject: Subject, similarities: Floats, target: int, own: int) -> Measurement:
    others = np.delete(similarities, [target, own])
    if others.size == 0:
        return unscored(subject, "no_decoys")
    rank = 1 + int((others >= similarities[target]).sum())
    value, mean = float(similarities[target]), float(others.mean())
    return scored(subject, value - mean, adherence=value, decoy_mean=mean, rank=rank, n_prompts=len(others) + 1)


def _cosines(image_vector: FloatArray, chunk_matrix: FloatArray) -> Floats:
    # float64 keeps a cosine of unit float32 vectors from straying past 1 by more than they do themselves
    return np.asarray(chunk_matrix, np.float64) @ np.asarray(image_vector, np.float64)


def question_text(row: Mapping[str, Any]) -> str:
    """Return the text that a picture is asked about: the row's caption if it has one, else its prompt.

    A caption says what the picture shows; a prompt may also say how to make it.

    Examples
    --------
    >>> question_text({"prompt": "Draw me a red fox, please, in 4K.", "caption": "a red fox"})
    'a red fox'
    >>> question_text({"prompt": "a red fox", "caption": None})
    'a red fox'
    """
    return (row.get("caption") or "").strip() or str(row["prompt"])


@measured_one_by_one
def vqa_score(subject: Subject) -> Measurement:
    r"""Measure ``adherence.vqa``: the probability of Yes to "Does this figure show ...? Please answer yes or no.".

    .. math:: P(\text{yes} \mid \text{image}, \text{question})

    VQAScore of Lin et al. (2024, "Evaluating Text-to-Visual Generation with Image-to-Text Generation"), over all tokens
    that spell yes. As in the paper it is not divided by P(yes) + P(no): what a model gives to neither is doubt too.
    Values are specific to the model and to the wording: never compare them across either.

    Needs the feature ``vqa_answer``: the answer of the encoder about the picture and the text of :func:`question_text`.
    The value is in 0..1. ``details`` carries ``no`` (the probability of No), and ``yes_or_no`` (how much of the answer
    is either; a model that leaves little of it was not answering the question).
    """
    answer: Answer = subject.images[0]["vqa_answer"]
    yes = min(answer["yes"], 1.0)  # a sum of probabilities may stray past it by a rounding error
    return scored(subject, yes, no=answer["no"], yes_or_no=min(yes + answer["no"], 1.0))


def step_texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts that a row's step is recognised by: its prompt.

    Examples
    --------
    >>> step_texts({"prompt": "an egg in a nest", "shot": 1})
    ('an egg in a nest',)
    """
    return (str(row["prompt"]),)


def target_step_wins(similarities: Floats, tells_apart: npt.NDArray[np.bool_]) -> float:
    r"""Return the share of (picture, other step) pairs in which the picture's own step is the closer one.

    .. math:: \frac{1}{|P|} \sum_{(i, j) \in P} [s_{ii} > s_{ij}] + \tfrac{1}{2} [s_{ii} = s_{ij}]

    It is the area under the ROC curve of own against other steps, picture by picture, and so needs no scale. 0.5 is
    chance, 1 the right order for certain. ``similarities`` of shape (n, n) holds picture i against the prompt of step
    j; ``tells_apart`` of the same shape whether the prompts of steps i and j differ, as some must. Pairs of equal
    prompts are not in P.

    Examples
    --------
    >>> target_step_wins(np.array([[30.0, 20.0], [25.0, 25.0]]), ~np.eye(2, dtype=bool))
    0.75
    """
    target = np.diag(similarities)[:, None]
    wins = np.where(target > similarities, 1.0, np.where(target == similarities, 0.5, 0.0))
    return float(wins[tells_apart].mean())


@measured_one_by_one
def step_order(subject: Subject) -> Measurement:
    """Measure ``adherence.step_order``: :func:`target_step_wins` over the pictures of one story, in the order of shots.

    ``rows[i]["prompt"]`` is the step that ``images[i]`` is held to be of; needs the feature ``clip_image`` of each
    picture and, in ``context["texts"]``, the embedded prompt of every step by its text. Similarities are those of
    :func:`similarity_matrix`.

    With every picture in the place of its neighbour (``images`` rotated by one against ``rows``) a perfect story of n
    steps is at (n - 2) / (2n - 2), below chance for any n: each picture loses to the one step that it shows, and to the
    others its claim is as good as theirs. Values of stories of different length compare: chance is 0.5 in all.
    ``details`` carries ``winners`` (the shot whose step is closest, for each picture; of equally close ones the first),
    ``accuracy`` (the share of pictures won by their own step), ``rank_correlation`` (Kendall's tau-b between the shots
    and the winners; None where one step wins everywhere) and ``similarities`` (picture by step). Reason:
    ``too_few_shots`` where fewer than two steps have a picture and a prompt of their own.
    """
    from scipy.stats import kendalltau

    prompts = [text for row in subject.rows for text in step_texts(row)]
    tells_apart = np.array([[one != other for other in prompts] for one in prompts])
    if not tells_apart.any():
        return unscored(subject, "too_few_shots")
    texts: Mapping[str, EmbeddedPrompt] = subject.context["texts"]
    vectors = [image["clip_image"] for image in subject.images]
    similarities = similarity_matrix(vectors, [texts[prompt] for prompt in prompts])
    winners = similarities.argmax(axis=1)
    one_wins_everywhere = len(set(winners.tolist())) == 1
    return scored(
        subject,
        target_step_wins(similarities, tells_apart),
        winners=[subject.rows[n]["shot"] for n in winners],
        accuracy=float(np.mean([prompts[n] == target for n, target in zip(winners, prompts, strict=True)])),
        rank_correlation=None if one_wins_everywhere else float(kendalltau(np.arange(len(winners)), winners).statistic),
        similarities=similarities.round(4).tolist(),
    )
