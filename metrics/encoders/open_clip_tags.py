"""What open_clip's ``ARCHITECTURE/TAG`` means: which repository holds its weights, and what is near a misspelt one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.torchvision_guard import import_torchvision

OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""The names that weights have in a repository of open_clip's, best first."""

SUGGESTED: Mapping[str, str] = {
    "ViT-B-32/laion2b_s34b_b79k": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "ViT-B-32/openai": "timm/vit_base_patch32_clip_224.openai",
    "ViT-B-16/laion2b_s34b_b88k": "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    "ViT-L-14/openai": "timm/vit_large_patch14_clip_224.openai",
    "ViT-L-14/laion2b_s32b_b82k": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    "ViT-H-14/laion2b_s32b_b79k": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    "ViT-B-16-SigLIP2-256/webli": "timm/ViT-B-16-SigLIP2-256",
    "ViT-SO400M-14-SigLIP2-378/webli": "timm/ViT-SO400M-14-SigLIP2-378",
}
"""Models that adherence is usually measured with, and the repository of each: known without importing open_clip."""


@dataclass(frozen=True, slots=True)
class OpenClipTag:
    """A pretrained model of open_clip's table: an architecture, a tag, and where its weights come from."""

    architecture: str
    tag: str
    repository: str
    filenames: tuple[str, ...]


def open_clip_tag(model: str) -> OpenClipTag:
    """Return what open_clip knows of ``ARCHITECTURE/TAG``.

    Raises
    ------
    EncoderUnavailable
        If open_clip knows no such architecture or tag; the message lists close matches.

    Examples
    --------
    >>> open_clip_tag("ViT-B-32/laion2b_s34b_b79k").repository
    'laion/CLIP-ViT-B-32-laion2B-s34B-b79K'
    """
    architecture, _, tag = model.partition("/")
    if model in SUGGESTED:
        return OpenClipTag(architecture, tag, SUGGESTED[model], OPEN_CLIP_FILES)
    open_clip = import_open_clip()
    pretrained = open_clip.get_pretrained_cfg(architecture, tag)
    if not pretrained:
        check_architecture(architecture)
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        near = get_close_matches(tag, tags, n=3, cutoff=0.4) or tags[:3]
        there_are = "there are " + ", ".join(f"{architecture}/{name}" for name in near) if near else "it has none"
        raise EncoderUnavailable(f"open_clip has no weights {tag!r} for {architecture}; {there_are}")
    repository, _, filename = pretrained["hf_hub"].rpartition("/")
    return OpenClipTag(architecture, tag, repository, (filename,) if filename else OPEN_CLIP_FILES)


def check_architecture(architecture: str) -> None:
    """Raise EncoderUnavailable, with close matches, if open_clip has no such architecture."""
    known = import_open_clip().list_models()
    if architecture not in known:
        near = get_close_matches(architecture, known, n=3, cutoff=0.4)
        there_are = f"; near it are {', '.join(near)}" if near else ""
        raise EncoderUnavailable(f"open_clip has no architecture {architecture!r}{there_are}")


def import_open_clip() -> Any:
    """Import and return open_clip, whatever torchvision is beside it.

    Raises
    ------
    EncoderUnavailable
        If open_clip or what it is built on cannot be imported.
    """
    try:
        import_torchvision()
        return import_module("open_clip")
    except (ImportError, RuntimeError) as error:
        raise EncoderUnavailable(f"open_clip cannot be imported ({error}); pip install open_clip_torch") from error
