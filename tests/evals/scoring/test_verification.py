"""Verification: an untouched run is reproduced, and whatever was changed in it is named."""

import json
import os
import shutil

import pandas as pd
import PIL.Image
import pytest
from click.testing import CliRunner

from evals import load_run
from evals.cli.main import main
from evals.imageset.checksums import write_checksums
from evals.rating.stage import rate_run
from evals.run import Run, sealed
from evals.scoring.encoders import choose_encoders, roles_of
from evals.scoring.provenance import input_names
from evals.scoring.stage import score
from evals.scoring.verification import _compared, _keys, _measured_again, verify
from metrics.catalogue import metric as spec_of
from tests.evals.scoring.conftest import write_signs
from tests.run_folder import seal, write_lines

METRICS = ["reproducibility.ssim", "quality.exposure"]


@pytest.fixture
def run(repeats, tmp_path):
    run = score(repeats, tmp_path / "run", METRICS)
    rate_run(run)
    return load_run(run.path)


def test_an_untouched_run_is_reproduced_from_its_pictures_alone(run):
    for shard in (run.path / "features").rglob("*.shard"):
        shard.unlink()
    again = verify(run, n_scores=40)
    assert (again.outcome, again.n_scores, again.largest) == ("reproduced", 40, 0.0)


def test_prompts_are_held_against_the_decoys_of_the_whole_suite_again(repeats, tmp_path):
    again = verify(score(repeats, tmp_path / "run", ["adherence.margin"], ["embedded:lite"]), n_scores=5)
    assert again.outcome in ("reproduced", "within tolerance")
    assert again.largest < 1e-4


def test_words_that_were_drawn_are_read_again_though_their_picture_was_not_chosen(tmp_path):
    run = score(write_signs(tmp_path / "signs", 2), tmp_path / "run", ["text.similarity"])
    drawn = run.read_scores().query("control == 'rendered_text'")
    metric, subject, control = _keys(drawn)[0]
    encoders = choose_encoders(roles_of([spec_of(metric)]), list(drawn["encoder"]))
    again = _measured_again(run, [spec_of(metric)], encoders, [(metric, subject, control)])
    assert again == {(metric, subject, control): [drawn["value"].iloc[0]]}


def with_other_score(run):
    table = run.read_scores().assign(details=None)
    table["value"] += 0.001
    table.to_parquet(run.path / "scores.parquet")


def with_another_pixel(run):
    path = run.image_path(run.samples["sample_id"].iloc[0])
    picture = PIL.Image.open(path).convert("RGB")
    picture.putpixel((0, 0), (1, 2, 3))
    picture.save(path)


def with_an_edited_rating(run):
    ratings = json.loads((run.path / "ratings.json").read_text())
    ratings["rows"][0]["mean"] += 1
    (run.path / "ratings.json").write_text(json.dumps(ratings))


def with_forged_stars(run):
    """The hash made anew, as anybody can who reads the code."""
    ratings = json.loads((run.path / "ratings.json").read_text())
    del ratings["sha256"]
    ratings["rows"][0]["mean"] = 5.0
    (run.path / "ratings.json").write_text(json.dumps(sealed(ratings)))


def with_other_weights(run):
    encoders = [record | {"weights_sha256": "0" * 64} for record in run.provenance["encoders"]]
    seal(run.path, encoders=encoders)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (with_other_score, "scores.parquet is not what it was"),
        (lambda run: with_other_score(run) or seal(run.path), " was "),
        (with_another_pixel, "is another one than was scored"),
        (lambda run: run.image_path(run.samples["sample_id"].iloc[0]).unlink(), "is gone"),
        (with_an_edited_rating, "the ratings of"),
        (with_forged_stars, "ratings.json: metric quality.exposure, suite repeats, system a, mean: 5.0 stored, 0."),
        (with_other_weights, "the weights of "),
        (lambda run: seal(run.path, metrics=dict.fromkeys(METRICS, 99)), "is measured in another way now"),
    ],
)
def test_what_was_changed_is_named_and_ends_with_exit_code_1(run, change, named):
    change(run)
    result = CliRunner().invoke(main, ["verify", str(run.path)])
    assert (result.exit_code, result.output.startswith("different: ")) == (1, True)
    assert named in result.output.splitlines()[0]
    listed = json.loads(CliRunner().invoke(main, ["verify", str(run.path), "--json"]).stdout)
    assert (listed["outcome"], len(listed["changed"]) + len(listed["differences"]) > 0) == ("different", True)


@pytest.fixture
def with_inputs(repeats, tmp_path):
    """A run with its own images, whose rows have a reference and a mask."""
    images = shutil.copytree(repeats, tmp_path / "own" / "images")
    for name in ("references/r.png", "masks/m.png"):
        (images / name).parent.mkdir()
        PIL.Image.new("L", (32, 32), 255).save(images / name)
    rows = [json.loads(line) for line in (images / "metadata.jsonl").read_text().splitlines()]
    rows = [row | {"reference_images": ["references/r.png"], "mask": "masks/m.png"} for row in rows]
    write_lines(images / "metadata.jsonl", rows)
    write_checksums(images)
    return score(tmp_path / "own", tmp_path / "own", ["quality.exposure"])


@pytest.mark.parametrize("name", ["references/r.png", "masks/m.png", "SHA256SUMS"])
@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda path: path.write_bytes(b"other"), "is another one than was scored"),
        (lambda path: path.unlink(), "is gone"),
        (lambda path: path.unlink() or os.mkfifo(path), "is no regular file any more"),
    ],
)
def test_every_file_that_scoring_read_has_a_hash(with_inputs, name, how, said):
    how(with_inputs.image_set / name)
    assert verify(with_inputs, n_scores=0).changed == (f"{with_inputs.image_set / name} {said}",)


def test_a_hash_that_was_taken_out_is_missed_and_a_run_of_an_older_version_says_what_is_not_covered(with_inputs):
    inputs = with_inputs.provenance["inputs"]
    seal(with_inputs.path, inputs={name: value for name, value in inputs.items() if name != "masks/m.png"})
    (change,) = verify(Run(with_inputs.path), n_scores=0).changed
    assert change.endswith("m.png has no hash in the run")
    seal(with_inputs.path, inputs=None)
    again = verify(Run(with_inputs.path), n_scores=0)
    assert (again.changed, again.not_covered) == ((), ("SHA256SUMS", "masks/m.png", "references/r.png"))


def test_the_pictures_of_frozen_suites_are_among_the_inputs(tmp_path):
    (tmp_path / "suites" / "pictures").mkdir(parents=True)
    (tmp_path / "suites" / "pictures" / "p.png").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "SHA256SUMS").touch()
    assert input_names([], tmp_path / "images") == {"../suites/pictures/p.png", "SHA256SUMS"}


def test_a_copied_run_is_held_against_its_own_pictures(with_inputs, tmp_path):
    copy = Run(shutil.copytree(with_inputs.path, tmp_path / "copy"))
    (copy.path / "images" / "references" / "r.png").write_bytes(b"other")
    assert verify(Run(with_inputs.path), n_scores=0).changed == ()
    again = verify(copy, n_scores=0)
    assert (len(again.changed), again.image_set) == (1, str(copy.path / "images"))


@pytest.mark.parametrize(("again", "now"), [([None, 5.0], "5"), ([None], "nothing"), ([], "nothing")])
def test_a_score_that_does_not_come_out_again_is_named_whatever_stands_in_its_place(again, now):
    drawn = pd.DataFrame({"metric": ["m"], "subject": [["s1"]], "control": [None], "value": [0.1]})
    (difference,) = _compared(drawn, {("m", ("s1",), None): again}).differences
    assert difference == f"m of s1 was 0.1 and is {now}"


def test_nobody_knows_beforehand_which_scores_are_computed_again_and_the_seed_draws_them_once_more(run):
    first, second = verify(run, n_scores=3), verify(run, n_scores=3)
    assert first.seed != second.seed
    assert verify(run, n_scores=3, seed=first.seed) == first
    printed = CliRunner().invoke(main, ["verify", str(run.path), "--sample", "3", "--seed", "7"]).output
    assert "--seed 7" in printed
