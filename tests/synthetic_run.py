"""A scored run of the real eval whose truth is known, written in a second: seeded scores, tiny drawings, no encoder."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import PIL.Image
import yaml

from evals.definition import EvalDefinition, definition_path, read_definition
from evals.facts.models import read_facts, rehearsed_name
from evals.facts.pricing import expected_cost_usd
from evals.generation.plan import ImageRequest, plan_requests
from evals.imageset.contract import EVAL, IMAGES, LEDGER
from evals.imageset.imageset import read_image_set, write_metadata
from evals.scoring.plans import Plan
from evals.scoring.subjects import plan_subjects
from evals.scoring.table import table_row
from metrics.catalogue import metric
from metrics.measurement import Measurement
from metrics.specification import MetricSpec
from tests.run_folder import write_run

FLUX, BANANA = SYSTEMS = ("flux-2-pro@bfl", "gemini-3-pro-image@google")
SEED = 20260722

PLACES: Mapping[str, tuple[float, float]] = {
    "cinematic": (0.80, 0.50),
    "editing": (0.45, 0.75),
    "imprecise": (0.75, 0.40),
    "precise": (0.75, 0.45),
    "identity": (0.45, 0.80),
    "scenes": (0.60, 0.60),
    "identity-reference": (0.50, 0.75),
    "typography": (0.55, 0.85),
    "repeatability": (0.97, 0.35),
    "realism": (0.60, 0.60),
    "stories": (0.45, 0.80),
    "brands": (0.80, 0.50),
    "logic": (0.60, 0.60),
}
"""Where the pictures of each suite lie between the floor (0) and the ceiling (1) of their scale, system by system."""

BETTER: Mapping[str, str | None] = {
    "cinematic": FLUX,
    "editing": BANANA,
    "imprecise": FLUX,
    "precise": FLUX,
    "identity": BANANA,
    "scenes": None,
    "cost": FLUX,
    "identity-reference": BANANA,
    "text": BANANA,
    "reproducibility": FLUX,
    "realism": None,
    "stories": BANANA,
    "brands": FLUX,
    "logic": None,
    "latency": FLUX,
    "speed-2k": FLUX,
}
"""What the star table must therefore say, by row id; None is a tie. Of a row that is not here nobody can tell."""

_ENDS: Mapping[str, tuple[float, float, float]] = {
    "adherence.margin": (0.0, 8.0, 2.0),
    "adherence.step_order": (0.5, 1.0, 0.0),
    "brand.palette": (25.0, 2.0, 3.0),
    "editing.direction": (0.0, 16.0, 4.0),
    "editing.preserved": (0.3, 1.0, 0.05),
    "identity.self": (0.1, 0.75, 0.08),
    "identity.previous": (0.1, 0.75, 0.08),
    "identity.reference": (0.1, 0.75, 0.08),
    "reproducibility.ssim": (0.25, 1.0, 0.06),
    "reproducibility.mean_difference": (40.0, 0.0, 5.0),
}
"""Value at the floor, at the ceiling, and the standard deviation of the control; 0, 1 and 0.02 where not listed."""

_BINARY = ("reproducibility.identical", "structure.all", "text.exact_lines")
_AT_THE_CEILING = ("identical_image", "rendered_text", "unedited_source")
_BESIDES = {
    "identity": ("identity.previous", "identity.drift"),
    "repeatability": ("reproducibility.identical", "reproducibility.mean_difference"),
}

_DRIFT_PER_SHOT = (-0.08, -0.01)
_MEDIAN_S = ({"1K": 5.0, "2K": 8.0}, {"1K": 16.0, "2K": 20.0, "4K": 34.0})
_WITHOUT_PICTURE = {
    (BANANA, "imprecise"): (("refused", "safety"), ("filtered", "image_safety")),
    (FLUX, "realism"): (("failed", "server_error"),),
    (BANANA, "logic@2K"): (("timeout", "no_answer"), ("unknown", "answer_lost")),
}
"""How the first requests of a system on a suite end; all others bring a picture."""

_SIDE = 48


def write_synthetic_run(
    folder: Path, prompts: int = 16, seed: int = 1, systems: Sequence[str] = SYSTEMS, simulated: bool = False
) -> Path:
    """Write the folder of a run of ``flux2-vs-nano-banana`` between two of its systems, as scoring leaves it.

    Parameters
    ----------
    folder
        The run; it must not exist.
    prompts
        How many prompts of each suite are asked, a sequence counting as one.
    seed
        The same seed gives the same scores, pictures and requests.
    systems
        Of the eval; what is of the FLUX family is as good as ``FLUX``, all else as ``BANANA``.
    simulated
        Whether it is a rehearsal, in which the systems have other names.
    """
    images = folder / IMAGES
    (images / "images").mkdir(parents=True)
    definition = _freeze(folder, systems)
    offers = read_facts().offers
    planned = plan_requests(definition, {system: offers[system].sizes for system in systems})
    rows = _requests(_spread_units(planned, prompts), np.random.default_rng(seed))
    if simulated:
        rows = [(request, row | {"simulated": True, "system": rehearsed_name(row["system"])}) for request, row in rows]
    pictures = [_pictured(images, request, row) for request, row in rows if row["outcome"] == "ok"]
    write_metadata(images, _with_references(images, pictures))
    brought = read_image_set(images)
    generator, metrics = np.random.default_rng(seed + 1), _metrics_by_suite(definition)
    scores = [
        score
        for suite, names in metrics.items()
        for score in _scores(suite, names, [row for row in brought.rows if row["suite"] == suite], generator)
    ]
    (images / LEDGER).touch()  # the eval is the set's own
    return write_run(
        folder,
        brought.rows,
        scores,
        [row for _, row in rows],
        image_set={"name": "synthetic", "outcomes": brought.outcomes},
        metrics={name: metric(name).version for name in sorted({name for names in metrics.values() for name in names})},
    )


def _family(system: str) -> int:
    return int(not system.startswith("flux"))


def _freeze(folder: Path, systems: Sequence[str]) -> EvalDefinition:
    """Write the eval with some of its systems, and return it as it is read back."""
    frozen = yaml.safe_load(definition_path("flux2-vs-nano-banana").read_text(encoding="utf-8"))
    text = yaml.safe_dump({**frozen, "systems": list(systems)}, sort_keys=False, allow_unicode=True)
    (folder / EVAL).write_text(text, encoding="utf-8")
    return read_definition(folder / EVAL)


def _spread_units(planned: Sequence[ImageRequest], prompts: int) -> list[ImageRequest]:
    """Return the requests of so many prompts or sequences of each suite, taken evenly, so that every kind is there."""
    units: dict[str, dict[str, None]] = {}
    for request in planned:
        units.setdefault(request.suite, {})[_unit(request)] = None
    kept = {
        suite: {list(names)[place] for place in np.linspace(0, len(names) - 1, min(prompts, len(names))).astype(int)}
        for suite, names in units.items()
    }
    return [request for request in planned if _unit(request) in kept[request.suite]]


def _unit(request: ImageRequest) -> str:
    return request.item.sequence_id or request.item.id


def _requests(
    planned: Sequence[ImageRequest], generator: np.random.Generator
) -> list[tuple[ImageRequest, dict[str, Any]]]:
    """Return every request with its row of ``requests.jsonl``: four are in flight at any time."""
    endings = {place: list(outcomes) for place, outcomes in _WITHOUT_PICTURE.items()}
    sent_at = datetime(2026, 7, 22, 9, tzinfo=UTC)
    rows = []
    for request in planned:
        queue = endings.get((request.system, request.suite))
        outcome, reason = queue.pop(0) if queue else ("ok", None)
        latency = _MEDIAN_S[_family(request.system)][request.size] * float(generator.lognormal(0.0, 0.25))
        ended_at = sent_at + timedelta(seconds=latency)
        is_ok = outcome == "ok"
        usd = expected_cost_usd(read_facts().offers[request.system], request.size, request.n_references)
        row = {
            "sample_id": request.sample_id,
            "system": request.system,
            "suite": request.suite,
            "prompt_id": request.item.id,
            "prompt": request.prompt,
            "seed": request.seed,
            "repeat": request.repeat,
            "size": request.size,
            "sequence_id": request.item.sequence_id,
            "shot": request.item.shot,
            "outcome": outcome,
            "reason": reason,
            "cost_usd": None if outcome == "unknown" else usd * (outcome != "failed"),
            "may_have_cost_usd": usd if outcome == "unknown" else 0.0,
            "latency_s": latency if is_ok else None,
            "queue_s": 0.2 * latency if is_ok and not _family(request.system) else None,
            "generation_s": (1.0 if _family(request.system) else 0.7) * latency if is_ok else None,
            "download_s": 0.1 * latency if is_ok and not _family(request.system) else None,
            "sent_at": sent_at.isoformat(timespec="milliseconds"),
            "ended_at": ended_at.isoformat(timespec="milliseconds"),
        }
        rows.append((request, row))
        sent_at += timedelta(seconds=latency / 4)
    return rows


def _pictured(images: Path, request: ImageRequest, row: Mapping[str, Any]) -> dict[str, Any]:
    """Draw a picture and return its row of ``metadata.jsonl``: FLUX repeats a seed's picture, the other draws anew."""
    repeat = request.repeat if _family(request.system) else 0
    name = f"images/{hashlib.sha256(request.sample_id.encode()).hexdigest()[:24]}.png"
    _draw(images / name, f"{request.suite} {request.item.id} {request.seed} {repeat}", warm=not _family(request.system))
    item = request.item
    described = {
        "expected_text": list(item.expected_text) or None,
        "palette": list(item.palette) or None,
        "objects": [thing.model_dump() for thing in item.objects] or None,
        "absent": list(item.absent) or None,
        "relations": [relation.model_dump() for relation in item.relations] or None,
    }
    return {"file_name": name, **row, **described, "width": _SIDE, "height": _SIDE, "first_shot": request.first_shot}


def _with_references(images: Path, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give edits the picture that they start from, and later shots the picture of their first one."""
    files = {row["sample_id"]: row["file_name"] for row in rows}
    finished = []
    for row in rows:
        references = [files[row["first_shot"]]] if row["first_shot"] in files else None
        if row["suite"] == "editing":
            source = f"images/source-{row['prompt_id']}.png"
            _draw(images / source, f"editing {row['prompt_id']} {row['seed']} 0", warm=False)
            references = [source]
        finished.append({**row, "reference_images": references, "first_shot": None})
    return finished


def _draw(path: Path, name: str, warm: bool) -> None:
    """Draw a disc on a ground, both in colours that follow from a name."""
    generator = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:12], 16))
    ground, disc = generator.integers(30, 226, (2, 3))
    x, y, radius = generator.integers(12, 36, 3)
    rows, columns = np.mgrid[:_SIDE, :_SIDE]
    pixels = np.where((np.hypot(columns - x, rows - y) < radius / 2)[..., None], disc, ground)
    pixels = pixels + ([20, 0, -20] if warm else [-20, 0, 20])
    PIL.Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, compress_level=1)


def _metrics_by_suite(definition: EvalDefinition) -> dict[str, list[str]]:
    metrics: dict[str, dict[str, None]] = {}
    for row in definition.rows:
        if row.suite is not None and row.metrics:
            metrics.setdefault(row.suite, {}).update(dict.fromkeys(row.metrics))
    for suite, names in metrics.items():
        names.update(dict.fromkeys(_BESIDES.get(suite, ())))
        if any(name.startswith("quality.") for name in names):
            names["quality.neutral"] = None
    return {suite: list(names) for suite, names in metrics.items()}


def _scores(
    suite: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]], generator: np.random.Generator
) -> Iterator[dict[str, Any]]:
    """Yield the score table's rows of a suite: real subjects and controls, seeded values."""
    encoder: Any = SimpleNamespace(name="dlib:seeded", weights_sha256=None)
    faceless = next(row["sample_id"] for row in rows if not _family(row["system"]))

    @functools.cache
    def effect(*_of: str) -> float:
        return float(generator.normal(0.0, 0.08))

    def place(plan: Plan) -> float:
        """A prompt is as easy for both, suits one system more than the other, and no two pictures are alike."""
        row = rows[plan.rows[0]]
        prompt, system = row.get("sequence_id") or row["prompt_id"], row["system"]
        shared, own, noise = effect(prompt), effect(prompt, system), generator.normal(0.0, 0.04)
        return float(PLACES[suite][_family(system)] + shared + own + noise)

    for spec in map(metric, names):
        for plan in plan_subjects(spec, rows):
            members = [rows[i] for i in plan.rows]
            ids = tuple(row["sample_id"] for row in members)
            if spec.id == "identity.drift":
                measured = _drifting(ids, members, place(plan), generator)
            elif suite == "identity" and faceless in ids:
                measured = Measurement(ids, reason="no_face")
            else:
                measured = Measurement(ids, _value(spec, plan, place(plan), generator))
            yield table_row(spec, encoder, members, plan.control, measured)


def _value(spec: MetricSpec, plan: Plan, place: float, generator: np.random.Generator) -> float:
    """Return an own value at its place on the scale, that of a control at the end where the control belongs."""
    floor, ceiling, spread = _ENDS.get(spec.id, (0.0, 1.0, 0.02))
    if spec.id == "quality.neutral":
        return float(generator.normal(0.5, 0.02))
    if plan.control is None and spec.id in _BINARY:
        return float(generator.random() < place)
    if plan.control is None:
        value = floor + place * (ceiling - floor)
    elif plan.control in _AT_THE_CEILING and spec.id != "editing.direction":
        value = ceiling
    elif plan.control == "shuffled_steps":
        value = 0.35
    else:
        value = float(generator.normal(floor, spread))
    low, high = (end if end is not None else default for end, default in zip(spec.range, (-1e9, 1e9), strict=True))
    return min(max(value, low), high)


def _drifting(
    ids: tuple[str, ...], members: Sequence[Mapping[str, Any]], place: float, generator: np.random.Generator
) -> Measurement:
    """Return a sequence that moves away from its first face, as ``identity.drift`` measures it."""
    slope = _DRIFT_PER_SHOT[_family(members[0]["system"])] + float(generator.normal(0.0, 0.01))
    alike = [1.0] + [0.1 + 0.65 * place + slope * (row["shot"] - 2) for row in members[1:]]
    if len(ids) < 3:
        return Measurement(ids, reason="too_few_shots")
    return Measurement(ids, slope, details={"similarities": dict(zip(ids, alike, strict=True))})
