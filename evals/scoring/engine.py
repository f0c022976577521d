"""The local engine: decode each image once, encode in batches, keep every feature by content."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from evals.imageset.decoding import DECODING_VERSION, DecodedImage, Pixels, pixel_sha256
from evals.scoring.decoders import Decoders, Unreadable
from evals.scoring.features import FeatureCache, FeatureStore
from evals.scoring.subjects import ImageKey, Plan
from metrics.catalogue import FEATURES
from metrics.encoders.catalogue import Encoder

log = logging.getLogger(__name__)

WINDOW_IMAGES = 32
Wanted = dict[tuple[str, str], Encoder]
"""The features that are wanted of one picture, pair or text: (feature, encoder name) to encoder."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


@dataclass(frozen=True)
class Needs:
    """What has to be known before anything can be measured."""

    images: dict[ImageKey, Wanted] = field(default_factory=dict)
    groups: dict[tuple[ImageKey, ...], Wanted] = field(default_factory=dict)
    questions: dict[tuple[ImageKey, str], Wanted] = field(default_factory=dict)
    texts: dict[str, Wanted] = field(default_factory=dict)

    def add(self, plan: Plan, features: Iterable[str], encoders: Mapping[str, Encoder]) -> None:
        """Note what one subject needs: each feature from the encoder chosen for it."""
        pictures = (*plan.images, *plan.references)
        for key in (*pictures, *((plan.mask,) if plan.mask else ())):
            self.images.setdefault(key, {})
        for feature in features:
            encoder = encoders[feature]
            wanted = (feature, encoder.name)
            kind = FEATURES[feature].of
            if kind == "image":
                for key in pictures:
                    self.images[key][wanted] = encoder
            elif kind == "question":
                for key in plan.images:
                    self.questions.setdefault((key, plan.question or ""), {})[wanted] = encoder
            elif kind == "text":
                # Decoys need no mention: each of them is the own prompt of another subject.
                for text in (*((plan.prompt,) if plan.prompt is not None else ()), *plan.texts):
                    self.texts.setdefault(text, {})[wanted] = encoder
            else:
                self.groups.setdefault(compared(plan, feature), {})[wanted] = encoder


def compared(plan: Plan, feature: str) -> tuple[ImageKey, ...]:
    """Return the pictures that a feature compares: two, or the source of an edit, its output and its mask."""
    if FEATURES[feature].of == "pair":
        return plan.images[:2]
    return (plan.references[0], plan.images[0], *((plan.mask,) if plan.mask else ()))


class FeatureTable:
    """All features of one scoring run, looked up by picture; computed where the cache has none."""

    def __init__(
        self,
        folder: Path,
        cache: FeatureCache,
        decoders: Decoders,
        progress: Progress,
        unreadable: Mapping[ImageKey, Unreadable],
    ) -> None:
        """Keep where the pictures lie, where features are kept, who decodes, and what is known not to be an image."""
        self.folder = folder
        self.cache = cache
        self.decoders = decoders
        self.progress = progress
        self.unreadable = dict(unreadable)
        self._failed: dict[tuple[str, str, str], str] = {}
        self._texts: dict[tuple[str, str, int], tuple[tuple[str, ...], Mapping[str, Any]]] = {}
        self._hash: dict[ImageKey, str] = {}
        self._known_files = cache.store("files", "decoding", None, DECODING_VERSION)

    def get(self, feature: str, encoder: Encoder, *keys: ImageKey) -> Any | Unreadable:
        """Return a feature of one picture or of a pair of pictures, or why there is none."""
        for key in keys:
            if key in self.unreadable:
                return self.unreadable[key]
        content = self._content(keys)
        if failure := self._failed.get((feature, encoder.name, content)):
            return Unreadable("encoder_failed", failure)
        return self._store(feature, encoder).get(content)

    def answer(self, feature: str, encoder: Encoder, key: ImageKey, question: str) -> Any | Unreadable:
        """Return what an encoder answers to a question about a picture, or why there is no answer."""
        if key in self.unreadable:
            return self.unreadable[key]
        content = self._asked(key, question)
        if failure := self._failed.get((feature, encoder.name, content)):
            return Unreadable("encoder_failed", failure)
        return self._store(feature, encoder).get(content)

    def text(self, feature: str, encoder: Encoder, text: str) -> Any:
        """Return a feature of a text."""
        return self._store(feature, encoder).get(_text_hash(text))

    def texts(self, feature: str, encoder: Encoder, texts: tuple[str, ...]) -> Mapping[str, Any]:
        """Return a feature of several texts by text; the same object for the same tuple object."""
        key = (feature, encoder.name, id(texts))
        if key not in self._texts:
            # The tuple is kept beside its values, so that its id stays its own.
            self._texts[key] = (texts, {text: self.text(feature, encoder, text) for text in texts})
        return self._texts[key][1]

    def fill(self, needs: Needs) -> None:
        """Compute every feature that is needed and not yet stored."""
        self._fill_texts(needs)
        windows = list(self._windows(needs))
        to_decode = [self.folder / key.name for window in windows for key in window if key.kind == "file"]
        decoded = self.decoders.decode(to_decode)
        done, total = 0, sum(len(window) for window in windows)
        for window in windows:
            pixels: dict[ImageKey, Pixels] = {}
            for key in window:
                image = render(key.name) if key.kind == "rendering" else next(decoded)
                if isinstance(image, Unreadable):
                    self.unreadable[key] = image
                else:
                    self._remember(key, image)
                    pixels[key] = image.pixels
            self._encode_images(needs, pixels)
            self._encode_groups(needs, pixels)
            self._ask(needs, pixels)
            self.cache.flush()
            done += len(window)
            self.progress("images", done, total)

    def _content(self, keys: Sequence[ImageKey]) -> str:
        return "+".join(self._hash[key] for key in keys)

    def _asked(self, key: ImageKey, question: str) -> str:
        return f"{self._hash[key]}?{_text_hash(question)}"

    def _store(self, feature: str, encoder: Encoder) -> FeatureStore:
        version = f"{DECODING_VERSION}/{encoder.version}"
        return self.cache.store(feature, encoder.name, encoder.weights_sha256, version)

    def _remember(self, key: ImageKey, image: DecodedImage) -> None:
        self._hash[key] = image.pixel_sha256
        if key.kind == "file":
            stamp = _stamp(self.folder / key.name)
            if stamp is not None and stamp not in self._known_files:
                self._known_files.put(stamp, image.pixel_sha256)

    def _fill_texts(self, needs: Needs) -> None:
        batches: dict[tuple[str, str], tuple[Any, list[str]]] = {}
        for text, features in needs.texts.items():
            for (feature, _), encoder in features.items():
                if _text_hash(text) not in self._store(feature, encoder):
                    batches.setdefault((feature, encoder.name), (encoder, []))[1].append(text)
        for (feature, _), (encoder, texts) in batches.items():
            store = self._store(feature, encoder)
            for start in range(0, len(texts), WINDOW_IMAGES):
                part = texts[start : start + WINDOW_IMAGES]
                for text, value in zip(part, encoder.encode(part), strict=True):
                    store.put(_text_hash(text), value)
                store.flush()
                self.progress("prompts", start + len(part), len(texts))

    def _windows(self, needs: Needs) -> Iterator[list[ImageKey]]:
        """Yield the pictures that must be decoded, a window at a time; pictures that are compared share a window."""
        for key in needs.images:
            stamp = _stamp(self.folder / key.name) if key.kind == "file" else None
            if stamp is not None and stamp in self._known_files:
                self._hash[key] = self._known_files.get(stamp)
        window: list[ImageKey] = []
        unanswered = {key for (key, question), wanted in needs.questions.items() if self._waits(key, question, wanted)}
        for keys, groups in _connected(needs):
            wanted = {key for group in groups if self._lacks(group, needs.groups[group]) for key in group}
            wanted |= {key for key in keys if key in unanswered or self._lacks((key,), needs.images[key])}
            window += [key for key in keys if key in wanted and key not in self.unreadable]
            if len(window) >= WINDOW_IMAGES:
                yield window
                window = []
        if window:
            yield window

    def _lacks(self, keys: Sequence[ImageKey], wanted: Wanted) -> bool:
        """Tell whether a feature of these pictures is not stored; of pictures never decoded nothing is known."""
        if any(key not in self._hash for key in keys):
            return True
        return any(self._content(keys) not in self._store(f, encoder) for (f, _), encoder in wanted.items())

    def _waits(self, key: ImageKey, question: str, wanted: Wanted) -> bool:
        """Tell whether an answer about a picture is not stored."""
        if key not in self._hash:
            return True
        return any(self._asked(key, question) not in self._store(f, encoder) for (f, _), encoder in wanted.items())

    def _encode_images(self, needs: Needs, pixels: Mapping[ImageKey, Pixels]) -> None:
        batches: dict[tuple[str, str], tuple[Any, dict[str, Pixels]]] = {}
        for key, image in pixels.items():
            for (feature, _), encoder in needs.images[key].items():
                if self._hash[key] not in self._store(feature, encoder):
                    batches.setdefault((feature, encoder.name), (encoder, {}))[1][self._hash[key]] = image
        for (feature, _), (encoder, batch) in batches.items():
            self._keep(feature, encoder, list(batch), list(batch.values()), encoder.encode)

    def _encode_groups(self, needs: Needs, pixels: Mapping[ImageKey, Pixels]) -> None:
        for group, features in needs.groups.items():
            if any(key not in pixels for key in group):
                continue
            pictures = tuple(pixels[key] for key in group)
            for (feature, _), encoder in features.items():
                if self._content(group) in self._store(feature, encoder):
                    continue
                if FEATURES[feature].of == "pair":
                    self._keep(feature, encoder, [self._content(group)], [pictures], encoder.encode)
                else:
                    edit = (*pictures, None)[:3]
                    self._keep(feature, encoder, [self._content(group)], [edit], encoder.encode)

    def _ask(self, needs: Needs, pixels: Mapping[ImageKey, Pixels]) -> None:
        batches: dict[tuple[str, str], tuple[Any, dict[str, tuple[Pixels, str]]]] = {}
        for (key, question), features in needs.questions.items():
            if key not in pixels:
                continue
            for (feature, _), encoder in features.items():
                content = self._asked(key, question)
                if content not in self._store(feature, encoder):
                    batch = batches.setdefault((feature, encoder.name), (encoder, {}))[1]
                    batch[content] = (pixels[key], question)
        for (feature, _), (encoder, asked) in batches.items():
            self._keep(feature, encoder, list(asked), list(asked.values()), encoder.encode)

    def _keep(
        self, feature: str, encoder: Encoder, contents: list[str], inputs: list[Any], encode: Callable[[Any], Any]
    ) -> None:
        """Encode a batch and store it; when the batch fails, find the inputs it fails on and record those."""
        store = self._store(feature, encoder)
        try:
            values = encode(inputs)
        except Exception as error:  # a model may raise anything; what it failed on becomes a counted reason
            if len(inputs) == 1:
                log.warning("%s failed on one image: %s", encoder.name, error)
                self._failed[feature, encoder.name, contents[0]] = f"{type(error).__name__}: {error}"
                return
            for content, one in zip(contents, inputs, strict=True):
                self._keep(feature, encoder, [content], [one], encode)
            return
        for content, value in zip(contents, values, strict=True):
            store.put(content, value)


def render(text: str) -> DecodedImage | Unreadable:
    """Draw the control picture of a text: the same words, cleanly rendered."""
    from metrics.text.rendering import render_text

    pixels = render_text(text)
    if pixels is None:
        return Unreadable("language_unsupported", "no font at hand draws this text")
    return DecodedImage(np.ascontiguousarray(pixels), pixel_sha256(pixels), "")


def _connected(needs: Needs) -> Iterable[tuple[list[ImageKey], list[tuple[ImageKey, ...]]]]:
    """Group pictures that are compared with one another, with those groups, in the order of first need."""
    leader: dict[ImageKey, ImageKey] = {key: key for key in needs.images}

    def root(key: ImageKey) -> ImageKey:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for first, *others in needs.groups:
        for other in others:
            leader[root(other)] = root(first)
    groups: dict[ImageKey, tuple[list[ImageKey], list[tuple[ImageKey, ...]]]] = {}
    for key in needs.images:
        groups.setdefault(root(key), ([], []))[0].append(key)
    for group in needs.groups:
        groups[root(group[0])][1].append(group)
    return groups.values()


def _stamp(path: Path) -> str | None:
    """Identify a file without reading it, as version control does: where, which, how big, and when it was changed."""
    try:
        facts = path.stat()
    except OSError:
        return None
    identity = f"{facts.st_ino}|{facts.st_size}|{facts.st_mtime_ns}|{facts.st_ctime_ns}|"
    return hashlib.sha256(identity.encode() + os.fsencode(path.resolve())).hexdigest()


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
