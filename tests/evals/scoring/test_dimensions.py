"""Adherence and text through the whole scoring stage, with real encoders: own value, control, reasons, provenance."""

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from evals.cli.details import print_details
from evals.imageset.imageset import write_image_set
from evals.rating.stage import rate_run
from evals.run import Run
from evals.scoring.stage import score
from metrics.encoders.ocr import TextLine
from metrics.text.rendering import render_text
from tests.metrics.encoders.conftest import CLIP_PREPROCESSING, TINY_CLIP, save_open_clip

LONG = ", ".join(f"a {colour} thing number {n}" for n in range(20) for colour in ("red", "blue"))


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    import torch

    from metrics.encoders.runtime import import_open_clip

    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    save_open_clip(folder, TINY_CLIP, CLIP_PREPROCESSING, dict(import_open_clip().CLIP(**TINY_CLIP).state_dict()))
    return f"open_clip:local-dir:{folder}"


@pytest.fixture
def prompted(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    samples = []
    for system in ("a", "b"):
        for n, prompt in enumerate(["a red cup", "two birds on a wire", "a house [bold] by | the <b>sea</b>", LONG]):
            pixels = random.integers(0, 255, (40 + 8 * n, 64, 3), dtype=np.uint8)
            samples.append((PIL.Image.fromarray(pixels), {"system": system, "suite": "s", "prompt": prompt}))
    return write_image_set(tmp_path / "prompted", samples)


def test_adherence_is_scored_with_shuffled_prompts_and_the_share_of_long_ones(prompted, tiny_clip, tmp_path, capsys):
    run = score(prompted, tmp_path / "run", ["adherence.clip"], [tiny_clip])
    own = run.scores[run.scores.control.isna()]
    shuffled = run.scores[run.scores.control == "shuffled_prompt"]
    assert (len(own), len(shuffled)) == (8, 24)
    assert run.scores.value.between(-100, 100).all()
    assert run.provenance["long_prompts"] == {"share": 0.25, "n": 1, "of": 4}
    assert {details["n_chunks"] > 1 for details in own[own.prompt_id == own.prompt_id.iloc[3]].details} == {True}
    (encoder,) = run.provenance["encoders"]
    assert len(encoder["weights_sha256"]) == 64
    assert (own.weights_sha256 == encoder["weights_sha256"]).all()
    assert [row["statistic"] for row in rate_run(run)["controls"]] == ["auc", "mean"]
    print_details(run, rate_run(run))
    assert "1 of 4 prompts exceed the encoder's context" in capsys.readouterr().out


def test_margin_is_the_raw_value_over_the_other_prompts_of_the_suite(prompted, tiny_clip, tmp_path):
    run = score(prompted, tmp_path / "run", ["adherence"], [tiny_clip])
    table = run.scores.assign(sample=[subject[0] for subject in run.scores.subject])
    raw = table[(table.metric == "adherence.clip")]
    own = raw[raw.control.isna()].set_index("sample").value
    others = raw[raw.control == "shuffled_prompt"].groupby("sample").value.mean()
    margin = table[(table.metric == "adherence.margin") & table.control.isna()].set_index("sample").value
    # Four prompts: the three shuffled ones of each sample are all of its decoys.
    assert np.allclose(margin, (own - others)[margin.index], atol=1e-6)


def test_a_prompt_in_another_white_space_or_unicode_form_is_the_same_prompt(prompted, tiny_clip, tmp_path):
    before = score(prompted, tmp_path / "run", ["adherence"], [tiny_clip])
    rows = [json.loads(line) for line in (prompted / "metadata.jsonl").read_text().splitlines()]
    for row, around in zip(rows[4:], ["{}\n", " {}", "{}\u00a0\u200b", "{}"], strict=True):
        row["prompt"] = around.format(row["prompt"]).replace(" ", "  ")
    (prompted / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    after = score(prompted, tmp_path / "other", ["adherence"], [tiny_clip])
    assert after.scores.equals(before.scores)
    assert after.provenance["long_prompts"] == before.provenance["long_prompts"]
    # What is shown is what the file says.
    assert after.samples.prompt.tolist() == [row["prompt"] for row in rows]
    assert rate_run(after)["differences"] == rate_run(before)["differences"]
    note = "4 prompts differ from another only in white space or Unicode form and count as one."
    assert rate_run(after)["warnings"] == [note, *rate_run(before)["warnings"]]


def test_both_libraries_would_never_share_a_cached_feature(prompted, tiny_clip, tmp_path):
    first = score(prompted, tmp_path / "run", ["adherence"], [tiny_clip])
    stores = {path.name for path in (first.path / "features/clip_image").iterdir()}
    folder = Path(tiny_clip.removeprefix("open_clip:local-dir:"))
    other = folder.with_name("squashed")
    shutil.copytree(folder, other)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["preprocess_cfg"]["resize_mode"] = "squash"
    (other / "open_clip_config.json").write_text(json.dumps(config))
    second = score(prompted, tmp_path / "run", ["adherence"], [f"open_clip:local-dir:{other}"])
    assert len({path.name for path in (second.path / "features/clip_image").iterdir()} - stores) == 1


@pytest.fixture(scope="module")
def scored_signs(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("signs")
    return score(signs(folder), folder / "run", ["text.cer"], ["rapidocr"])


def signs(folder: Path) -> Path:
    samples = []
    for system, spoilt in (("a", False), ("b", True)):
        pictures = {
            "สวัสดี": PIL.Image.new("RGB", (320, 320), "white" if spoilt else "beige"),
            "Nothing": PIL.Image.new("RGB", (320, 320), "gray" if spoilt else "silver"),
        }
        for text in ("OPEN 24 HOURS", "Fresh bread", "Museum", "Bahnhof", "Café du Port"):
            drawn = text[:-2] + text[-1] + text[-2] if spoilt else text
            pictures[text] = PIL.Image.fromarray(render_text(drawn, (512, 512)))
        for text, picture in pictures.items():
            facts = {"system": system, "suite": "signs", "prompt": f"a sign: {text}", "expected_text": text}
            samples.append((picture, facts))
    return write_image_set(folder / "signs", samples)


def test_text_is_scored_against_the_same_words_rendered(scored_signs):
    run = scored_signs
    own = run.scores[run.scores.control.isna()]
    by_system = own.groupby("system").value.mean()
    assert by_system["a"] == 0
    assert by_system["b"] > 0.1
    reasons = own[own.value.isna()].groupby("reason").size().to_dict()
    assert reasons == {"language_unsupported": 2, "no_text": 2}
    rendered = run.scores[(run.scores.control == "rendered_text") & run.scores.value.notna()]
    assert (rendered.value == 0).all()
    assert len(rendered) == 12
    (difference,) = rate_run(run)["differences"]
    assert difference["system_a"] == "a"
    assert difference["high"] < 0


def test_rendered_control_is_read_once_for_all_systems(scored_signs):
    shards = list((scored_signs.path / "features/ocr").rglob("*.shard"))
    read = sum(shard.read_bytes().count(b"\n") for shard in shards)
    # 12 signs, the Thai pair left out, and one rendering of each of 6 texts, whoever's sign it stands for.
    assert 12 < read <= 12 + 6


def test_a_rendering_is_as_large_as_its_picture_and_its_letters_as_those_read_there(tmp_path, monkeypatch):
    seen = []

    class Reader:
        name, licence, weights_sha256, version = "rapidocr:pp-ocrv6-small", "test", None, "1"
        scripts, characters = frozenset({"Latin"}), None

        def encode(self, images):
            seen.extend(images)
            return [[TextLine(text="OPEN", score=0.99, box=[[9, 9], [99, 9], [99, 45], [9, 45]])] for _ in images]

    monkeypatch.setattr("metrics.encoders.ocr.load_rapidocr", lambda model, device: Reader())
    facts = {"prompt": "a sign", "expected_text": "OPEN"}
    sizes = {"a": (640, 480), "b": (900, 300)}
    samples = [(PIL.Image.new("RGB", size, "gray"), {"system": name, **facts}) for name, size in sizes.items()]
    score(write_image_set(tmp_path / "set", samples), tmp_path / "run", ["text.cer"], ["rapidocr"])
    pictures, renderings = seen[:2], seen[2:]
    assert sorted(image.shape for image in renderings) == sorted(image.shape for image in pictures)
    for image in renderings:
        rows = np.flatnonzero((image < 128).any(axis=(1, 2)))
        # Capitals of DejaVu Sans are 0.73 of its size, which is 30 pixels for a box of 36.
        assert np.ptp(rows) == pytest.approx(0.73 * 30, abs=2)
