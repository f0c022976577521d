"""Small random models with their real processors, in folders as real ones come in: an OWLv2 detector, a LLaVA judge."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metrics.encoders.runtime import import_torchvision

VOCABULARY = """
Does this figure show " ? Please answer or no . Yes yes YES No NO a red fox blue fish under the old bridge at night
<s> </s> <pad> <unk> <image> USER : ASSISTANT maybe
"""
WORDS = VOCABULARY.split()
CHAT = (
    "<s>{% for message in messages %}USER : {% for part in message['content'] %}{% if part['type'] == 'image' %}"
    "<image> {% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT :{% endif %}"
)
LAYERS = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TOWER = {**LAYERS, "image_size": 32, "patch_size": 8}
LANGUAGE = {**LAYERS, "num_key_value_heads": 2, "vocab_size": len(WORDS)}


def save_owlv2(folder: Path, tokenizer_folder: Path) -> Path:
    """Save a detector that reads CLIP's vocabulary, which ``tokenizer_folder`` holds."""
    import torch
    import transformers

    config = transformers.Owlv2Config(
        projection_dim=32,
        vision_config={**LAYERS, "image_size": 64, "patch_size": 8},
        text_config={**LAYERS, "vocab_size": 49408, "max_position_embeddings": 16},
    )
    torch.manual_seed(0)
    network = transformers.Owlv2ForObjectDetection(config)
    with torch.no_grad():
        # random heads put every score near a half and every box on its own patch; these spread both
        for name, weight in network.named_parameters():
            if name.startswith(("class_head", "owlv2.text_model")) and weight.ndim == 2:
                weight.normal_(0, 0.4)
            elif name.startswith("box_head") and weight.ndim == 2:
                weight.normal_(0, 0.2)
    network.save_pretrained(folder)
    tokenizer = transformers.CLIPTokenizer.from_pretrained(tokenizer_folder, pad_token="!", model_max_length=16)
    pixels = transformers.Owlv2ImageProcessorPil(size={"height": 64, "width": 64})
    transformers.Owlv2Processor(pixels, tokenizer).save_pretrained(folder)
    return folder


def whole_word_tokenizer(words: Sequence[str], template: str, **settings: Any) -> Any:
    """Return a tokenizer of whole words that puts every text into the template, as ``<s> $A``."""
    import_torchvision()  # before transformers tries it
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    numbers = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    special = [(word, numbers[word]) for word in template.split() if word in numbers]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=special)
    ends = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends, **settings)


def judge_tokenizer() -> Any:
    return whole_word_tokenizer(WORDS, "<s> $A", bos_token="<s>", additional_special_tokens=["<image>"])


def save_judge(folder: Path, network: Any, processor: Any) -> Path:
    """Save a vision-language model whose answers depend on picture and question."""
    import torch

    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            # random weights of the usual size answer alike to every picture and every question
            if weight.ndim >= 2:
                spread = 0.03 if "embed_tokens" in name else 2.0 if "projector" in name else 0.3
                weight.normal_(0, spread)
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def save_llava(folder: Path, tokenizer: Any) -> Path:
    """Save a judge with a chat template, which writes the start token itself."""
    import transformers

    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**TOWER, projection_dim=32),
        text_config=transformers.LlamaConfig(**LANGUAGE, max_position_embeddings=256),
        image_token_index=WORDS.index("<image>"),
        vision_feature_layer=-1,
    )
    pixels = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = transformers.LlavaProcessor(
        pixels,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=CHAT,
    )
    return save_judge(folder, transformers.LlavaForConditionalGeneration(config), processor)
