"""Vision-language models as judges against transformers by hand, on small random models with their real processors."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.vqa import load_vqa, tokens_that_spell
from metrics.encoders.weights import sha256_of
from tests.metrics.encoders.small_models import (
    CHAT,
    LANGUAGE,
    LAYERS,
    TOWER,
    WORDS,
    judge_tokenizer,
    save_judge,
    save_llava,
)

TEXTS = ["a red fox", "a blue fish under the old bridge at night", "fox", "the old bridge", "a fish at night"]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return judge_tokenizer()


@pytest.fixture(scope="module")
def llava_folder(tmp_path_factory, tokenizer) -> Path:
    """With a chat template, which writes the start token itself."""
    return save_llava(tmp_path_factory.mktemp("llava"), tokenizer)


@pytest.fixture
def copy(llava_folder, tmp_path) -> Path:
    return Path(shutil.copytree(llava_folder, tmp_path / "llava"))


@pytest.fixture(scope="module")
def paligemma_folder(tmp_path_factory, tokenizer) -> Path:
    """Without a chat template, and with attention to what comes later in the question."""
    import transformers

    config = transformers.PaliGemmaConfig(
        vision_config=transformers.SiglipVisionConfig(**TOWER),
        text_config=transformers.GemmaConfig(**LANGUAGE, head_dim=16, pad_token_id=WORDS.index("<pad>")),
        image_token_index=WORDS.index("<image>"),
        projection_dim=32,
    )
    pixels = transformers.SiglipImageProcessorPil(size={"height": 32, "width": 32})
    pixels.image_seq_length = 16
    return save_judge(
        tmp_path_factory.mktemp("paligemma"),
        transformers.PaliGemmaForConditionalGeneration(config),
        transformers.PaliGemmaProcessor(pixels, tokenizer),
    )


@pytest.fixture(scope="module")
def blip2_folder(tmp_path_factory, tokenizer) -> Path:
    """An encoder and a decoder, and a processor that puts the picture in front of padding and question."""
    import transformers

    padding = WORDS.index("<pad>")
    t5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "vocab_size": len(WORDS)}
    config = transformers.Blip2Config(
        vision_config=transformers.Blip2VisionConfig(**TOWER),
        qformer_config=transformers.Blip2QFormerConfig(**LAYERS, vocab_size=len(WORDS), encoder_hidden_size=32),
        text_config=transformers.T5Config(**t5, decoder_start_token_id=padding, pad_token_id=padding),
        num_query_tokens=5,
        image_token_index=WORDS.index("<image>"),
    )
    pixels = transformers.BlipImageProcessorPil(size={"height": 32, "width": 32})
    return save_judge(
        tmp_path_factory.mktemp("blip2"),
        transformers.Blip2ForConditionalGeneration(config),
        transformers.Blip2Processor(pixels, tokenizer, num_query_tokens=5),
    )


@pytest.fixture(scope="module", params=["llava", "paligemma", "blip2"])
def folder(request) -> Path:
    return request.getfixturevalue(f"{request.param}_folder")


@pytest.fixture(scope="module")
def judge(folder):
    return load_vqa(str(folder), "cpu")


@pytest.fixture(scope="module")
def questions(photographs) -> list[tuple[np.ndarray, str]]:
    """Twelve questions about pictures of three sizes, the texts of one to eight words."""
    images = [image[::4, ::4] for image in photographs[:3]]
    return [(images[n % 3], TEXTS[n % len(TEXTS)]) for n in range(12)]


def assert_same(ours: list[Any], theirs: list[Any], tolerance: float = 1e-5) -> None:
    assert len(ours) == len(theirs)
    for key in ("yes", "no"):
        np.testing.assert_allclose([each[key] for each in ours], [each[key] for each in theirs], atol=tolerance, rtol=0)


def by_hand(folder: Path, image: np.ndarray, text: str) -> dict[str, float]:
    """One picture, one forward pass, no padding, the words of the answer by their numbers."""
    import torch
    from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor

    network = AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    processor.image_processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    question = f'Does this figure show "{text}"? Please answer yes or no.'
    if "llava" in str(folder):
        asked, settings = f"<s>USER : <image> {question} ASSISTANT :", {"add_special_tokens": False}
    else:
        asked, settings = question if "blip2" in str(folder) else f"<image>{question}", {}
    inputs = processor(images=PIL.Image.fromarray(image), text=asked, return_tensors="pt", **settings)
    if "blip2" in str(folder):
        inputs["decoder_input_ids"] = torch.tensor([[WORDS.index("<pad>")]])
    with torch.no_grad():
        probabilities = network(**inputs).logits[0, -1].double().softmax(-1)
    return {
        "yes": sum(float(probabilities[WORDS.index(word)]) for word in ("Yes", "yes", "YES")),
        "no": sum(float(probabilities[WORDS.index(word)]) for word in ("No", "no", "NO")),
    }


def test_the_answer_is_that_of_a_forward_pass_by_hand(judge, folder, questions):
    asked = [*(questions[n] for n in (0, 1, 5)), (questions[0][0], "a {red} fox {}")]
    ours = judge.encode(asked)
    assert_same(ours, [by_hand(folder, image, text) for image, text in asked], 1e-6)
    assert all(0 < answer["yes"] < 1 and 0 < answer["yes"] + answer["no"] < 1 for answer in ours)


def test_picture_and_text_both_decide_the_answer(judge, photographs):
    one, other = photographs[0][::4, ::4], np.ascontiguousarray(photographs[0][::-4, ::4])
    first, second, third = judge.encode([(one, "a red fox"), (other, "a red fox"), (one, "a blue fish")])
    assert abs(first["yes"] - second["yes"]) > 1e-4
    assert abs(first["yes"] - third["yes"]) > 1e-4


def test_answers_do_not_depend_on_the_batch_or_the_order(judge, questions):
    from dataclasses import replace

    alone = [judge.encode([question])[0] for question in questions]
    for batch_size in (1, 7, 32):
        order = np.random.default_rng(batch_size).permutation(len(questions))
        shuffled = replace(judge, batch_size=batch_size).encode([questions[n] for n in order])
        assert_same(shuffled, [alone[n] for n in order])
    assert np.ptp([answer["yes"] for answer in alone]) > 1e-3
    assert judge.encode([]) == []


def test_pictures_of_one_size_are_asked_about_in_batches(judge, photographs, monkeypatch):
    calls = []
    generate = type(judge.network).generate

    def counted(self, **inputs):
        calls.append(len(inputs["input_ids"]))
        return generate(self, **inputs)

    monkeypatch.setattr(type(judge.network), "generate", counted)
    judge.encode([(photographs[0][::4, ::4], TEXTS[n % 2 * 3]) for n in range(9)])
    assert calls == [4, 4, 1]


def test_settings_of_the_folder_for_generation_do_not_change_the_answer(llava_folder, copy, questions):
    settings = {"do_sample": True, "temperature": 9.0, "num_beams": 3, "repetition_penalty": 9.0}
    (copy / "generation_config.json").write_text(json.dumps({**settings, "eos_token_id": 1, "bos_token_id": 0}))
    asked = questions[:3]
    assert_same(load_vqa(str(copy), "cpu").encode(asked), load_vqa(str(llava_folder), "cpu").encode(asked))


def test_what_spells_yes_is_found_in_byte_level_and_sentence_piece_vocabularies():
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    for space, decoder in (("Ġ", decoders.ByteLevel()), ("▁", decoders.Metaspace())):
        spelled = ["Yes", f"{space}Yes", "yes", f"{space}yes", "YES", f"{space}YES", f"{space}Yes{space}"]
        others = ["yesterday", f"{space}eyes", "Yes.", "<yes>", "ye", "s", "no"]
        words = Tokenizer(models.WordLevel({token: n for n, token in enumerate([*others, *spelled])}, unk_token="s"))
        words.decoder = decoder
        found = tokens_that_spell("yes", PreTrainedTokenizerFast(tokenizer_object=words))
        assert found == list(range(len(others), len(others) + len(spelled)))


def test_name_weights_and_question_are_on_the_record(judge, folder):
    assert judge.name == f"vqa:{folder}"
    assert judge.weights_sha256 == sha256_of(folder / "model.safetensors")
    assert 'question=Does_this_figure_show_"{}"?_Please_answer_yes_or_no.' in judge.version
    assert "revision=local" in judge.version


def test_the_version_is_the_same_every_time_and_changes_with_the_chat_template(llava_folder, copy):
    first = load_vqa(str(llava_folder), "cpu").version
    assert load_vqa(str(copy), "cpu").version == first
    (copy / "chat_template.jinja").write_text(CHAT.replace("USER", "ASSISTANT"))
    assert load_vqa(str(copy), "cpu").version != first


def test_a_model_of_the_hub_cache_is_named_with_its_revision(llava_folder, hub_cache, no_network, questions):
    hub_cache("someone/tiny-llava", llava_folder)
    judge = load_vqa("someone/tiny-llava", "cpu")
    assert "revision=0123456789abcdef0123456789abcdef01234567" in judge.version
    local = load_vqa(str(llava_folder), "cpu")
    assert_same(judge.encode(questions[:2]), local.encode(questions[:2]), 0)


def test_folders_that_cannot_be_asked_are_refused(copy, transformers_folder):
    with pytest.raises(EncoderUnavailable, match="cannot be loaded"):
        load_vqa(str(transformers_folder), "cpu")
    tokenizer = copy / "tokenizer.json"
    tokenizer.write_text(re.sub('"yes"', '"ja"', tokenizer.read_text(), flags=re.IGNORECASE))
    with pytest.raises(EncoderUnavailable, match="no single token for yes"):
        load_vqa(str(copy), "cpu")
    for path in copy.glob("token*"):
        path.unlink()
    with pytest.raises(EncoderUnavailable, match=r"cannot be loaded|no complete"):
        load_vqa(str(copy), "cpu")
