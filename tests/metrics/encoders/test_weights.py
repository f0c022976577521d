"""Finding, hashing and fetching weights; nothing is downloaded unless asked for, and no test reaches the network."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import errors

from metrics.encoders import weights
from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.weights import (
    OPEN_CLIP_FILES,
    SUGGESTED,
    cached_file,
    fetch,
    find_weights,
    hub_offline,
    open_clip_tag,
    sha256_of,
    weights_folder,
)


def test_the_weights_folder_is_the_one_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path))
    assert weights_folder() == tmp_path
    monkeypatch.delenv("TWINLENS_WEIGHTS")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights_folder() == tmp_path / ".cache" / "twinlens" / "weights"


def test_weights_are_found_as_a_path_first_and_then_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    assert find_weights("model.onnx") is None
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.onnx").touch()
    assert find_weights("model.onnx") == tmp_path / "mine" / "model.onnx"
    assert find_weights(str(tmp_path / "mine" / "model.onnx")) == tmp_path / "mine" / "model.onnx"
    (tmp_path / "model.onnx").touch()
    assert find_weights("model.onnx") == Path("model.onnx")


def test_a_file_is_hashed_as_sha256sum_does_and_several_by_their_hashes_in_order(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"abc")
    second.write_bytes(b"def")
    assert sha256_of(first) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    together = sha256_of(first) + sha256_of(second)
    assert sha256_of(first, second) == hashlib.sha256(together.encode()).hexdigest()
    assert sha256_of(second, first) != sha256_of(first, second)


def test_the_first_file_that_the_cache_holds_is_taken(hub_cache, tmp_path, no_network):
    (tmp_path / "b.bin").touch()
    hub_cache("org/name", tmp_path)
    assert cached_file("org/name", ("a.safetensors",)) is None
    found = cached_file("org/name", ("a.safetensors", "b.bin"))
    assert found is not None
    assert found.name == "b.bin"
    assert cached_file("org/other", ("b.bin",)) is None
    assert cached_file("no repository at all", ("b.bin",)) is None


def test_the_hub_is_offline_inside_the_block_only(hub_cache, no_network):
    from huggingface_hub import hf_hub_download, is_offline_mode

    before = is_offline_mode()
    with hub_offline():
        assert is_offline_mode()
        with pytest.raises(OSError, match="cannot find the requested files"):
            hf_hub_download("org/name", "config.json")
    assert is_offline_mode() == before


def test_the_suggested_models_are_open_clips_own(open_clip):
    for name, repository in SUGGESTED.items():
        architecture, _, tag = name.partition("/")
        assert open_clip.get_pretrained_cfg(architecture, tag)["hf_hub"] == f"{repository}/"


def test_every_tag_of_open_clip_is_understood(open_clip):
    for architecture, tag in open_clip.list_pretrained():
        source = open_clip_tag(f"{architecture}/{tag}")
        assert source.repository.count("/") == 1
        assert source.filenames == OPEN_CLIP_FILES or len(source.filenames) == 1


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Any:
    """A stand-in for the Hugging Face Hub: the files of its repositories, and what was downloaded of each."""
    stand_in = SimpleNamespace(files={}, downloaded={})

    def download(repository: str, allow_patterns: list[str]) -> str:
        stand_in.downloaded[repository] = allow_patterns
        return str(tmp_path / repository)

    monkeypatch.setattr(huggingface_hub, "list_repo_files", lambda repository: stand_in.files[repository])
    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(weights, "_check_network", lambda wanted, address: None)
    return stand_in


def test_a_tag_is_fetched_as_its_best_weights_file(hub, tmp_path):
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    hub.files = {repository: ["README.md", "open_clip_pytorch_model.bin", "open_clip_model.safetensors"]}
    assert fetch("open_clip:ViT-B-32/laion2b_s34b_b79k") == tmp_path / repository / "open_clip_model.safetensors"
    assert "open_clip_model.safetensors" in hub.downloaded[repository]
    assert "open_clip_pytorch_model.bin" not in hub.downloaded[repository]


def test_a_tag_brings_its_tokenizer_from_where_it_lies(hub):
    hub.files = {"laion/CLIP-ViT-B-32-roberta-base-laion2B-s12B-b32k": ["open_clip_pytorch_model.bin"]}
    fetch("open_clip:roberta-ViT-B-32/laion2b_s12b_b32k")
    assert "tokenizer*" in hub.downloaded["roberta-base"]
    assert not any("model.safetensors" in pattern for pattern in hub.downloaded["roberta-base"])


def test_a_repository_brings_the_tokenizer_that_its_configuration_names(hub, hub_cache, tmp_path):
    folder = tmp_path / "uploaded"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text('{"model_cfg": {"text_cfg": {"hf_tokenizer_name": "org/words"}}}')
    hub_cache("org/clip", folder)
    hub.files = {"org/clip": ["open_clip_config.json", "open_clip_pytorch_model.bin"]}
    assert fetch("open_clip:hf-hub:org/clip").name == "open_clip_pytorch_model.bin"
    assert list(hub.downloaded) == ["org/clip", "org/words"]


def test_shards_are_fetched_with_their_index(hub):
    hub.files = {"org/name": ["model.safetensors.index.json", "model-00001-of-00002.safetensors"]}
    fetch("transformers:org/name")
    assert "model-*.safetensors" in hub.downloaded["org/name"]


def test_a_repository_without_weights_is_refused(hub):
    hub.files = {"org/name": ["README.md"]}
    with pytest.raises(EncoderUnavailable, match=r"org/name holds none of .*model\.safetensors"):
        fetch("transformers:org/name")


@pytest.mark.parametrize(
    "name",
    ["dlib:resnet_v1", "lpips:alex", "open_clip:local-dir:/x", "open_clip:ViT-B-32", "open_clip", "transformers:x"],
)
def test_what_cannot_be_fetched_is_answered_with_what_can(name, no_network):
    with pytest.raises(EncoderUnavailable, match="is nothing that can be fetched: names are open_clip:ViT-B-32/"):
        fetch(name)


@pytest.mark.parametrize(
    "name",
    [
        "open_clip:ViT-B-32/laion2b_s34b_b79k",
        "open_clip:hf-hub:laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "transformers:openai/clip-vit-base-patch32",
        "insightface:buffalo_l",
    ],
)
def test_without_network_fetching_ends_at_once_with_one_sentence(name, monkeypatch, tmp_path):
    def fail(*arguments: Any, **settings: Any) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", fail)
    with pytest.raises(EncoderUnavailable, match=r"cannot be reached from this machine \(Name or service") as caught:
        fetch(name)
    assert "\n" not in str(caught.value)


def test_a_server_that_answers_with_an_error_counts_as_reached(monkeypatch):
    def answer(*arguments: Any, **settings: Any) -> None:
        raise urllib.error.HTTPError("https://hub", 403, "Forbidden", None, None)

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    weights._check_network("x", "https://hub")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errors.RepositoryNotFoundError.__new__(errors.RepositoryNotFoundError, "404"), "is not on .*, or not open to"),
        (errors.OfflineModeIsEnabled("offline"), "while HF_HUB_OFFLINE is set; unset it"),
        (OSError("disk full\nand more"), "org/name could not be downloaded: disk full"),
    ],
    ids=["no such repository", "offline", "disk"],
)
def test_a_download_that_fails_is_one_sentence(error, sentence, hub, monkeypatch):
    def fail(repository: str) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "list_repo_files", fail)
    with pytest.raises(EncoderUnavailable, match=sentence) as caught:
        fetch("transformers:org/name")
    assert "\n" not in str(caught.value)
