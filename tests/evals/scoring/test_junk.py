"""Junk in a column is refused in a sentence or measured as it is understood; it never ends in anything else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evals.imageset.columns import RequestColumns, SampleColumns
from evals.imageset.imageset import ImageSet, ImageSetError, read_image_set
from evals.run import table_of
from evals.scoring.decoders import Unreadable
from evals.scoring.encoders import Encoders
from evals.scoring.measuring import collect_needs, measure
from evals.scoring.stage import select_metrics
from evals.scoring.subjects import plan_subjects
from evals.scoring.table import schema
from metrics.catalogue import metric
from metrics.features import FEATURES

WORDS = [
    *("name", "class", "colour", "count", "position", "first", "relation", "second", "cup", "left", "right of", "red"),
    *("#c12", "recolour", "picture", "ok", "images/0.png", "images/2.png"),
]

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**53 + 1, 2**63, 2**64 - 1, 2**64, -(2**63) - 1, 10**400]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=4),
    st.sampled_from(WORDS),
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
COLUMNS = st.sampled_from(sorted(SampleColumns.model_fields))
FILLED_IN = {"system": "a", "seed": 1, "repeat": 0, "sequence_id": "s", "palette": ["#c8102e"], "expected_text": "OPEN",
             "objects": [{"name": "cup", "colour": "red"}], "caption": "a cup"}  # fmt: skip


class Stub:
    """An encoder of every role, of which only the name is looked at."""

    name, licence, weights_sha256, version = "stub:any", "none", None, "1"
    scripts, characters = frozenset({"Latin"}), frozenset[str]()


CANNED: dict[str, Any] = {
    "palette": [{"lab": [50.0, 60.0, 30.0], "hex": "#c8102e", "share": 1.0}],
    "detections": [{"phrase": "cup", "score": 0.9, "box": [0.1, 0.1, 0.4, 0.4],
                    "colour": {"name": "red", "rgb": [200.0, 16.0, 46.0], "share": 1.0}}],
    "ocr": [{"text": "OPEN", "score": 0.9, "box": [[0, 0], [9, 0], [9, 9], [0, 9]]}],
    "clip_image": np.array([1.0, 0.0], np.float32),
    "prompt": {"chunks": np.array([[0.6, 0.8]], np.float32), "clauses": ["x"], "n_tokens": 3},
}  # fmt: skip
"""What encoders would say of any picture and text."""


class CannedFeatures:
    def get(self, key: Any) -> Any:
        return CANNED.get(key.feature, Unreadable("encoder_failed", "it is not among those canned"))

    def decoys(self, feature: str, encoder: Any, texts: tuple[str, ...]) -> dict[str, Any]:
        return dict.fromkeys(texts, CANNED[feature])


ENCODERS: Any = Encoders({feature.role: [Stub()] for feature in FEATURES.values()})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    (folder / "images").mkdir()
    for n in range(3):
        PIL.Image.new("RGB", (8, 8), (n, 90, 9)).save(folder / f"images/{n}.png")
    return folder


def read(folder: Path, skip_bad: bool = False) -> tuple[ImageSet | None, list[str]]:
    try:
        image_set = read_image_set(folder, skip_bad)
    except ImageSetError as error:
        return None, [str(error)]
    return image_set, list(map(str, image_set.skipped))


@pytest.mark.parametrize(("colour", "share"), [("red", 1.0), ("blue", 0.0)])
def test_a_colour_in_the_spelling_of_geneval_is_looked_at(folder: Path, colour: str, share: float) -> None:
    row = {"file_name": "images/0.png", "system": "a", "prompt": "p", "objects": [{"class": "cup", "color": colour}]}
    (folder / "requests.jsonl").unlink(missing_ok=True)
    (folder / "metadata.jsonl").write_text(json.dumps(row))
    features: Any = CannedFeatures()
    for name in ("structure.colours", "structure.all"):
        (score,) = measure(metric(name), read_image_set(folder).rows, ENCODERS, features)
        assert score["value"] == share


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.dictionaries(COLUMNS, JUNK, max_size=2), second=st.dictionaries(COLUMNS, JUNK, max_size=1))
def test_junk_in_any_known_column_is_a_sentence_or_measured(folder: Path, first: dict, second: dict) -> None:
    (folder / "requests.jsonl").unlink(missing_ok=True)
    rows = [
        {"file_name": f"images/{n}.png", "prompt": f"prompt {n}", **FILLED_IN, "shot": n, **junk}
        for n, junk in enumerate((first, second))
    ]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    image_set, refusals = read(folder, skip_bad=True)
    assert not any("\n" in refusal for refusal in refusals)
    if image_set is None:
        return
    seeds = [row["seed"] for row in image_set.rows if row.get("seed") is not None]
    features: Any = CannedFeatures()
    for spec in select_metrics((), image_set.rows):
        collect_needs(((spec, plan) for plan in plan_subjects(spec, image_set.rows)), image_set.rows, ENCODERS)
        scores = list(measure(spec, image_set.rows, ENCODERS, features))
        assert {score["reason"] for score in scores}.isdisjoint({"metric_failed"})
        pa.Table.from_pylist(scores, schema(max(seeds, default=0) >= 2**63))
    table_of([json.loads(json.dumps(row)) for row in image_set.rows])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.dictionaries(st.sampled_from(sorted(RequestColumns.model_fields)), JUNK, max_size=2))
def test_junk_in_any_known_column_of_the_requests_is_a_sentence_or_counted(folder: Path, junk: dict) -> None:
    (folder / "metadata.jsonl").write_text(json.dumps({"file_name": "images/0.png", "prompt": "p", "system": "a"}))
    (folder / "requests.jsonl").write_text(json.dumps({"system": "a", "outcome": "refused", **junk}))
    _, refusals = read(folder)
    assert all(refusal.startswith(f"{folder.name}: requests.jsonl row 1: ") for refusal in refusals)
