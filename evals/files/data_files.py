"""Finds the project's data (suites, facts) in a checkout and in a wheel, where it lies inside the package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def data_path(relative: str = ".") -> Path:
    """Return the path of a file or folder of ``datasets/``, given relative to it; it need not exist.

    Raises
    ------
    FileNotFoundError
        If neither the package nor the checkout holds the data.

    Examples
    --------
    >>> data_path("suites").is_dir()
    True
    """
    for root in (_PACKAGE / "datasets", _PACKAGE.parent / "datasets"):
        if (root / "suites").is_dir():
            return root / relative
    raise FileNotFoundError(f"the folder datasets/ is neither in {_PACKAGE} nor beside it; install TwinLens again")
