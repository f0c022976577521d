"""Where a run's numbers come from: versions, encoders with licence and weights hash, machine, what was left out."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.imageset.checksums import eval_of
from evals.imageset.contract import CHECKSUMS, IMAGES, SUITES
from evals.scoring.plans import picture_keys
from evals.suites.writing import PICTURES

if TYPE_CHECKING:
    from evals.imageset.imageset import ImageSet
    from evals.scoring.encoders import Encoders
    from metrics.specification import MetricSpec

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


def input_names(rows: Iterable[Mapping[str, Any]], folder: Path) -> set[str]:
    """Return what a run rests on besides its tables, as paths in the image set: each of these files has a hash.

    They are the pictures, references and masks that the rows name, the pictures of frozen suites, and the checksums.
    """
    frozen = (folder.parent / SUITES / PICTURES).glob("*") if eval_of(folder) else ()
    names = {key.name for row in rows for key in picture_keys(row)}
    names |= {f"../{SUITES}/{PICTURES}/{path.name}" for path in frozen}
    return names | ({CHECKSUMS} if (folder / CHECKSUMS).exists() else set())


def provenance(
    out: Path, image_set: ImageSet, encoders: Encoders, used: Collection[str], specs: Sequence[MetricSpec]
) -> dict[str, Any]:
    """Return the record of a scoring run; of the encoders those that were ``used`` (by name) or could not be loaded."""
    folder = image_set.folder.resolve()
    packages = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "twinlens": packages.get("twinlens"),
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "image_set": {
            # The folder's name, or the run's where it lies inside a run.
            "name": folder.parent.name if folder.name == IMAGES else folder.name,
            "path": image_set.copy.address if image_set.copy else str(folder),
            "path_in_run": IMAGES if folder == (out / IMAGES).resolve() else None,
            "rows": len(image_set.rows) + len(image_set.skipped),
            "scored_rows": len(image_set.rows),
            "skipped": [{"row": problem.row, "reason": problem.what} for problem in image_set.skipped],
            "warnings": image_set.warnings,
            "outcomes": image_set.outcomes,
        },
        "metrics": {spec.id: spec.version for spec in specs},
        "encoders": [r for r in encoders.records() if r["status"] != "used" or r["name"] in used],
        "packages": packages,
        # What kind of machine this is; nothing that names it.
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
    }


def provenance_warnings(record: Mapping[str, Any]) -> list[str]:
    """Return sentences on what no mean shows: weak encoders, requests without an image, what trips loaders."""
    image_set = record.get("image_set", {})
    warnings = [
        f"{encoder['name']}: {encoder['note']}."
        for encoder in record.get("encoders", ())
        if encoder["status"] == "used" and encoder.get("note")
    ]
    for system, outcomes in image_set.get("outcomes", {}).items():
        counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        warnings.append(
            f"{system}: requests that gave no image: {counts}. They are in no mean; in stars, what was refused or "
            "filtered is zero."
        )
    if colour := record.get("colour"):
        warnings.append(
            f"Colour profiles that could not be applied, so that the pixels were taken as sRGB: in {len(colour)} of "
            f"the rows, first in row {colour[0]['row']} ({colour[0]['reason']})."
        )
    return [*warnings, *image_set.get("warnings", ())]
