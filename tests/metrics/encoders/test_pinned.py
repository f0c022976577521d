"""Weights are those that are known, or refused; a model brings no code that is run, and nobody is asked about it."""

import json
import shutil

import pytest
from click.testing import CliRunner

from evals.cli.main import main
from evals.scoring.encoders import choose_encoders
from metrics.encoders import aesthetic, catalogue, weights
from metrics.encoders.catalogue import ENCODERS, OTHER_WEIGHTS, EncoderUnavailable, load_encoder
from metrics.encoders.clip import load_open_clip, load_transformers
from metrics.encoders.vqa import load_vqa
from metrics.encoders.weights import FETCHED, fetched, revision_of, sha256_of
from tests.metrics.encoders.small_models import judge_tokenizer, save_llava

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PINNED = [f"{row.library}:{model}" for row in ENCODERS for model in row.pinned]


@pytest.fixture(autouse=True)
def weights_folder(tmp_path, monkeypatch):
    folder = tmp_path / "weights"
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(folder))
    return folder


@pytest.mark.parametrize("name", PINNED)
def test_the_weights_of_packages_are_those_that_are_pinned(name):
    row, model = catalogue.library_of(name), name.partition(":")[2]
    assert load_encoder(name, "cpu").weights_sha256 == row.pinned[model]


def test_other_weights_than_the_pinned_ones_are_refused_unless_they_are_wanted(monkeypatch):
    known = catalogue.library_of("dlib:resnet_v1").pinned["resnet_v1"]
    monkeypatch.setitem(catalogue.library_of("dlib:resnet_v1").pinned, "resnet_v1", "0" * 64)
    with pytest.raises(EncoderUnavailable, match=f"{known} and not {'0' * 64}.*install its package again") as caught:
        load_encoder("dlib:resnet_v1")
    assert "\n" not in str(caught.value)
    monkeypatch.setenv(OTHER_WEIGHTS, "1")
    assert load_encoder("dlib:resnet_v1").weights_sha256 == known


def test_an_aesthetic_head_that_is_not_the_published_one_is_refused(weights_folder):
    weights_folder.mkdir()
    (weights_folder / aesthetic.HEADS["laion-v1-vit_b_32"].file).write_bytes(b"another")
    with pytest.raises(EncoderUnavailable, match=r"get sa_0_4_vit_b_32_linear\.pth again from https://github"):
        load_encoder("aesthetic:laion-v1-vit_b_32")


@pytest.fixture
def fetch_from_hub(hub_cache, transformers_folder, monkeypatch):
    """Put a model into the hub's cache, and return a function that fetches it from there."""
    import huggingface_hub
    from huggingface_hub import constants

    hub_cache("org/clip", transformers_folder)
    snapshot = f"{constants.HF_HUB_CACHE}/models--org--clip/snapshots/{COMMIT}"
    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda repository: ["model.safetensors"])
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda repository, allow_patterns: snapshot)
    monkeypatch.setattr(weights, "_check_network", lambda wanted, address: None)
    return lambda: CliRunner().invoke(main, ["models", "fetch", "transformers:org/clip"])


def test_the_revision_that_is_fetched_is_told_recorded_and_in_the_provenance(fetch_from_hub, weights_folder):
    result = fetch_from_hub()
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, f"revision: {COMMIT}")
    record = json.loads((weights_folder / FETCHED).read_text())
    assert record["transformers:org/clip"]["revision"] == COMMIT
    (used,) = choose_encoders(["adherence"], ["transformers:org/clip"], "cpu").records()
    assert used["revision"] == COMMIT
    assert used["weights_sha256"] == record["transformers:org/clip"]["weights_sha256"]


def test_fetched_weights_that_have_changed_are_refused_until_they_are_fetched_again(fetch_from_hub, monkeypatch):
    from huggingface_hub import constants
    from safetensors.torch import load_file, save_file

    fetch_from_hub()
    (file,) = weights.Path(constants.HF_HUB_CACHE).glob("*/snapshots/*/model.safetensors")
    state = load_file(file)
    state["logit_scale"] += 1
    save_file(state, file, {"format": "pt"})
    with pytest.raises(EncoderUnavailable, match="fetch them again with: twinlens models fetch transformers:org/clip"):
        load_transformers("org/clip", "cpu")
    with monkeypatch.context() as patch:
        patch.setenv(OTHER_WEIGHTS, "1")
        load_transformers("org/clip", "cpu")
    fetch_from_hub()
    assert load_transformers("org/clip", "cpu").weights_sha256 == sha256_of(file)


def test_a_damaged_record_of_what_was_fetched_is_one_sentence(weights_folder):
    weights_folder.mkdir()
    for content in (b"{", b"[]", b'{"a": 1}', b"\xff"):
        (weights_folder / FETCHED).write_bytes(content)
        with pytest.raises(EncoderUnavailable, match="remove it, and fetch the weights again"):
            fetched()


def test_files_of_the_user_have_no_revision(tmp_path, by_transformers):
    assert revision_of(tmp_path / "model.safetensors") is None
    assert by_transformers.revision is None


OWN_CODE = "needs code of its own, which is never run here"


def bring_code(folder, **auto_map):
    """Let a saved model name classes of its own, in a module that leaves a trace when it is imported."""
    trace = folder / "trace"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w').close()\nclass Own: pass\n")
    for name in ("config.json", "preprocessor_config.json", "tokenizer_config.json", "processor_config.json"):
        if (folder / name).exists() and name in auto_map.values():
            settings = json.loads((folder / name).read_text())
            settings["auto_map"] = {key: "own.Own" for key, value in auto_map.items() if value == name}
            for kind in ("model_type", "image_processor_type", "tokenizer_class", "processor_class"):
                settings[kind] = "own_kind"
            (folder / name).write_text(json.dumps(settings))
    return trace


@pytest.fixture
def no_question(monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt="": pytest.fail(f"a question was asked: {prompt}"))


@pytest.mark.parametrize(
    "auto_map",
    [
        {"AutoConfig": "config.json", "AutoModel": "config.json"},
        {"AutoImageProcessor": "preprocessor_config.json"},
    ],
)
def test_a_model_with_code_of_its_own_is_refused_in_one_sentence(transformers_folder, tmp_path, no_question, auto_map):
    folder = shutil.copytree(transformers_folder, tmp_path / "model")
    trace = bring_code(folder, **auto_map)
    with pytest.raises(EncoderUnavailable, match=OWN_CODE) as caught:
        load_transformers(str(folder), "cpu")
    assert "\n" not in str(caught.value)
    assert not trace.exists()


def test_a_judge_with_code_of_its_own_is_refused(tmp_path, no_question):
    folder = save_llava(tmp_path, judge_tokenizer())
    trace = bring_code(folder, AutoConfig="config.json", AutoModelForImageTextToText="config.json")
    with pytest.raises(EncoderUnavailable, match=OWN_CODE):
        load_vqa(str(folder), "cpu")
    assert not trace.exists()


def test_a_text_tower_with_code_of_its_own_is_refused_and_nobody_is_asked(open_clip_folder, tmp_path, no_question):
    tower = tmp_path / "tower"
    tower.mkdir()
    (tower / "config.json").write_text(json.dumps({"model_type": "own_kind"}))
    trace = bring_code(tower, AutoConfig="config.json")
    folder = shutil.copytree(open_clip_folder, tmp_path / "model")
    settings = json.loads((folder / "open_clip_config.json").read_text())
    settings["model_cfg"]["text_cfg"] = {"hf_model_name": str(tower), "hf_tokenizer_name": str(tower)}
    (folder / "open_clip_config.json").write_text(json.dumps(settings))
    with pytest.raises(EncoderUnavailable, match=OWN_CODE):
        load_open_clip(f"local-dir:{folder}", "cpu")
    assert not trace.exists()
