"""The files of a scored run, read as pandas tables for notebooks, ratings and reports."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.files.addresses import FolderCopy, copies_folder, copy_path, is_address, path_or_address
from evals.files.regular_files import LARGEST_TABLE, path_inside, read_regular
from evals.imageset.checksums import eval_of
from evals.imageset.contract import EVAL, FILE_MISSING, IMAGES, METADATA, PROVENANCE, REQUESTS, SAMPLES, SCORES, SUITES
from evals.imageset.imageset import file_sha256, picture_sha256
from evals.imageset.prompts import id_of_prompt
from evals.imageset.remote import copy_of_run, copy_of_set

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from evals.definition import EvalDefinition


_SEAL = "sha256"
_LARGEST_VALUE = 1e15
"""No metric has such values; what is infinite or overflows when it is squared was never measured."""
_PROVENANCE_FIELDS = {"image_set", "encoders", "unreadable", "long_prompts", "files"}
_IMAGE_SET_FIELDS = {"path", "name", "scored_rows", "skipped"}
_MOST_ROWS = 100_000_000
"""A hundred measurements of a million pictures; equal rows take no room in the file, whatever they take in memory."""
_SCORE_COLUMNS = {"system", "suite", "prompt_id", "subject", "metric", "control", "value", "reason"}
_SCORE_TYPES = {
    **dict.fromkeys(_SCORE_COLUMNS | {"sequence_id", "encoder", "weights_sha256", "details"}, "(large_)?string|null"),
    **dict.fromkeys(("seed", "repeat", "metric_version"), "u?int64|null"),
    **{"subject": r"list<\w+: string>", "value": "double|null"},
}
"""What pyarrow calls the types that the columns may have."""


class RunError(ValueError):
    """The folder is not a scored run; the message is one sentence that says what to do."""


class Run:
    """A run folder, each of its tables read once when first asked for.

    Attributes
    ----------
    path
        The folder; of a run at an address its copy on this machine.
    """

    def __init__(self, path: str | Path) -> None:
        """Check that the folder holds a scored run.

        Raises
        ------
        RunError
            If it does not.
        """
        place = path_or_address(path)
        self.path = place if isinstance(place, Path) else copy_of_run(place).path
        if not self.path.exists():
            raise RunError(f"{self.path}: no such folder; write the run folder that 'twinlens score' or 'run' made")
        if (self.path / METADATA).is_file():
            raise RunError(f"{self.path} is an image set, no scored run; score it with: twinlens score {self.path}")
        for name in (PROVENANCE, SAMPLES, SCORES):
            if not (self.path / name).is_file():
                remedy = f"make one with: twinlens score IMAGESET --out {self.path}"
                raise RunError(f"{self.path} is not a scored run ({name} is missing); {remedy}")

    @functools.cached_property
    def provenance(self) -> dict[str, Any]:
        """Where the numbers come from: image set, encoders, versions, machine, the hashes of all files."""
        with _damage(self.path / PROVENANCE):
            record: dict[str, Any] = json.loads(read_regular(self.path / PROVENANCE))
            if not is_sealed(record):
                raise ValueError
            _check_fields(record, _PROVENANCE_FIELDS)
            _check_fields(record["image_set"], _IMAGE_SET_FIELDS)
        return record

    @functools.cached_property
    def samples(self) -> pd.DataFrame:
        """The rows of the image set, one a sample, indexed by ``sample_id``."""
        self._check(SAMPLES)
        with _damage(self.path / SAMPLES):
            text = read_regular(self.path / SAMPLES, LARGEST_TABLE).decode()
            rows = [_sample(json.loads(line)) for line in text.split("\n") if line.strip()]
            table = table_of(rows).set_index("sample_id", drop=False)
            if not table.index.is_unique:
                raise ValueError
            return table

    @functools.cached_property
    def scores(self) -> pd.DataFrame:
        """The score table, one measurement a row, ``details`` as dicts."""
        return self.read_scores()

    @functools.cached_property
    def requests(self) -> pd.DataFrame | None:
        """The requests behind the image set, one a row, None where the set does not tell them.

        A picture's ``width`` and ``height`` are added where it was scored, to each row whether its system was
        ``simulated`` (not, where the set does not say), and the ``prompt_id`` that the image set gives a prompt without
        one. A request that ended ``ok`` and whose picture is not in the set failed (``file_missing``): what happened to
        the picture nobody knows, and leaving bad ones out must not pay.
        """
        from evals.imageset.imageset import read_requests

        self._check(REQUESTS)
        rows = read_requests(self.image_set)
        if rows is None:
            return None
        table = table_of(_without_pictures([_with_prompt_id(row) for row in rows], self.samples))
        if not rows:
            return table
        table["simulated"] = table["simulated"].eq(True) if "simulated" in table else False
        if "sample_id" in table:
            for side in {"width", "height"} & set(self.samples):
                table[side] = table["sample_id"].map(self.samples[side])
        return table

    @functools.cached_property
    def definition(self) -> EvalDefinition | None:
        """The eval that the pictures were asked for, as it was frozen; None for a set that was brought.

        A run stays readable when suites and metrics of its time are gone; its stars are then those of no eval.
        """
        from evals.definition import DefinitionError, read_definition
        from evals.facts.sources import FactsError
        from evals.suites.suite import SuiteError

        if (frozen := eval_of(self.image_set)) is None:
            return None
        self._check(EVAL)
        with contextlib.suppress(DefinitionError, SuiteError, FactsError):
            return read_definition(frozen)
        return None

    @property
    def image_set(self) -> Path:
        """The folder of the image set that was scored: in the run, wherever that was moved to, or where it lay.

        Of a set at an address it is the copy on this machine, which holds what was fetched.
        """
        return self.copy.path if self.copy else _image_set_in(self.path, self.provenance)

    @functools.cached_property
    def copy(self) -> FolderCopy | None:
        """What the folder of the image set is a copy of, None where the set is on this machine."""
        address = self.provenance["image_set"]["path"]
        if not is_address(address) or _image_set_in(self.path, self.provenance) != copy_path(address):
            return None
        # The tables are held against their hashes in any case, so what is here needs no network.
        if (copy_path(address) / METADATA).is_file():
            return FolderCopy(address)
        # A run that somebody sent may name any address: none is asked but the storage that the run itself came from.
        return copy_of_set(address) if _is_in_storage_of(self.path, copy_path(address)) else None

    def fetch(self, names: Iterable[str]) -> None:
        """Bring pictures of a set at an address to this machine; of any other set they are where they are."""
        if self.copy:
            self.copy.fetch_files(names)

    def read_scores(self, with_details: bool = True) -> pd.DataFrame:
        """Read the score table anew, ``details`` parsed to dicts or, where nobody looks at them, left on disk."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        path = self.path / SCORES
        self._check(SCORES)
        with _damage(path, pa.ArrowException):
            if pq.read_metadata(path).num_rows > _MOST_ROWS:
                raise ValueError
            columns = pq.read_schema(path)
            _check_types(columns)
            wanted = [name for name in columns.names if with_details or name != "details"]
            # A whole number stays one beside a null, and beyond 2**53.
            whole = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}
            stored = pq.read_table(path, columns=wanted)
            lengths = pc.list_value_length(stored["subject"])
            if stored["metric"].null_count or lengths.null_count or pc.any(pc.equal(lengths, 0)).as_py():
                raise ValueError
            if pc.any(pc.greater(pc.abs(stored["value"]), _LARGEST_VALUE)).as_py():
                raise ValueError
            table: pd.DataFrame = stored.to_pandas(types_mapper=whole.get)
            if not with_details:
                return table
            table["details"] = [json.loads(text) if isinstance(text, str) else {} for text in table["details"]]
            if not all(isinstance(details, dict) for details in table["details"]):
                raise ValueError
            return table

    def changed_files(self) -> dict[str, Path]:
        """Return the files of the run, by name, that are not what they were when it was scored."""
        recorded: dict[str, str | None] = self.provenance["files"]
        files = run_files(self.path, self.image_set)
        return {name: path for name, path in files.items() if file_sha256(path) != recorded.get(name)}

    def _check(self, name: str) -> None:
        """Refuse a file that somebody, or a failing disk, has changed since: its numbers were never measured."""
        path = run_files(self.path, self.image_set)[name]
        if file_sha256(path) != self.provenance["files"].get(name):
            recorded = self.provenance["image_set"]["path"]
            image_set = recorded if is_address(recorded) else self.image_set
            remedy = f"put it back, or score again: twinlens score {image_set} --out {self.path}"
            raise RunError(f"{path} is not what it was when the run was scored; {remedy}")

    def image_path(self, sample_id: str) -> Path | None:
        """Return where a sample's image lies, None if it is not there any more.

        A run that somebody sent may name any file of this machine: none is shown that leads out of the image set, and
        of a set outside the run none but the one whose hash was recorded.
        """
        row = self.samples.loc[sample_id]
        path = self._file(str(row["file_name"]))
        is_known = path is not None and (self._holds_pictures or picture_sha256(path) == row.get("file_sha256"))
        return path if is_known else None

    def source_path(self, name: str) -> Path | None:
        """Return where a picture lies that was sent along, None if it is not there any more.

        Its own hash is not recorded, so that of a set outside the run only one is shown that has the scored table.
        """
        table = self.provenance["files"].get(METADATA)
        is_known = self._holds_pictures or (table is not None and file_sha256(self.image_set / METADATA) == table)
        return self._file(name) if is_known else None

    @property
    def _holds_pictures(self) -> bool:
        return self.image_set.resolve().parent == self.path.resolve()

    def _file(self, name: str) -> Path | None:
        with contextlib.suppress(OSError):
            path = path_inside(self.image_set, name)
            if not path.is_file():
                self.fetch([name])
            return path if path.is_file() else None
        return None


def run_files(folder: Path, image_set: Path) -> dict[str, Path]:
    """Return the files that say what was asked and measured, by name; not each of them need be there."""
    frozen = eval_of(image_set)
    suites = sorted((frozen.parent / SUITES).glob("*.yaml")) if frozen and frozen.is_file() else []
    return {
        SCORES: folder / SCORES,
        SAMPLES: folder / SAMPLES,
        **({EVAL: frozen} if frozen else {}),
        **{f"{SUITES}/{path.name}": path for path in suites},
        REQUESTS: image_set / REQUESTS,
        METADATA: image_set / METADATA,
    }


def sealed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record of JSON types with the hash of all that it says, which `is_sealed` checks."""
    return {**record, _SEAL: _digest(record)}


def is_sealed(record: Any) -> bool:
    """Return whether a record says what it said when it was sealed.

    Examples
    --------
    >>> record = sealed({"mean": 0.5})
    >>> is_sealed(record), is_sealed(record | {"mean": 0.6})
    (True, False)
    """
    return isinstance(record, dict) and record.get(_SEAL) == _digest({k: v for k, v in record.items() if k != _SEAL})


def _digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def table_of(rows: Sequence[Mapping[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    """Return rows as a table in which columns of whole numbers stay so, whatever is missing (``Int64``, ``UInt64``)."""
    import pandas as pd

    table = pd.DataFrame(rows, columns=columns)
    for column in map(str, table):
        values = [row.get(column) for row in rows]
        numbers = [value for value in values if value is not None]
        if numbers and all(type(value) is int for value in numbers):
            table[column] = pd.array(values, dtype="UInt64" if max(numbers) >= 2**63 else "Int64")
    return table


def _sample(row: Any) -> dict[str, Any]:
    """Return a row of a run's samples; ValueError if it is none: a run that somebody sent has any hashes, too."""
    from evals.imageset.columns import SampleColumns, check_columns

    checked = check_columns(row, SampleColumns) if isinstance(row, dict) else "no object"
    if isinstance(checked, str):
        raise ValueError(checked)
    return checked


def _check_fields(record: Any, names: set[str]) -> None:
    missing = names - record.keys() if isinstance(record, dict) else names
    if missing:
        raise KeyError(*sorted(missing))


def _check_types(columns: pa.Schema) -> None:
    """Raise KeyError or TypeError if a score table lacks a column, or one of them is of another type."""
    _check_fields(dict.fromkeys(columns.names), _SCORE_COLUMNS)
    for name, kind in _SCORE_TYPES.items():
        if name in columns.names and not re.fullmatch(kind, str(columns.field(name).type)):
            raise TypeError(name)


def _with_prompt_id(row: dict[str, Any]) -> dict[str, Any]:
    """Return a request under the ``prompt_id`` that its picture has, or would have, in the image set."""
    if row.get("prompt_id") or not row.get("prompt"):
        return row
    return row | {"prompt_id": id_of_prompt(row["prompt"])}


def _without_pictures(requests: Sequence[dict[str, Any]], samples: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the requests, those failed that say ok where the set has no picture of them.

    They are told by ``sample_id``, or else by how many pictures the system has for the prompt.
    """
    keyed = {"system", "prompt_id"} <= set(samples)
    left = Counter(zip(samples["system"], samples["prompt_id"], strict=True)) if keyed else Counter()
    rows = []
    for row in requests:
        if row["outcome"] == "ok":
            key = (row["system"], row.get("prompt_id"))
            is_there = (
                row["sample_id"] in samples.index
                if row.get("sample_id")
                else not keyed or key[1] is None or left[key] > 0
            )
            left[key] -= 1
            if not is_there:
                row = row | {"outcome": "failed", "reason": FILE_MISSING}
        rows.append(row)
    return rows


def image_set_of(folder: Path) -> Path | None:
    """Return the image set that a run folder was scored from, None if the folder does not tell."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        return _image_set_in(folder, json.loads(read_regular(folder / PROVENANCE)))
    return None


def _image_set_in(folder: Path, record: Mapping[str, Any]) -> Path:
    if is_address(record["image_set"]["path"]):
        recorded = copy_path(record["image_set"]["path"])
    else:
        recorded = Path(record["image_set"]["path"])
    # Runs of older versions do not tell whether the set was theirs; its name does.
    in_run = record["image_set"].get("path_in_run", recorded.name) == IMAGES
    return (folder / IMAGES).resolve() if in_run and (folder / IMAGES).is_dir() else recorded


def _is_in_storage_of(run: Path, copy: Path) -> bool:
    """Tell whether a run is the copy of one in the bucket, or on the host, that a folder is the copy of."""
    root = copies_folder()
    return run.is_relative_to(root) and run.relative_to(root).parts[:2] == copy.relative_to(root).parts[:2]


@contextlib.contextmanager
def _damage(path: Path, *more: type[Exception]) -> Iterator[None]:
    """Say in one sentence that a file of the run is not what was written."""
    damage: tuple[type[Exception], ...] = (ValueError, KeyError, TypeError, RecursionError, *more)
    try:
        yield
    except damage as error:
        remedy = "score the image set again with the same --out; what was computed is still there"
        raise RunError(f"{path} is damaged ({type(error).__name__}); {remedy}") from error
