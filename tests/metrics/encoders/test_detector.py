"""Open-vocabulary detectors against transformers by hand, on small random networks with their real processors."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.detector import OWLV2_TEMPLATE, SCORE_FLOOR, load_grounding_dino, load_owlv2
from metrics.encoders.weights import sha256_of
from tests.metrics.encoders.small_models import save_owlv2

WORDS = ["cup", "blue", "book", "plate", "dog", "fire", "hydrant", "lamp", "cat", "sofa"]


@pytest.fixture(scope="module")
def owlv2_folder(tmp_path_factory, transformers_folder) -> Path:
    return save_owlv2(tmp_path_factory.mktemp("owlv2"), transformers_folder)


@pytest.fixture(scope="module")
def grounding_dino_folder(tmp_path_factory) -> Path:
    import torch
    import transformers

    folder = tmp_path_factory.mktemp("grounding_dino")
    # the network knows its separators by their places in BERT's vocabulary
    vocabulary = [f"[unused{n}]" for n in range(1100)]
    for n, token in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}.items():
        vocabulary[n] = token
    vocabulary[1040 : 1040 + len(WORDS)] = WORDS
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    swin = {"image_size": 64, "patch_size": 4, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2]}
    bert = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    sizes = {"layers": 2, "attention_heads": 4, "ffn_dim": 32}
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(**swin, window_size=2, out_indices=[2, 3, 4]),
        text_config=transformers.BertConfig(**bert, vocab_size=len(vocabulary), max_position_embeddings=64),
        **{f"{part}_{name}": size for part in ("encoder", "decoder") for name, size in sizes.items()},
        d_model=32,
        num_queries=20,
        max_text_len=40,
        positional_embedding_temperature=20,
    )
    torch.manual_seed(0)
    network = transformers.GroundingDinoForObjectDetection(config)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "bbox_embed" in name or "text_projection" in name:
                weight.normal_(0, 0.2)
    network.save_pretrained(folder)
    tokenizer = transformers.BertTokenizerFast(vocab=str(folder / "vocab.txt"), do_lower_case=True)
    processor = transformers.GroundingDinoImageProcessorPil(size={"shortest_edge": 128, "longest_edge": 192})
    transformers.GroundingDinoProcessor(processor, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def owlv2(owlv2_folder):
    return load_owlv2(str(owlv2_folder), "cpu")


@pytest.fixture(scope="module")
def grounding_dino(grounding_dino_folder):
    return load_grounding_dino(str(grounding_dino_folder), "cpu")


@pytest.fixture(params=["owlv2", "grounding_dino"])
def detector(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def questions(photographs) -> list[tuple[np.ndarray, str]]:
    """Pictures of four shapes, each asked for one to four phrases, two of them twice."""
    texts = ["cup", "blue book\ncup\nplate", "cat\nsofa", "book\ncup\ndog\nfire hydrant"]
    asked = [(image[::4, ::4], text) for image, text in zip(photographs, texts, strict=True)]
    return [*asked, asked[1], (photographs[0][::4, ::4], texts[3]), (photographs[2][::4, ::4], "cat\nsofa")]


def corners(found: list[dict[str, Any]]) -> np.ndarray:
    return np.array([one["box"] for one in found]).reshape(-1, 4)


def assert_same(ours: list[Any], theirs: list[Any], tolerance: float = 1e-5) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert [each["phrase"] for each in one] == [each["phrase"] for each in other]
        np.testing.assert_allclose([e["score"] for e in one], [e["score"] for e in other], atol=tolerance)
        np.testing.assert_allclose(corners(one), corners(other), atol=tolerance)
        assert [each["colour"] for each in one] == [each["colour"] for each in other]


def by_transformers(folder: Path, image: np.ndarray, phrases: list[str], threshold: float, template: str) -> Any:
    """Return the tokens, the output and the boxes, 0 to 1, of transformers' own processing of one picture."""
    import torch
    from transformers import AutoImageProcessor, AutoModelForZeroShotObjectDetection, AutoProcessor

    network = AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    texts = [[template.format(phrase) for phrase in phrases]]
    inputs = processor(images=PIL.Image.fromarray(image), text=texts, return_tensors="pt")
    with torch.no_grad():
        output = network(**inputs)
    height, width = image.shape[:2]
    (found,) = processor.post_process_grounded_object_detection(
        output, threshold=threshold, target_sizes=[(height, width)], text_labels=[phrases]
    )
    found["boxes"] = (found["boxes"].numpy() / [width, height, width, height]).clip(0, 1)
    return processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0]), output, found


def test_owlv2_finds_what_transformers_own_post_processing_finds(owlv2, owlv2_folder, photographs):
    phrases = ["blue book", "cup", "plate"]
    wide, tall = photographs[1], np.ascontiguousarray(photographs[1].transpose(1, 0, 2))
    for image in (wide, tall):
        _, _, theirs = by_transformers(owlv2_folder, image, phrases, SCORE_FLOOR, OWLV2_TEMPLATE)
        boxes = theirs["boxes"]
        inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        # boxes in the padding are theirs alone
        assert 10 < inside.sum() < len(inside)
        (ours,) = owlv2.encode([(image, "\n".join(phrases))])
        np.testing.assert_allclose(corners(ours), boxes[inside], atol=1e-5)
        np.testing.assert_allclose([one["score"] for one in ours], theirs["scores"].numpy()[inside], atol=1e-5)
        labels = [label for label, kept in zip(theirs["text_labels"], inside, strict=True) if kept]
        assert [one["phrase"] for one in ours] == labels
        assert len(set(labels)) > 1


def test_phrases_that_only_fill_up_a_batch_never_win_a_box(owlv2, photographs):
    # the text that fills up is a text like any other to the network, and would be the best of some box
    small = photographs[0][::4, ::4]
    texts = ["cup", "blue book\ncat\ncup\ndog\nlamp\nplate\nsofa"]
    together = owlv2.encode([(small, text) for text in texts])
    assert_same(together, [owlv2.encode([(small, text)])[0] for text in texts])
    assert {one["phrase"] for one in together[0]} == {"cup"}


def test_a_phrase_beyond_the_context_is_cut_to_fit(owlv2, photographs):
    image = photographs[0][::4, ::4]
    long = "very long phrase about a cup on a table in a house by a river"
    cut, longer, other = (
        [one["score"] for one in owlv2.encode([(image, phrase)])[0]]
        for phrase in (long, f"{long} under a bridge", long.replace("very", "most"))
    )
    assert cut == longer
    assert len(cut) != len(other) or np.abs(np.subtract(cut, other)).max() > 1e-4


def test_grounding_dino_finds_the_boxes_that_transformers_finds(grounding_dino, grounding_dino_folder, photographs):
    image, phrases = photographs[1], ["blue book", "cup", "fire hydrant"]
    tokens, output, theirs = by_transformers(grounding_dino_folder, image, phrases, 0, "{}")
    boxes = theirs["boxes"]
    assert tokens == ["[CLS]", "blue", "book", ".", "cup", ".", "fire", "hydrant", ".", "[SEP]"]
    probabilities = output.logits[0].sigmoid().numpy()
    by_hand = np.stack([probabilities[:, span].max(axis=1) for span in ([1, 2], [4], [6, 7])], axis=1)
    kept = (by_hand.max(axis=1) >= SCORE_FLOOR) & (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    (ours,) = grounding_dino.encode([(image, "\n".join(phrases))])
    assert kept.sum() > 5
    np.testing.assert_allclose(corners(ours), boxes[kept], atol=1e-5)
    np.testing.assert_allclose([one["score"] for one in ours], by_hand.max(axis=1)[kept], atol=1e-5)
    assert [one["phrase"] for one in ours] == [phrases[n] for n in by_hand.argmax(axis=1)[kept]]


def test_more_phrases_than_the_network_reads_are_refused_and_not_cut(grounding_dino, photographs):
    text = "\n".join(f"{first} {second}" for first in WORDS for second in ("cup", "dog"))
    with pytest.raises(ValueError, match=r"tokens, and grounding_dino:.* reads 40"):
        grounding_dino.encode([(photographs[0][::4, ::4], text)])


def test_answers_do_not_depend_on_the_batch(detector, questions):
    alone = [detector.encode([question])[0] for question in questions]
    assert all(alone)
    together = detector.encode(questions)
    assert together == detector.encode(questions)
    assert together[1] == together[4], "the same question"
    assert_same(together, alone)
    assert_same(detector.encode(questions[::-1])[::-1], alone)
    assert_same(detector.encode(questions * 2), alone * 2)


def test_pictures_run_in_batches(detector, questions):
    sizes: list[int] = []
    hook = detector.network.register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    detector.encode([questions[0]] * 9)
    hook.remove()
    assert sizes == [4, 4, 1]


def test_detections_are_plain_and_within_the_picture(detector, questions):
    for (image, text), found in zip(questions, detector.encode(questions), strict=True):
        assert json.loads(json.dumps(found)) == found
        for one in found:
            assert one["phrase"] in text.split("\n")
            assert SCORE_FLOOR <= one["score"] <= 1
            x0, y0, x1, y1 = one["box"]
            assert 0 <= x0 <= x1 <= 1
            assert 0 <= y0 <= y1 <= 1
        assert all(one["picture_size"] == [image.shape[1], image.shape[0]] for one in found)


def test_the_colour_is_that_of_the_boxs_middle(detector, questions):
    halves = np.full((60, 90, 3), (20, 40, 220), np.uint8)
    halves[:, 45:] = (250, 240, 40)
    (found,) = detector.encode([(halves, "cup\nplate")])
    middles = [(one["box"][0] + one["box"][2]) / 2 for one in found]
    sure = [(x, one["colour"]) for x, one in zip(middles, found, strict=True) if one["colour"]["share"] == 1]
    assert sure
    assert all(colour["name"] == ("blue" if x < 0.5 else "yellow") for x, colour in sure)


def test_nothing_is_found_where_nothing_is_asked_for(detector, questions):
    image = questions[0][0]
    assert detector.encode([]) == []
    assert detector.encode([(image, ""), questions[1]])[0] == []


def test_a_picture_of_one_pixel_is_a_picture(owlv2):
    (found,) = owlv2.encode([(np.full((1, 1, 3), 255, np.uint8), "cup")])
    assert all(one["colour"]["name"] == "white" for one in found)


def test_name_hash_and_version_tell_what_was_loaded(owlv2, owlv2_folder, grounding_dino):
    assert owlv2.name == f"owlv2:{owlv2_folder}"
    assert owlv2.weights_sha256 == sha256_of(owlv2_folder / "model.safetensors")
    assert owlv2.licence == "unknown (local files)"
    assert "template=a_photo_of_a_{}" in owlv2.version
    assert owlv2.version != grounding_dino.version
    assert not owlv2.network.training


def test_a_repository_of_the_local_cache_is_loaded_without_the_network(
    owlv2_folder, grounding_dino_folder, hub_cache, no_network
):
    for load, repository, folder in (
        (load_owlv2, "google/owlv2-base-patch16-ensemble", owlv2_folder),
        (load_grounding_dino, "IDEA-Research/grounding-dino-tiny", grounding_dino_folder),
    ):
        hub_cache(repository, folder)
        assert load(repository, "cpu").licence == "Apache-2.0"


def test_a_model_of_another_kind_is_refused(owlv2_folder, grounding_dino_folder, transformers_folder):
    for load, folder, reason in (
        (load_owlv2, transformers_folder, "cannot be loaded"),
        (load_grounding_dino, transformers_folder, "cannot be loaded"),
        (load_owlv2, grounding_dino_folder, "no complete owlv2 model"),
        (load_grounding_dino, owlv2_folder, "no complete grounding-dino model"),
    ):
        with pytest.raises(EncoderUnavailable, match=reason):
            load(str(folder), "cpu")
