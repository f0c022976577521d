"""Writes a suite as a file with all that it needs beside it, and tells whether two suites ask the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from evals.files.atomic_files import write_atomically
from evals.files.regular_files import read_regular
from evals.imageset.copying import copy_picture
from evals.suites.suite import Suite

PICTURES = "pictures"
"""Where the reference pictures and masks of a written suite lie, beside its file."""


def write_suite(suite: Suite, path: Path) -> None:
    """Write a suite as YAML; its reference pictures and masks are copied beside it, named by their content."""
    written = _as_written(suite, lambda picture: copy_picture(path.parent, PICTURES, read_regular(picture)))
    text = yaml.safe_dump(written, allow_unicode=True, default_flow_style=None, sort_keys=False, width=100)
    write_atomically(path, text.encode())


def suite_sha256(suite: Suite) -> str:
    """Return a hash of all that a suite says, the content of its pictures included, wherever they lie."""
    written = _as_written(suite, lambda picture: hashlib.sha256(read_regular(picture)).hexdigest())
    return hashlib.sha256(json.dumps(written, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _as_written(suite: Suite, name_of: Callable[[Path], str]) -> dict[str, Any]:
    written = suite.model_dump(mode="json", exclude_defaults=True, exclude={"items": {"__all__": {"suite"}}})
    for item, fields in zip(suite.items, written["items"], strict=True):
        if item.reference_images:
            fields["reference_images"] = [name_of(picture) for picture in item.reference_images]
        if item.mask is not None:
            fields["mask"] = name_of(item.mask)
    return written
