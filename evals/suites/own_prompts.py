"""Makes a suite of a team's own prompts: a text file, a table, or a suite that is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evals.files.yaml_files import sentence_of
from evals.imageset.columns import SampleColumns, check_columns
from evals.imageset.prompt_table import read_prompt_table
from evals.imageset.tables import Entry, slug
from evals.suites.suite import PromptItem, Suite, is_suite_file, read_suite

_FIELDS = frozenset(PromptItem.model_fields) - {"suite", "id", "source"}


def read_own_prompts(path: Path) -> tuple[Suite, list[str]]:
    """Return the suite of a file of prompts, named after the file, and the columns that no suite has a use for.

    The file is a suite (``.yaml``), a text with a prompt a line, or a table with ``prompt`` and any of the contract's
    columns. Prompts without ``prompt_id`` are numbered. Raises TableError (SuiteError is one), with file and line.
    """
    if is_suite_file(path):
        return read_suite(path), []
    name = slug(path.stem) or "prompts"
    entries = read_prompt_table(path, "prompt")
    digits = len(str(len(entries)))
    items: dict[str, PromptItem] = {}
    for number, entry in enumerate(entries, 1):
        item = _item(path, name, f"p{number:0{digits}}", entry)
        if item.id in items:
            raise entry.refuse(f"the prompt {item.id!r} was given before; give each its own prompt_id")
        items[item.id] = item
    unused = sorted({column for entry in entries for column in entry.values} - _FIELDS - {"prompt_id", "file_name"})
    suite = Suite(
        name=name,
        version=1,
        purpose=f"The {len(items)} prompts of {path.name}.",
        made=f"Read from {path.name}, not written for TwinLens.",
        limits="What these prompts can show is known to whoever wrote them.",
        items=tuple(items.values()),
    )
    return suite, unused


def _item(path: Path, suite: str, number: str, entry: Entry) -> PromptItem:
    if "prompt" not in entry.values:
        raise entry.refuse("it has no prompt; fill in that column")
    # The door of image sets knows every spelling of objects and relations.
    row = check_columns({"file_name": "-", "system": "-", **entry.values}, SampleColumns)
    if isinstance(row, str):
        raise entry.refuse(row)
    fields: dict[str, Any] = {key: row[key] for key in _FIELDS & entry.values.keys() if row.get(key) not in (None, [])}
    fields["relations"] = row.get("relations") or ()
    fields = {key: value for key, value in fields.items() if value != ()}
    try:
        return PromptItem.model_validate(
            {**fields, "id": row.get("prompt_id") or number}, context={"path": path, "suite": suite}
        )
    except ValidationError as problems:
        first = problems.errors(include_url=False)[0]
        steps = first["ctx"]["steps"] if first["type"] == "refused" else ()
        column = next((step for step in (*first["loc"], *steps) if isinstance(step, str)), "prompt")
        raise entry.refuse(f"column {column!r}: {sentence_of(first)}") from None
