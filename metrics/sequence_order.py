"""Sequential reasoning: does each picture of a story show its own step rather than another step of the same story?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from metrics.adherence import similarity_matrix
from metrics.encoders.clauses import EmbeddedPrompt
from metrics.measurement import Measurement, Subject, scored, unscored

Floats = npt.NDArray[np.float64]


def step_texts(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts that a row's step is recognised by: its prompt.

    Examples
    --------
    >>> step_texts({"prompt": "an egg in a nest", "shot": 1})
    ('an egg in a nest',)
    """
    return (str(row["prompt"]),)


def own_step_wins(similarities: Floats, tells_apart: npt.NDArray[np.bool_]) -> float:
    r"""Return the share of (picture, other step) pairs in which the picture's own step is the closer one.

    .. math:: \frac{1}{|P|} \sum_{(i, j) \in P} [s_{ii} > s_{ij}] + \tfrac{1}{2} [s_{ii} = s_{ij}]

    It is the area under the ROC curve of own against other steps, picture by picture, and so needs no scale. 0.5 is
    chance, 1 the right order for certain.

    Parameters
    ----------
    similarities
        Shape (n, n): picture i against the prompt of step j; the diagonal is each picture's own step.
    tells_apart
        Shape (n, n): whether the prompts of steps i and j differ, as some must. Pairs of equal prompts are not in P.

    Returns
    -------
    share
        In 0..1, higher is better.

    Examples
    --------
    >>> own_step_wins(np.array([[30.0, 20.0], [25.0, 25.0]]), ~np.eye(2, dtype=bool))
    0.75
    """
    own = np.diag(similarities)[:, None]
    wins = np.where(own > similarities, 1.0, np.where(own == similarities, 0.5, 0.0))
    return float(wins[tells_apart].mean())


def step_order(subjects: Sequence[Subject]) -> list[Measurement]:
    """Measure ``adherence.step_order``: :func:`own_step_wins` over the pictures of one story, in the order of shots.

    ``rows[i]["prompt"]`` is the step that ``images[i]`` is held to be of; needs the feature ``clip_image`` of each
    picture and, in ``given["texts"]``, the embedded prompt of every step by its text. Similarities are those of
    :func:`metrics.adherence.similarity_matrix`.

    With every picture in the place of its neighbour (``images`` rotated by one against ``rows``) a perfect story of n
    steps is at (n - 2) / (2n - 2), below chance for any n: each picture loses to the one step that it shows, and to
    the others its claim is as good as theirs. Values of stories of different length compare: chance is 0.5 in all.

    Returns
    -------
    measurements
        In order. ``details`` carries ``winners`` (the shot whose step is closest, for each picture; of equally close
        ones the first), ``accuracy`` (the share of pictures won by their own step), ``rank_correlation`` (Kendall's
        tau-b between the shots and the winners; None where one step wins everywhere) and ``similarities`` (picture by
        step). Reason: ``too_few_shots`` where fewer than two steps have a picture and a prompt of their own.
    """
    return [_step_order(subject) for subject in subjects]


def _step_order(subject: Subject) -> Measurement:
    prompts = [text for row in subject.rows for text in step_texts(row)]
    tells_apart = np.array([[one != other for other in prompts] for one in prompts])
    if not tells_apart.any():
        return unscored(subject, "too_few_shots")
    texts: Mapping[str, EmbeddedPrompt] = subject.given["texts"]
    vectors = [image["clip_image"] for image in subject.images]
    similarities = similarity_matrix(vectors, [texts[prompt] for prompt in prompts])
    winners = similarities.argmax(axis=1)
    details: dict[str, Any] = {
        "winners": [subject.rows[n]["shot"] for n in winners],
        "accuracy": float(np.mean([prompts[n] == own for n, own in zip(winners, prompts, strict=True)])),
        "rank_correlation": _kendall_tau(winners),
        "similarities": similarities.round(4).tolist(),
    }
    return scored(subject, own_step_wins(similarities, tells_apart), **details)


def _kendall_tau(winners: npt.NDArray[np.intp]) -> float | None:
    from scipy.stats import kendalltau

    if len(set(winners.tolist())) < 2:
        return None
    return float(kendalltau(np.arange(len(winners)), winners).statistic)
