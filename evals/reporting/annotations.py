"""What was seen in a picture: marks to draw over it, the words that were read, and short sentences of the encoders."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evals.reporting import formatting
from evals.reporting.ocr_overlay import Line, legible_boxes, overlay_lines
from metrics.catalogue import METRICS

MarkKind = Literal["face", "text", "object"]

_FEATURES = {row.id: row.features for row in METRICS}
_COUNTS_FACES = "identity.faces"


@dataclass(frozen=True, slots=True)
class Mark:
    """An outline over a picture; its corners are shares of width and height, 0 to 1, so that it fits any copy."""

    kind: MarkKind
    corners: tuple[tuple[float, float], ...]
    label: str = ""


@dataclass(frozen=True, slots=True)
class Annotations:
    """What the encoders tell of one picture."""

    marks: tuple[Mark, ...] = ()
    reading: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()

    def without_marks(self) -> Annotations:
        """Return what is left to say where the picture itself is not shown."""
        return Annotations(reading=self.reading, notes=self.notes)


Measured = tuple[str, Sequence[str], Mapping[str, Any]]
"""Of one measurement: the metric, the samples that it is of, and its ``details``."""


def annotations_of(
    sample_id: str, size: tuple[int, int] | None, measured: Sequence[Measured], explained: Collection[str] = ()
) -> Annotations:
    """Return what the measurements of a picture tell about it.

    Parameters
    ----------
    sample_id
        Of the picture.
    size
        Its width and height; without it nothing can be marked that was told in pixels.
    measured
        Every measurement that the picture has a part in.
    explained
        The metrics of which the notes speak.
    """
    texts = [details for metric, _, details in measured if "ocr" in _FEATURES.get(metric, ())]
    read = max(texts, key=lambda details: ("expected" in details, "read" in details), default={})
    marks = [*_faces(sample_id, measured), *(("text", box["box"], "") for box in legible_boxes(read, sample_id))]
    in_pixels = [Mark(kind, corners, label) for kind, box, label in marks if (corners := _corners(box, size))]
    of_interest = [one for one in measured if one[0] in explained]
    notes = dict.fromkeys(
        note for metric, ids, details in of_interest for note in _notes(metric, details, ids.index(sample_id))
    )
    return Annotations((*in_pixels, *_objects(measured)), overlay_lines(read, sample_id), tuple(notes))


def _faces(sample_id: str, measured: Sequence[Measured]) -> Iterator[tuple[MarkKind, Sequence[Any], str]]:
    """Yield the boxes of all faces where they were counted, else of those that a metric used."""
    for metric, _, details in sorted(measured, key=lambda one: one[0] != _COUNTS_FACES):
        boxes = details.get("boxes")
        if "faces" in _FEATURES.get(metric, ()) and isinstance(boxes, Mapping) and boxes.get(sample_id):
            of_picture = boxes[sample_id]
            yield from (("face", box, "") for box in (of_picture if isinstance(of_picture[0], list) else [of_picture]))
            return


def _objects(measured: Sequence[Measured]) -> list[Mark]:
    of_metrics = (details["detections"] for _, _, details in measured if details.get("detections"))
    return [Mark("object", _corners(one["box"], (1, 1)), str(one["phrase"])) for one in next(of_metrics, ())]


def _corners(box: Sequence[Any], size: tuple[int, int] | None) -> tuple[tuple[float, float], ...]:
    if size is None or not all(size):
        return ()
    if not isinstance(box[0], list | tuple):
        x0, y0, x1, y1 = box
        box = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    width, height = size
    return tuple((round(float(x) / width, 4), round(float(y) / height, 4)) for x, y in box)


def _notes(metric: str, details: Mapping[str, Any], place: int) -> Iterator[str]:
    """Yield what a measurement saw in the picture at a place among its samples, in plain words."""
    if metric.startswith("structure."):
        yield from map(str, details.get("reasons") or ())
    if metric == "adherence.margin" and details.get("rank"):
        which = "best" if details["rank"] == 1 else f"only at place {details['rank']}"
        yield f"of {formatting.pluralize(details['n_prompts'], 'prompt')} its own fits {which}"
    if metric == "adherence.step_order":
        winners = details.get("winners") or ()
        if place < len(winners) and winners[place] != place + 1:
            yield f"fits step {winners[place]} better than its own"
    if metric == "brand.palette":
        for one in details.get("colours") or ():
            yield f"{one['colour']} was asked for, {one['nearest']} is nearest (CIEDE2000 {one['difference']:.0f})"
    if metric == "editing.no_op" and details.get("local_difference") is not None:
        yield f"differs from its source by {details['mean_difference']:.0f} levels of 255 on average"
