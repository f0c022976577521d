import asyncio
import hashlib
import io
import json
import threading
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest

from evals.facts.models import read_facts
from evals.generation.answers import Finished, HostUnavailable, Rejected, Task, UntrustedUrl
from evals.generation.hosts import local
from evals.generation.hosts.local import Local, LocalCall
from tests.evals.generation.hosts.conftest import image_request, in_brief, offer

pytestmark = pytest.mark.skipif(find_spec("diffusers") is None, reason="the local host runs diffusers pipelines")

FACTS = read_facts().hosts["local"]
BLACK = PIL.Image.new("RGB", (8, 8))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Return a folder with a Stable Diffusion of a few thousand random weights."""
    from metrics.encoders.runtime import import_torchvision

    import_torchvision()
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("tiny")
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    torch.manual_seed(0)
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 8),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=2,
    )
    vae = AutoencoderKL(  # seven halvings, so that 512 pixels are 8 in the latents and the run is short
        block_out_channels=(4,) * 7,
        down_block_types=("DownEncoderBlock2D",) * 7,
        up_block_types=("UpDecoderBlock2D",) * 7,
        latent_channels=4,
        norm_num_groups=2,
        sample_size=512,
    )
    pipeline = StableDiffusionPipeline(
        vae,
        CLIPTextModel(text),
        CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=16),
        unet,
        DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder / "pipeline")
    return folder / "pipeline"


@pytest.fixture
def tiny_call(weights):

    def build(references=(), **changes):
        tiny = offer("tiny", "local", api_id=str(weights), sizes=("512",))
        call = Local(FACTS).prepare(image_request(size="512", **changes), tiny, references)
        return replace(call, settings={"num_inference_steps": 2})

    return build


def answers_of(*calls):
    async def ask():
        host = Local(FACTS)
        try:
            return await asyncio.gather(*map(host.submit, calls))
        finally:
            await host.aclose()

    return asyncio.run(ask())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_or_prompt_others(tiny_call):
    calls = [tiny_call(), tiny_call(), tiny_call(seed=43), tiny_call(prompt="two dogs")]
    first, again, other_seed, other_prompt = (read.content for read in answers_of(*calls))
    assert first == again
    assert len({first, other_seed, other_prompt}) == 3


def test_a_picture_is_a_png_of_the_size_asked_for_and_tells_how_it_was_made(tiny_call):
    import diffusers
    import torch

    (read,) = answers_of(tiny_call())
    with PIL.Image.open(io.BytesIO(read.content)) as picture:
        assert (picture.format, picture.size) == ("PNG", (512, 512))
        assert np.asarray(picture).std() > 0
    version = f"StableDiffusionPipeline diffusers {diffusers.__version__} torch {torch.__version__}"
    assert read.metadata.model_version == version
    assert read.metadata.seed_used == 42
    assert read.metadata.generation_s > 0
    assert read.metadata.queue_s >= 0


@pytest.fixture
def stubbed(monkeypatch):
    """Return a function that asks for pictures while another function stands in for every pipeline."""

    def ask(run, *calls):
        loaded = SimpleNamespace(pipeline=None, takes=frozenset(), version="stub")
        monkeypatch.setattr(local, "_load", lambda weights: loaded)
        monkeypatch.setattr(local, "_run", lambda loaded, call: run())
        return answers_of(*(calls or [LocalCall("w", "a cat", 1, 512)]))

    return ask


def test_pictures_are_made_one_after_another_off_the_event_loop(stubbed):
    threads = []

    def run():
        threads.append(threading.get_ident())
        return SimpleNamespace(images=[BLACK])

    reads = stubbed(run, *(LocalCall("w", "a cat", seed, 512) for seed in range(4)))
    assert [type(read) for read in reads] == [Finished] * 4
    assert len(threads) == 4
    assert len({*threads, threading.get_ident()}) == 2, "one thread makes them all"


@pytest.mark.parametrize(
    "error",
    [RuntimeError("CUDA out of\nmemory"), KeyError("scale"), AttributeError("images"), ImportError("lib")],
)
def test_a_pipeline_that_breaks_ends_its_request_and_not_the_run(stubbed, error):
    def run():
        raise error

    (read,) = stubbed(run)
    assert (*in_brief(read), read.message) == ("failed", type(error).__name__, " ".join(str(error).split()))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ({"frames": []}, ("failed", "AttributeError")),
        ({"images": []}, ("failed", "IndexError")),
        ({"images": [BLACK], "nsfw_content_detected": [True]}, ("filtered", "nsfw_content_detected")),
        ({"images": [BLACK], "nsfw_content_detected": [False]}, Finished),
    ],
)
def test_what_a_pipeline_makes_is_a_picture_or_the_reason_why_not(stubbed, made, expected):
    (read,) = stubbed(lambda: SimpleNamespace(**made))
    assert expected in (in_brief(read), type(read))


def test_references_that_a_pipeline_does_not_take_are_an_error_and_never_dropped(tiny_call):
    (read,) = answers_of(tiny_call([b"an image"]))
    assert (read.outcome, read.message) == ("failed", "StableDiffusionPipeline takes no image")


def test_a_folder_without_a_pipeline_is_unavailable(tmp_path):
    with pytest.raises(HostUnavailable, match=r"model_index\.json"):
        Local(FACTS).prepare(image_request(), offer("m", "local", api_id=str(tmp_path)), [])


def test_weights_that_cannot_be_loaded_stop_the_system(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}')
    (read,) = answers_of(LocalCall(str(tmp_path), "a cat", 1, 512))
    assert isinstance(read, Rejected)
    assert read.stops
    assert str(tmp_path) in read.message


def test_a_missing_library_is_unavailable_and_says_what_to_install(monkeypatch):
    monkeypatch.setattr(local.importlib.util, "find_spec", lambda name: None if name == "diffusers" else object())
    with pytest.raises(HostUnavailable, match=r"needs diffusers.*twinlens\[diffusers\]"):
        Local(FACTS)


def test_the_record_holds_hashes_of_references_and_the_settings():
    klein = offer("k", "local", api_id="black-forest-labs/FLUX.2-klein-4B")
    call = Local(FACTS).prepare(image_request(), klein, [b"image"])
    assert call.record() == {
        "weights": "black-forest-labs/FLUX.2-klein-4B",
        "prompt": "a cat",
        "seed": 42,
        "width": 1024,
        "height": 1024,
        "references_sha256": [hashlib.sha256(b"image").hexdigest()],
        "settings": {"num_inference_steps": 4, "guidance_scale": 1.0},
    }
    assert json.loads(json.dumps(call.record())) == call.record()


def test_schnell_runs_with_the_settings_of_its_card():
    schnell = offer("s", "local", api_id="black-forest-labs/FLUX.1-schnell")
    settings = Local(FACTS).prepare(image_request(), schnell, []).settings
    assert settings == {"num_inference_steps": 4, "guidance_scale": 0.0, "max_sequence_length": 256}


def test_no_seed_is_used_where_the_offer_takes_none():
    assert Local(FACTS).prepare(image_request(), offer("m", "local", takes_seed=False), []).seed is None
    assert Local(FACTS).prepare(image_request(seed=0), offer("m", "local"), []).seed == 0


def test_the_host_keeps_no_tasks_and_delivers_no_addresses():
    host = Local(FACTS)
    read = asyncio.run(host.poll(Task("x", "y")))
    assert (read.outcome, read.reason) == ("failed", "task_not_found")
    with pytest.raises(UntrustedUrl):
        asyncio.run(host.download("https://example.org/x.png"))
