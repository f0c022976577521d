"""The local engine: decode each image once, encode in batches, keep every feature by content."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from evals.files.addresses import FolderCopy
from evals.files.regular_files import LARGEST_FILE, open_regular
from evals.imageset.decoding import (
    DECODING_VERSION,
    DecodedImage,
    Pixels,
    open_picture,
    pixel_bytes,
    pixel_sha256,
)
from evals.scoring.decoders import Decoders, Request, Unreadable
from evals.scoring.features import FeatureCache, FeatureStore
from evals.scoring.filling import GREY
from evals.scoring.needs import (
    WORK_BYTES,
    FeatureKey,
    Findings,
    Needs,
    cannot_be_decoded,
    fit_beside,
    is_too_large,
    keys_of_pictures,
    windows,
)
from evals.scoring.plans import ImageKey
from evals.scoring.profiling import Profile
from evals.scoring.workers import Task, Workers
from metrics.encoders.catalogue import CannotEncode, Encoder, EncoderUnavailable
from metrics.features import FEATURES

log = logging.getLogger(__name__)

_RENDERING = "rendering-1"
"""Part of the key of what is drawn: change it when the same words are drawn in another way."""

_BLANK = np.full((512, 512, 3), GREY, np.uint8)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""


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
        profile: Profile | None = None,
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
        self.profile = profile or Profile()
        self._too_large: set[FeatureKey] = set()
        self._begun: set[tuple[str, str, str]] = set()
        self._sizes: dict[ImageKey, int] = {}
        self._readers: dict[ImageKey, Encoder] = {}
        self._failed: dict[tuple[str, str, str], Unreadable] = {}
        self._decoys: dict[tuple[str, str, int], tuple[tuple[str, ...], Mapping[str, Any]]] = {}
        self._hash: dict[ImageKey, str] = {}
        self._file_hash: dict[ImageKey, str] = {}
        self.recorded = recorded or {}
        self.copy = copy
        self._sources: dict[tuple[str, str], tuple[Encoder, FeatureStore]] = {}
        # Another release of the library may decode the same bytes to other pixels.
        self._known_files = cache.store("files", "decoding", None, f"{DECODING_VERSION},pillow={PIL.__version__}")

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
        """Compute every feature that is needed and not yet stored.

        Windows of pictures are decoded one after another, and two of them are encoded at a time, so that nobody waits
        for the last picture of one.
        """
        of_picture, missing = keys_of_pictures(needs), list(self.missing(needs).features)
        planned = self._windows(needs, missing)
        decoded = self.decoders.decode(
            Request(key.kind, tuple(self.folder / name for name in key.files))
            for window in planned
            for key in window
            if key.kind in ("file", "mask", "filled")
        )
        with Workers(WORK_BYTES // 2) as workers:
            for encoder in {key.encoder: needs.features[key] for key in missing}.values():
                if load := getattr(encoder, "load", None):
                    workers.submit(0, self._load, encoder.name, load)
            tasks = self._encode_texts([key for key in missing if not key.pictures], workers)
            done, total = 0, sum(map(len, planned))
            before: tuple[ImageKey, ...] = ()
            for window in [*planned, ()]:
                if window and (window[0].kind == "rendering" or not fit_beside(before, window, self._sizes)):
                    workers.wait(tasks)
                begun = self._encode_window(window, decoded, of_picture, workers)
                workers.wait(tasks)
                done += len(before)
                self.progress("images", done, total)
                tasks, before = begun, window

    def missing(self, needs: Needs) -> Needs:
        """Return what is needed and neither stored nor known to be impossible."""
        for key, encoder in needs.features.items():
            if key[:2] not in self._sources:
                version = f"{DECODING_VERSION}/{encoder.version}"
                store = self.cache.store(key.feature, encoder.name, encoder.weights_sha256, version)
                self._sources[key[:2]] = (encoder, store)
        self._recall_known(needs)
        unknown = (key for key in needs.pictures if key not in self._hash and key not in self.unreadable)
        possible = (
            (key, encoder) for key, encoder in needs.features.items() if self.unreadable.keys().isdisjoint(key.pictures)
        )
        return Needs(dict.fromkeys(unknown), {key: encoder for key, encoder in possible if not self._is_stored(key)})

    def _recall_known(self, needs: Needs) -> None:
        """Look up the hashes of pictures that were seen before, those first in whose place others are drawn."""
        of_picture = keys_of_pictures(needs)
        for picture in sorted(needs.pictures, key=lambda picture: picture.kind == "rendering"):
            if picture.kind == "rendering" and picture in of_picture:
                self._readers[picture] = needs.features[of_picture[picture][0]]
            stamp = self._stamp(picture)
            if picture.kind == "blank":
                self._recall(picture, pixel_sha256(_BLANK), "", None)
            elif stamp is not None and stamp in self._known_files:
                self._recall(picture, *self._known_files.get(stamp))
            elif stamp is not None and (content := self._file_content(picture)) in self._known_files:
                self._known_files.put(stamp, self._known_files.get(content))
                self._recall(picture, *self._known_files.get(content))

    def _file_content(self, picture: ImageKey) -> str:
        """Identify a picture by the bytes of its file: a set that was copied or moved shows what it showed."""
        if self._known_files.is_empty or len(picture.files) != 1 or self.copy:
            return ""
        try:
            with open_regular(self.folder / picture.files[0], LARGEST_FILE) as file:
                return f"{picture.kind}:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        except OSError:
            return ""  # decoding tells what is wrong with it

    def _windows(self, needs: Needs, missing: Sequence[FeatureKey]) -> list[tuple[ImageKey, ...]]:
        """Return the pictures that must be decoded, and note what is too large for that."""
        pictures = {picture for picture in needs.pictures if picture not in self._hash}
        pictures.update(picture for key in missing for picture in key.pictures)
        pictures -= self.unreadable.keys()
        sizes = {picture: self._pixel_bytes(picture) for picture in pictures}
        decoded = (key for key in needs.features if pictures.issuperset(key.pictures))
        self._too_large = {key for key in decoded if is_too_large(key, sizes)}
        wanted = set(missing) - self._too_large
        self._sizes = {picture: size for picture, size in sizes.items() if not cannot_be_decoded(size)}
        return list(windows(needs, self._sizes, wanted.__contains__))

    def _encode_texts(self, keys: Sequence[FeatureKey], workers: Workers) -> list[Task]:
        """Begin to compute features of texts, each encoder's one after another: tokenizers serve one at a time."""
        # Texts of about one length together: encoders pad them.
        ordered = sorted(keys, key=lambda key: len(str(key.inputs[0])))
        batches = itertools.groupby(self._batches(ordered, {}), key=lambda batch: batch[0])
        return [workers.submit(0, self._keep_all, list(of_source)) for _, of_source in batches]

    def _encode_window(
        self,
        window: Sequence[ImageKey],
        decoded: Iterator[DecodedImage | Unreadable],
        of_picture: Mapping[ImageKey, list[FeatureKey]],
        workers: Workers,
    ) -> list[Task]:
        """Decode some pictures, and begin to compute what is missing of them.

        Their pixels are nobody's any more when the last of these tasks is done.
        """
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
        batches = self._batches(keys, pixels)
        # What takes longest begins first, so that it is not what all wait for at the end.
        batches.sort(key=lambda batch: -self.profile.seconds_each(batch[0][1]))
        return [workers.submit(_work_bytes(*batch), self._keep, *batch) for batch in batches]

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
            known = [image.pixel_sha256, image.file_sha256, image.colour_note]
            self._known_files.put(stamp, known)
            if len(key.files) == 1:
                self._known_files.put(f"{key.kind}:{image.file_sha256}", known)
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
        """Identify a picture without its pixels; None where that cannot be.

        A file is known as version control knows it: where, which, how big, and when changed. A rendering is known by
        its words, the picture in whose place it stands, and who read that.
        """
        if key.kind == "rendering" and (like := self._hash.get(ImageKey("file", key.like))) and key in self._readers:
            reader = self._readers[key]
            drawn = json.dumps([_RENDERING, key.name, like, reader.name, reader.version, reader.weights_sha256])
            return hashlib.sha256(drawn.encode()).hexdigest()
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

    def _pixel_bytes(self, picture: ImageKey) -> int:
        if picture.kind == "blank":
            return _BLANK.nbytes
        return pixel_bytes(self.folder / (picture.like or picture.name))

    def _draw(self, picture: ImageKey, of_picture: Mapping[ImageKey, list[FeatureKey]]) -> DecodedImage | Unreadable:
        """Draw a control: grey, or words that are to be read, as large as their picture and the letters read there."""
        from metrics.text.rendering import letter_size, render_text

        if picture.kind == "blank":
            return DecodedImage(_BLANK, pixel_sha256(_BLANK), "")
        (key,) = of_picture[picture][0].readings
        reading = self.get(key)
        if isinstance(reading, Unreadable):
            return reading
        with open_regular(self.folder / picture.like) as file, open_picture(file) as opened:
            size = opened.size
        pixels = render_text(picture.name, size, letter_size(reading))
        if pixels is None:
            return Unreadable("language_unsupported", "no font at hand draws this text")
        return DecodedImage(np.ascontiguousarray(pixels), pixel_sha256(pixels), "")

    def _batches(self, keys: Iterable[FeatureKey], pixels: Mapping[ImageKey, Pixels]) -> list[_Batch]:
        """Return what has to be computed for features that are neither stored nor under way, in batches."""
        inputs: dict[tuple[str, str], dict[str, Any]] = {}
        for key in keys:
            content = self._content(key)
            if content not in self._store(key) and (*key[:2], content) not in self._begun:
                self._begun.add((*key[:2], content))
                given = tuple(pixels[each] if isinstance(each, ImageKey) else each for each in key.inputs)
                inputs.setdefault(key[:2], {})[content] = given if len(given) > 1 else given[0]
        batches = []
        for source, of_source in inputs.items():
            at_once = getattr(self._sources[source][0], "batch_size", 1)
            contents = list(of_source)
            for start in range(0, len(contents), at_once):
                part = contents[start : start + at_once]
                batches.append((source, part, [of_source[content] for content in part]))
        return batches

    def _load(self, name: str, load: Callable[[], object]) -> None:
        with self.profile.stage(f"load {name}"):
            load()

    def _keep_all(self, batches: Iterable[_Batch]) -> None:
        for batch in batches:
            self._keep(*batch)

    def _keep(self, source: tuple[str, str], contents: list[str], inputs: list[Any]) -> None:
        """Encode a batch and store it; when the batch fails, find the inputs it fails on and record those."""
        encoder, store = self._sources[source]
        try:
            with self.profile.stage(encoder.name, len(inputs)):
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
        # A process that is killed now loses what it was at work on and no more.
        store.flush()


_Batch = tuple[tuple[str, str], list[str], list[Any]]
"""Feature and encoder, the names of inputs (see `FeatureTable._content`), and the inputs."""


def _work_bytes(source: tuple[str, str], contents: Sequence[str], inputs: Sequence[Any]) -> int:
    """Return the memory that computing a batch takes beside its pictures."""
    arrays = (each for given in inputs for each in (given if isinstance(given, tuple) else (given,)))
    pixels = max((array.size // 3 for array in arrays if isinstance(array, np.ndarray)), default=0)
    return pixels * FEATURES[source[0]].bytes_a_pixel * len(inputs)
