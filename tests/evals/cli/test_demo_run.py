"""One run of the demo: it finds the scripted truth, says what it lacks, and repeats the published numbers."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from evals import load_run
from evals.cli.demo import DemoOutcome, check_truth
from evals.cli.main import main
from evals.definition import read_definition
from evals.rating.stage import rate_run
from evals.reporting.not_measured import not_measured
from metrics.catalogue import METRICS

PUBLISHED = Path(__file__).resolve().parents[3] / "reports/demo"


def test_demo_finds_the_scripted_truth_and_leaves_a_report(demo_run):
    outcome = json.loads((demo_run / "outcome.json").read_text())
    assert outcome["exit_code"] == 0
    assert outcome["truth_found"]
    by_metric = {(line["metric"], line["suite"]): line for line in outcome["truth"]}
    scored = [line for line in outcome["truth"] if line["agrees"] is not None]
    assert all(line["agrees"] for line in scored)
    assert {line["metric"].split(".")[0] for line in scored} >= {"brand", "editing", "identity", "text"}
    assert by_metric["text.cer", "demo-labels"]["measured"] == "tie"
    assert Path(outcome["report"]).is_file()


def test_demo_names_every_metric_that_it_could_not_measure_and_the_encoder_for_it(demo_run):
    measured = set(pd.read_parquet(demo_run / "scores.parquet").dropna(subset="value")["metric"])
    lacking = {each["metric"]: each for each in json.loads((demo_run / "outcome.json").read_text())["not_measured"]}
    assert measured.isdisjoint(lacking)
    assert measured | set(lacking) == {spec.id for spec in METRICS}
    assert {each["reason"] for each in lacking.values()} == {"encoder_unavailable", "encoder_unfit", "not_asked"}
    assert lacking["structure.objects"]["encoder"].partition(":")[0] in ("grounding_dino", "owlv2")


def test_demo_without_json_prints_truth_and_what_was_not_measured(demo_run, monkeypatch):
    run_again, definition = load_run(demo_run), read_definition("demo")
    outcome = DemoOutcome(
        run_again,
        demo_run / "report/index.html",
        tuple(check_truth(rate_run(run_again), definition.truth)),
        tuple(not_measured(rate_run(run_again), run_again.provenance["encoders"])),
    )
    monkeypatch.setattr("evals.cli.demo.score_demo", lambda images, progress: outcome)
    monkeypatch.setenv("COLUMNS", "80")
    short, long = (CliRunner().invoke(main, ["demo", "--out", str(demo_run), *more]) for more in ([], ["-v"]))
    assert (short.exit_code, long.exit_code) == (0, 0)
    n = len(definition.truth)
    assert short.stdout.splitlines()[-1] == f"The scripted truth was found in {n} of {n} points."
    assert len(short.stdout.splitlines()) <= 40
    assert long.stdout.count("  found ") == n
    assert "NOT FOUND" not in long.stdout
    assert "\nNot measured here:\n  adherence.vqa: the weights of vqa:" in long.stdout


def test_the_numbers_of_the_demo_come_out_again(demo_run):
    key = ["metric", "suite", "system"]
    published = pd.read_csv(PUBLISHED / "comparison.csv", keep_default_na=False, na_values=[""]).set_index(key)
    fresh = pd.read_csv(demo_run / "report/comparison.csv", keep_default_na=False, na_values=[""]).set_index(key)
    assert published.index.equals(fresh.index)
    counted = ["n_prompts", "n_scored", "n_unscored"]
    pd.testing.assert_frame_equal(published[counted], fresh[counted])
    estimated = ["mean", "low", "high"]
    pd.testing.assert_frame_equal(published[estimated], fresh[estimated], rtol=0.01, atol=0.01)


def test_the_stars_of_the_demo_come_out_again(demo_run):
    def stars(report: Path) -> dict[tuple[str, str], float | None]:
        rows = json.loads(report.read_text())["ratings"]["stars"]["rows"]
        return {(row["id"], cell["system"]): cell["stars"] for row in rows if row["suite"] for cell in row["cells"]
                if row["kind"] == "measured"}  # fmt: skip

    published, fresh = stars(PUBLISHED / "report.json"), stars(demo_run / "report/report.json")
    assert published
    assert fresh == pytest.approx(published, abs=0.05)
