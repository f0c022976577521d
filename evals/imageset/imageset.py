"""The image-set format: a folder that Hugging Face's imagefolder loader opens as it is; read, write and check it."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.files.addresses import FolderCopy
from evals.files.atomic_files import clear_leftovers, write_atomically
from evals.files.regular_files import LARGEST_FILE, LARGEST_TABLE, open_regular, read_regular
from evals.imageset.columns import Columns, RequestColumns, SampleColumns, check_columns
from evals.imageset.contract import IMAGES, METADATA, REQUESTS, Outcome
from evals.imageset.prompts import id_of_prompt
from evals.imageset.tables import without_repetition
from evals.imageset.validation import (
    FolderIndex,
    ListedFolder,
    Problem,
    loader_warnings,
    mixed_columns,
    path_problem,
    unholdable_seeds,
)

if TYPE_CHECKING:
    import PIL.Image


_ROWS = "write one JSON object a line with file_name, system and prompt"
_DEEPEST = 50

MOST_SYSTEMS = 200
"""Every two of them are compared in every metric; many more are another column taken for the systems."""


class ImageSetError(ValueError):
    """The image set was refused. ``problems`` holds each of them, the message the first and how many more."""

    def __init__(self, folder: Path, *problems: Problem) -> None:
        """Keep the problems and make the one-line message."""
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        where = "" if problems[0].file == str(folder) else f"{folder.name or folder}: "
        super().__init__(f"{where}{problems[0]}{more}")


@dataclass(frozen=True)
class ImageSet:
    """An image set that was read and found good.

    ``folder / row["file_name"]`` is an image. In ``rows``, one dict a sample, ``sample_id``, ``suite`` and
    ``prompt_id`` are always there, the other columns where given; ``line_numbers`` are the lines of ``metadata.jsonl``
    that they stand on, counted from 1. ``skipped`` is what was left out, if leaving out was allowed; ``warnings`` are
    sentences about what works here but trips other loaders. ``outcomes`` is how many requests of each system ended
    without an image, by outcome, as ``requests.jsonl`` tells (if there is one): no row of the set speaks of them.
    ``copy`` tells that ``folder`` is the copy of an address: it holds the pictures that were fetched.
    """

    folder: Path
    rows: list[dict[str, Any]]
    line_numbers: list[int]
    skipped: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    outcomes: dict[str, dict[Outcome, int]] = field(default_factory=dict)
    copy: FolderCopy | None = None

    def path(self, file_name: str) -> Path:
        """Return the path of a file of the set."""
        return self.folder / file_name


def read_image_set(folder: str | Path | FolderCopy, skip_bad: bool = False) -> ImageSet:
    """Read ``metadata.jsonl`` and check every row, without opening an image.

    Of a set at an address the copy is given; its pictures need not be there. With ``skip_bad``, bad rows are left out
    and listed in ``skipped`` instead of refusing the whole set. Raises ImageSetError if there is no image set, or a row
    is bad and ``skip_bad`` is false, or no good row is left.
    """
    copy = folder if isinstance(folder, FolderCopy) else None
    folder = Path(folder.path if isinstance(folder, FolderCopy) else folder)
    parsed, problems = _read_rows(folder, METADATA, SampleColumns)
    mixed = [*mixed_columns(parsed), *unholdable_seeds(parsed)]
    bad = {problem.row for problem in mixed}
    problems += mixed
    files = ListedFolder(copy) if copy else FolderIndex(folder)
    seen_files: dict[str, int] = {}
    seen_keys: dict[tuple[Any, ...], int] = {}
    seen_ids: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    line_numbers: list[int] = []
    for number, row in parsed:
        if number in bad:
            continue
        problem = (
            path_problem(number, row, files)
            or _repeated(number, row["file_name"], seen_files, "file", "give every sample its own file")
            or _repeated(
                number,
                _sample_key(row),
                seen_keys,
                "(system, prompt, seed, repeat, shot)",
                "number the samples in a repeat column (0, 1, 2 ...)",
            )
        )
        row = _completed(row)
        problem = problem or _repeated(number, row["sample_id"], seen_ids, "sample_id", "make it unique in the set")
        if problem:
            problems.append(problem)
        else:
            rows.append(row)
            line_numbers.append(number)
    problems.sort(key=lambda problem: problem.row or 0)
    if problems and not skip_bad:
        raise ImageSetError(folder, *problems)
    if not rows:
        raise ImageSetError(folder, *(problems or [Problem(None, "holds no usable row", _ROWS)]))
    requests = read_requests(folder) or ()
    for name, listed in ((METADATA, rows), (REQUESTS, requests)):
        if (n_systems := len({row["system"] for row in listed})) > MOST_SYSTEMS:
            what = f"column 'system' names {n_systems:,} systems and at most {MOST_SYSTEMS} can be compared"
            raise ImageSetError(folder, Problem(None, what, "look whether it is the right column", name))
    outcomes = _outcomes(requests)
    return ImageSet(folder, rows, line_numbers, problems, loader_warnings(rows), outcomes, copy)


def read_requests(folder: Path) -> list[dict[str, Any]] | None:
    """Return the rows of ``requests.jsonl``, None where the image set has none.

    Raises ImageSetError if a row is bad: one that was left out might be a refusal, which would then help its system.
    """
    if not (folder / REQUESTS).is_file():
        return None
    rows, problems = _read_rows(folder, REQUESTS, RequestColumns)
    problems += unholdable_seeds(rows, REQUESTS)
    if problems:
        raise ImageSetError(folder, *problems)
    return [row for _, row in rows]


def write_image_set(
    folder: str | Path,
    samples: Iterable[tuple[PIL.Image.Image | bytes, Mapping[str, Any]]],
    on_bad: Callable[[Mapping[str, Any], str], None] | None = None,
) -> Path:
    """Write images and their rows as an image set and return the folder.

    A picture is stored losslessly as PNG, bytes are stored untouched under the extension of their real format. Files
    are named by content, so that no name tells the system or reads as a split; equal content gets a running number.
    Columns that are null in every row are left out; all rows get the same columns. ``metadata.jsonl`` appears only when
    everything else is on disk. ``on_bad`` is called with the row of what is no picture, and what it is; the row is left
    out. Raises ImageSetError if the folder already holds an image set, the rows would be refused on reading, or bytes
    are no picture and there is no ``on_bad``.
    """
    from evals.imageset.decoding import UnreadableImage, file_suffix, open_whole_picture, pixel_sha256, upright_rgb

    folder = Path(folder)
    if (folder / METADATA).exists():
        remedy = "choose a new folder, an image set is never overwritten"
        raise ImageSetError(folder, Problem(None, "already exists", remedy))
    images = folder / IMAGES
    images.mkdir(parents=True, exist_ok=True)
    for written in (folder, images):
        clear_leftovers(written)
    uses: Counter[str] = Counter()
    rows: list[dict[str, Any]] = []
    for picture, row in samples:
        content = picture if isinstance(picture, bytes) else _as_png(picture)
        digest = hashlib.sha256(content).hexdigest()
        uses[digest] += 1
        try:
            with open_whole_picture(content) as opened:
                suffix = file_suffix(opened)
                pixels = upright_rgb(opened)
        except UnreadableImage as error:
            if on_bad is None:
                problem = Problem(len(rows) + 1, str(error), "give the bytes of an image file")
                raise ImageSetError(folder, problem) from None
            on_bad(row, str(error))
            continue
        copy = f"-{uses[digest]}" if uses[digest] > 1 else ""
        name = f"{IMAGES}/{digest[:24]}{copy}.{suffix}"
        write_atomically(folder / name, content)
        facts = {
            "file_name": name,
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "file_sha256": digest,
            "pixel_sha256": pixel_sha256(pixels),
        }
        rows.append({**row, **facts})
    write_metadata(folder, rows)
    return read_image_set(folder).folder


def write_metadata(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write ``metadata.jsonl``: the same columns in every row, those that are null in all of them left out."""
    rows = list(rows)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    columns = [column for column in columns if any(row.get(column) is not None for row in rows)]
    lines = [json.dumps({column: row.get(column) for column in columns}, ensure_ascii=False) for row in rows]
    write_atomically(folder / METADATA, ("\n".join(lines) + "\n").encode())


def file_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file as 64 hex digits, None if no regular file is there."""
    if not path.is_file():
        return None
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def picture_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a picture's file, None too if it is too large to be opened."""
    return file_sha256(path) if path.is_file() and path.stat().st_size <= LARGEST_FILE else None


def _as_png(picture: PIL.Image.Image) -> bytes:
    import PIL.Image
    import PIL.ImageOps

    from evals.imageset.decoding import upright_rgb

    upright = PIL.ImageOps.exif_transpose(picture)
    if upright.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        upright = PIL.Image.fromarray(upright_rgb(upright))
    buffer = io.BytesIO()
    upright.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def _read_rows(
    folder: Path, name: str, columns: type[Columns]
) -> tuple[list[tuple[int, dict[str, Any]]], list[Problem]]:
    """Return the rows of a file in which every line is a JSON object, with their line numbers, and what is wrong."""
    if not folder.is_dir():
        raise ImageSetError(folder, Problem(None, "there is no folder of that name", "check the path", str(folder)))
    try:
        text = read_regular(folder / name, LARGEST_TABLE).decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        raise ImageSetError(folder, Problem(None, "does not exist", _ROWS, name)) from None
    except UnicodeDecodeError:
        raise ImageSetError(folder, Problem(None, "is not UTF-8 text", "save it as UTF-8", name)) from None
    rows: list[tuple[int, dict[str, Any]]] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        row = _parse(line)
        checked = check_columns(row, columns) if isinstance(row, dict) else row
        if isinstance(checked, dict):
            rows.append((number, checked))
        else:
            problems.append(Problem.of(number, checked, name))
    return rows, problems


def _parse(line: str) -> dict[str, Any] | str:
    """Return the JSON object of a line, or in one sentence why there is none."""
    one_object = "write one JSON object a line"
    try:
        row = json.loads(
            line, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=without_repetition
        )
        if "\\u" in line:
            json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "holds half a character (a lone surrogate); write the text as UTF-8"
    except (ValueError, RecursionError) as error:
        return f"is not valid JSON ({error}); {one_object}"
    if not isinstance(row, dict):
        return f"is not a JSON object; {one_object}"
    if line.count("[") + line.count("{") > _DEEPEST and _is_deep(row):
        return f"is nested more than {_DEEPEST} levels deep; write it flat"
    return row


def _is_deep(row: dict[str, Any]) -> bool:
    level: list[Any] = [row]
    for _ in range(_DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _outcomes(requests: Iterable[Mapping[str, Any]]) -> dict[str, dict[Outcome, int]]:
    """Count the requests that did not end ``ok``."""
    counts: dict[str, Counter[Outcome]] = {}
    for row in requests:
        if row["outcome"] != "ok":
            counts.setdefault(row["system"], Counter())[row["outcome"]] += 1
    return {system: dict(sorted(of_system.items())) for system, of_system in sorted(counts.items())}


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond any number")
    return number


def _repeated(number: int, key: Any, seen: dict[Any, int], what: str, remedy: str) -> Problem | None:
    first = seen.setdefault(key, number)
    return None if first == number else Problem(number, f"repeats the {what} of row {first}", remedy)


def _sample_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    prompt = row.get("prompt_id") or row["prompt"]
    rest = ("seed", "repeat", "sequence_id", "shot")
    return (row["system"], row.get("suite"), prompt, *(row.get(column) for column in rest))


def _completed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in what every later stage relies on: suite, prompt_id and sample_id."""
    filled = dict(row)
    filled["suite"] = row.get("suite") or "default"
    filled["prompt_id"] = row.get("prompt_id") or id_of_prompt(str(row.get("prompt")))
    key = json.dumps([row.get("file_name"), row.get("system")], ensure_ascii=False)
    filled["sample_id"] = row.get("sample_id") or "s" + hashlib.sha256(key.encode()).hexdigest()[:15]
    return filled
