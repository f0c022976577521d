"""The Ray engine: parts of what is needed are computed by workers of a cluster, or by processes of this machine.

Each worker runs the local engine on its part, with a cache of its own that comes back with what it found of the
pictures; measuring is done where the command was given, from the same features.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import pickle
import re
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.files.addresses import AddressError, download
from evals.imageset.contract import METADATA
from evals.imageset.decoding import check_header
from evals.imageset.imageset import file_sha256
from evals.scoring.decoders import Decoders, Unreadable
from evals.scoring.engine import FeatureTable
from evals.scoring.features import FeatureCache
from evals.scoring.needs import FeatureKey, Findings, Needs
from evals.scoring.parts import part_size, parts
from evals.scoring.plans import ImageKey
from metrics.encoders.catalogue import EncoderUnavailable, load_encoder


class ClusterError(ValueError):
    """The cluster cannot compute what is needed; the message is one sentence that says what to do."""


def check_installed() -> None:
    """Raise ClusterError if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise ClusterError("--engine ray needs Ray; install it with: make ray, or pip install 'twinlens[ray]'")


@dataclass(frozen=True)
class Job:
    """What every worker is told once: where the pictures are, and the weights and version of each encoder by name.

    ``place`` is an address, or a folder that every machine has at the same path.
    """

    place: str | Path
    metadata_sha256: str | None
    encoders: Mapping[str, tuple[str | None, str]]
    device: str


@dataclass(frozen=True)
class Part:
    """What is to be computed, and what is known of its pictures: which are none, and which hashes were recorded."""

    pictures: Sequence[ImageKey]
    features: Sequence[FeatureKey]
    unreadable: Mapping[ImageKey, Unreadable]
    recorded: Mapping[ImageKey, Mapping[str, str]]


@dataclass(frozen=True)
class Answer:
    """What came of a part: findings and features, or one sentence on why this worker can compute nothing."""

    n_pictures: int
    findings: Findings | None = None
    features: Mapping[str, bytes] | None = None
    refusal: str = ""


class Worker:
    """An actor: it loads the encoders once and computes one part after another."""

    def __init__(self, job: Job) -> None:
        """Load the encoders; what is wrong is told with the parts, as Ray would start an actor that fails for ever."""
        self.job = job
        self.encoders: dict[str, Any] = {}
        self.refusal = ""
        self.decoders = Decoders(1)
        try:
            for name, known in job.encoders.items():
                encoder = load_encoder(name, job.device)
                if (encoder.weights_sha256, encoder.version) != known:
                    raise EncoderUnavailable(f"{name} has other weights or another version than here")
                self.encoders[name] = encoder
        except EncoderUnavailable as error:
            self.refusal = f"{error}; install the same packages and weights on every machine"
        place = job.place
        if not self.refusal and isinstance(place, Path) and file_sha256(place / METADATA) != job.metadata_sha256:
            self.refusal = (
                f"{place} is not there, or is another image set; put the set on a disk that every machine has at "
                "the same path, or at an address such as s3://"
            )

    def __call__(self, batch: Mapping[str, Sequence[bytes]]) -> dict[str, list[bytes]]:
        """Compute each part of a batch of Ray Data."""
        return {"answer": [pickle.dumps(self._compute(pickle.loads(part))) for part in batch["part"]]}

    def _compute(self, part: Part) -> Answer:
        if self.refusal:
            return Answer(len(part.pictures), refusal=self.refusal)
        with (
            tempfile.TemporaryDirectory(prefix="twinlens-") as name,
            FeatureCache(Path(name, "cache")).closing() as cache,
        ):
            features = {key: self.encoders[key.encoder] for key in part.features}
            try:
                folder, unreadable = self._pictures(part, Path(name, "pictures"))
                table = FeatureTable(folder, cache, self.decoders, _silent, unreadable, part.recorded)
                table.fill(Needs(dict.fromkeys(part.pictures), features))
            except (AddressError, EncoderUnavailable, MemoryError) as error:
                return Answer(len(part.pictures), refusal=str(error) or "the memory does not suffice")
            shards = {name: lines for name, lines in cache.shards().items() if not name.startswith("files/")}
            return Answer(len(part.pictures), table.findings(), shards)

    def _pictures(self, part: Part, folder: Path) -> tuple[Path, Mapping[ImageKey, Unreadable]]:
        """Return where the pictures of a part are, and which are none; those at an address are fetched first."""
        if isinstance(self.job.place, Path):
            return self.job.place, part.unreadable
        names = {name for key in part.pictures for name in (*key.files, key.like) if name}
        download(self.job.place, sorted(names), folder)
        headers = {key: check_header(folder / key.name) for key in part.pictures if key.kind in ("file", "mask")}
        bad = {key: Unreadable("unreadable_image", what) for key, what in headers.items() if what}
        return folder, {**bad, **part.unreadable}


def fill(table: FeatureTable, needs: Needs, device: str = "auto", workers: int | None = None) -> None:
    """Compute every feature that is needed and not yet stored, on the cluster at ``RAY_ADDRESS`` or on this machine.

    What a part gave is in the cache before the next one is waited for. A worker that is lost is started anew, and its
    part is given to one again.

    Raises
    ------
    ClusterError
        If Ray is not installed, the cluster cannot be reached, or a worker cannot compute.
    """
    missing = table.missing(needs)
    if not (missing.pictures or missing.features):
        return
    place = table.copy.address if table.copy else table.folder.resolve()
    encoders = {each.name: (each.weights_sha256, each.version) for each in missing.features.values()}
    job = Job(place, file_sha256(table.folder / METADATA), encoders, device)
    done, total = 0, len({*missing.pictures, *(each for key in missing.features for each in key.pictures)})
    table.progress("images", done, total)
    with _ray(workers) as ray:
        size, resources = _workers(ray.cluster_resources(), device, workers)
        rows = [_part_of(table, part) for part in parts(missing, part_size(total, size))]
        total = sum(len(part.pictures) for part in rows)
        dataset = ray.data.from_items(
            [{"part": pickle.dumps(part)} for part in rows], override_num_blocks=len(rows)
        ).map_batches(
            Worker,
            fn_constructor_args=(job,),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(size, len(rows))),
            **resources,
        )
        for batch in dataset.iter_batches(batch_size=None):
            for answer in map(pickle.loads, batch["answer"]):
                if answer.refusal:
                    raise ClusterError(f"a worker of the cluster cannot compute: {answer.refusal}")
                table.cache.append(answer.features)
                table.add(answer.findings)
                table.cache.flush()
                done += answer.n_pictures
                table.progress("images", done, total)


def _part_of(table: FeatureTable, part: Needs) -> Part:
    unreadable = {key: table.unreadable[key] for key in part.pictures if key in table.unreadable}
    recorded = {key: table.recorded[key] for key in part.pictures if key in table.recorded}
    return Part(tuple(part.pictures), tuple(part.features), unreadable, recorded)


def _workers(cluster: Mapping[str, float], device: str, workers: int | None) -> tuple[int, dict[str, float]]:
    """Return how many workers there are, and what each of them has for itself: a GPU where there is one, else a core.

    Examples
    --------
    >>> _workers({"CPU": 16.0}, "auto", None), _workers({"CPU": 16.0, "GPU": 2.0}, "auto", None)
    ((16, {'num_cpus': 1}), (2, {'num_cpus': 1, 'num_gpus': 1}))
    """
    gpus = 0 if device == "cpu" else int(cluster.get("GPU", 0))
    if gpus or device == "cuda":
        return workers or gpus or 1, {"num_cpus": 1, "num_gpus": 1}
    return workers or max(1, int(cluster.get("CPU", 1))), {"num_cpus": 1}


@contextlib.contextmanager
def _ray(workers: int | None) -> Iterator[Any]:
    """Connect to the cluster at ``RAY_ADDRESS``, or start Ray here; a Ray that the caller has started is used as it is.

    Ray reports to nobody, has no dashboard, and writes to its log files alone.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    import ray.data

    logging.getLogger("ray").setLevel(logging.ERROR)
    ray_data = logging.getLogger("ray.data")
    ray_data.handlers = [each for each in ray_data.handlers if not isinstance(each, logging.StreamHandler)]
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    is_ours, address = not ray.is_initialized(), os.environ.get("RAY_ADDRESS")
    try:
        if is_ours:
            here = {} if address else {"address": "local", "include_dashboard": False, "num_cpus": workers}
            _check_reachable(address or "")
            with _python_alone_on_stderr():
                ray.init(configure_logging=False, log_to_driver=False, **here)
        yield ray
    except (ConnectionError, ray.exceptions.RaySystemError, ray.exceptions.RayActorError) as error:
        first = str(error).strip().partition("\n")[0]
        remedy = "look at RAY_ADDRESS, and set RAY_AUTH_MODE=token where the cluster asks for a token"
        raise ClusterError(f"the Ray cluster cannot be used ({first}); {remedy}") from error
    finally:
        if is_ours:
            ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise ConnectionError if nobody answers at HOST:PORT: Ray itself would try for minutes."""
    if match := re.fullmatch(r"(?:ray://)?\[?([^/]+?)\]?:(\d+)", address):
        try:
            socket.create_connection((match[1], int(match[2])), timeout=10).close()
        except OSError as error:
            raise ConnectionError(f"{address}: {error.strerror or error}") from error


@contextlib.contextmanager
def _python_alone_on_stderr() -> Iterator[None]:
    """Keep what compiled libraries write to standard error from the terminal; what Python writes goes there."""
    try:
        is_terminal = sys.stderr.fileno() == 2
    except (AttributeError, OSError):  # a notebook's, a test's
        is_terminal = False
    if not is_terminal:
        yield
        return
    python_stderr, terminal = sys.stderr, os.dup(2)
    with open(terminal, "w", encoding=python_stderr.encoding, errors="replace") as sys.stderr:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            sys.stderr = python_stderr


def _silent(label: str, done: int, total: int) -> None:
    """Show nothing: the progress of a worker is that of its parts."""
