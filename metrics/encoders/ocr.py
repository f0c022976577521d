"""Text encoders: every piece of text that an OCR engine reads in an image, with its score and place."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from metrics.encoders.catalogue import EncoderUnavailable, Image, library_of
from metrics.encoders.ocr_places import Quad, find_places, height_of
from metrics.encoders.runtime import Lazy, threads
from metrics.encoders.scripts import scripts_in
from metrics.encoders.weights import sha256_of


class TextLine(TypedDict):
    """One piece of text as an engine reads it, usually a line or a part of one.

    ``score`` is the engine's own, 0 to 1; ``box`` holds the four corners ``[x, y]``, clockwise from the top left of
    the writing, in pixels of the decoded image.
    """

    text: str
    score: float
    box: list[list[float]]


MIN_STORED_SCORE = 0.3
"""Readings below this are noise of the detector; what lies above is kept, and each metric sets its own threshold."""

LEAST_HEIGHT = 4.0
"""In pixels: what is thinner holds no letters, and to enlarge it for the recogniser takes seconds."""

LONGEST_LINE = 400
"""A line of more than so many times its height is read in pieces: a recogniser takes memory with the square of that."""

SURE_SCORE = 0.9
"""Readings below this are tried upside down as well, and taken so if that reading reaches it."""

_LANGUAGES_BY_SCRIPT = {
    "Arabic": "ara fas pus snd uig urd kur ckb Arabic",
    "Armenian": "hye Armenian",
    "Bengali": "ben asm Bengali",
    "Canadian-Aboriginal": "iku Canadian",
    "Cherokee": "chr Cherokee",
    "Cyrillic": "bel bul kaz kir mkd mon rus srp tat tgk ukr Cyrillic",
    "Devanagari": "hin mar nep san Devanagari",
    "Ethiopic": "amh tir Ethiopic",
    "Georgian": "kat Georgian",
    "Greek": "ell grc Greek",
    "Gujarati": "guj Gujarati",
    "Gurmukhi": "pan Gurmukhi",
    "Han": "chi HanS HanT",
    "Han Hiragana Katakana": "jpn Japanese",
    "Hangul": "kor Hangul",
    "Hebrew": "heb yid Hebrew",
    "Kannada": "kan Kannada",
    "Khmer": "khm Khmer",
    "Lao": "lao Lao",
    "Latin Vietnamese": "vie Vietnamese",
    "Malayalam": "mal Malayalam",
    "Myanmar": "mya Myanmar",
    "Oriya": "ori Oriya",
    "Sinhala": "sin Sinhala",
    "Syriac": "syr Syriac",
    "Tamil": "tam Tamil",
    "Telugu": "tel Telugu",
    "Thaana": "div Thaana",
    "Thai": "tha Thai",
    "Tibetan": "bod dzo Tibetan",
}
"""Tesseract's language codes by the scripts they are written in; those not named here are written in Latin."""


def load_rapidocr(model: str, device: str) -> RapidOcr:
    """Load RapidOCR with the detector and recogniser that its package ships; nothing is ever downloaded.

    ``model`` is ``pp-ocrv6-small``; ``device`` is ``cpu``, ``cuda`` or ``auto``, and a GPU is used where the installed
    onnxruntime has CUDA. Raises EncoderUnavailable if RapidOCR or onnxruntime is not installed, the model is unknown or
    its files are missing.
    """
    if model != "pp-ocrv6-small":
        raise EncoderUnavailable(f"RapidOCR's package ships no model {model!r}: use rapidocr:pp-ocrv6-small")
    package = importlib.util.find_spec("rapidocr")
    if package is None or not package.submodule_search_locations or importlib.util.find_spec("onnxruntime") is None:
        raise EncoderUnavailable("RapidOCR is not installed: run pip install rapidocr onnxruntime")
    folder = Path(package.submodule_search_locations[0]) / "models"
    detector, recogniser = folder / "PP-OCRv6_det_small.onnx", folder / "PP-OCRv6_rec_small.onnx"
    for file in (detector, recogniser):
        if not file.is_file():
            raise EncoderUnavailable(f"this release of rapidocr lacks {file.name}: run pip install 'rapidocr>=3.9'")
    return RapidOcr(detector, recogniser, device)


class RapidOcr:
    """RapidOCR's ONNX port of PP-OCRv6: text detector and line recogniser, without a language model that corrects.

    Text is looked for by `find_places`, so that small print in a large picture is seen at its full size, and
    recognised in the picture's own pixels. Lines may run in any direction; the library turns steep ones to lie flat,
    and what is then unsure is read upside down as well. ``scripts`` are those whose everyday letters are all in the
    recogniser's own dictionary, ``characters`` all that it knows.
    """

    name = "rapidocr:pp-ocrv6-small"

    def __init__(self, detector: Path, recogniser: Path, device: str) -> None:
        self.licence = library_of(self.name).licence
        self.weights_sha256 = sha256_of(detector, recogniser)
        # Resizing and box unwarping happen inside the library, so its release is part of the preprocessing.
        self.version = f"4:rapidocr={importlib.metadata.version('rapidocr')},tiles,turned"
        self._engine: Lazy[Any] = Lazy(lambda: _rapidocr(detector, recogniser, device))
        self._characters = Lazy(lambda: frozenset(_dictionary(recogniser)))

    @property
    def characters(self) -> frozenset[str] | None:
        """All characters that the recogniser knows."""
        return self._characters()

    @functools.cached_property
    def scripts(self) -> frozenset[str]:
        """The scripts that it reads."""
        return scripts_in(self._characters())

    def load(self) -> None:
        """Load the models, which otherwise happens when a picture is first read."""
        self._engine()

    def encode(self, images: Sequence[Image]) -> list[list[TextLine]]:
        """Return what is read in each image, in the engine's order; an empty list where it finds nothing."""
        return [self._read(image) for image in images]

    def _read(self, image: Image) -> list[TextLine]:
        from rapidocr.utils.process_img import get_rotate_crop_image

        bgr = np.ascontiguousarray(image[:, :, ::-1])
        places = [place for place in find_places(bgr, self._detect) if height_of(place) >= LEAST_HEIGHT]
        cut_out = [get_rotate_crop_image(bgr, place.astype(np.float32)) for place in places]
        readings = self._recognise(cut_out)
        unsure = [n for n, (_, score) in enumerate(readings) if score < SURE_SCORE]
        for n, turned in zip(unsure, self._recognise([np.rot90(cut_out[n], 2) for n in unsure]), strict=True):
            if turned[1] >= SURE_SCORE:
                readings[n] = turned
        return [
            TextLine(text=text, score=score, box=place.astype(float).tolist())
            for (text, score), place in zip(readings, places, strict=True)
            if text.strip() and score >= MIN_STORED_SCORE
        ]

    def _detect(self, view: Image) -> list[Quad]:
        found = self._engine()(view, use_det=True, use_cls=False, use_rec=False)
        return [] if found.boxes is None else [np.asarray(box, dtype=np.float64) for box in found.boxes]

    def _recognise(self, lines: Sequence[Image]) -> list[tuple[str, float]]:
        if not lines:
            return []
        pieces = [_between_words(line) for line in lines]
        whole = [of_line[0] for of_line in pieces if len(of_line) == 1]
        readings = iter(self._read_lines(whole) if whole else [])
        # Pieces are read one by one: six of them at once would take as much memory as six lines.
        return [
            next(readings) if len(of_line) == 1 else _joined_pieces([self._read_lines([each])[0] for each in of_line])
            for of_line in pieces
        ]

    def _read_lines(self, lines: Sequence[Image]) -> list[tuple[str, float]]:
        found = self._engine().recognize_txt([np.ascontiguousarray(line) for line in lines])
        return [(text, float(score)) for text, score in zip(found.txts, found.scores, strict=True)]


def _between_words(line: Image) -> list[Image]:
    """Cut a line that is too long into equal pieces, each at the widest gap within 8 times its height of the end."""
    height, width = line.shape[:2]
    number = -(-width // (LONGEST_LINE * height))
    if number == 1:
        return [line]
    contrast = np.ptp(line, axis=0).max(axis=-1)
    cuts = []
    for n in range(1, number):
        first = max(0, n * width // number - 8 * height)
        near = contrast[first : first + 16 * height]
        ends = np.flatnonzero(np.diff(np.concatenate([[False], near <= near.max() // 4, [False]]).astype(int)))
        gaps = ends.reshape(-1, 2)
        gap = gaps[np.ptp(gaps, axis=1).argmax()] if len(gaps) else np.array([8 * height, 8 * height])
        cuts.append(first + int(gap.mean()))
    return np.split(line, cuts, axis=1)


def _joined_pieces(readings: Sequence[tuple[str, float]]) -> tuple[str, float]:
    """Return what was read of the pieces of a line, and their scores' mean, weighted by characters."""
    total = sum(len(text) for text, _ in readings)
    score = sum(len(text) * score for text, score in readings) / max(1, total)
    return " ".join(text for text, _ in readings if text), score


def _rapidocr(detector: Path, recogniser: Path, device: str) -> Any:
    import onnxruntime
    from rapidocr import RapidOCR

    return RapidOCR(
        params={
            "Global.use_cls": False,
            "Global.log_level": "critical",
            # The views have the right size already; the library's own limits must not touch them.
            "Global.max_side_len": 1_000_000,
            "Det.limit_type": "max",
            "Det.limit_side_len": 1_000_000,
            "Det.model_path": str(detector),
            "Rec.model_path": str(recogniser),
            "EngineConfig.onnxruntime.intra_op_num_threads": threads(),
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": True,
            "EngineConfig.onnxruntime.use_cuda": device != "cpu"
            and "CUDAExecutionProvider" in onnxruntime.get_available_providers(),
        }
    )


def load_tesseract(model: str, device: str) -> Tesseract:
    """Load Tesseract for some of its installed languages.

    ``model`` is language codes joined by plus signs, such as ``eng+deu``, or ``installed`` for all that are there;
    ``device`` is accepted for the common signature, as Tesseract runs on the CPU. Raises EncoderUnavailable if
    pytesseract, the program or one of the languages is not installed.
    """
    if importlib.util.find_spec("pytesseract") is None:
        raise EncoderUnavailable("Tesseract needs its Python binding: run pip install pytesseract")
    import pytesseract

    try:
        installed, folder = _installed_languages(pytesseract.pytesseract.tesseract_cmd)
    except FileNotFoundError as error:
        raise EncoderUnavailable(
            "the tesseract program is not installed: run apt-get install tesseract-ocr (or brew install tesseract)"
        ) from error
    languages = installed if model == "installed" else model.split("+")
    missing = [language for language in languages if language not in installed]
    if missing or not languages:
        raise EncoderUnavailable(
            f"Tesseract has no language {', '.join(missing) or 'at all'}: "
            f"run apt-get install tesseract-ocr-CODE, or choose among {', '.join(installed) or 'none'}"
        )
    return Tesseract(languages, folder, str(pytesseract.get_tesseract_version()))


class Tesseract:
    """The Tesseract program (Smith 2007; LSTM since 4.0), run once an image with sparse-text segmentation.

    Words come back one by one; those of one line are joined, with the mean of their scores weighted by characters.
    """

    def __init__(self, languages: Sequence[str], folder: Path | None, release: str) -> None:
        files = [folder / f"{language}.traineddata" for language in languages] if folder else []
        self.name = "tesseract:" + "+".join(languages)
        self.licence = library_of(self.name).licence
        self.weights_sha256 = sha256_of(*sorted(files)) if files and all(file.is_file() for file in files) else None
        self.version = f"1:tesseract={release},psm=11"
        self.scripts = frozenset().union(*(_scripts_of_language(language) for language in languages))
        self.characters: frozenset[str] | None = None
        self._languages = "+".join(languages)

    def encode(self, images: Sequence[Image]) -> list[list[TextLine]]:
        """Return what is read in each image, in the engine's order; an empty list where it finds nothing."""
        return [self._read(image) for image in images]

    def _read(self, image: Image) -> list[TextLine]:
        import pytesseract
        from PIL import Image as PillowImage

        words = pytesseract.image_to_data(
            PillowImage.fromarray(image),
            lang=self._languages,
            config="--psm 11",
            output_type=pytesseract.Output.DICT,
        )
        lines: dict[tuple[int, int, int], list[int]] = {}
        for i, text in enumerate(words["text"]):
            if text.strip() and float(words["conf"][i]) >= 0:
                key = (words["block_num"][i], words["par_num"][i], words["line_num"][i])
                lines.setdefault(key, []).append(i)
        readings = [_joined(words, members) for members in lines.values()]
        return [line for line in readings if line["score"] >= MIN_STORED_SCORE]


def _joined(words: Mapping[str, Sequence[Any]], members: Sequence[int]) -> TextLine:
    lengths = [len(words["text"][i].strip()) for i in members]
    score = float(np.average([float(words["conf"][i]) for i in members], weights=lengths)) / 100
    left, top = (float(min(words[side][i] for i in members)) for side in ("left", "top"))
    right = float(max(words["left"][i] + words["width"][i] for i in members))
    bottom = float(max(words["top"][i] + words["height"][i] for i in members))
    return TextLine(
        text=" ".join(words["text"][i].strip() for i in members),
        score=score,
        box=[[left, top], [right, top], [right, bottom], [left, bottom]],
    )


def _dictionary(recogniser: Path) -> list[str]:
    """Return the characters that a PP-OCR recogniser can write, from the metadata of its ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(recogniser), options, providers=["CPUExecutionProvider"])
    characters: str = session.get_modelmeta().custom_metadata_map["character"]
    return characters.splitlines()


def _installed_languages(program: str) -> tuple[list[str], Path | None]:
    """Return Tesseract's languages and, where it says so (from release 5 on), the folder of their data."""
    listing = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False)
    head, *names = (listing.stdout or listing.stderr).splitlines() or [""]
    folder = re.search(r'"(.+)"', head)
    languages = sorted({name.strip() for name in names} - {"", "osd", "equ"})
    return languages, Path(folder.group(1)) if folder else None


def _scripts_of_language(language: str) -> frozenset[str]:
    """Return the scripts of one of Tesseract's language codes.

    Examples
    --------
    >>> sorted(_scripts_of_language("jpn"))
    ['Han', 'Hiragana', 'Katakana']
    >>> sorted(_scripts_of_language("uzb_cyrl"))
    ['Cyrillic']
    >>> sorted(_scripts_of_language("deu"))
    ['Latin']
    """
    code, _, variant = language.removeprefix("script/").partition("_")
    if variant in ("latn", "cyrl"):
        return frozenset({"Latin" if variant == "latn" else "Cyrillic"})
    scripts = next((scripts for scripts, codes in _LANGUAGES_BY_SCRIPT.items() if code in codes.split()), "Latin")
    return frozenset(scripts.split())
