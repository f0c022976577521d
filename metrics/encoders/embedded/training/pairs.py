"""Pictures and texts to fit the heads on, from packages: workflow templates of ComfyUI and Debian's Open Clip Art."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import PIL.Image

CLIP_ART_FOLDERS = (
    "animals", "buildings", "containers", "education", "electronics", "food", "office", "people", "plants",
    "recreation", "tools", "transportation",
)  # fmt: skip
CLIP_ART_EACH = 120
_NO_CONTENT = frozenset({"", "hash", "unsorted", "icon", "icons", "sign", "symbol", "clipart"})

# Held-out templates whose picture shows nothing of their prompt, found by eye; by the start of the picture's SHA-256.
MISLABELLED = frozenset({
    "d6355476", "7160eb92", "43995ffc", "7d0ee372", "00b362a0", "2da9f766", "0b27a18d", "f27cee65", "372a29dd",
    "97f4b668",
})  # fmt: skip

_INPUT = re.compile(r"Load(Image|Video|Audio|3D)")
_OUTPUT = re.compile(r"Save(Image|Video|AnimatedWEBP|WEBM|SVG)|PreviewImage")
_UNWANTED = re.compile(
    r"worst quality|low quality|low[- ]res|blurry|watermark|deformed|bad anatomy|jpeg artifacts|ugly|extra fingers",
    re.IGNORECASE,
)
_LONGEST_PROMPT = 6000


class SourceMissing(Exception):
    """A package that the heads are fitted on is not there; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and what it was made from (a prompt) or is called (clip art)."""

    name: str
    text: str
    content: bytes

    @property
    def is_mislabelled(self) -> bool:
        """Whether the picture is known to show something else than the text."""
        return hashlib.sha256(self.content).hexdigest()[:8] in MISLABELLED

    def picture(self) -> PIL.Image.Image:
        """Return the picture on white; of an animation the frame in the middle."""
        with PIL.Image.open(io.BytesIO(self.content)) as file:
            file.seek(getattr(file, "n_frames", 1) // 2)
            drawn = file.convert("RGBA")
        return PIL.Image.alpha_composite(PIL.Image.new("RGBA", drawn.size, "white"), drawn).convert("RGB")


def template_pairs(folder: Path) -> list[Pair]:
    """Return the text-to-image and text-to-video templates of the wheels in a folder, each picture once, by name.

    A template is taken if its workflow loads no picture, film or sound and saves a picture or a film; its prompt is
    the longest English text of the workflow that is no note, no system prompt and no negative prompt.

    Raises
    ------
    SourceMissing
        If the folder holds no such wheels.
    """
    wheels = [zipfile.ZipFile(path) for path in sorted(folder.glob("comfyui_workflow_templates*.whl"))]
    workflows = {PurePosixPath(name).stem: (wheel, name) for wheel in wheels for name in _named(wheel, ".json")}
    pairs: dict[str, Pair] = {}
    for wheel in wheels:
        own = {PurePosixPath(name).stem: (wheel, name) for name in _named(wheel, ".json")}
        for name in _named(wheel, "-1.webp"):
            template = PurePosixPath(name).stem.removesuffix("-1")
            place = own.get(template) or workflows.get(template)
            prompt = prompt_of(json.loads(place[0].read(place[1]))) if place else None
            if prompt:
                content = wheel.read(name)
                pairs.setdefault(hashlib.sha256(content).hexdigest(), Pair(template, prompt, content))
    for wheel in wheels:
        wheel.close()
    if not pairs:
        raise SourceMissing(f"{folder} holds no template packages; run make encoder, which downloads them")
    return sorted(pairs.values(), key=lambda pair: (pair.name, pair.text))


def _named(wheel: zipfile.ZipFile, ending: str) -> list[str]:
    return [name for name in wheel.namelist() if name.endswith(ending) and "/templates/" in name]


def prompt_of(workflow: Mapping[str, Any]) -> str | None:
    """Return the prompt of a text-to-image or text-to-video workflow, None for any other.

    Examples
    --------
    >>> nodes = [{"type": "CLIPTextEncode", "widgets_values": ["a red fox in deep snow"]},
    ...          {"type": "SaveImage", "widgets_values": ["out"]}]
    >>> prompt_of({"nodes": nodes})
    'a red fox in deep snow'
    >>> prompt_of({"nodes": [*nodes, {"type": "LoadImage", "widgets_values": ["in.png"]}]})
    """
    nodes = list(_nodes(workflow))
    kinds = [str(node["type"]) for node in nodes]
    if any(_INPUT.search(kind) for kind in kinds) or not any(_OUTPUT.search(kind) for kind in kinds):
        return None
    texts = (
        text.strip()
        for node in nodes
        if "Note" not in node["type"] and not re.search("negative|system", node.get("title") or "", re.IGNORECASE)
        for text in _strings(node["widgets_values"])
    )
    return max(filter(_is_prompt, texts), key=len, default=None)


def _is_prompt(text: str) -> bool:
    return (
        len(text) <= _LONGEST_PROMPT
        and len(re.findall(r"[A-Za-z]{2,}", text)) >= 4
        and sum(map(str.isascii, text)) >= 0.8 * len(text)
        and not text.startswith(("You are", "Status:"))
        and len(_UNWANTED.findall(text)) < 2
        and not re.search(r"\.safetensors|https?://|def |import ", text)
    )


def _nodes(part: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(part, dict):
        if "type" in part and "widgets_values" in part:
            yield part
        for value in part.values():
            yield from _nodes(value)
    elif isinstance(part, list):
        for value in part:
            yield from _nodes(value)


def _strings(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, dict):
        for value in part.values():
            yield from _strings(value)
    elif isinstance(part, list):
        for value in part:
            yield from _strings(value)


def clip_art_pairs(folder: Path) -> list[Pair]:
    """Return clip art of things, with title and keywords, from the unpacked Debian packages openclipart-png and -svg.

    Only pictures whose own metadata dedicate them to the public domain; up to 120 of each kind of thing.

    Raises
    ------
    SourceMissing
        If the packages are not unpacked there.
    """
    root = folder / "usr" / "share" / "openclipart"
    pairs: dict[bytes, Pair] = {}
    for kind in CLIP_ART_FOLDERS:
        # by hash, not by name: neighbours in the alphabet are one artist's series
        drawings = sorted((root / "svg" / kind).rglob("*.svg"), key=lambda path: _digest(path.relative_to(root)))
        kept = 0
        for drawing in drawings:
            png = (root / "png" / drawing.relative_to(root / "svg")).with_suffix(".png")
            text = _title_and_keywords(drawing.read_text("utf-8", errors="replace"))
            if kept < CLIP_ART_EACH and text and png.is_file() and png.stat().st_size < 1_000_000 and _is_small(png):
                content = png.read_bytes()
                pairs.setdefault(content, Pair(str(drawing.relative_to(root / "svg")), text, content))
                kept += 1
    if not pairs:
        raise SourceMissing(f"{folder} holds no Open Clip Art; run make encoder, which unpacks two packages of Debian")
    return list(pairs.values())


def _is_small(png: Path) -> bool:
    header = png.open("rb").read(24)
    return max(int.from_bytes(header[16:20]), int.from_bytes(header[20:24])) <= 3000


def _digest(path: Path) -> str:
    return hashlib.sha256(path.as_posix().encode()).hexdigest()


def _title_and_keywords(svg: str) -> str | None:
    if "icenses/publicdomain" not in svg.lower() and "cc/publicdomain" not in svg.lower():
        return None
    title = re.search(r"<dc:title[^>]*>([^<]+)<", svg)
    subject = re.search(r"<dc:subject>(.*?)</dc:subject>", svg, re.DOTALL)
    words = re.findall(r"<rdf:li[^>]*>([^<]*)<", subject.group(1)) if subject else []
    keywords = [word.strip().replace("_", " ") for word in words if word.strip().lower() not in _NO_CONTENT]
    named = title.group(1).strip() if title else ""
    return ", ".join([named, *keywords]) if named and keywords else None
