"""A slice of a run: its own stars over its own prompts, refusals of its prompts in it, and its own family."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from evals import load_run, rate_run
from evals.cli.main import main
from evals.rating.conditions import ConditionError
from evals.rating.slices import slice_tables
from tests.synthetic_run import BANANA, FLUX, write_synthetic_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load_run(write_synthetic_run(tmp_path_factory.mktemp("slices") / "run", prompts=12))


@pytest.fixture(scope="module")
def whole(run):
    return rate_run(run)


def rows_of(ratings):
    return {row["id"]: row for row in ratings["stars"]["rows"]}


def test_a_slice_of_a_suite_has_the_stars_that_its_row_has_in_the_whole_run_and_a_smaller_family(run, whole):
    part = rate_run(run, where="suite == 'imprecise'")
    of_part, of_whole = (rows_of(ratings)["imprecise"] for ratings in (part, whole))
    assert of_part["cells"] == of_whole["cells"]
    assert of_part["differences"][0]["p_value"] == of_whole["differences"][0]["p_value"]
    assert of_part["differences"][0]["p_holm"] < of_whole["differences"][0]["p_holm"]
    assert 0 < part["stars"]["n_compared"] < whole["stars"]["n_compared"]
    assert rows_of(part)["scenes"]["problem"] == "the run has no measurement on suite scenes"
    # The two pictures that were withheld are failures there too, though no sample tells of them.
    assert {cell["system"]: cell["n_failed"] for cell in of_part["cells"]}[BANANA] == 2
    assert part["warnings"][0].startswith("Only where suite == 'imprecise': ")


def test_a_slice_that_holds_all_is_the_whole_and_none_is_kept_beside_the_scores(run, whole):
    kept = (run.path / "ratings.json").read_bytes()
    everything = rate_run(run, where="suite != 'none'")
    assert everything["warnings"] == [*everything["scope"], *whole["warnings"]]
    assert {**everything, "scope": [], "warnings": whole["warnings"]} == whole
    assert rate_run(run, weights={"cost": 1})["stars"]["totals"]["weights"] == {"cost": 1.0}
    assert (run.path / "ratings.json").read_bytes() == kept
    json.dumps(everything, allow_nan=False)


def test_own_weights_change_the_total_and_no_row(run, whole):
    own = rate_run(run, weights={"cost": 3, "precise": 1})
    assert own["stars"]["totals"]["weights"] == {"cost": 0.75, "precise": 0.25}
    assert [row["cells"] for row in own["stars"]["rows"]] == [row["cells"] for row in whole["stars"]["rows"]]
    stars = {row["id"]: {cell["system"]: cell["stars"] for cell in row["cells"]} for row in own["stars"]["rows"]}
    totals = {total["system"]: total["stars"] for total in own["stars"]["totals"]["systems"]}
    assert totals[FLUX] == pytest.approx(0.75 * stars["cost"][FLUX] + 0.25 * stars["precise"][FLUX])
    assert "cost 3, precise 1" in own["warnings"][0]


def test_a_file_of_weights_flows_through_rate_and_report(run, tmp_path):
    (tmp_path / "w.yaml").write_text("cost: 3\nprecise: 1\n")

    def ran(*arguments):
        done = CliRunner().invoke(main, [*arguments, "--weights", str(tmp_path / "w.yaml")], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    assert json.loads(ran("rate", str(run.path), "--json"))["stars"]["totals"]["weights"] == {
        "cost": 0.75, "precise": 0.25
    }  # fmt: skip
    printed = ran("rate", str(run.path))
    assert "Under your weights, over 2 rows together flux-2-pro is ahead by" in " ".join(printed.split())
    assert f"--weights {tmp_path / 'w.yaml'}" in printed
    ran("report", str(run.path), "--out", str(tmp_path / "report"), "--prompts", "0")
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert document["ratings"]["stars"]["totals"]["weights"] == {"cost": 0.75, "precise": 0.25}
    assert "The total is under own weights: cost 3, precise 1" in (tmp_path / "report" / "tables.html").read_text()


SAMPLES = pd.DataFrame([
    {"sample_id": f"{system}{n}{repeat}", "system": system, "suite": "s", "prompt_id": f"p{n}", "prompt": f"p{n}",
     "language": ["de", "en"][n % 2], "width": 512 + n, "repeat": repeat}
    for system in "ab" for n in range(4) for repeat in (0, 1)
    if (system, n) != ("a", 0)
])  # fmt: skip


def requests():
    rows = SAMPLES[["sample_id", "system", "suite", "prompt_id", "repeat"]].assign(outcome="ok")
    lost = [{"sample_id": f"a0{n}", "system": "a", "suite": "s", "prompt_id": "p0", "repeat": n, "outcome": "refused"}
            for n in (0, 1)]  # fmt: skip
    return pd.concat([rows, pd.DataFrame(lost)], ignore_index=True)


def pair(first, second, control=None):
    return {"subject": [first, second], "control": control}


def test_a_pair_belongs_with_both_pictures_a_control_with_its_own_and_a_refusal_with_its_prompt():
    scores = pd.DataFrame([pair("b00", "b01"), pair("b00", "b10"), pair("b00", "b10", "impostor"), pair("b10", "b11")])
    part = slice_tables("language == 'de'", scores, SAMPLES, requests())
    assert list(part.scores.index) == [0, 2]
    assert set(part.samples["prompt_id"]) == {"p0", "p2"}
    assert part.requests["outcome"].tolist().count("refused") == 2
    assert len(part.notes) == 1


def test_what_nobody_knows_of_a_request_without_a_picture_is_left_out_and_counted():
    scores, samples = pd.DataFrame(columns=["subject", "control"]), SAMPLES.copy()
    samples.loc[samples["sample_id"] == "b01", "width"] = 4096
    part = slice_tables("width < 600", scores, samples, requests())
    assert part.requests["outcome"].tolist().count("refused") == 0
    assert part.notes[1].endswith("left out, even where they would count as zero: a 2 refused.")
    # Each request knows its own repeat, and both know theirs.
    assert len(slice_tables("repeat == 1 and width < 600", scores, SAMPLES, requests()).requests) == 8


def test_a_refusal_that_names_no_suite_counts_where_all_pictures_of_its_prompt_agree():
    scores, no_suite = pd.DataFrame(columns=["subject", "control"]), requests().drop(columns="suite")
    for unnamed in (no_suite, no_suite.assign(suite=float("nan"))):
        part = slice_tables("language == 'de'", scores, SAMPLES, unnamed)
        assert part.requests["outcome"].tolist().count("refused") == 2
    other = SAMPLES[SAMPLES["prompt_id"].eq("p0")].assign(suite="t", language="fr")
    samples = pd.concat([SAMPLES, other.assign(sample_id="t" + other["sample_id"])], ignore_index=True)
    part = slice_tables("language == 'de'", scores, samples, no_suite)
    assert part.requests["outcome"].tolist().count("refused") == 0
    assert part.notes[1].startswith("Requests that cannot be tied to a picture")


def test_a_slice_without_a_sample_is_refused(run):
    with pytest.raises(ConditionError, match="no sample of this run has suite == 'none'"):
        rate_run(run, where="suite == 'none'")
