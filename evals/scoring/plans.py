"""What is planned before anything is measured: a subject's rows, its pictures, and what they are held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from metrics.controls import Control
from metrics.features import FEATURES
from metrics.specification import MetricSpec

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class ImageKey:
    """One picture: a file of the set, the mask of an edit, or one made for a control: a filled mask, words, plain grey.

    ``like`` is the file in whose place a rendering stands: it is drawn at the size of that picture and of the letters
    that were read in it. A filled picture is the file ``name`` outside its ``mask`` and the file ``filling`` inside, or
    grey where there is none.
    """

    kind: Literal["file", "mask", "filled", "rendering", "blank"]
    name: str
    like: str = ""
    mask: str = ""
    filling: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it is read from; none where it is drawn."""
        return tuple(filter(None, (self.name, self.mask, self.filling))) if self.kind in _READ else ()


_READ = ("file", "mask", "filled")

Inputs = tuple[ImageKey | str | None, ...]
"""What a feature is computed from: pictures and texts, as encoders take them; None for an edit without a mask."""

Place = tuple[Literal["image", "reference", "context", "text"], int]
"""Where a metric finds a feature: at which of the images, references or texts, or what the images are held against."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One subject to be measured: its rows (by index), its pictures, and what they are held against.

    ``decoys`` are all prompts of the suite, the own one among them, as one tuple that the suite's plans share;
    ``texts`` are embedded beside the prompt, ``question`` is asked about each picture, ``mask`` says what an edit may
    change. ``described_by`` is the row that says what its picture should be, where that is not its own. With a
    ``reason`` it cannot be measured, whatever its pictures are like.
    """

    rows: tuple[int, ...]
    images: tuple[ImageKey, ...]
    control: Control | None = None
    references: tuple[ImageKey, ...] = ()
    prompt: str | None = None
    decoys: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    question: str | None = None
    mask: ImageKey | None = None
    described_by: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    def inputs(self, feature: str) -> dict[Place, Inputs]:
        """Return what a feature is computed from, by the place where the metric finds it. Decoys are not among it."""
        match FEATURES[feature].of:
            case "pair":
                return {("context", 0): self.images[:2]}
            case "edit":
                return {("context", 0): (self.references[0], self.images[0], self.mask)}
            case "question":
                return {("image", n): (key, self.question) for n, key in enumerate(self.images)}
            case "text":
                prompt: dict[Place, Inputs] = {} if self.prompt is None else {("context", 0): (self.prompt,)}
                return prompt | {("text", n): (text,) for n, text in enumerate(self.texts)}
        images: dict[Place, Inputs] = {("image", n): (key,) for n, key in enumerate(self.images)}
        return images | {("reference", n): (key,) for n, key in enumerate(self.references)}


Make = Callable[..., Plan]
"""Makes the plan of a subject from its rows and from what is not as usual in it."""


def text_of(row: Row) -> str:
    """Return the expected text of a row as one string, lines separated by newlines."""
    text = row["expected_text"]
    return text if isinstance(text, str) else "\n".join(text)


def is_given(value: Any) -> bool:
    """Tell whether a column says something: null, nothing and blank text do not."""
    if isinstance(value, str):
        return bool(value.strip())
    return any(is_given(item) for item in value) if isinstance(value, list) else value is not None


def uses(spec: MetricSpec, kind: str) -> bool:
    """Tell whether a metric needs a feature of images, texts, pairs, edits or questions (``kind``)."""
    return any(FEATURES[feature].of == kind for feature in spec.features)


def picture_of(row: Row) -> ImageKey:
    """Return the picture of a row."""
    return ImageKey("file", row["file_name"])


def picture_keys(row: Row) -> list[ImageKey]:
    """Return every file that a row names: the image, its references, its mask."""
    references = [ImageKey("file", name) for name in row.get("reference_images") or ()]
    return [picture_of(row), *references, *([ImageKey("mask", row["mask"])] if row.get("mask") else ())]


def references_of(row: Row) -> tuple[ImageKey, ...]:
    """Return the reference pictures of a row."""
    return tuple(ImageKey("file", name) for name in row.get("reference_images") or ())
