"""The command compare: exit code 1 for what was asked not to happen and did, 2 where nothing can be compared."""

import json

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.reporting.drift import threshold_line
from tests.run_folder import write_run

SYSTEM = "left@host"
VALUES = (0.1, 0.3, 0.2, 0.5, 0.0, 0.4, 0.15, 0.25)


@pytest.fixture
def run_of(tmp_path):

    def write(name: str, values=VALUES, *, system=SYSTEM, prompt="p", outcomes=(), **more) -> str:
        samples = [
            {"sample_id": f"{name}-{n}", "system": system, "suite": "signs", "prompt_id": f"{prompt}{n}",
             "prompt": f"draw {prompt}{n}", "seed": 1, "repeat": 0, "model_version": name, "pixel_sha256": "00"}
            for n in range(len(values))
        ]  # fmt: skip
        measured = {"metric": "text.cer", "encoder": "rapidocr:one", "weights_sha256": "00"}
        scores = [
            {"system": system, "prompt_id": sample["prompt_id"], "subject": [sample["sample_id"]], "value": value,
             "reason": None if value is not None else "no_text", **measured, **more}
            for sample, value in zip(samples, values, strict=True)
        ]  # fmt: skip
        requests = [
            {**sample, "size": "1K", "outcome": outcome, "latency_s": 2.0, "cost_usd": 0.03}
            for sample, outcome in zip(samples, outcomes, strict=bool(outcomes))
        ]
        return str(write_run(tmp_path / name, samples, scores, requests or None))

    return write


def compare(*arguments: str):
    return CliRunner().invoke(main, ["compare", *arguments], catch_exceptions=False)


def test_equal_runs_show_nothing_and_end_with_0(run_of):
    done = compare(run_of("before"), run_of("after"), "-v", "--fail-on", "change")
    assert done.exit_code == 0
    assert done.stdout.startswith("Nothing has changed in 1 row, as far as their prompts can show.")
    assert "left@host: none of 1 rows changed" in done.stdout
    assert "equal on every prompt: text.cer (signs)" in done.stdout
    assert "Pictures equal to the pixel: 8 of 8" in done.stdout


def test_a_changed_metric_is_shown_with_prompts_and_samples_and_ends_with_1_on_request(run_of):
    runs = run_of("before"), run_of("after", [value + 0.3 + value / 10 for value in VALUES])
    done, as_json = compare(*runs, "--fail-on", "worse"), compare(*runs, "--json")
    assert (done.exit_code, as_json.exit_code) == (1, 0)
    for text in (
        "1 of 1 row changed: 1 worse.",
        "FAILS: text.cer of left@host on signs got worse",
        "left@host: 1 of 1 rows changed",
        "worse",
        "p3: 0.5 to 0.85 (+0.35); before-3 against after-3",
        "Version of the model, as the host told: another one: before x8 to after x8",
    ):
        assert text in done.stdout
    document = json.loads(as_json.stdout)
    assert document["systems"] == [[SYSTEM, SYSTEM]]
    assert [(row["metric"], row["direction"]) for row in document["rows"]] == [("text.cer", "worse")]


def test_what_is_not_separable_stands_with_what_would_have_been_seen(run_of):
    done = compare(run_of("before"), run_of("after", [*VALUES[:6], 0.2, 0.15]), "-v")
    assert done.exit_code == 0
    assert "Not separable" in done.stdout
    assert "would see" in done.stdout
    assert "note: Run A knows no requests" in done.stdout


def test_lost_values_and_moved_figures_are_told(run_of):
    before = run_of("before", outcomes=["ok"] * 8)
    after = run_of("after", [*VALUES[:6], None, None], outcomes=["ok"] * 6 + ["refused"] * 2)
    done = compare(before, after, "-v")
    assert "without a value: text.cer (signs): none in run A, no_text x2 in run B" in done.stdout
    assert "Latency, median (1K): 2 [2, 2] to 2 [2, 2]: as it was" in done.stdout
    assert "All money per accepted picture (1K): 0.03 to 0.04: moved" in done.stdout
    assert "operations.refusal_rate" in done.stdout


def test_another_encoder_is_listed_and_not_compared(run_of):
    done = compare(run_of("before"), run_of("after", [0.9] * 8, encoder="rapidocr:two"))
    assert done.exit_code == 2
    assert "text.cer (signs): its encoder differs: rapidocr:one in run A, rapidocr:two in run B" in done.stdout
    assert done.stderr.startswith("twinlens: nothing could be compared; score both runs with the same encoders")


def test_only_what_was_asked_not_to_happen_is_exit_code_1(run_of):
    before, better = run_of("before"), run_of("after", [value / 10 for value in VALUES])
    codes = {
        asked: compare(before, better, *asked.split()).exit_code
        for asked in ("", "--fail-on worse", "--fail-on change", "--rows text.cer --fail-on change")
    }
    assert list(codes.values()) == [0, 0, 1, 1]


def test_the_rows_that_are_compared_are_those_of_the_star_table_or_metrics_and_are_corrected_for_alone(run_of):
    worse = [value + 0.3 for value in VALUES]
    before, after = run_of("before", outcomes=["ok"] * 8), run_of("after", worse, outcomes=["ok"] * 8)
    every, one = (
        json.loads(compare(before, after, "--json", *more).stdout)["rows"] for more in ([], ["--rows=signs:text"])
    )
    assert ([row["metric"] for row in one], len(every)) == (["text.cer"], 3)
    assert (one[0]["p_holm"], one[0]["p_holm"] <= every[0]["p_holm"]) == (one[0]["p_value"], True)


def test_the_stars_of_the_second_run_are_held_to_thresholds(run_of):
    before, after = run_of("before"), run_of("after")
    done = compare(before, after, "--at-least", "signs:text=1", "--json")
    (check,) = json.loads(done.stdout)["thresholds"]
    assert (check["row"], check["system"], check["holds"]) == ("signs:text", SYSTEM, check["stars"] is not None)
    assert done.exit_code == (0 if check["holds"] else 1)
    assert compare(before, after, "--at-least", "signs:text=5").exit_code == 1


def test_the_page_says_the_same_in_one_file_without_scripts(run_of, tmp_path):
    runs = run_of("before"), run_of("after", [value + 0.3 + value / 10 for value in VALUES], system=SYSTEM)
    done = compare(*runs, "--fail-on", "worse", "--page", str(tmp_path / "drift.html"))
    page = (tmp_path / "drift.html").read_text()
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (1, f"page: {tmp_path / 'drift.html'}")
    for text in ("1 of 1 row changed", "FAILS: text.cer of left@host on signs got worse", "before against after"):
        assert text in page
    assert ("<script" in page, "http" in page.replace('http-equiv="Content', ""), len(page) < 60_000) == (
        False,
    ) * 2 + (True,)


def test_two_versions_of_a_system_are_compared_by_their_names(run_of):
    before, after = run_of("before", system="m-1@host"), run_of("after", system="m-2@host")
    done = compare(before, after, "--systems", "m-1@host=m-2@host")
    assert done.exit_code == 0
    assert "m-1@host \N{RIGHTWARDS ARROW} m-2@host: none of 1 rows changed" in done.stdout


def test_runs_with_nothing_in_common_say_so_first_and_shortly(run_of):
    done = compare(run_of("before"), run_of("after", encoder="rapidocr:two"))
    assert (done.exit_code, len(done.stdout.splitlines()) <= 40) == (2, True)
    assert done.stdout.startswith("Nothing can be compared.")


@pytest.mark.parametrize(
    ("stars", "shown"), [(4.97, "4.97 stars"), (4.9996, "4.9996 stars"), (5.0, "5.0 stars"), (3.21, "3.2 stars")]
)
def test_stars_that_fail_are_shown_as_they_are_held(stars, shown):
    check = {"row": "text", "system": "a@b", "at_least": 5.0, "stars": stars, "low": None, "high": None, "reason": None}
    assert threshold_line({**check, "holds": stars >= 5}).endswith(f": {shown}")


@pytest.mark.parametrize(
    ("other", "arguments", "said"),
    [
        (None, [], "is not a scored run"),
        ({"prompt": "q"}, [], "the two runs share no prompt of these systems; compare runs that asked the same suites"),
        ({"system": "m-2@host"}, [], "name two versions of one with --systems OLD=NEW"),
        ({}, ["--systems", "left@host"], "'left@host' is not OLD=NEW."),
        ({}, ["--rows", "text.ceer"], "--rows: there is no row or metric 'text.ceer'; did you mean 'text.cer'?"),
        ({"outcomes": ["ok"] * 8}, ["--rows", "cost"], "--rows: 'cost' is computed or declared; only measured rows"),
        ({"encoder": "rapidocr:two"}, ["--rows", "text.cer", "--json"], "nothing could be compared"),
        ({}, ["--systems", "left@host=lefd@host"], "run B has no system 'lefd@host'; did you mean 'left@host'?"),
    ],
)
def test_runs_that_cannot_be_compared_are_one_sentence_and_exit_code_2(run_of, tmp_path, other, arguments, said):
    done = compare(run_of("before"), str(tmp_path) if other is None else run_of("after", **other), *arguments)
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr
