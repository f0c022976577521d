"""Is a run what it was: its files, pictures and weights by their hashes, and a part of its scores computed again.

Hashes are no signatures: whoever can write a run can make all of them anew, and forge it wholly. What is computed again
tells then what does not come out of the pictures that are there (a score that was not drawn may still be forged), and
nothing tells that these are the pictures of the systems. Who must be sure of that keeps the hash of ``provenance.json``
elsewhere.
"""

from __future__ import annotations

import secrets
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evals.imageset.contract import SAMPLES
from evals.imageset.imageset import picture_sha256, read_image_set
from evals.imageset.prompts import with_one_text_a_prompt
from evals.run import Run
from evals.scoring.decoders import Decoders
from evals.scoring.encoders import Encoders, choose_encoders, roles_of
from evals.scoring.engine import FeatureTable
from evals.scoring.features import FeatureCache
from evals.scoring.measuring import collect_needs, measure
from evals.scoring.plans import Plan
from evals.scoring.provenance import input_names
from evals.scoring.stage import no_progress
from evals.scoring.subjects import plan_subjects
from metrics.catalogue import METRICS
from metrics.encoders.catalogue import EncoderUnavailable
from metrics.specification import MetricSpec

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-4
"""The largest difference, of the value or of 1 if that is larger, that other machines and thread counts explain."""

_Key = tuple[str, tuple[str, ...], str | None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found: what is not what it was, how many scores were computed again, and how far they lay apart.

    ``differences`` are those beyond the tolerance, first by the order of the score table; ``seed``
    drew what was computed again, None where nothing was. ``image_set`` is where the
    pictures were read; ``not_covered`` are files behind the tables of which a run of an older version holds no hash.
    """

    changed: tuple[str, ...] = ()
    n_scores: int = 0
    largest: float = 0.0
    differences: tuple[str, ...] = ()
    seed: int | None = None
    image_set: str = ""
    not_covered: tuple[str, ...] = ()

    @property
    def outcome(self) -> Literal["reproduced", "within tolerance", "different"]:
        """The answer in a word or two."""
        if self.changed or self.differences:
            return "different"
        return "within tolerance" if self.largest else "reproduced"

    def as_dict(self) -> dict[str, Any]:
        """Return what was found as JSON types."""
        return {"outcome": self.outcome, **asdict(self)}

    def sentence(self) -> str:
        """Return the answer with the figure or the first thing that is behind it.

        Examples
        --------
        >>> Verification(n_scores=50).sentence()
        'reproduced: every file is what it was, and 50 of 50 scores came out equal'
        >>> Verification(n_scores=50, largest=2e-7).sentence()
        'within tolerance: every file is what it was, and 50 scores came out again within 2e-07'
        """
        if self.outcome == "different":
            return f"different: {(*self.changed, *self.differences)[0]}"
        if self.largest:
            again = f"{self.n_scores} scores came out again within {self.largest:.2g}"
        else:
            again = f"{self.n_scores} of {self.n_scores} scores came out equal"
        files = "every file of which the run holds a hash" if self.not_covered else "every file"
        return f"{self.outcome}: {files} is what it was, and {again}"


def verify(run: Run, n_scores: int = 50, device: str = "auto", seed: int | None = None) -> Verification:
    """Hold the files of a run against their hashes, and compute some of its scores again without its cache.

    Parameters
    ----------
    run
        The run; its pictures must still be there.
    n_scores
        How many scores are computed again, drawn over all metrics and controls; 0 for none.
    device
        ``auto``, ``cpu`` or ``cuda``.
    seed
        Of the draw; by default one that nobody who made the run could know.

    Raises
    ------
    evals.run.RunError
        If the provenance is damaged, so that nothing can be checked.
    """
    files = run.changed_files()
    changed = [f"{path} is not what it was when the run was scored" for path in files.values()]
    pictures, not_covered = _changed_pictures(run) if SAMPLES not in files else ([], [])
    changed += pictures
    sure = not changed and n_scores
    found = _some_scores_again(run, n_scores, device, seed) if sure else Verification(tuple(changed))
    return replace(found, image_set=str(run.image_set), not_covered=tuple(not_covered))


def _some_scores_again(run: Run, n_scores: int, device: str, seed: int | None) -> Verification:
    stored = run.read_scores(with_details=False)
    stored = stored[stored["value"].notna()]
    seed = secrets.randbelow(2**32) if seed is None else seed
    drawn = stored.sample(min(n_scores, len(stored)), random_state=seed).sort_index()
    specs = [spec for spec in METRICS if spec.id in set(drawn["metric"])]
    versions = run.provenance["metrics"]
    changed = [
        f"{name} is measured in another way now than in the run"
        for name, of_run in versions.items()
        if name in set(drawn["metric"]) and {spec.id: spec.version for spec in specs}.get(name) != of_run
    ]
    try:
        encoders = choose_encoders(roles_of(specs), list(dict.fromkeys(drawn["encoder"])), device)
    except EncoderUnavailable as error:
        return Verification((*changed, str(error)))
    changed += _other_weights(run, encoders)
    if changed:
        return Verification(tuple(changed))
    return replace(_compared(drawn, _measured_again(run, specs, encoders, _keys(drawn))), seed=seed)


def _changed_pictures(run: Run) -> tuple[list[str], list[str]]:
    """Return what is to be said of each changed file behind the tables, and the files of which there is no hash."""
    samples = run.samples
    rows = [
        {
            "file_name": str(row["file_name"]),
            "reference_images": names if isinstance(names := row.get("reference_images"), list) else None,
            "mask": name if isinstance(name := row.get("mask"), str) else None,
        }
        for _, row in samples.iterrows()
    ]
    inputs = run.provenance.get("inputs")
    if is_old := not isinstance(inputs, dict):
        # Scored by a version that kept the hashes of the pictures alone, in their rows.
        hashes = samples["file_sha256"] if "file_sha256" in samples else [None] * len(samples)
        known = zip(samples["file_name"], hashes, strict=True)
        inputs = {name: of_file for name, of_file in known if isinstance(of_file, str)}
    recorded: dict[str, str | None] = inputs
    changed, not_covered = list[str](), list[str]()
    names = sorted({*recorded, *input_names(rows, run.image_set)})
    run.fetch(name for name in names if not name.startswith("../"))
    for name in names:
        path = run.image_set / name
        now = picture_sha256(path)
        if name not in recorded:
            (not_covered if is_old else changed).append(name if is_old else f"{path} has no hash in the run")
        elif now != recorded[name] and path.is_file():
            changed.append(f"{path} is another one than was scored")
        elif now != recorded[name]:
            changed.append(f"{path} is {'no regular file any more' if path.exists() else 'gone'}")
    return changed, not_covered


def _other_weights(run: Run, encoders: Encoders) -> Iterator[str]:
    recorded = {record["name"]: record["weights_sha256"] for record in run.provenance["encoders"]}
    for record in encoders.records():
        if record["status"] == "used" and record["weights_sha256"] != recorded.get(record["name"]):
            yield f"the weights of {record['name']} are not those that the run was scored with"


def _keys(table: pd.DataFrame) -> list[_Key]:
    controls = table["control"].astype(object).where(table["control"].notna(), None)
    return [
        (str(metric), tuple(map(str, subject)), control)
        for metric, subject, control in zip(table["metric"], table["subject"], controls, strict=True)
    ]


def _measured_again(
    run: Run, specs: Sequence[MetricSpec], encoders: Encoders, keys: Sequence[_Key]
) -> Mapping[_Key, list[float | None]]:
    """Return the values of subjects, computed from the pictures; several where one subject has several."""
    image_set = read_image_set(run.image_set, skip_bad=True)
    rows = with_one_text_a_prompt(image_set.rows)
    ids, drawn = [row["sample_id"] for row in rows], set(keys)

    def is_drawn(spec: MetricSpec, plan: Plan) -> bool:
        return (spec.id, tuple(ids[i] for i in plan.rows), plan.control) in drawn

    plans = {spec.id: [plan for plan in plan_subjects(spec, rows) if is_drawn(spec, plan)] for spec in specs}
    values: dict[_Key, list[float | None]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder, FeatureCache(Path(folder)).closing() as cache, Decoders() as decoders:
        table = FeatureTable(image_set.folder, cache, decoders, no_progress, {})
        planned = [(spec, plan) for spec in specs for plan in plans[spec.id]]
        table.fill(collect_needs(planned, rows, encoders, with_decoys=True))
        for spec in specs:
            for row in measure(spec, rows, encoders, table, plans[spec.id]):
                values[spec.id, tuple(row["subject"]), row["control"]].append(row["value"])
    return values


def _compared(drawn: pd.DataFrame, again: Mapping[_Key, list[float | None]]) -> Verification:
    largest, differences = 0.0, []
    for key, value in zip(_keys(drawn), drawn["value"], strict=True):
        now = min(
            (other for other in again[key] if other is not None), key=lambda other: abs(other - value), default=None
        )
        difference = float("inf") if now is None else abs(now - value)
        if difference > TOLERANCE * max(1.0, abs(value)):
            metric, subject, control = key
            of = f"{metric} of {', '.join(subject)}" + (f" ({control})" if control else "")
            differences.append(f"{of} was {value:.6g} and is {'nothing' if now is None else format(now, '.6g')}")
        else:
            largest = max(largest, difference)
    return Verification((), len(drawn), largest, tuple(differences))
