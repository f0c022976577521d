"""A scored run: which eval its stars are of, when it is rated anew, and what does not break it."""

import functools
import json
import re
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import evals
from evals.files.data_files import data_path
from evals.imageset.imageset import ImageSetError, file_sha256
from evals.imageset.prompts import id_of_prompt
from evals.rating import stage
from evals.rating.stage import rate_run
from evals.run import Run, RunError
from tests.run_folder import seal, write_run

LEFT, RIGHT = "flux-2-pro@bfl", "gemini-3-pro-image@google"

EVAL = f"""
name: two
systems: [{RIGHT}, {LEFT}]
suites: [scenes]
seed: 1
size: 1K
published: article-2026-07
rows:
  - {{id: scenes, title: Scenes, suite: scenes, metrics: {{structure.counts: 1}}, weight: 2}}
  - {{id: cost, title: Cost, computed: cost_per_image}}
  - {{id: lora, title: LoRA, declared: lora}}
"""


def picture(system, n, **more):
    return {"sample_id": f"{system}-{n}", "file_name": f"images/{system}-{n}.png", "system": system, "suite": "scenes",
            "prompt_id": f"p{n}", "prompt": f"{n} red cups", "seed": 1, "repeat": 0, **more}  # fmt: skip


def pictures(n=6):
    return [picture(system, k) for system in (LEFT, RIGHT) for k in range(n)]


def scores_of(rows, value=lambda row: 0.25 if row["system"] == LEFT else 0.75):
    return [
        {"system": row["system"], "suite": row["suite"], "prompt_id": row["prompt_id"], "subject": [row["sample_id"]],
         "seed": 1, "repeat": 0, "metric": "structure.counts", "metric_version": 1, "value": value(row)}
        for row in rows
    ]  # fmt: skip


def requests_of(rows, cost_usd=0.02):
    return [row | {"outcome": "ok", "size": "1K", "cost_usd": cost_usd, "latency_s": 4.0} for row in rows]


@pytest.fixture
def scored(tmp_path):
    """Return a function that writes a scored run, or some of its files anew, and returns its folder."""
    return functools.partial(write_run, tmp_path / "run")


@pytest.fixture
def usual(scored):
    return scored(pictures(), scores_of(pictures()), requests_of(pictures()), EVAL)


def stars(ratings, row):
    (found,) = [one for one in ratings["stars"]["rows"] if one["id"] == row]
    return {cell["system"]: cell["stars"] for cell in found["cells"]}


def row_ids(run):
    return [row["id"] for row in rate_run(run)["stars"]["rows"]]


def test_a_run_with_an_eval_has_the_rows_systems_and_article_of_it(usual):
    found = rate_run(evals.load_run(usual))["stars"]
    assert [row["id"] for row in found["rows"]] == ["scenes", "cost", "lora"]
    assert found["systems"] == [RIGHT, LEFT]
    assert found["totals"]["weights"] == {"scenes": pytest.approx(2 / 3), "cost": pytest.approx(1 / 3)}
    assert set(found["article_stars"]) == {"scenes", "cost", "lora"}
    assert found["article_stars"]["scenes"]["verdict"] == "supported"
    assert stars({"stars": found}, "scenes") == {RIGHT: 4.0, LEFT: 2.0}


def test_without_an_eval_a_suite_and_its_headline_are_a_row_and_without_requests_what_was_measured(scored):
    rows = pictures()
    headline = [row | {"metric": "structure.all"} for row in scores_of(rows)]
    brought = Run(scored(rows, scores_of(rows) + headline))
    assert (brought.requests, brought.definition, row_ids(brought)) == (None, None, ["scenes:structure"])
    run = Run(scored(requests=requests_of(rows)))
    assert row_ids(run) == ["scenes:structure", "cost", "latency"]
    assert rate_run(run)["stars"]["article_stars"] == {}


@pytest.mark.parametrize(
    ("passage", "put"),
    [
        ("scenes", "scenes-of-1999"),
        ("structure.counts", "structure.of_1999"),
        ("declared: lora", "declared: telepathy"),
        ("article-2026-07", "article-1999-01"),
        ("[scenes]", "[scenes"),
        (EVAL, ""),
    ],
)
def test_an_eval_that_can_no_longer_be_read_is_none_and_its_run_is_rated_without(scored, usual, passage, put):
    assert Run(usual).definition.name == "two"
    run = Run(scored(frozen_eval=EVAL.replace(passage, put)))
    assert run.definition is None
    assert row_ids(run) == ["cost", "latency"]


@pytest.fixture
def n_rated(monkeypatch):
    """Return a function that counts how often stars were awarded."""
    times = []
    award = stage.award_stars
    monkeypatch.setattr(stage, "award_stars", lambda *tables, **options: times.append(1) or award(*tables, **options))
    return lambda: len(times)


def test_a_rating_is_kept_and_read_back_as_it_was_and_not_made_anew_for_what_it_is_not_made_of(usual, n_rated):
    first = rate_run(Run(usual))
    assert json.loads((usual / "ratings.json").read_text())["stars"] == first["stars"]
    (usual / "report").mkdir()
    (usual / "report/index.html").write_text("a report")
    (usual / "provenance.json").write_text((usual / "provenance.json").read_text() + "\n")
    (usual / "scores.parquet").touch()
    assert rate_run(Run(usual)) == first
    assert n_rated() == 1


def test_a_run_is_rated_anew_when_what_it_is_rated_from_has_changed(scored, usual, n_rated, tmp_path, monkeypatch):
    facts = tmp_path / "facts"
    shutil.copytree(data_path("facts"), facts)
    monkeypatch.setattr(stage, "data_path", lambda relative: tmp_path / relative)
    assert stars(rate_run(Run(usual)), "scenes")[LEFT] == 2.0
    changes = [
        lambda: scored(scores=scores_of(pictures(), lambda row: 1.0)),
        lambda: scored(requests=requests_of(pictures(), cost_usd=0.2)),
        lambda: scored(samples=[row | {"prompt": "the same cup"} for row in pictures()]),
        lambda: scored(frozen_eval=EVAL.replace("weight: 2", "weight: 3")),
        lambda: (facts / "models.yaml").write_text((facts / "models.yaml").read_text() + "# looked at again\n"),
        lambda: (usual / "eval.yaml").unlink() or seal(usual),
        lambda: (usual / "images/requests.jsonl").unlink() or seal(usual),
    ]
    rated = []
    for n, change in enumerate(changes, start=2):
        change()
        rated.append(rate_run(Run(usual)))
        assert n_rated() == n
    assert (stars(rated[0], "scenes")[LEFT], stars(rated[1], "cost")[LEFT]) == (5.0, 1.0)
    assert rate_run(Run(usual)) == rated[-1]
    assert n_rated() == len(changes) + 1


def test_a_damaged_rating_is_made_anew(usual, n_rated):
    first = rate_run(Run(usual))
    whole = (usual / "ratings.json").read_text()
    edited = whole.replace('"stars": 2.0', '"stars": 4.5', 1)
    assert edited != whole
    for n, content in enumerate(["{", "[]", '{"made_from": 3}', json.dumps(first), "\xff", edited], start=2):
        (usual / "ratings.json").write_text(content, encoding="latin-1")
        assert rate_run(Run(usual)) == first
        assert n_rated() == n


@pytest.mark.parametrize("content", ["{", "[]", '{"image_set": {}}'])
def test_a_provenance_without_what_is_read_from_it_is_refused(usual, content):
    (usual / "provenance.json").write_text(content)
    with pytest.raises(RunError, match=r"provenance\.json is damaged"):
        rate_run(Run(usual))


@pytest.mark.parametrize("named_by", ["sample_id", "prompt_id"])
def test_a_picture_that_was_made_and_is_not_in_the_set_is_left_out_and_told(scored, named_by):
    rows = pictures()
    requests = [{name: value for name, value in row.items() if name != "sample_id" or named_by == name}
                for row in requests_of(rows)]  # fmt: skip
    kept = [row for row in rows if row["system"] != LEFT or row["prompt_id"] != rows[0]["prompt_id"]]
    run = Run(scored(kept, scores_of(kept), requests, EVAL))
    assert run.requests["reason"].eq("file_missing").sum() == len(rows) - len(kept) > 0
    ratings = rate_run(run)
    (row,) = [row for row in ratings["stars"]["rows"] if row["id"] == "scenes"]
    assert {cell["system"]: cell["n_left_out"] for cell in row["cells"]} == {LEFT: len(rows) - len(kept), RIGHT: 0}
    assert any(f"{LEFT}: {len(rows) - len(kept)} of" in warning for warning in ratings["warnings"])


READERS = {
    "scores.parquet": lambda run: run.scores,
    "samples.jsonl": lambda run: run.samples,
    "images/requests.jsonl": lambda run: run.requests,
    "eval.yaml": lambda run: run.definition,
    "provenance.json": lambda run: run.provenance,
}


@pytest.mark.parametrize("name", READERS)
def test_one_flipped_bit_anywhere_in_a_stored_file_is_refused_with_the_name_of_the_file(usual, name):
    path, flips = usual / name, np.random.default_rng(0)
    content = path.read_bytes()
    for place, bit in zip(flips.integers(len(content), size=200), flips.integers(8, size=200), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=rf"{re.escape(path.name)} is .*score"):
            READERS[name](Run(usual))
    path.unlink()
    with pytest.raises(RunError, match=path.name):
        READERS[name](Run(usual))
    path.write_bytes(content)
    assert Run(usual).changed_files() == {}


def test_a_file_that_came_after_the_scoring_is_told(scored):
    run = scored(pictures(), scores_of(pictures()))
    (run / "images/requests.jsonl").write_text("")
    assert set(Run(run).changed_files()) == {"requests.jsonl"}
    with pytest.raises(RunError, match=r"requests\.jsonl is not what it was when the run was scored"):
        rate_run(Run(run))


def test_whole_numbers_stay_so_in_every_table_and_no_seed_is_none(scored):
    seeds = [-1, None, 2**53 + 1, 2**53]
    rows = [picture(LEFT, n, seed=seed, steps=None if n == 1 else n) for n, seed in enumerate(seeds)]
    scores = [row | {"seed": seed} for row, seed in zip(scores_of(rows), seeds, strict=True)]
    run = Run(scored(rows, scores, requests_of(rows)))
    for column in (run.samples["seed"], run.samples["steps"], run.scores["seed"], run.requests["seed"]):
        assert column.dtype == "Int64"
        assert column.isna().sum() == 1
    for table in (run.samples, run.scores, run.requests):
        assert set(table["seed"].dropna()) == {-1, 2**53, 2**53 + 1}


def test_requests_that_became_unreadable_are_told_as_what_they_are(usual):
    (usual / "images/requests.jsonl").write_bytes(b'{"system": "\xff"}')
    seal(usual)
    with pytest.raises(ImageSetError, match=r"requests\.jsonl: is not UTF-8 text"):
        rate_run(Run(usual))


@pytest.mark.parametrize("error", [pa.ArrowNotImplementedError, pa.ArrowSerializationError, pa.ArrowMemoryError])
def test_whatever_arrow_says_of_a_damaged_score_table_is_one_refusal(usual, monkeypatch, error):
    def trip(path):
        raise error("Integers not in cstdint are not implemented")

    monkeypatch.setattr(pq, "read_metadata", trip)
    with pytest.raises(RunError, match=r"scores\.parquet is damaged"):
        rate_run(Run(usual))


@pytest.mark.parametrize(
    "changes", [{"system": {}}, {"sample_id": ["a"]}, {"seed": "x"}, {"width": "1e999"}, {"objects": 7}, None]
)
def test_samples_of_a_sent_run_that_are_none_are_refused(usual, changes):
    lines = (usual / "samples.jsonl").read_text().splitlines()
    first = changes and json.loads(lines[0]) | changes
    for text in (json.dumps(first), lines[1]):  # the other one comes twice
        (usual / "samples.jsonl").write_text("\n".join([text, *lines[1:]]))
        seal(usual)
        with pytest.raises(RunError, match=r"samples\.jsonl is damaged"):
            rate_run(Run(usual))


def test_a_score_table_of_more_rows_than_memory_holds_is_not_read(usual, monkeypatch):
    monkeypatch.setattr("evals.run._MOST_ROWS", 3)
    with pytest.raises(RunError, match=r"scores\.parquet is damaged"):
        rate_run(Run(usual))


def test_a_score_table_without_its_columns_is_refused(usual):
    table = pd.read_parquet(usual / "scores.parquet")
    table.drop(columns="value").to_parquet(usual / "scores.parquet")
    seal(usual)
    with pytest.raises(RunError, match=r"scores\.parquet is damaged"):
        rate_run(Run(usual))


def test_a_prompt_that_is_asked_under_two_ids_counts_once(scored, usual):
    again = [row | {name: f"{row[name]}-again" for name in ("prompt_id", "sample_id")} for row in pictures()]
    rows = pictures() + again
    once = rate_run(Run(usual))
    twice = rate_run(Run(scored(rows, scores_of(rows), requests_of(rows))))
    for before, after in zip(once["stars"]["rows"], twice["stars"]["rows"], strict=True):
        for first, second in zip(before["cells"], after["cells"], strict=True):
            assert second == {**first, "n_scored": 2 * first["n_scored"]}
    assert once["rows"][0]["n_prompts"] == twice["rows"][0]["n_prompts"] == 6


def test_a_request_without_an_id_is_of_the_prompt_that_its_words_are(scored):
    rows = [row for row in pictures() if row["sample_id"] != f"{LEFT}-3"]
    named = [row | {"prompt_id": id_of_prompt(row["prompt"])} for row in rows]
    asked = [{name: row[name] for name in ("system", "prompt", "outcome", "cost_usd", "latency_s")}
             for row in requests_of(pictures())]  # fmt: skip
    asked[3]["outcome"] = "refused"
    run = Run(scored(named, scores_of(named), asked, EVAL))
    assert set(run.requests["prompt_id"]) == set(run.samples["prompt_id"])
    (cell,) = [cell for cell in rate_run(run)["stars"]["rows"][0]["cells"] if cell["system"] == LEFT]
    assert (cell["n_prompts"], cell["n_failed"], cell["stars"]) == (6, 1, pytest.approx(1 + 4 * 0.25 * 5 / 6))
    (difference,) = rate_run(run)["stars"]["rows"][0]["differences"]
    assert difference["n_prompts"] == 6


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("subject", None),
        ("subject", []),
        ("control", ["c"]),
        ("suite", 7),
        ("value", "0.5"),
        ("metric", None),
        ("value", float("inf")),
        ("value", -1e300),
    ],
)
def test_a_score_table_with_values_of_another_type_is_refused(usual, column, values):
    table = pd.read_parquet(usual / "scores.parquet")
    table.assign(**{column: [values] * len(table)}).to_parquet(usual / "scores.parquet")
    seal(usual)
    with pytest.raises(RunError, match=r"scores\.parquet is damaged"):
        rate_run(Run(usual))


@pytest.mark.parametrize("name", ["../private.png", "images/link.png", "/etc/hostname", "images/\0.png"])
def test_a_received_run_shows_no_picture_from_outside_its_image_set(tmp_path, name):
    (tmp_path / "private.png").write_bytes(b"mine")
    folder = write_run(tmp_path / "run", [{"sample_id": "a", "system": "m", "file_name": name}], [])
    (tmp_path / "run/private.png").write_bytes(b"mine")
    (folder / "images/images").mkdir()
    (folder / "images/images/link.png").symlink_to(tmp_path / "private.png")
    run = Run(folder)
    assert run.image_path("a") is None
    assert run.source_path(name) is None


def test_of_a_set_outside_the_run_only_what_was_recorded_is_shown(tmp_path):
    (tmp_path / "home").mkdir()
    for name in ("known", "private"):
        (tmp_path / f"home/{name}.png").write_bytes(name.encode())
    hashes = {"known": file_sha256(tmp_path / "home/known.png"), "private": None}
    rows = [{"sample_id": n, "system": "m", "file_name": f"{n}.png", "file_sha256": h} for n, h in hashes.items()]
    folder = write_run(tmp_path / "run", rows, [], image_set={"path": str(tmp_path / "home")})
    shown = [Run(folder).image_path(name) for name in hashes]
    assert shown == [tmp_path / "home/known.png", None]
    assert Run(folder).source_path("private.png") is None
    (tmp_path / "home/metadata.jsonl").write_text("{}")
    seal(folder)
    assert Run(folder).source_path("private.png") == tmp_path / "home/private.png"


def test_a_run_that_was_moved_uses_the_pictures_in_it(tmp_path):
    folder = write_run(tmp_path / "run", [{"sample_id": "a", "system": "m", "file_name": "a.png"}], [])
    (folder / "images/a.png").write_bytes(b"there")
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    assert Run(tmp_path / "moved").image_path("a") == tmp_path / "moved/images/a.png"


def test_what_is_no_run_says_what_it_is(tmp_path):
    with pytest.raises(RunError, match="nope: no such folder"):
        Run(tmp_path / "nope")
    (tmp_path / "metadata.jsonl").touch()
    with pytest.raises(RunError, match=f"score it with: twinlens score {re.escape(str(tmp_path))}$"):
        Run(tmp_path)
