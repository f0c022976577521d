"""The scoring stage, whole: real files, real decoder processes, a real table."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import filelock
import PIL.Image
import pytest
import yaml

from evals import load_run
from evals.cli.details import print_details
from evals.definition import definition_path, read_definition
from evals.imageset.imageset import ImageSetError
from evals.rating.stage import rate_run
from evals.reporting import write_report
from evals.run import Run, RunError
from evals.scoring.decoders import Decoders
from evals.scoring.stage import ScoringError, score
from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.extractor import Extractor


def rows_of(run, metric, control=None):
    table = run.scores[run.scores.metric == metric]
    return table[table.control.isna()] if control is None else table[table.control == control]


def test_every_pair_of_shots_has_a_value_or_a_reason(sequences, tmp_path, face_encoder):
    run = score(sequences, tmp_path / "run", ["identity.self"])
    own = rows_of(run, "identity.self")
    assert len(own) == 2 * 3 * 3
    assert set(own[own.value.isna()].reason) == {"no_face"}
    assert own.value.isna().sum() == 2
    assert own[own.reason.notna()].system.unique().tolist() == ["b"]
    row = own.iloc[0]
    assert (row.encoder, row.weights_sha256, row.metric_version) == ("dlib:resnet_v1", "0" * 64, 1)
    assert row.sequence_id == "ada"
    assert set(row.subject) <= set(run.samples.sample_id)


def test_shots_with_a_seed_each_measure_what_shots_of_one_seed_do(sequences, tmp_path, face_encoder):
    before = score(sequences, tmp_path / "run", ["identity"]).scores
    rows = [json.loads(line) for line in (sequences / "metadata.jsonl").read_text().splitlines()]
    for n, row in enumerate(rows):
        row |= {"seed": None if n % 5 == 0 else 1000 + n, "repeat": 0 if n % 2 else None}
    (sequences / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    after = score(sequences, tmp_path / "other", ["identity"]).scores
    assert after.drop(columns=["seed", "repeat"]).equals(before.drop(columns=["seed", "repeat"]))


def test_a_sequence_of_which_one_shot_is_left_says_so_in_every_metric_over_shots(sequences, tmp_path, face_encoder):
    lines = (sequences / "metadata.jsonl").read_text().splitlines()
    left = [line for line in lines if '"b"' not in line or '"bob"' not in line or '"shot": 1' in line]
    (sequences / "metadata.jsonl").write_text("\n".join(left))
    run = score(sequences, tmp_path / "run", ["identity"])
    alone = run.scores[(run.scores.system == "b") & (run.scores.sequence_id == "bob") & run.scores.control.isna()]
    over_shots = alone[alone.metric.isin(["identity.self", "identity.previous", "identity.people", "identity.drift"])]
    assert over_shots.reason.tolist() == ["too_few_shots"] * 4
    means = {row["system"]: row for row in rate_run(run)["rows"] if row["metric"] == "identity.self"}
    assert means["b"]["reasons"] == {"no_face": 2, "too_few_shots": 1}


def test_what_was_encoded_once_is_found_again_by_content(sequences, tmp_path, face_encoder):
    before = score(sequences, tmp_path / "run", ["identity.self"]).scores
    assert score(sequences, tmp_path / "run", ["identity.self"]).scores.equals(before)
    score(sequences, tmp_path / "run", ["identity.drift", "identity.self"])
    shutil.move(sequences, tmp_path / "moved")
    score(tmp_path / "moved", tmp_path / "other", ["identity.self"], features=tmp_path / "run/features")
    assert face_encoder.batches == [18]


def test_every_pair_of_faces_knows_whether_it_is_one_sequence(sequences, tmp_path, face_encoder):
    run = score(sequences, tmp_path / "run", ["identity.pairs"])
    pairs = rows_of(run, "identity.pairs")
    scored = pairs[pairs.value.notna()]
    assert len(scored) == 17 * 16 // 2
    same = [details["same_sequence"] for details in scored.details]
    assert sum(same) == 15 + 15 + 10
    assert pairs[pairs.value.isna()].reason.tolist() == ["no_face"]


def test_repeats_are_compared_within_a_seed_and_controls_across(repeats, tmp_path):
    run = score(repeats, tmp_path / "run", ["reproducibility.identical", "reproducibility.mean_difference"])
    identical = rows_of(run, "reproducibility.identical").groupby("system").value.mean()
    assert identical.to_dict() == {"a": 1.0, "b": 0.0}
    same_image = rows_of(run, "reproducibility.mean_difference", "identical_image")
    assert (same_image.value == 0).all()
    assert len(same_image) == 12
    across = rows_of(run, "reproducibility.mean_difference", "different_seed")
    assert len(across) == 2 * 6 * 2
    assert (across.value > 50).all()
    assert across.seed.isna().all()


@pytest.mark.parametrize("seed", [2**53 + 1, 2**64 - 1])
def test_a_seed_of_64_bits_is_the_same_number_in_every_table(repeats, tmp_path, seed):
    lines = (repeats / "metadata.jsonl").read_text().replace('"seed": 2', f'"seed": {seed}').splitlines()
    lines[0] = lines[0].replace('"seed": 1', '"seed": null')
    (repeats / "metadata.jsonl").write_text("\n".join(lines))
    run = score(repeats, tmp_path / "run", ["reproducibility.identical"])
    for seeds in (run.samples["seed"], run.scores["seed"]):
        assert seeds.dtype.name == ("UInt64" if seed >= 2**63 else "Int64")
        assert set(seeds.dropna()) == {1, seed}
    own = rows_of(run, "reproducibility.identical")
    assert sum(own["seed"] == seed) == 12


def test_missing_weights_are_a_reason_for_every_subject(repeats, tmp_path, monkeypatch):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path / "no weights"))
    run = score(repeats, tmp_path / "run", ["reproducibility.lpips"])
    assert set(run.scores.reason) == {"encoder_unavailable"}
    assert run.scores.value.isna().all()
    (record,) = run.provenance["encoders"]
    assert record["status"] == "unavailable"


def test_encoder_that_was_asked_for_must_load(repeats, tmp_path):
    with pytest.raises(EncoderUnavailable, match="lpips"):
        score(repeats, tmp_path / "run", ["reproducibility.lpips"], ["lpips:/nowhere/lpips.onnx"])
    assert not (tmp_path / "run/scores.parquet").exists()


def test_of_the_encoders_that_an_eval_prefers_the_first_at_hand_serves_and_the_run_says_so(
    sequences, tmp_path, face_encoder, monkeypatch
):
    monkeypatch.setenv("INSIGHTFACE_HOME", str(tmp_path / "no packs"))
    shutil.copytree(sequences, tmp_path / "run/images")
    (tmp_path / "run/images/ledger.jsonl").touch()
    frozen = read_definition("demo").model_dump(exclude={"rows", "simulated", "truth"}, exclude_defaults=True)
    frozen |= {"systems": list(frozen["systems"]), "suites": list(frozen["suites"])}

    def records_with(*names):
        encoders = {"identity": list(names)}
        (tmp_path / "run/eval.yaml").write_text(yaml.safe_dump({**frozen, "encoders": encoders}), encoding="utf-8")
        run = score(tmp_path / "run", tmp_path / "run", ["identity.self"])
        return [(record["name"], record["status"]) for record in run.provenance["encoders"]]

    used, passed_over = ("dlib:resnet_v1", "used"), ("insightface:buffalo_l", "passed over")
    assert records_with("insightface:buffalo_l", "dlib:resnet_v1") == [used, passed_over]
    assert records_with("dlib:resnet_v1", "insightface:buffalo_l") == [used]
    with pytest.raises(EncoderUnavailable, match="insightface:buffalo_l"):
        records_with("insightface:buffalo_l")


@pytest.mark.parametrize("name", ["set", "images"])
def test_a_strangers_eval_beside_a_brought_set_is_none_of_its_business(repeats, tmp_path, name):
    shutil.copytree(repeats, tmp_path / name)
    before = score(tmp_path / name, tmp_path / "before", ["reproducibility.ssim"])
    shutil.copy(definition_path("demo"), tmp_path / "eval.yaml")
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites/theirs.yaml").write_text("not: ours")
    after = score(tmp_path / name, tmp_path / "after", ["reproducibility.ssim"])
    for run in (before, after):
        assert (Run(run.path).definition, Run(run.path).changed_files()) == (None, {})


def file_of(image_set, row):
    return image_set / json.loads((image_set / "metadata.jsonl").read_text().splitlines()[row - 1])["file_name"]


def test_image_that_only_decoding_shows_to_be_bad_is_refused_with_its_row(sequences, tmp_path, face_encoder):
    path = file_of(sequences, 5)
    content = bytearray(path.read_bytes())
    content[60:70] = b"\x00" * 10
    path.write_bytes(content)
    with pytest.raises(ImageSetError, match=r"row 5: .*cannot be decoded"):
        score(sequences, tmp_path / "run", ["identity.self"])
    assert not (tmp_path / "run/scores.parquet").exists()
    run = score(sequences, tmp_path / "run", ["identity.faces"], skip_bad=True)
    assert [problem["row"] for problem in run.provenance["unreadable"]] == [5]
    unreadable = run.scores[run.scores.reason == "unreadable_image"]
    assert [list(subject) for subject in unreadable.subject] == [[run.samples.sample_id.iloc[4]]]
    assert run.scores.value.notna().sum() == 16


def test_file_that_is_no_image_is_refused_before_an_encoder_is_loaded_or_is_a_reason(sequences, tmp_path, face_encoder):
    file_of(sequences, 1).write_text("not an image")
    with pytest.raises(ImageSetError, match=r"row 1: .*not an image"):
        score(sequences, tmp_path / "run", ["identity.self"])
    assert face_encoder.names == []
    assert not (tmp_path / "run").exists()
    run = score(sequences, tmp_path / "run", ["identity.self"], skip_bad=True)
    reasons = run.scores[run.scores.control.isna()].reason.value_counts()
    assert reasons["unreadable_image"] == 2
    details = run.scores.details[run.scores.reason == "unreadable_image"].iloc[0]
    assert details["what"].startswith("is not an image that can be read")


@pytest.mark.parametrize(
    ("name", "inside", "why"),
    [
        ("identity.slef", "../run", r"no metric 'identity.slef'; did you mean 'identity.self'"),
        ("text.cer", "../run", r"text.cer needs the column expected_text"),
        ("identity.self", ".", "in the image set itself"),
        ("identity.self", "run", "in the image set itself"),
    ],
)
def test_metric_that_cannot_be_measured_or_output_in_the_image_set_is_refused(sequences, name, inside, why):
    with pytest.raises(ScoringError, match=why):
        score(sequences, sequences / inside, [name])


def test_folder_of_another_run_or_another_writer_is_refused(sequences, tmp_path, face_encoder):
    other = tmp_path / "other set"
    shutil.copytree(sequences, other)
    score(sequences, tmp_path / "run", ["identity.self"])
    with pytest.raises(ScoringError, match="holds a run of another image set"):
        score(other, tmp_path / "run", ["identity.self"])
    with filelock.FileLock(tmp_path / "run/.lock"), pytest.raises(ScoringError, match="another run is writing"):
        score(sequences, tmp_path / "run", ["identity.self"])


def test_image_set_inside_a_run_is_scored_in_place(sequences, tmp_path, face_encoder):
    shutil.copytree(sequences, tmp_path / "run/images")
    run = score(tmp_path / "run", tmp_path / "run", ["identity.self"])
    assert run.image_path(run.samples.sample_id.iloc[0]).is_file()


def test_folder_without_scores_is_no_run(tmp_path):
    with pytest.raises(RunError, match="twinlens score"):
        load_run(tmp_path)


def test_encoder_that_fails_on_one_image_leaves_the_others_scored(sequences, tmp_path, face_encoder):
    faces = face_encoder._faces

    def fails_on_dark(image):
        if image[0, 0, 0] < 65:
            raise RuntimeError("too dark for me")
        return faces(image)

    face_encoder._faces = fails_on_dark
    run = score(sequences, tmp_path / "run", ["identity.faces"])
    failed = run.scores[run.scores.reason == "encoder_failed"]
    assert len(failed) == 3
    assert failed.details.iloc[0]["what"] == "RuntimeError: too dark for me"
    assert (run.scores.value.notna()).sum() == 14


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is not there")
def test_killed_run_goes_on_where_it_was(repeats, tmp_path, monkeypatch):
    code = (
        "import sys, time\nimport evals.scoring.needs as needs\nfrom metrics.encoders.extractor import Extractor\n"
        "needs.WINDOW_IMAGES = 4\nhashes = Extractor.encode\n"
        "def slowly(self, images):\n    time.sleep(0.2)\n    return hashes(self, images)\n"
        "Extractor.encode = slowly\n"
        "from evals.scoring.stage import score\n"
        "score(sys.argv[1], sys.argv[2], ['reproducibility.phash_distance'])\n"
    )
    run = tmp_path / "run"
    started = subprocess.Popen([sys.executable, "-c", code, str(repeats), str(run)])
    while not (stored := sum(shard.read_bytes().count(b"\n") for shard in run.glob("features/phash/*/*.shard"))):
        assert started.poll() is None
        time.sleep(0.02)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not (run / "scores.parquet").exists()
    stored = sum(shard.read_bytes().count(b"\n") for shard in run.glob("features/phash/*/*.shard"))
    encoded, hashes = [], Extractor.encode
    monkeypatch.setattr(Extractor, "encode", lambda self, images: encoded.extend(images) or hashes(self, images))
    finished = score(repeats, run, ["reproducibility.phash_distance"])
    # System a's repeats are the same pixels, so its 24 images are 12 different ones.
    assert len(encoded) == 12 + 24 - stored
    assert finished.scores.value.notna().all()


def test_every_encoder_is_loaded_once(sequences, tmp_path, face_encoder):
    score(sequences, tmp_path / "run", ["identity"])
    assert face_encoder.names == ["dlib:resnet_v1"]


@pytest.mark.parametrize("name", ["provenance.json", "samples.jsonl", "scores.parquet"])
def test_damaged_run_is_told_in_one_sentence_and_can_be_scored_again(repeats, tmp_path, name):
    run = score(repeats, tmp_path / "run", ["reproducibility.psnr"])
    before = rate_run(run)
    (run.path / name).write_bytes(b"{ damaged")
    again = load_run(run.path)
    with pytest.raises(RunError, match=r"score (the image set )?again"):
        _ = (again.provenance, again.samples, again.scores)
    assert rate_run(score(repeats, tmp_path / "run", ["reproducibility.psnr"])) == before


def test_damaged_feature_is_computed_again(repeats, tmp_path):
    run = score(repeats, tmp_path / "run", ["reproducibility.psnr"])
    before = run.scores
    (shard,) = (run.path / "features/difference").rglob("*.shard")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 0xFF
    shard.write_bytes(content)
    assert score(repeats, tmp_path / "run", ["reproducibility.psnr"]).scores.equals(before)


def without_hashes(image_set):
    rows = [json.loads(line) for line in (image_set / "metadata.jsonl").read_text().splitlines()]
    kept = [{name: value for name, value in row.items() if not name.endswith("sha256")} for row in rows]
    (image_set / "metadata.jsonl").write_text("\n".join(map(json.dumps, kept)))


@pytest.mark.parametrize("recorded", ["file_sha256", "pixel_sha256"])
def test_a_picture_exchanged_under_its_name_is_refused_with_its_row(repeats, tmp_path, recorded):
    score(repeats, tmp_path / "before", ["reproducibility.identical"])
    lines = (repeats / "metadata.jsonl").read_text()
    other = {"file_sha256": "pixel_sha256", "pixel_sha256": "file_sha256"}[recorded]
    (repeats / "metadata.jsonl").write_text(lines.replace(other, "noted"))
    first, second = (file_of(repeats, row) for row in (1, 3))
    first.write_bytes(second.read_bytes())
    with pytest.raises(ImageSetError, match=rf"row 1: '.*' is not the picture that its row records \({recorded}\)"):
        score(repeats, tmp_path / "run", ["reproducibility.identical"])
    run = score(repeats, tmp_path / "run", ["reproducibility.identical"], skip_bad=True)
    exchanged = run.samples["sample_id"].iloc[0]
    reasons = run.scores[[exchanged in subject for subject in run.scores["subject"]]]["reason"]
    assert set(reasons) == {"unreadable_image"}


def test_a_report_shows_no_picture_that_is_not_the_one_that_was_scored(repeats, tmp_path):
    run = score(repeats, tmp_path / "run", ["reproducibility.identical"])
    file_of(repeats, 1).write_bytes(file_of(repeats, 3).read_bytes())
    assert "is not the one that was scored" in write_report(run, tmp_path / "report").read_text()


def test_file_replaced_in_place_is_decoded_again(repeats, tmp_path):
    without_hashes(repeats)
    run = score(repeats, tmp_path / "run", ["reproducibility.identical"])
    row = run.samples[(run.samples.system == "a") & (run.samples.repeat == 1)].iloc[0]
    path = repeats / row.file_name
    before = path.stat()
    other = next(repeats / name for name in run.samples.file_name if (repeats / name).stat().st_size == before.st_size)
    content = bytearray((other if other != path else path).read_bytes())
    path.write_bytes(content)
    PIL.Image.new("RGB", (40, 32), "red").save(path, format="PNG")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    again = score(repeats, tmp_path / "run", ["reproducibility.identical"])
    own = again.scores[again.scores.control.isna() & (again.scores.system == "a")]
    assert sorted(own.value)[:2] == [0.0, 1.0]


def test_pictures_that_were_copied_are_known_by_their_bytes_and_only_what_has_changed_is_decoded(
    repeats, tmp_path, monkeypatch
):
    metrics, features = ["reproducibility.identical", "quality.exposure"], tmp_path / "run/features"
    before = score(repeats, tmp_path / "run", metrics).scores
    decoded, decode = [], Decoders.decode

    def noted(decoders, requests):
        return decode(decoders, (decoded.append(request.paths[0].name) or request for request in requests))

    monkeypatch.setattr(Decoders, "decode", noted)
    copied = shutil.copytree(repeats, tmp_path / "copied")
    assert score(copied, tmp_path / "second", metrics, features=features).scores.equals(before)
    assert not decoded
    with monkeypatch.context() as patched:
        patched.setattr("PIL.__version__", "0")
        assert score(copied, tmp_path / "second", metrics, features=features).scores.equals(before)
    assert len(decoded) == 48, "another release may decode to other pixels"
    decoded.clear()
    without_hashes(copied)
    PIL.Image.new("RGB", (40, 32), "red").save(file_of(copied, 1))
    assert not score(copied, tmp_path / "third", metrics, features=features).scores.equals(before)
    assert file_of(copied, 1).name in decoded
    assert len(set(decoded)) <= 4, "and the other repeats of its prompt, whose pixels it is held against"


def test_refusals_are_counted_and_told_and_never_change_a_mean(repeats, tmp_path, capsys):
    before = rate_run(score(repeats, tmp_path / "before", ["reproducibility.psnr"]))
    requests = [{"system": "b", "outcome": outcome} for outcome in ("ok", "refused", "refused", "filtered")]
    (repeats / "requests.jsonl").write_text("\n".join(map(json.dumps, requests)))
    run = score(repeats, tmp_path / "run", ["reproducibility.psnr"])
    assert run.provenance["image_set"]["outcomes"] == {"b": {"filtered": 1, "refused": 2}}
    assert {**rate_run(run), "stars": None} == {**before, "stars": None}
    print_details(run, rate_run(run))
    assert "b: requests that gave no image: 1 filtered, 2 refused" in capsys.readouterr().out
    assert "1 filtered, 2 refused" in write_report(run, tmp_path / "report").with_name("tables.html").read_text()
