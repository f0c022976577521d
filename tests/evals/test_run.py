"""A scored run: which eval its stars are of, when it is rated anew, and what does not break it."""

import functools
import json
import shutil

import pytest

import evals
import evals.imageset.imageset
from evals.data_files import data_path
from evals.rating import stage
from evals.rating.stage import rate_run
from evals.run import Run
from tests.run_folder import write_run

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


@pytest.fixture
def scored(tmp_path):
    """Return a function that writes a scored run, or some of its files anew, and returns its folder."""
    return functools.partial(write_run, tmp_path / "run")


def requests_of(rows, cost_usd=0.02):
    return [row | {"outcome": "ok", "size": "1K", "cost_usd": cost_usd, "latency_s": 4.0} for row in rows]


@pytest.fixture
def usual(scored):
    return scored(pictures(), scores_of(pictures()), requests_of(pictures()), EVAL)


def stars(ratings, row):
    (found,) = [one for one in ratings["stars"]["rows"] if one["id"] == row]
    return {cell["system"]: cell["stars"] for cell in found["cells"]}


def test_a_run_with_an_eval_has_the_rows_systems_and_article_of_it(usual):
    found = rate_run(evals.load_run(usual))["stars"]
    assert [row["id"] for row in found["rows"]] == ["scenes", "cost", "lora"]
    assert found["systems"] == [RIGHT, LEFT]
    assert found["totals"]["weights"] == {"scenes": pytest.approx(2 / 3), "cost": pytest.approx(1 / 3)}
    assert set(found["article_stars"]) == {"scenes", "cost", "lora"}
    assert found["article_stars"]["scenes"]["verdict"] == "supported"
    assert stars({"stars": found}, "scenes") == {RIGHT: 4.0, LEFT: 2.0}


def test_a_run_without_an_eval_has_a_row_a_suite_and_headline(scored):
    rows = pictures()
    all_there = [row | {"metric": "structure.all"} for row in scores_of(rows)]
    run = Run(scored(rows, scores_of(rows) + all_there, requests_of(rows)))
    found = rate_run(run)["stars"]
    assert run.definition is None
    assert [(row["id"], row["suite"]) for row in found["rows"]] == [
        ("scenes:structure", "scenes"), ("cost", None), ("latency", None),
    ]  # fmt: skip
    assert found["article_stars"] == {}


def test_a_brought_set_without_requests_has_stars_for_what_was_measured(scored):
    rows = pictures()
    run = Run(scored(rows, [row | {"metric": "structure.all"} for row in scores_of(rows)]))
    assert run.requests is None
    assert [row["id"] for row in rate_run(run)["stars"]["rows"]] == ["scenes:structure"]


@pytest.mark.parametrize(
    "frozen",
    [
        EVAL.replace("[scenes]", "[scenes-of-1999]").replace("suite: scenes", "suite: scenes-of-1999"),
        EVAL.replace("structure.counts", "structure.of_1999"),
        EVAL.replace("declared: lora", "declared: telepathy"),
        EVAL.replace("article-2026-07", "article-1999-01"),
        EVAL.replace("[scenes]", "[scenes"),
        "",
    ],
)
def test_an_eval_that_can_no_longer_be_read_is_none(scored, frozen):
    assert Run(scored(pictures(), scores_of(pictures()), frozen_eval=EVAL)).definition.name == "two"
    assert Run(scored(frozen_eval=frozen)).definition is None


def test_a_run_whose_eval_can_no_longer_be_read_is_rated_without_one(scored):
    frozen = EVAL.replace("structure.counts", "structure.of_1999")
    run = Run(scored(pictures(), scores_of(pictures()), requests_of(pictures()), frozen))
    assert [row["id"] for row in rate_run(run)["stars"]["rows"]] == ["cost", "latency"]


@pytest.fixture
def n_rated(monkeypatch):
    """Return a function that counts how often stars were awarded."""
    times = []
    award = stage.award_stars
    monkeypatch.setattr(stage, "award_stars", lambda *tables: times.append(1) or award(*tables))
    return lambda: len(times)


def test_a_rating_is_kept_and_read_back_as_it_was(usual):
    fresh, stored = rate_run(Run(usual)), rate_run(Run(usual))
    assert fresh == stored
    assert json.loads((usual / "ratings.json").read_text())["stars"] == fresh["stars"]


def test_a_run_is_rated_anew_when_what_it_is_rated_from_has_changed(scored, usual, n_rated, tmp_path, monkeypatch):
    facts = tmp_path / "facts"
    shutil.copytree(data_path("facts"), facts)
    monkeypatch.setattr(stage, "data_path", lambda relative: tmp_path / relative)
    rate_run(Run(usual))
    changes = [
        lambda: scored(scores=scores_of(pictures(), lambda row: 0.5)),
        lambda: scored(requests=requests_of(pictures(), cost_usd=0.1)),
        lambda: scored(samples=[row | {"prompt": "the same cup"} for row in pictures()]),
        lambda: scored(frozen_eval=EVAL.replace("weight: 2", "weight: 3")),
        lambda: (facts / "models.yaml").write_text((facts / "models.yaml").read_text() + "# looked at again\n"),
        lambda: (usual / "eval.yaml").unlink(),
        lambda: (usual / "images/requests.jsonl").unlink(),
    ]
    for n, change in enumerate(changes, start=2):
        change()
        rate_run(Run(usual))
        assert n_rated() == n
    rate_run(Run(usual))
    assert n_rated() == len(changes) + 1


def test_a_run_is_not_rated_anew_for_anything_else(usual, n_rated):
    first = rate_run(Run(usual))
    (usual / "report").mkdir()
    (usual / "report/index.html").write_text("a report")
    (usual / "provenance.json").write_text((usual / "provenance.json").read_text() + "\n")
    (usual / "scores.parquet").touch()
    assert rate_run(Run(usual)) == first
    assert n_rated() == 1


def test_a_damaged_rating_is_made_anew(usual, n_rated):
    first = rate_run(Run(usual))
    for n, content in enumerate(["{", "[]", '{"made_from": 3}', json.dumps(first), "\xff"], start=2):
        (usual / "ratings.json").write_text(content, encoding="latin-1")
        assert rate_run(Run(usual)) == first
        assert n_rated() == n


def test_changed_numbers_change_the_stars(scored, usual):
    assert stars(rate_run(Run(usual)), "scenes")[LEFT] == 2.0
    scored(scores=scores_of(pictures(), lambda row: 1.0), requests=requests_of(pictures(), cost_usd=0.2))
    after = rate_run(Run(usual))
    assert (stars(after, "scenes")[LEFT], stars(after, "cost")[LEFT]) == (5.0, 1.0)


def test_a_prompt_that_is_asked_under_two_ids_counts_once(scored):
    rows = pictures() + [row | {"prompt_id": f"{row['prompt_id']}-again", "sample_id": f"{row['sample_id']}-again"}
                         for row in pictures()]  # fmt: skip
    once = rate_run(Run(scored(pictures(), scores_of(pictures()), requests_of(pictures()), EVAL)))
    twice = rate_run(Run(scored(rows, scores_of(rows), requests_of(rows))))
    for before, after in zip(once["stars"]["rows"], twice["stars"]["rows"], strict=True):
        for first, second in zip(before["cells"], after["cells"], strict=True):
            assert second["n_scored"] == 2 * first["n_scored"]
            assert {**second, "n_scored": 0} == {**first, "n_scored": 0}
    assert once["rows"][0]["n_prompts"] == twice["rows"][0]["n_prompts"] == 6


def test_a_request_without_an_id_is_of_the_prompt_that_its_words_are(scored):
    rows = [row for row in pictures() if row["sample_id"] != f"{LEFT}-3"]
    named = [row | {"prompt_id": evals.imageset.imageset.id_of_prompt(row["prompt"])} for row in rows]
    asked = [{name: row[name] for name in ("system", "prompt", "outcome", "cost_usd", "latency_s")}
             for row in requests_of(pictures())]  # fmt: skip
    asked[3]["outcome"] = "refused"
    run = Run(scored(named, scores_of(named), asked, EVAL))
    assert set(run.requests["prompt_id"]) == set(run.samples["prompt_id"])
    (cell,) = [cell for cell in rate_run(run)["stars"]["rows"][0]["cells"] if cell["system"] == LEFT]
    assert (cell["n_prompts"], cell["n_failed"], cell["stars"]) == (6, 1, pytest.approx(1 + 4 * 0.25 * 5 / 6))
    (difference,) = rate_run(run)["stars"]["rows"][0]["differences"]
    assert difference["n_prompts"] == 6
