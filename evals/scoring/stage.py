"""The scoring stage: from an image set to scores.parquet, samples.jsonl and provenance.json in a run folder."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock

from evals.files.addresses import path_or_address
from evals.files.atomic_files import clear_leftovers, write_atomically
from evals.files.yaml_files import suggestion
from evals.imageset.checksums import changed_file, eval_of
from evals.imageset.contract import CHECKSUMS, FEATURE_CACHE, IMAGES, METADATA, PROVENANCE, SAMPLES
from evals.imageset.decoding import check_header
from evals.imageset.imageset import ImageSet, ImageSetError, file_sha256, picture_sha256, read_image_set
from evals.imageset.prompts import with_one_text_a_prompt
from evals.imageset.remote import copy_of_set, run_on_this_machine
from evals.imageset.validation import Problem
from evals.run import Run, image_set_of, run_files, sealed
from evals.scoring.decoders import Decoders, Unreadable
from evals.scoring.encoders import choose_encoders, roles_of
from evals.scoring.engine import FeatureTable, Progress
from evals.scoring.features import FeatureCache
from evals.scoring.measuring import collect_needs, measure
from evals.scoring.needs import Needs
from evals.scoring.plans import ImageKey, is_given, picture_keys
from evals.scoring.profiling import Profile
from evals.scoring.provenance import input_names, provenance
from evals.scoring.subjects import plan_subjects
from evals.scoring.table import ScoreTableWriter
from metrics.catalogue import METRICS
from metrics.specification import MetricSpec

Fill = Callable[[FeatureTable, Needs], None]
"""Computes the features that are needed and not yet stored."""


class ScoringError(ValueError):
    """Scoring was asked for something that it cannot do; the message is one sentence that says what to do."""


def no_progress(label: str, done: int, total: int) -> None:
    """Show nothing."""


def score(
    source: str | Path,
    out: str | Path,
    metrics: Sequence[str] = (),
    encoders: Sequence[str] = (),
    skip_bad: bool = False,
    device: str = "auto",
    features: str | Path | None = None,
    progress: Progress = no_progress,
    engine: str = "local",
    workers: int | None = None,
    profile: Profile | None = None,
) -> Run:
    """Measure an image set and write the run folder.

    Parameters
    ----------
    source
        An image set, or a run folder with one in ``images/``; a path, or an address such as ``s3://bucket/set``.
    out
        The run folder, or its address. If it holds a run of the same image set, what was computed there is used again.
    metrics
        Ids or dimensions (``identity.self``, ``text``); by default every metric whose columns the set has.
    encoders
        Names such as ``open_clip:ViT-B-32/laion2b_s34b_b79k``; by default those of the eval that the pictures were
        asked for, else the best that this machine has.
    skip_bad
        Leave out bad rows and count them, instead of refusing the set; an image that cannot be decoded stays, with
        the reason in place of its measurements.
    device
        ``auto``, ``cpu`` or ``cuda``.
    features
        The feature cache, to share it between runs; by default ``out/features``.
    progress
        Called with a label, the number done and the total.
    engine
        Where features are computed: ``local`` in this process, ``ray`` in those of a cluster (`evals.scoring.cluster`).
    workers
        How many workers the cluster gets; by default one for each of its cores or GPUs.
    profile
        Notes where the time goes.

    Returns
    -------
    Run
        The loaded run.

    Raises
    ------
    ImageSetError
        If the image set is refused.
    ScoringError, metrics.encoders.catalogue.EncoderUnavailable
        If a metric, an encoder or the run folder cannot be used.
    evals.scoring.cluster.ClusterError
        If the cluster cannot be used.
    """
    fill = _fill_function(engine, device, workers)
    with run_on_this_machine(out) as folder:
        return _score(
            source, folder, metrics, encoders, skip_bad, device, features, progress, engine, fill, profile or Profile()
        )


def _score(
    source: str | Path,
    out: Path,
    metrics: Sequence[str],
    encoders: Sequence[str],
    skip_bad: bool,
    device: str,
    features: str | Path | None,
    progress: Progress,
    engine: str,
    fill: Fill,
    profile: Profile,
) -> Run:
    """Do what `score` says, with a run folder on this machine."""
    with profile.stage("read rows and headers"):
        place = path_or_address(source)
        folder = _image_set_folder(place) if isinstance(place, Path) else copy_of_set(place)
        _refuse_changed(folder if isinstance(folder, Path) else folder.path)
        image_set = read_image_set(folder, skip_bad)
        if image_set.copy and engine == "local":
            progress("pictures to fetch", 0, len(image_set.rows))
            image_set.copy.fetch_files({key.name for row in image_set.rows for key in picture_keys(row)})
        # Pictures that are not here are looked at by the workers that fetch them.
        bad = {} if image_set.copy and engine != "local" else _bad_headers(image_set, progress)
    if not skip_bad:
        _refuse(image_set, bad)
    rows = with_one_text_a_prompt(image_set.rows)
    specs = select_metrics(metrics, rows)
    _claim(out, image_set)
    with profile.stage("choose encoders"):
        preferred = _preferred_encoders(eval_of(image_set.folder))
        chosen = choose_encoders(roles_of(specs), encoders, device, preferred)
    cache = FeatureCache(Path(features) if features else out / FEATURE_CACHE)
    with _only_writer(out), cache.closing():
        with profile.stage("plan"):
            needs = collect_needs(((spec, plan) for spec in specs for plan in plan_subjects(spec, rows)), rows, chosen)
        with Decoders(profile=profile) as decoders:
            hashes = _recorded_hashes(image_set)
            table = FeatureTable(image_set.folder, cache, decoders, progress, bad, hashes, image_set.copy, profile)
            fill(table, needs)
        if not skip_bad:
            _refuse(image_set, table.unreadable)
        # A run is whole while its provenance is there: it goes first and comes back last.
        (out / PROVENANCE).unlink(missing_ok=True)
        used: set[str] = set()
        large_seeds = any((row.get("seed") or 0) >= 2**63 for row in image_set.rows)
        with ScoreTableWriter(out, large_seeds) as writer:
            for done, spec in enumerate(specs, start=1):
                with profile.stage("measure"):
                    for row in measure(spec, rows, chosen, table):
                        writer.add(row)
                        used.add(row["encoder"])
                progress("metrics", done, len(specs))
        lines = [json.dumps(row | table.hashes(row["file_name"]), ensure_ascii=False) for row in image_set.rows]
        write_atomically(out / SAMPLES, ("\n".join(lines) + "\n").encode())
        record = provenance(out, image_set, chosen, used, specs) | {
            "unreadable": _unreadable_rows(image_set, table.unreadable),
            "colour": _rows_with(image_set, table.colour_notes),
            "long_prompts": _long_prompts(rows, needs, table),
            "seconds": round(profile.elapsed, 1),
            "inputs": _input_hashes(image_set, table),
            "files": {name: file_sha256(path) for name, path in run_files(out, image_set.folder).items()},
        }
        write_atomically(out / PROVENANCE, json.dumps(sealed(record), indent=2, ensure_ascii=False).encode())
    return Run(out)


def _fill_function(engine: str, device: str, workers: int | None) -> Fill:
    """Return what computes the features; a cluster's packages are looked for before any work."""
    if engine == "local":
        return FeatureTable.fill
    from evals.scoring import cluster

    cluster.check_installed()
    return functools.partial(cluster.fill, device=device, workers=workers)


def select_metrics(asked_for: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[MetricSpec]:
    """Return the metrics that were asked for, or else those whose columns the image set has.

    Raises
    ------
    ScoringError
        If there is no such metric or dimension, or none of the metrics fits the image set.
    """
    columns = {column for row in rows for column, value in row.items() if is_given(value)}
    fitting = [
        spec
        for spec in METRICS
        if columns.issuperset(spec.columns)
        and any(not any(is_given(row.get(column)) for column in spec.excludes) for row in rows)
    ]
    if not asked_for:
        return [spec for spec in fitting if not spec.on_request]
    names = {name for spec in METRICS for name in (spec.id, spec.dimension)}
    chosen: dict[str, MetricSpec] = {}
    for name in asked_for:
        if name not in names:
            raise ScoringError(f"there is no metric {name!r}; {suggestion(name, names)}")
        matching = [spec for spec in METRICS if name == spec.id or (name == spec.dimension and not spec.on_request)]
        usable = [spec for spec in matching if spec in fitting]
        if not usable:
            lacking = sorted(set(matching[0].columns) - columns)
            if not lacking:
                has = " or ".join(matching[0].excludes)
                raise ScoringError(f"{name} is measured in no row that has {has}, as all of the image set do")
            raise ScoringError(f"{name} needs the column {' and '.join(lacking)}, which the image set does not have")
        chosen |= {spec.id: spec for spec in usable}
    return list(chosen.values())


def _preferred_encoders(frozen: Path | None) -> Mapping[str, Sequence[str]]:
    """Return the encoders that the frozen eval of a run names, by role; none where there is no eval.

    Raises
    ------
    evals.definition.DefinitionError
        If the eval is damaged.
    """
    from evals.definition import read_definition

    return read_definition(frozen).encoders if frozen and frozen.is_file() else {}


def _image_set_folder(source: Path) -> Path:
    inside = source / IMAGES
    return inside if not (source / METADATA).exists() and (inside / METADATA).exists() else source


def _claim(out: Path, image_set: ImageSet) -> None:
    """Make the run folder, unless it already belongs to another image set."""
    for folder in (image_set.folder.resolve(), out.resolve()):
        try:
            str(folder).encode()
        except UnicodeEncodeError:
            raise ScoringError(f"{folder}: the path is not UTF-8 text, as the run's files are; rename it") from None
    if out.exists() and not out.is_dir():
        raise ScoringError(f"{out} is a file; give --out a folder")
    if image_set.folder.resolve() in (out.resolve(), *out.resolve().parents):
        raise ScoringError(f"{out} is in the image set itself; give --out another folder")
    before = image_set_of(out)
    if before is not None and before.resolve() != image_set.folder.resolve():
        raise ScoringError(f"{out} holds a run of another image set ({before.name}); give --out another folder")
    out.mkdir(parents=True, exist_ok=True)


def _refuse_changed(image_set: Path) -> None:
    if name := changed_file(image_set):
        raise ScoringError(
            f"{image_set / name} is not what it was when the pictures were generated; restore it (tables are made anew "
            f"by the command that generated them), or delete {image_set / CHECKSUMS} if the change is meant"
        )


@contextlib.contextmanager
def _only_writer(out: Path) -> Iterator[None]:
    """Keep a second run out of the folder while this one writes."""
    lock = filelock.FileLock(out / ".lock", blocking=False)
    try:
        with lock:
            clear_leftovers(out)
            yield
    except filelock.Timeout:
        raise ScoringError(f"another run is writing to {out}; wait for it, or give --out another folder") from None


def _bad_headers(image_set: ImageSet, progress: Progress) -> dict[ImageKey, Unreadable]:
    """Look at the header of every file before any model is loaded, so that a bad set is refused in seconds."""
    headers: dict[ImageKey, str | None] = {}
    for done, row in enumerate(image_set.rows, start=1):
        for key in picture_keys(row):
            if key not in headers:
                headers[key] = check_header(image_set.path(key.name))
        if done % 1000 == 0:
            progress("files", done, len(image_set.rows))
    return {key: Unreadable("unreadable_image", what) for key, what in headers.items() if what}


def _recorded_hashes(image_set: ImageSet) -> dict[ImageKey, Mapping[str, str]]:
    """Return the hashes that the rows give of their pictures; that of the file alone where both are given."""
    hashes: dict[ImageKey, Mapping[str, str]] = {}
    for row in image_set.rows:
        name = next((name for name in ("file_sha256", "pixel_sha256") if row.get(name)), None)
        if name:
            hashes[ImageKey("file", row["file_name"])] = {name: row[name]}
    return hashes


def _input_hashes(image_set: ImageSet, table: FeatureTable) -> dict[str, str | None]:
    """Return the hash of each file behind the tables: as it was decoded, else as it is now."""
    names = sorted(input_names(image_set.rows, image_set.folder))
    if image_set.copy:
        image_set.copy.fetch_files(name for name in names if not (table.hashes(name) or name.startswith("../")))
    return {name: table.hashes(name).get("file_sha256") or picture_sha256(image_set.path(name)) for name in names}


def _unreadable_rows(image_set: ImageSet, bad: Mapping[ImageKey, Unreadable]) -> list[dict[str, Any]]:
    """Return line and reason of every row of which a file is no image; an unclear mask is one."""
    damaged = {key: each.what for key, each in bad.items() if each.reason != "unclear_mask"}
    return _rows_with(image_set, damaged)


def _rows_with(image_set: ImageSet, notes: Mapping[ImageKey, str]) -> list[dict[str, Any]]:
    """Return line and reason of every row that names a file of which something is to be said."""
    keyed = ((n, key) for n, row in enumerate(image_set.rows) for key in picture_keys(row))
    named = {n: f"{key.name!r} {notes[key]}" for n, key in keyed if key in notes}
    return [{"row": image_set.line_numbers[n], "reason": what} for n, what in named.items()]


def _refuse(image_set: ImageSet, bad: Mapping[ImageKey, Unreadable]) -> None:
    remedy = "replace the file or take the row out, or go on without it with --skip-bad"
    problems = [Problem(row["row"], row["reason"], remedy) for row in _unreadable_rows(image_set, bad)]
    if problems:
        raise ImageSetError(image_set.folder, *problems)


def _long_prompts(rows: Sequence[Mapping[str, Any]], needs: Needs, table: FeatureTable) -> dict[str, Any] | None:
    """Return the share of prompts that were cut because they exceed the encoder's context."""
    prompts = {row["prompt"] for row in rows}
    embedded = [table.get(key) for key in needs.features if key.feature == "prompt" and key.inputs[0] in prompts]
    cut = [len(value["chunks"]) > 1 for value in embedded if not isinstance(value, Unreadable)]
    return {"share": sum(cut) / len(cut), "n": sum(cut), "of": len(cut)} if cut else None
