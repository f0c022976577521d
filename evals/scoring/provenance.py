"""Where a run's numbers come from: versions, encoders with licence and weights hash, machine, what was left out."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

PACKAGES = (
    "twinlens",
    "numpy",
    "pandas",
    "pillow",
    "torch",
    "open_clip_torch",
    "transformers",
    "insightface",
    "onnxruntime",
    "dlib-bin",
    "rapidocr",
    "opencv-python-headless",
    "ImageHash",
    "rapidfuzz",
    "scipy",
)


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that numbers depend on, of those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return what kind of machine this is; nothing that names it."""
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def provenance_warnings(provenance: Mapping[str, Any]) -> list[str]:
    """Return sentences on what no mean shows: weak encoders, requests without an image, what trips loaders."""
    image_set = provenance.get("image_set", {})
    warnings = [
        f"{encoder['name']}: {encoder['note']}."
        for encoder in provenance.get("encoders", ())
        if encoder["status"] == "used" and encoder.get("note")
    ]
    for system, outcomes in image_set.get("outcomes", {}).items():
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        warnings.append(
            f"{system}: requests that gave no image: {counts}. They are in no mean; in stars, what was refused or "
            "filtered is zero."
        )
    return [*warnings, *image_set.get("warnings", ())]
