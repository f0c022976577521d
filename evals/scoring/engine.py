"""The local engine: decode each image once, encode in batches, keep every feature by content."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from evals.files.addresses import FolderCopy
from evals.files.regular_files import open_regular
from evals.imageset.decoding import (
    DECODING_VERSION,
    DecodedImage,
    Pixels,
    open_picture,
    pixel_bytes,
    pixel_sha256,
)
from evals.scoring.decoders import MAX_PIXEL_BYTES, Decoders, Request, Unreadable
from evals.scoring.features import FeatureCache, FeatureStore
from evals.scoring.filling import GREY
from evals.scoring.plans import ImageKey, Inputs, Plan
from metrics.encoders.catalogue import CannotEncode, Encoder, EncoderUnavailable
from metrics.features import FEATURES

log = logging.getLogger(__name__)

WINDOW_IMAGES = 32
WINDOW_BYTES = MAX_PIXEL_BYTES // 2
"""Of the decoded pictures that are encoded together, so that others are decoded meanwhile; one alone may have more."""

WORK_BYTES = 1_200_000_000
"""What the pictures of one feature may take together while they are decoded and while it is computed."""

_DECODING_BYTES_A_PIXEL = 10
"""Pillow's four, the decoder's three, and three of those who receive them."""

_BLANK = np.full((512, 512, 3), GREY, np.uint8)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


class FeatureKey(NamedTuple):
    """One feature: what is computed, by which encoder (its name), from which pictures and texts."""

    feature: str
    encoder: str
    inputs: Inputs

    @property
    def pictures(self) -> tuple[ImageKey, ...]:
        """The pictures among its inputs."""
        return tuple(each for each in self.inputs if isinstance(each, ImageKey))


@dataclass(frozen=True)
class Needs:
    """What has to be known before anything can be measured, in the order of first need."""

    pictures: dict[ImageKey, None] = field(default_factory=dict)
    features: dict[FeatureKey, Encoder] = field(default_factory=dict)

    def add(self, plan: Plan, encoders: Mapping[str, Encoder], with_decoys: bool = False) -> None:
        """Note what one subject needs: each feature from the encoder chosen for it.

        Decoys need no mention where all subjects are noted: each of them is the own prompt of another one.
        """
        self.pictures.update(dict.fromkeys((*plan.images, *plan.references, *((plan.mask,) if plan.mask else ()))))
        for feature, encoder in encoders.items():
            for inputs in plan.inputs(feature).values():
                self.features[FeatureKey(feature, encoder.name, inputs)] = encoder
            for text in plan.decoys if with_decoys and FEATURES[feature].of == "text" else ():
                self.features[FeatureKey(feature, encoder.name, (text,))] = encoder


@dataclass(frozen=True)
class Findings:
    """What a table knows of pictures beside the features in its cache; what one process found serves another.

    Of ``pictures`` that were decoded these are the hashes of pixels and file, and why a colour profile was not applied;
    ``failed`` names a feature by its kind, encoder and content.
    """

    pictures: Mapping[ImageKey, tuple[str, str, str | None]]
    unreadable: Mapping[ImageKey, Unreadable]
    too_large: Collection[FeatureKey]
    failed: Mapping[tuple[str, str, str], Unreadable]


class FeatureTable:
    """All features of one scoring run; computed where the cache has none."""

    def __init__(
        self,
        folder: Path,
        cache: FeatureCache,
        decoders: Decoders,
        progress: Progress,
        unreadable: Mapping[ImageKey, Unreadable],
        recorded: Mapping[ImageKey, Mapping[str, str]] | None = None,
        copy: FolderCopy | None = None,
    ) -> None:
        """Keep where the pictures lie, where features are kept, who decodes, and what is known not to be an image.

        ``recorded`` are the hashes that pictures must have, by ``file_sha256`` or ``pixel_sha256``; one that has
        another is not the picture that is meant. ``copy`` tells that the folder is the copy of one at an address.
        """
        self.folder = folder
        self.cache = cache
        self.decoders = decoders
        self.progress = progress
        self.unreadable = dict(unreadable)
        self.colour_notes: dict[ImageKey, str] = {}
        """Why the colour profile of a picture was not applied."""
        self._too_large: set[FeatureKey] = set()
        self._failed: dict[tuple[str, str, str], Unreadable] = {}
        self._decoys: dict[tuple[str, str, int], tuple[tuple[str, ...], Mapping[str, Any]]] = {}
        self._hash: dict[ImageKey, str] = {}
        self._file_hash: dict[ImageKey, str] = {}
        self.recorded = recorded or {}
        self.copy = copy
        self._sources: dict[tuple[str, str], tuple[Encoder, FeatureStore]] = {}
        self._known_files = cache.store("files", "decoding", None, DECODING_VERSION)

    def get(self, key: FeatureKey) -> Any | Unreadable:
        """Return a feature, or why there is none."""
        for picture in key.pictures:
            if picture in self.unreadable:
                return self.unreadable[picture]
        if key in self._too_large:
            return Unreadable("too_large", f"would take more than {WORK_BYTES // 10**6} MB")
        content = self._content(key)
        if failure := self._failed.get((key.feature, key.encoder, content)):
            return failure
        return self._store(key).get(content)

    def decoys(self, feature: str, encoder: Encoder, texts: tuple[str, ...]) -> Mapping[str, Any]:
        """Return a feature of those of several texts that have it, by text; the same object for the same tuple object.

        A text without it is held against no picture.
        """
        key = (feature, encoder.name, id(texts))
        if key not in self._decoys:
            # The tuple is kept beside its values, so that its id stays its own.
            values = {text: self.get(FeatureKey(feature, encoder.name, (text,))) for text in texts}
            encoded = {text: value for text, value in values.items() if not isinstance(value, Unreadable)}
            self._decoys[key] = (texts, encoded)
        return self._decoys[key][1]

    def fill(self, needs: Needs) -> None:
        """Compute every feature that is needed and not yet stored."""
        of_picture: dict[ImageKey, list[FeatureKey]] = {}
        of_texts = []
        for key, encoder in needs.features.items():
            if key[:2] not in self._sources:
                version = f"{DECODING_VERSION}/{encoder.version}"
                store = self.cache.store(key.feature, encoder.name, encoder.weights_sha256, version)
                self._sources[key[:2]] = (encoder, store)
            if key.pictures:
                of_picture.setdefault(key.pictures[0], []).append(key)
            elif not self._is_stored(key):
                of_texts.append(key)
        for start in range(0, len(of_texts), WINDOW_IMAGES):
            batch = of_texts[start : start + WINDOW_IMAGES]
            self._encode(batch, {})
            self.progress("prompts", start + len(batch), len(of_texts))
        windows = list(self._windows(needs, of_picture))
        decoded = self.decoders.decode(
            Request(key.kind, tuple(self.folder / name for name in key.files))
            for window in windows
            for key in window
            if key.kind in ("file", "mask", "filled")
        )
        done, total = 0, sum(map(len, windows))
        for window in windows:
            self._encode_window(window, decoded, of_picture)
            done += len(window)
            self.progress("images", done, total)

    def _encode_window(
        self,
        window: Iterable[ImageKey],
        decoded: Iterator[DecodedImage | Unreadable],
        of_picture: Mapping[ImageKey, list[FeatureKey]],
    ) -> None:
        """Compute what is missing of some pictures; when it returns, nobody has their pixels any more."""
        pixels: dict[ImageKey, Pixels] = {}
        for picture in window:
            image = next(decoded) if picture.files else self._draw(picture, of_picture)
            if isinstance(image, Unreadable):
                self.unreadable[picture] = image
            else:
                self._remember(picture, image)
                pixels[picture] = image.pixels
        self.cache.flush()
        keys = [key for picture in pixels for key in of_picture.get(picture, ())]
        keys = [key for key in keys if key not in self._too_large and pixels.keys() >= set(key.pictures)]
        self._encode(keys, pixels)

    def missing(self, needs: Needs) -> Needs:
        """Return what is needed and neither stored nor known to be impossible, for another process to compute."""
        for key, encoder in needs.features.items():
            if key[:2] not in self._sources:
                version = f"{DECODING_VERSION}/{encoder.version}"
                store = self.cache.store(key.feature, encoder.name, encoder.weights_sha256, version)
                self._sources[key[:2]] = (encoder, store)
        for picture in needs.pictures:
            stamp = self._stamp(picture)
            if stamp is not None and stamp in self._known_files:
                self._recall(picture, *self._known_files.get(stamp))
        unknown = (key for key in needs.pictures if key not in self._hash and key not in self.unreadable)
        features = {
            key: encoder
            for key, encoder in needs.features.items()
            if not self._is_stored(key) and self.unreadable.keys().isdisjoint(key.pictures)
        }
        return Needs(dict.fromkeys(unknown), features)

    def findings(self) -> Findings:
        """Return what is known of the pictures beside their features."""
        hashes = {key: (of_pixels, self._file_hash[key]) for key, of_pixels in self._hash.items()}
        pictures = {key: (*both, self.colour_notes.get(key)) for key, both in hashes.items()}
        return Findings(pictures, self.unreadable, self._too_large, self._failed)

    def add(self, findings: Findings) -> None:
        """Take over what another process found; the features go to the cache."""
        for key, known in findings.pictures.items():
            self._remember(key, DecodedImage(_BLANK[:0], *known))
        self.unreadable.update(findings.unreadable)
        self._too_large.update(findings.too_large)
        self._failed.update(findings.failed)

    def _content(self, key: FeatureKey) -> str:
        """Return the name of a feature's inputs: the hashes of the pixels, and of a text after a question mark."""
        hashes = (
            f"+{self._hash[each]}" if isinstance(each, ImageKey) else f"?{hashlib.sha256(each.encode()).hexdigest()}"
            for each in key.inputs
            if each is not None
        )
        return "".join(hashes)[1:]

    def _store(self, key: FeatureKey) -> FeatureStore:
        return self._sources[key[:2]][1]

    def _is_stored(self, key: FeatureKey) -> bool:
        """Tell whether a feature is stored; of pictures never decoded nothing is known."""
        return all(each in self._hash for each in key.pictures) and self._content(key) in self._store(key)

    def _remember(self, key: ImageKey, image: DecodedImage) -> None:
        stamp = self._stamp(key)
        if stamp is not None and stamp not in self._known_files:
            self._known_files.put(stamp, [image.pixel_sha256, image.file_sha256, image.colour_note])
        self._recall(key, image.pixel_sha256, image.file_sha256, image.colour_note)

    def _recall(self, key: ImageKey, pixel_hash: str, file_hash: str, colour_note: str | None) -> None:
        self._hash[key], self._file_hash[key] = pixel_hash, file_hash
        if colour_note is not None:
            self.colour_notes[key] = colour_note
        for name, recorded in self.recorded.get(key, {}).items():
            if recorded != {"file_sha256": file_hash, "pixel_sha256": pixel_hash}[name]:
                what = f"is not the picture that its row records ({name})"
                self.unreadable[key] = Unreadable("unreadable_image", what)

    def hashes(self, file_name: str) -> dict[str, str]:
        """Return the hashes of a picture's file and pixels as they were scored, nothing where it was not opened."""
        key = next((key for kind in ("file", "mask") if (key := ImageKey(kind, file_name)) in self._hash), None)
        return {"file_sha256": self._file_hash[key], "pixel_sha256": self._hash[key]} if key else {}

    def _stamp(self, key: ImageKey) -> str | None:
        """Identify a file without reading it, as version control does: where, which, how big, and when changed."""
        if not key.files:
            return None
        identity = f"2|{key.kind}".encode()
        if self.copy:
            there = [self.copy.identity(name) for name in key.files]
            stamp = json.dumps([key.kind, self.copy.address, *zip(key.files, there, strict=True)])
            return None if None in there else hashlib.sha256(stamp.encode()).hexdigest()
        for path in (self.folder / name for name in key.files):
            try:
                facts = path.stat()
            except OSError:
                return None
            identity += f"|{facts.st_ino}|{facts.st_size}|{facts.st_mtime_ns}|{facts.st_ctime_ns}|".encode()
            identity += os.fsencode(path.resolve())
        return hashlib.sha256(identity).hexdigest()

    def _windows(self, needs: Needs, of_picture: Mapping[ImageKey, list[FeatureKey]]) -> Iterator[tuple[ImageKey, ...]]:
        """Yield the pictures that must be decoded, a window at a time.

        Pictures that are compared share a window. Where they are too large for that, those of each comparison do, and
        a picture is decoded once more for the next one.
        """
        for picture in needs.pictures:
            stamp = self._stamp(picture)
            if stamp is not None and stamp in self._known_files:
                self._recall(picture, *self._known_files.get(stamp))
        missing = {picture for picture in needs.pictures if picture not in self._hash}
        missing.update(picture for key in needs.features if not self._is_stored(key) for picture in key.pictures)
        missing -= self.unreadable.keys()
        sizes = {picture: self._pixel_bytes(picture) for picture in missing}
        decoded = (key for key in needs.features if missing.issuperset(key.pictures))
        self._too_large = {key for key in decoded if _is_too_large(key, sizes)}
        missing -= {picture for picture in missing if _work_bytes([sizes[picture]], 0) > WORK_BYTES}
        groups = [[picture for picture in group if picture in missing] for group in _compared(needs)]
        # What is read in a file says how its rendering is drawn, so renderings come last.
        for is_drawn in (False, True):
            window: dict[ImageKey, int] = {}
            for group in groups:
                if not group or (group[0].kind == "rendering") is not is_drawn:
                    continue
                for together in self._fitting(group, sizes, of_picture):
                    more = {picture: sizes[picture] for picture in together}
                    if window and sum((window | more).values()) > WINDOW_BYTES:
                        yield tuple(window)
                        window = {}
                    window |= more
                    if len(window) >= WINDOW_IMAGES:
                        yield tuple(window)
                        window = {}
            if window:
                yield tuple(window)

    def _fitting(
        self,
        group: Sequence[ImageKey],
        sizes: Mapping[ImageKey, int],
        of_picture: Mapping[ImageKey, list[FeatureKey]],
    ) -> Iterable[Iterable[ImageKey]]:
        """Return a group of pictures that are compared as it is, or where it is too large, in comparisons."""
        if sum(sizes[picture] for picture in group) <= WINDOW_BYTES:
            return [group]
        keys = [key for picture in group for key in of_picture.get(picture, ())]
        keys = [key for key in keys if key not in self._too_large and not self._is_stored(key)]
        comparisons = dict.fromkeys(tuple(dict.fromkeys(key.pictures)) for key in keys)
        several = [pictures for pictures in comparisons if len(pictures) > 1 and sizes.keys() >= set(pictures)]
        compared = {picture for pictures in several for picture in pictures}
        return [*several, *([picture] for picture in group if picture not in compared)]

    def _pixel_bytes(self, picture: ImageKey) -> int:
        if picture.kind == "blank":
            return _BLANK.nbytes
        return pixel_bytes(self.folder / (picture.like or picture.name))

    def _draw(self, picture: ImageKey, of_picture: Mapping[ImageKey, list[FeatureKey]]) -> DecodedImage | Unreadable:
        """Draw a control: grey, or words that are to be read, as large as their picture and the letters read there."""
        from metrics.text.rendering import letter_size, render_text

        if picture.kind == "blank":
            return DecodedImage(_BLANK, pixel_sha256(_BLANK), "")
        key = of_picture[picture][0]
        reading = self.get(key._replace(inputs=(ImageKey("file", picture.like),)))
        if isinstance(reading, Unreadable):
            return reading
        with open_regular(self.folder / picture.like) as file, open_picture(file) as opened:
            size = opened.size
        pixels = render_text(picture.name, size, letter_size(reading))
        if pixels is None:
            return Unreadable("language_unsupported", "no font at hand draws this text")
        return DecodedImage(np.ascontiguousarray(pixels), pixel_sha256(pixels), "")

    def _encode(self, keys: Iterable[FeatureKey], pixels: Mapping[ImageKey, Pixels]) -> None:
        """Compute the features of one window that are not stored, a batch for each feature and encoder."""
        batches: dict[tuple[str, str], dict[str, Any]] = {}
        for key in keys:
            content = self._content(key)
            if content not in self._store(key) and (*key[:2], content) not in self._failed:
                inputs = tuple(pixels[each] if isinstance(each, ImageKey) else each for each in key.inputs)
                batches.setdefault(key[:2], {})[content] = inputs if len(inputs) > 1 else inputs[0]
        for source, batch in batches.items():
            encoder, store = self._sources[source]
            at_once = getattr(encoder, "batch_size", 1)
            for start in range(0, len(batch), at_once):
                part = dict(itertools.islice(batch.items(), start, start + at_once))
                self._keep(source, list(part), list(part.values()))
                # A process that is killed now loses what it was at work on and no more.
                store.flush()

    def _keep(self, source: tuple[str, str], contents: list[str], inputs: list[Any]) -> None:
        """Encode a batch and store it; when the batch fails, find the inputs it fails on and record those."""
        encoder, store = self._sources[source]
        try:
            values = encoder.encode(inputs)
        except (MemoryError, EncoderUnavailable):
            raise
        except Exception as error:  # a model may raise anything; what it failed on becomes a counted reason
            if len(inputs) > 1:
                for content, one in zip(contents, inputs, strict=True):
                    self._keep(source, [content], [one])
            elif isinstance(error, CannotEncode):
                self._failed[*source, contents[0]] = Unreadable(error.reason, str(error))
            else:
                log.warning("%s failed on one input: %s", encoder.name, error)
                self._failed[*source, contents[0]] = Unreadable("encoder_failed", f"{type(error).__name__}: {error}")
            return
        for content, value in zip(contents, values, strict=True):
            store.put(content, value)


def _is_too_large(key: FeatureKey, sizes: Mapping[ImageKey, int]) -> bool:
    pictures = [sizes[picture] for picture in dict.fromkeys(key.pictures)]
    return bool(pictures) and _work_bytes(pictures, FEATURES[key.feature].bytes_a_pixel) > WORK_BYTES


def _work_bytes(pictures: Sequence[int], bytes_a_pixel: int) -> int:
    """Return what it takes to decode pictures of so many bytes, the last beside the others, and to work on them."""
    largest = max(pictures)
    return sum(pictures) - largest + largest // 3 * max(_DECODING_BYTES_A_PIXEL, 3 + bytes_a_pixel)


def _compared(needs: Needs) -> Iterable[list[ImageKey]]:
    """Group pictures that are compared with one another, in the order of first need."""
    leader: dict[ImageKey, ImageKey] = {key: key for key in needs.pictures}

    def root(key: ImageKey) -> ImageKey:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for key in needs.features:
        for other in key.pictures[1:]:
            leader[root(other)] = root(key.pictures[0])
    groups: dict[ImageKey, list[ImageKey]] = {}
    for picture in needs.pictures:
        groups.setdefault(root(picture), []).append(picture)
    return groups.values()
