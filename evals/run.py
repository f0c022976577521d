"""A scored run as pandas tables: what notebooks, ratings and reports read."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PROVENANCE = "provenance.json"
SAMPLES = "samples.jsonl"
RATINGS = "ratings.json"


class RunError(ValueError):
    """The folder is not a scored run; the message is one sentence that says what to do."""


class Run:
    """A run folder, each of its tables read once when first asked for.

    Attributes
    ----------
    path
        The folder.
    """

    def __init__(self, path: str | Path) -> None:
        """Check that the folder holds a scored run.

        Raises
        ------
        RunError
            If it does not.
        """
        self.path = Path(path)
        for name in (PROVENANCE, SAMPLES, "scores.parquet"):
            if not (self.path / name).is_file():
                remedy = f"make one with: twinlens score IMAGESET --out {self.path}"
                raise RunError(f"{self.path} is not a scored run ({name} is missing); {remedy}")

    @functools.cached_property
    def provenance(self) -> dict[str, Any]:
        """Where the numbers come from: image set, encoders, versions, machine."""
        record: dict[str, Any] = json.loads((self.path / PROVENANCE).read_text(encoding="utf-8"))
        return record

    @functools.cached_property
    def samples(self) -> pd.DataFrame:
        """The rows of the image set, one a sample, indexed by ``sample_id``."""
        import pandas as pd

        lines = (self.path / SAMPLES).read_text(encoding="utf-8").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines]).set_index("sample_id", drop=False)

    @functools.cached_property
    def scores(self) -> pd.DataFrame:
        """The score table, one measurement a row, ``details`` as dicts."""
        from evals.scoring.table import read_scores

        return read_scores(self.path)

    def ratings(self) -> dict[str, Any]:
        """Return means, intervals, paired differences and controls; rated now if they have not been."""
        path = self.path / RATINGS
        if path.is_file():
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return stored
        from evals.imageset import write_atomically
        from evals.rating import rate

        fresh: dict[str, Any] = dict(rate(self.scores))
        write_atomically(path, json.dumps(fresh, indent=2, ensure_ascii=False, allow_nan=False).encode())
        return fresh

    def image_path(self, sample_id: str) -> Path | None:
        """Return where a sample's image lies, None if it is not there any more."""
        path = Path(self.provenance["image_set"]["path"]) / str(self.samples.loc[sample_id, "file_name"])
        return path if path.is_file() else None
