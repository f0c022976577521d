"""What the records of two runs say besides the scores: speed and cost, versions told, equal pixels, other settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd
from typing_extensions import TypedDict

from evals.rating.comparison import column_of
from evals.rating.drift.tables import RunTables
from evals.rating.operations import operations
from evals.rating.request_figures import Figure

FIGURES: Mapping[str, str] = {
    "operations.latency_p50": "Latency, median",
    "operations.latency_under_load_p50": "Latency under load, median",
    "operations.cost_per_image": "Cost of a picture",
    "operations.cost_per_accepted_image": "All money per accepted picture",
}
"""The figures that are held side by side. Rates of refusals are compared by prompt, with the metrics."""

MONEY = ("operations.cost_per_image", "operations.cost_per_accepted_image")
NOTICEABLE = 0.005
"""From this relative change on an average cost has moved; it has no interval."""

SAMPLE_KEY = ["suite", "prompt_id", "seed", "repeat", "sequence_id", "shot"]

SETTINGS: Mapping[str, str] = {"size": "sizes", "seed": "seeds"}
"""Columns of samples that are a setting of the run and not of the system, with what a note calls them."""


class FigureDrift(TypedDict):
    """One figure of one system at one size in both runs.

    ``moved``: that the intervals do not overlap; of money, that it differs by more than `NOTICEABLE`. It is not tested
    with the metrics: hours of the day and networks differ too. None where a run has no value or no interval, and where
    times were measured with another number of requests in flight.
    """

    figure: str
    title: str
    system_a: str
    system_b: str
    size: str | None
    a: Figure
    b: Figure
    moved: bool | None


class VersionDrift(TypedDict):
    """How many samples of a system each version made, by what the host told; ``changed`` is None where none was."""

    system_a: str
    system_b: str
    a: dict[str, int]
    b: dict[str, int]
    changed: bool | None


class PixelIdentity(TypedDict):
    """How many samples with the same key (prompt, seed, repeat, shot) have the same pixels; else the reason."""

    system_a: str
    system_b: str
    n_same_key: int
    n_identical: int | None
    reason: str | None


def figure_drifts(first: RunTables, second: RunTables, pairs: Iterable[tuple[str, str]]) -> list[FigureDrift]:
    """Return the figures of asking side by side, for every size at which both runs asked."""
    a, b = (
        {} if run.requests is None else {(row["system"], row["size"]): row for row in operations(run.requests)}
        for run in (first, second)
    )
    return [
        FigureDrift(
            figure=name,
            title=title,
            system_a=system_a,
            system_b=system_b,
            size=size,
            a=a[system_a, size]["figures"][name],
            b=b[system_b, size]["figures"][name],
            moved=_moved(name, a[system_a, size]["figures"][name], b[system_b, size]["figures"][name]),
        )
        for system_a, system_b in pairs
        for system, size in a
        if system == system_a and (system_b, size) in b
        for name, title in FIGURES.items()
        if "under_load" not in name or any(run["figures"][name]["n"] for run in (a[system_a, size], b[system_b, size]))
    ]


def version_drifts(first: RunTables, second: RunTables, pairs: Iterable[tuple[str, str]]) -> list[VersionDrift]:
    """Return which versions of the model the hosts named in each run."""
    drifts = []
    for system_a, system_b in pairs:
        a, b = _versions(first.samples, system_a), _versions(second.samples, system_b)
        changed = a.keys() != b.keys() if a and b else None
        drifts.append(VersionDrift(system_a=system_a, system_b=system_b, a=a, b=b, changed=changed))
    return drifts


def pixel_identities(first: RunTables, second: RunTables, pairs: Iterable[tuple[str, str]]) -> list[PixelIdentity]:
    """Return how many samples are the same picture in both runs. A key that a run has twice pairs with nothing."""
    return [_pixels(first.samples, second.samples, system_a, system_b) for system_a, system_b in pairs]


def setting_notes(first: RunTables, second: RunTables, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Return sentences on what the runs did differently, so that it is not taken for the systems' doing."""
    notes = [
        f"Run {name} knows no requests, so refusals, latency and cost are not compared."
        for name, run in zip("AB", (first, second), strict=True)
        if run.requests is None or run.requests.empty
    ]
    for system_a, system_b in pairs:
        a = first.samples[first.samples["system"] == system_a]
        b = second.samples[second.samples["system"] == system_b]
        for column, noun in SETTINGS.items():
            if not a.empty and not b.empty and (values := _other_values(a, b, column)):
                notes.append(
                    f"{system_a}: the runs asked for other {noun} ({values}); differences include what that does."
                )
    packages = [run.provenance.get("packages") or {} for run in (first, second)]
    other = [
        f"{name} {packages[0].get(name, 'none')} and {packages[1].get(name, 'none')}"
        for name in sorted(packages[0].keys() | packages[1].keys())
        if packages[0].get(name) != packages[1].get(name)
    ]
    if other and all(packages):
        notes.append(
            f"The runs were scored with other versions ({', '.join(other)}); score both with the same to be sure that "
            "a difference is the system's."
        )
    return notes


def _other_values(a: pd.DataFrame, b: pd.DataFrame, column: str) -> str:
    """Return the values that differ, shortly, or nothing where both runs have the same or one does not tell."""
    sides = [set(column_of(rows, column).dropna()) for rows in (a, b)]
    if not all(sides) or sides[0] == sides[1]:
        return ""
    names = [sorted(map(str, side)) for side in sides]
    return " against ".join(", ".join(n) if len(n) <= 3 else f"{n[0]} and {len(n) - 1} others" for n in names)


def _moved(name: str, a: Figure, b: Figure) -> bool | None:
    if a["value"] is None or b["value"] is None:
        return None
    if name in MONEY:
        return abs(b["value"] - a["value"]) > NOTICEABLE * max(a["value"], b["value"])
    if a["low"] is None or a["high"] is None or b["low"] is None or b["high"] is None:
        return None
    if not _same_load(a["in_flight"], b["in_flight"]):
        return None
    return a["high"] < b["low"] or b["high"] < a["low"]


def _same_load(a: float | None, b: float | None) -> bool:
    """Return whether as many requests were in flight in both runs, within a tenth, or nobody knows of either."""
    return a == b if a is None or b is None else abs(a - b) <= 0.1 * max(a, b)


def _versions(samples: pd.DataFrame, system: str) -> dict[str, int]:
    versions = column_of(samples[samples["system"] == system], "model_version").dropna().astype(str)
    return {str(version): int(n) for version, n in versions.value_counts().sort_index().items()}


def _pixels(first: pd.DataFrame, second: pd.DataFrame, system_a: str, system_b: str) -> PixelIdentity:
    a, b = (
        pd.DataFrame({name: column_of(rows, name).astype(object) for name in (*SAMPLE_KEY, "pixel_sha256")})
        # A missing number equals a missing one here, which NaN would not.
        .fillna("")
        .drop_duplicates(SAMPLE_KEY, keep=False)
        for rows in (first[first["system"] == system_a], second[second["system"] == system_b])
    )
    both = a.merge(b, on=SAMPLE_KEY, suffixes=("", "_b"))
    hashed = both[(both["pixel_sha256"] != "") & (both["pixel_sha256_b"] != "")]
    reason = None
    if hashed.empty:
        reason = "no sample of one run has the key of one of the other" if both.empty else "no pixel hashes are told"
    return PixelIdentity(
        system_a=system_a,
        system_b=system_b,
        n_same_key=len(both) if hashed.empty else len(hashed),
        n_identical=None if hashed.empty else int((hashed["pixel_sha256"] == hashed["pixel_sha256_b"]).sum()),
        reason=reason,
    )
