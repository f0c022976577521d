"""Which question people are asked about a row of the star table, by what its metrics measure."""

from __future__ import annotations

from dataclasses import dataclass

from evals.definition import StarRow


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about two pictures or series.

    ``prompt_decides`` says that another prompt's picture must lose, ``about_repeats`` that each side shows what one
    system made of the same prompt and seed.
    """

    text: str
    prompt_decides: bool = False
    about_repeats: bool = False


_ADHERENCE = Question("Which one follows the prompt better?", prompt_decides=True)
_SAME_PERSON = Question("In which series is it more clearly the same person?")

_OF_METRICS = {
    "adherence.step_order": Question("Which series tells the story better, step by step?", prompt_decides=True),
    "quality.lighting": Question("Which one has the better light?"),
    "quality.cinematic": Question("Which one has the better light?"),
    "quality.realism": Question("Which one looks more real?"),
    "adherence": _ADHERENCE,
    "structure": _ADHERENCE,
    "identity.reference": Question("Which series shows the person of the first picture more clearly?"),
    "identity": _SAME_PERSON,
    "text": Question("Which one has the right text?", prompt_decides=True),
    "editing": Question("Which edit did what was asked, and nothing else?", prompt_decides=True),
    "brand": Question("Which pieces keep to one brand better, as asked?"),
    "quality": Question("Which one is the better picture technically?"),
    "reproducibility": Question("Which pictures are more alike among themselves?", about_repeats=True),
}
"""By metric, else by what stands before the dot of its name."""


def question_of(row: StarRow) -> Question | None:
    """Return what is asked about a row, None where nothing measured is to be seen (prices, latency, cited facts).

    An eval may put its own question (``question`` of the row). Otherwise a metric that has a question of its own
    comes before those that share the one of their family.

    Examples
    --------
    >>> row = StarRow(id="text", title="Text", suite="typography", metrics={"text.cer": 1})
    >>> question_of(row).text
    'Which one has the right text?'
    """
    if not row.metrics:
        return None
    if row.question is not None:
        about_repeats = all(metric.startswith("reproducibility.") for metric in row.metrics)
        return Question(row.question, about_repeats=about_repeats)
    names = [*row.metrics, *(metric.partition(".")[0] for metric in row.metrics)]
    return next((_OF_METRICS[name] for name in names if name in _OF_METRICS), None)
