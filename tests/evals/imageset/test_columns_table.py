"""The table of columns in the README: every column once, examples that pass the door, metrics as in the catalogue."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

import evals.imageset
from evals.imageset.columns import SampleColumns, check_columns
from evals.imageset.prompt_table import BOOLEANS, LISTS, NUMBERS, OBJECTS
from metrics.catalogue import METRICS

README = Path(evals.imageset.__file__).with_name("README.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in README.partition("## Columns")[2].splitlines()
    if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("|").split(" | ")])
}
TYPES = {
    "text": str,
    "true or false": bool,
    "whole number": int,
    "number": float,
    "object": dict,
    "list of texts": list,
    "list of objects": list,
    "text or list of texts": list,
}


def test_every_column_stands_there_once_and_no_other():
    assert sorted(ROWS) == sorted(SampleColumns.model_fields)
    assert README.count("\n| `") == len(ROWS)


@pytest.mark.parametrize("column", ROWS)
def test_an_example_is_of_the_columns_type_and_passes_the_door_and_another_type_does_not(column):
    kind, _, example, _ = ROWS[column]
    value = json.loads(example.strip("`"))
    assert type(value) is TYPES[kind]
    row = {"file_name": "a.png", "system": "a", "prompt": "b", "objects": [{"name": "cup"}, {"name": "bowl"}]}
    assert isinstance(check_columns(row | {column: value}, SampleColumns), dict)
    wrong = check_columns(row | {column: {"no": "such"} if kind != "object" else 5}, SampleColumns)
    assert isinstance(wrong, str)
    assert f"column {column!r}" in wrong


@pytest.mark.parametrize("column", ROWS)
def test_the_metrics_that_a_column_opens_are_those_of_the_catalogue(column):
    patterns = [name for name in re.findall(r"`([^`]+)`", ROWS[column][3]) if "." in name]
    listed = {spec.id for spec in METRICS for pattern in patterns if fnmatch.fnmatch(spec.id, pattern)}
    column_of = "excludes" if column == "prompt_is_file_name" else "columns"
    assert listed == {spec.id for spec in METRICS if column in getattr(spec, column_of)}


def test_a_csv_knows_the_type_of_every_column():
    types = {
        **dict.fromkeys(LISTS, ("list of texts", "list of objects", "text or list of texts")),
        **dict.fromkeys(OBJECTS, ("object", "list of objects")),
        **dict.fromkeys(NUMBERS, ("number", "whole number")),
        **dict.fromkeys(BOOLEANS, ("true or false",)),
    }
    assert all(ROWS[column][0] in types.get(column, ("text",)) for column in ROWS)
