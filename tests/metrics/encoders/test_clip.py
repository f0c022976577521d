"""CLIP and SigLIP encoders against their libraries called by hand, and against the traps of CLIP scores."""

import dataclasses
import math

import numpy as np
import PIL.Image
import pytest

from metrics.adherence import prompt_adherence, similarity_matrix
from metrics.encoders.clip import load_transformers
from metrics.encoders.dual import DualEncoder, batch_size_on
from tests.metrics.encoders.conftest import SIGLIP_TEXT
from tests.metrics.encoders.small_models import LAYERS

SHORT_PROMPTS = [
    "an astronaut",
    "A photo of a cat",
    "a red cup of coffee, steaming; beside it: two biscuits",
    "The rocket’s launch &amp; “lift-off” at 5.30 a.m.",
    "Crème brûlée im Café, 城市夜景",
]
FOX = " ".join(
    f"In scene {number} a red fox walks past the {place}, looks back over its shoulder, and vanishes."
    for number, place in enumerate(["castle", "river", "market", "old mill", "harbour", "moon", "mountain"])
)
KITCHEN = " ".join(
    f"Shelf {number} of the kitchen holds {thing}; copper light falls on the tiles and on {thing} alike."
    for number, thing in enumerate(["jars", "ladles", "cups", "onions", "knives", "plums", "eggs"])
)


@pytest.fixture(params=["by_open_clip", "by_transformers", "siglip_by_open_clip", "siglip_by_transformers"])
def encoder(request) -> DualEncoder:
    return request.getfixturevalue(request.param)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_both_libraries_agree_to_1e_5_on_identical_weights(by_open_clip, by_transformers, photographs):
    prompts = [*SHORT_PROMPTS, FOX, KITCHEN]
    # odd margins on both sides of the crop, where the two libraries' own crops lie a pixel apart
    images = [*photographs, noise(64, 95), noise(97, 64), noise(3, 50), noise(50, 3), noise(1, 1)]
    ours, theirs = (
        similarity_matrix(one.encode(images), one.encode(prompts)) for one in (by_open_clip, by_transformers)
    )
    assert np.ptp(ours) > 10
    assert np.abs(ours - theirs).max() / 100 < 1e-5
    for one, other in zip(by_open_clip.encode(prompts[-2:]), by_transformers.encode(prompts[-2:]), strict=True):
        assert len(one["clauses"]) > 1
        assert (one["clauses"], one["n_tokens"]) == (other["clauses"], other["n_tokens"])


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_open_clip_called_by_hand_gives_the_same_vectors(family, request, open_clip, photographs):
    import torch

    folder = request.getfixturevalue({"clip": "open_clip_folder", "siglip": "open_clip_siglip_folder"}[family])
    encoder = request.getfixturevalue({"clip": "by_open_clip", "siglip": "siglip_by_open_clip"}[family])
    network, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(SHORT_PROMPTS)
    with torch.no_grad():
        pixels = torch.stack([transform(PIL.Image.fromarray(image)) for image in photographs])
        images = network.eval().encode_image(pixels, normalize=True).numpy()
        texts = network.encode_text(tokens, normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode(photographs), images, atol=1e-6)
    prompts = encoder.encode(SHORT_PROMPTS)
    whole = [number for number, prompt in enumerate(prompts) if len(prompt["chunks"]) == 1]
    assert len(whole) >= 3
    np.testing.assert_allclose([prompts[number]["chunks"][0] for number in whole], texts[whole], atol=1e-6)


def test_transformers_siglip_called_by_hand_gives_the_same_vectors(
    siglip_by_transformers, transformers_siglip_folder, photographs
):
    import torch
    from transformers import AutoModel, AutoTokenizer, SiglipImageProcessorPil

    network = AutoModel.from_pretrained(transformers_siglip_folder)
    processor = SiglipImageProcessorPil.from_pretrained(transformers_siglip_folder)
    tokenizer = AutoTokenizer.from_pretrained(transformers_siglip_folder)
    # SigLIP is trained on lower case, padded to the full context
    tokens = tokenizer(["a red fox, beside the river"], padding="max_length", max_length=16, return_tensors="pt")
    pixels = processor(images=[PIL.Image.fromarray(image) for image in photographs], return_tensors="pt")
    with torch.no_grad():
        output = network(input_ids=tokens.input_ids, pixel_values=pixels.pixel_values)
    images = siglip_by_transformers.encode(photographs)
    np.testing.assert_allclose(images, output.image_embeds.numpy(), atol=1e-6)
    (prompt,) = siglip_by_transformers.encode(["A RED fox, beside the river"])
    np.testing.assert_allclose(prompt["chunks"], output.text_embeds.numpy(), atol=1e-6)


def test_siglip_2_with_pictures_of_their_own_shape_runs_in_transformers(tmp_path, word_tokenizer, photographs):
    import torch
    from transformers import Siglip2Config, Siglip2ImageProcessorPil, Siglip2Model

    config = Siglip2Config(vision_config={**LAYERS, "num_patches": 16, "patch_size": 16}, text_config=SIGLIP_TEXT)
    torch.manual_seed(3)
    Siglip2Model(config).save_pretrained(tmp_path)
    Siglip2ImageProcessorPil(patch_size=16, max_num_patches=16).save_pretrained(tmp_path)
    word_tokenizer.save_pretrained(tmp_path)
    encoder = load_transformers(str(tmp_path), "cpu")
    together = encoder.encode(photographs)
    np.testing.assert_allclose(together[3], encoder.encode(photographs[3:])[0], atol=1e-5)
    assert encoder.encode(["a red fox"])[0]["chunks"].shape == (1, 32)


def test_torchmetrics_clip_score_agrees_to_1e_3_on_short_prompts(by_transformers, transformers_folder, photographs):
    import torch
    from torchmetrics.functional.multimodal import clip_score
    from transformers import AutoTokenizer, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    class TensorFeatures(CLIPModel):
        # torchmetrics 1.9 wants the tensors that transformers returned before version 5
        def get_image_features(self, *args, **kwargs):
            return super().get_image_features(*args, **kwargs).pooler_output

        def get_text_features(self, *args, **kwargs):
            return super().get_text_features(*args, **kwargs).pooler_output

    network = TensorFeatures.from_pretrained(transformers_folder).eval()
    processor = CLIPProcessor(
        CLIPImageProcessorPil.from_pretrained(transformers_folder), AutoTokenizer.from_pretrained(transformers_folder)
    )
    prompts = ["an astronaut", "a photo of a cat", "a red cup of coffee", "the north wind"]
    square = [np.ascontiguousarray(image[:300, :300]) for image in photographs]
    ours = similarity_matrix(by_transformers.encode(square), by_transformers.encode(prompts))
    for row, image in enumerate(square):
        for column, prompt in enumerate(prompts):
            with torch.no_grad():
                tensor = torch.from_numpy(image).permute(2, 0, 1)
                theirs = clip_score(tensor, prompt, model_name_or_path=lambda: (network, processor)).item()
            # torchmetrics clips the mean at 0
            assert theirs == pytest.approx(max(ours[row, column], 0), abs=1e-3)
    assert (ours > 1).any()


def test_two_unrelated_long_prompts_have_different_vectors(encoder):
    fox, kitchen = encoder.encode([FOX, KITCHEN])
    assert min(fox["n_tokens"], kitchen["n_tokens"]) >= 120
    cosines = fox["chunks"] @ kitchen["chunks"].T
    assert cosines.max() < 0.999


@pytest.mark.parametrize(
    ("name", "end"),
    [("by_open_clip", 49407), ("by_transformers", 49407), ("siglip_by_open_clip", 1), ("siglip_by_transformers", 1)],
)
def test_every_clause_of_a_long_prompt_keeps_its_end_token(request, name, end):
    encoder = request.getfixturevalue(name)
    (prompt,) = encoder.encode([FOX + " " + "supercalifragilistic" * 40])
    assert len(prompt["clauses"]) > 2
    ids = next(iter(encoder.to_tokens(prompt["clauses"], encoder.context_length).values())).numpy()
    assert ids.shape == (len(prompt["clauses"]), encoder.context_length)
    assert ((ids == end).any(axis=1)).all()
    used = (ids == end).argmax(axis=1) + 1
    assert used.tolist() == [encoder.count_tokens(clause) for clause in prompt["clauses"]]


@pytest.mark.parametrize("name", ["by_open_clip", "by_transformers"])
def test_a_text_is_the_same_however_far_it_is_padded(request, name):
    encoder = request.getfixturevalue(name)
    texts = [*SHORT_PROMPTS, *("word " * n for n in (13, 14, 15, 30, 46, 62, 75))]
    tokens = [next(iter(encoder.to_tokens([text], encoder._padded_length(text)).values())) for text in texts]
    assert {each.shape for each in tokens} == {(1, length) for length in (16, 32, 48, 64, 77)}
    whole = dataclasses.replace(encoder, sees_padding=True).encode(texts)
    for one, other in zip(encoder.encode(texts), whole, strict=True):
        np.testing.assert_allclose(one["chunks"], other["chunks"], rtol=0, atol=1e-6)


def test_a_gpu_has_larger_batches_which_change_the_last_digits_alone(encoder, photographs):
    assert (batch_size_on("cpu"), batch_size_on("cuda"), encoder.batch_size) == (4, 16, 4)
    large = dataclasses.replace(encoder, batch_size=16)
    np.testing.assert_allclose(large.encode(photographs), encoder.encode(photographs), rtol=0, atol=1e-6)
    for one, other in zip(large.encode(SHORT_PROMPTS), encoder.encode(SHORT_PROMPTS), strict=True):
        np.testing.assert_allclose(one["chunks"], other["chunks"], rtol=0, atol=1e-6)


def test_a_batch_that_does_not_fit_into_the_memory_is_encoded_in_parts(by_open_clip, photographs):
    import torch

    sizes = []

    def small_memory(batch):
        (pixels,) = batch.values()
        sizes.append(len(pixels))
        if len(pixels) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return by_open_clip.image_tower(batch)

    encoder = dataclasses.replace(by_open_clip, image_tower=small_memory)
    np.testing.assert_allclose(encoder.encode(photographs), by_open_clip.encode(photographs), rtol=0, atol=1e-6)
    assert set(sizes) == {4, 2}


def test_siglip_sees_padding(siglip_by_open_clip, siglip_by_transformers):
    for encoder in (siglip_by_open_clip, siglip_by_transformers):
        (tokens,) = encoder.to_tokens(["a cat"], encoder._padded_length("a cat")).values()
        assert tokens.shape == (1, encoder.context_length)


def test_the_context_is_used_to_its_last_token(by_open_clip):
    fits, too_long, much_too_long = by_open_clip.encode(["word " * n for n in (75, 76, 100)])
    assert (fits["n_tokens"], len(fits["chunks"])) == (77, 1)
    assert (too_long["n_tokens"], len(too_long["chunks"])) == (78, 2)
    assert (much_too_long["n_tokens"], len(much_too_long["chunks"])) == (102, 2)


def test_an_inverted_image_scores_differently(encoder, photographs):
    (prompt,) = encoder.encode(["an astronaut"])
    image, inverted = encoder.encode([photographs[0], 255 - photographs[0]])
    assert abs(prompt_adherence(image, prompt["chunks"]) - prompt_adherence(inverted, prompt["chunks"])) > 0.1


def test_vectors_do_not_depend_on_the_rest_of_the_batch(encoder, photographs):
    images = [*photographs, *(noise(40 + 9 * seed, 70, seed) for seed in range(6))]
    texts = [*SHORT_PROMPTS, FOX, KITCHEN]
    order = np.random.default_rng(5).permutation(len(images))
    alone = [encoder.encode([image])[0] for image in images]
    together = encoder.encode(images)
    shuffled = encoder.encode([images[number] for number in order])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(shuffled, np.array(alone)[order])
    for one, many in zip((encoder.encode([text])[0] for text in texts), encoder.encode(texts), strict=True):
        np.testing.assert_array_equal(one["chunks"], many["chunks"])
    assert encoder.encode([]) == []


@pytest.mark.parametrize(
    ("name", "image_tower", "text_tower"),
    [("by_open_clip", "visual", "transformer"), ("by_transformers", "vision_model", "text_model.encoder")],
)
def test_a_batch_is_one_forward_pass(request, name, image_tower, text_tower):
    encoder, calls = request.getfixturevalue(name), []
    for tower, inputs in ((image_tower, [noise(64, 64, seed) for seed in range(37)]), (text_tower, ["a cat"] * 33)):
        hook = encoder.network.get_submodule(tower).register_forward_hook(lambda *_: calls.append(1))
        encoder.encode(inputs)
        hook.remove()
        assert len(calls) == math.ceil(len(inputs) / encoder.batch_size)
        calls.clear()


def test_features_are_unit_float32_in_the_given_order(encoder, photographs):
    slivers = [noise(*shape) for shape in ((1, 1), (1, 700), (700, 1), (3, 3))]
    vectors = encoder.encode([*photographs, *slivers])
    prompts = encoder.encode(["a cat", FOX, "", "  " * 200])
    assert {array.dtype for array in (*vectors, *(prompt["chunks"] for prompt in prompts))} == {np.dtype(np.float32)}
    np.testing.assert_allclose([np.linalg.norm(vector) for vector in vectors], 1, atol=1e-6)
    for prompt in prompts:
        np.testing.assert_allclose(np.linalg.norm(prompt["chunks"], axis=1), 1, atol=1e-6)
    assert prompts[0]["clauses"] == ["a cat"]
    assert " ".join(prompts[1]["clauses"]) == FOX
    assert [len(prompt["chunks"]) for prompt in prompts[2:]] == [1, 1]


def test_pictures_given_as_fractions_are_refused(encoder, photographs):
    with pytest.raises(TypeError):
        encoder.encode([photographs[0] / 255])
