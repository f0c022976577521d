"""Small whole evals for property tests: what was asked, what came of it, and what scoring makes of what came."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pandas as pd

from evals.definition import StarRow
from evals.rating.comparison import with_prompts
from evals.rating.controls import ControlStatistic, control_statistics
from evals.rating.stars.table import Component, RatedRow, TableRow, rate_rows, rating_inputs
from evals.rating.stars.totals import Totals, totals
from evals.scoring.subjects import plan_subjects
from evals.scoring.table import table_row
from metrics.catalogue import metric
from metrics.measurement import Measurement

SYSTEMS = ("left", "right")
FACES: Any = SimpleNamespace(name="dlib:resnet_v1", weights_sha256=None)
Request = dict[str, Any]

METRICS = {
    "precise": ("adherence.margin", "text.cer"),
    "identity": ("identity.self", "identity.previous", "adherence.step_order"),
    "repeats": ("reproducibility.ssim",),
}
"""What is measured on each suite: every kind of subject, and a metric of which lower is better."""

ROWS = (
    StarRow(id="precise", title="Prompts", suite="precise", metrics={"adherence.margin": 2.0, "text.cer": 1.0}),
    StarRow(
        id="both", title="Both at once", suite="precise", metrics={"adherence.margin": 2.0, "text.cer": 1.0},
        combine="geometric",
    ),
    StarRow(id="identity", title="Identity", suite="identity", metrics={"identity.self": 1.0}, weight=2.0),
    StarRow(id="previous", title="Shot to shot", suite="identity", metrics={"identity.previous": 1.0}),
    StarRow(id="stories", title="Stories", suite="identity", metrics={"adherence.step_order": 1.0}),
    StarRow(id="repeats", title="Seeds", suite="repeats", metrics={"reproducibility.ssim": 1.0}),
    StarRow(id="cost", title="Cost", computed="cost_per_image"),
    StarRow(id="speed", title="Latency", suite="precise", computed="latency"),
)  # fmt: skip

_OWN: Mapping[str, tuple[float, float]] = {
    "adherence.margin": (0.0, 8.0), "text.cer": (1.2, 0.0), "identity.self": (0.1, 0.9),
    "identity.previous": (0.1, 0.9), "adherence.step_order": (0.4, 1.0), "reproducibility.ssim": (0.2, 1.0),
}  # fmt: skip
"""The worst and the best own value of each metric."""

_CONTROL: Mapping[str, tuple[float, float]] = {
    "shuffled_prompt": (-2.0, 1.0), "rendered_text": (0.0, 0.05), "impostor": (0.0, 0.3),
    "shuffled_text": (0.8, 1.5), "exchanged_picture": (0.3, 0.7), "blank_picture": (-2.0, 0.0),
    "shuffled_steps": (0.2, 0.3), "different_seed": (0.1, 0.4), "identical_image": (1.0, 1.0),
}  # fmt: skip


def chance(*key: object) -> float:
    """Return a number from 0 to 1 that depends on the key alone."""
    return zlib.crc32(repr(key).encode()) / 2**32


@dataclass(frozen=True)
class SmallEval:
    """Requests with their outcomes; ``quality`` says how good a subject is, from 0 to 1, by metric and sample ids."""

    requests: tuple[Request, ...]
    quality: Callable[[str, Sequence[str]], float]
    salt: int = 0

    def scores(self) -> pd.DataFrame:
        """Return the score table of the pictures that came, controls included."""
        return pd.DataFrame([row for suite in METRICS for row in self._of_suite(suite)]).astype({"value": float})

    def _of_suite(self, suite: str) -> Iterable[Request]:
        came = [row for row in self.requests if row["suite"] == suite and row["outcome"] == "ok"]
        for spec in map(metric, METRICS[suite]):
            for plan in plan_subjects(spec, came):
                members = [came[place] for place in plan.rows]
                ids = tuple(row["sample_id"] for row in members)
                yield table_row(
                    spec,
                    FACES if spec.dimension == "identity" else None,
                    members,
                    plan.control,
                    self._measured(spec.id, plan, ids),
                )

    def _measured(self, name: str, plan: Any, ids: tuple[str, ...]) -> Measurement:
        if plan.control is not None:
            low, high = _CONTROL[plan.control]
            return Measurement(ids, low + (high - low) * chance(self.salt, name, repr(plan), ids))
        if plan.reason is not None:
            return Measurement(ids, reason=plan.reason)
        quality = self.quality(name, ids)
        if quality < 0.05 and name.startswith("identity."):
            return Measurement(ids, reason="no_face")
        if quality > 0.97:
            return Measurement(ids, reason="encoder_failed")
        worst, best = _OWN[name]
        return Measurement(ids, worst + (best - worst) * quality)

    def withhold(self, sample_ids: Iterable[str], sends_first_shot: bool) -> SmallEval:
        """Return the eval in which these pictures were refused; and with them what was to show a refused first shot."""
        gone = set(sample_ids)
        requests = [row | {"outcome": "refused", "cost_usd": 0.0} if row["sample_id"] in gone else row
                    for row in self.requests]  # fmt: skip
        return replace(self, requests=tuple(_never_sent(requests) if sends_first_shot else requests))


def _never_sent(requests: Sequence[Request]) -> list[Request]:
    def delivery(row: Request) -> tuple[Any, ...]:
        return row["system"], row["suite"], row["sequence_id"], row["seed"], row["repeat"]

    without = {delivery(row) for row in requests if row["shot"] == 1 and row["outcome"] != "ok"}
    unsent = {"outcome": "failed", "reason": "no_first_shot"}
    return [row | unsent if (row["shot"] or 0) > 1 and delivery(row) in without else row for row in requests]


def rows_of(suite: str) -> tuple[StarRow, ...]:
    """Return the rows on one suite, and cost for the one that has the fewest."""
    return tuple(row for row in ROWS if row.suite == suite or (suite == "repeats" and row.suite is None))


def small_eval(salt: int, suites: Iterable[str] = tuple(METRICS), sends_first_shot: bool = False) -> SmallEval:
    """Return an eval of some suites whose outcomes and values are drawn by the salt."""
    asked: list[Request] = []
    for system in SYSTEMS:
        asked += [_request(system, "precise", f"p{n}", text=f"word {n}" if n % 5 else None) for n in range(10)]
        for name in "abcdefgh":
            asked += [_request(system, "identity", f"{name}{shot}", sequence=name, shot=shot) for shot in (1, 2, 3)]
        for n in range(8):
            asked += [_request(system, "repeats", f"r{n}", seed=seed, repeat=k) for seed in (1, 2) for k in (0, 1)]
    asked = [row | _outcome(salt, row) for row in asked if row["suite"] in suites]
    return SmallEval(
        tuple(_never_sent(asked) if sends_first_shot else asked), lambda name, ids: chance(salt, name, ids), salt
    )


def _request(
    system: str, suite: str, prompt_id: str, *, text: str | None = None, sequence: str | None = None,
    shot: int | None = None, seed: int = 1, repeat: int = 0,
) -> Request:  # fmt: skip
    sample_id = "-".join(map(str, (system, suite, prompt_id, seed, repeat)))
    return {
        "sample_id": sample_id, "file_name": f"images/{sample_id}.png", "system": system, "suite": suite,
        "prompt_id": prompt_id, "prompt": f"a picture of {prompt_id}", "seed": seed, "repeat": repeat,
        "sequence_id": sequence, "shot": shot, "expected_text": text, "size": "1K", "reason": None,
    }  # fmt: skip


def _outcome(salt: int, row: Request) -> Request:
    luck = chance(salt, "outcome", row["sample_id"])
    outcome = next(
        name for name, up_to in (("refused", 0.05), ("filtered", 0.08), ("failed", 0.11), ("timeout", 0.13), ("ok", 2))
        if luck < up_to
    )  # fmt: skip
    if outcome != "ok":
        return {"outcome": outcome, "cost_usd": 0.0, "latency_s": None}
    cost, seconds = chance(salt, "cost", row["sample_id"]), chance(salt, "s", row["sample_id"])
    return {"outcome": outcome, "cost_usd": 0.01 + 0.2 * cost, "latency_s": 1 + 70 * seconds}


@dataclass(frozen=True)
class Rated:
    """A rated eval: its rows by id, and its totals."""

    rows: Mapping[str, RatedRow]
    totals: Totals

    def stars(self, system: str) -> dict[str, float | None]:
        """Return the stars of a system by row and by metric, its total under ``total``."""
        found: dict[str, float | None] = {
            part["metric"]: _cell(part, system) for one in self.rows.values() for part in one.row["components"]
        }
        found |= {name: _cell(one.row, system) for name, one in self.rows.items()}
        (total,) = [row["stars"] for row in self.totals["systems"] if row["system"] == system]
        return found | {"total": total}


def _cell(of: TableRow | Component, system: str) -> float | None:
    stars = [cell["stars"] for cell in of["cells"] if cell["system"] == system]
    return stars[0] if stars else None


def controls_of(scores: pd.DataFrame) -> list[ControlStatistic]:
    """Return the control statistics of a score table."""
    return control_statistics(with_prompts(scores), seed=0)


def rated(
    scores: pd.DataFrame,
    requests: Sequence[Request] | pd.DataFrame,
    controls: Sequence[ControlStatistic] = (),
    systems: Sequence[str] = SYSTEMS,
    rows: Sequence[StarRow] = ROWS,
) -> Rated:
    """Rate a score table as a run is rated."""
    inputs = rating_inputs(scores, pd.DataFrame(requests), controls, tuple(systems), "1K")
    found = rate_rows(rows, inputs)
    return Rated({one.row["id"]: one for one in found}, totals(found, list(systems)))
