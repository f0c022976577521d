"""Vision-language models as judges: how likely the answer to a question about a picture is Yes (VQAScore)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import PIL.Image

from metrics.encoders.catalogue import EncoderUnavailable, Image
from metrics.encoders.dual import feature_version
from metrics.encoders.local_models import cannot_load, load_errors, load_transformers_model
from metrics.encoders.runtime import TOKENIZING, encode_by_key, exact_inference
from metrics.encoders.weights import hub_offline

if TYPE_CHECKING:
    import torch

Question = tuple[Image, str]
"""A picture and the text that it is asked about."""

QUESTION_TEMPLATE = 'Does this figure show "{}"? Please answer yes or no.'
"""The wording of Lin et al. (2024); another one gives other values."""


class Answer(TypedDict):
    """The probabilities, 0..1, that the first token of the answer spells yes and that it spells no."""

    yes: float
    no: float


@dataclass(frozen=True, slots=True)
class QuestionAnswerer:
    """A vision-language model that is asked whether a picture shows a text.

    Preprocessing, chat template and tokens are the model's own. Nothing depends on what else is in a batch (to 1e-5).
    """

    name: str
    licence: str
    weights_sha256: str | None
    version: str
    network: Any
    device: str
    to_inputs: Callable[[list[PIL.Image.Image], list[str]], Mapping[str, torch.Tensor]]
    """The model's inputs for pictures and the questions about them, padded on the left."""
    batch_key: Callable[[Image, str], Hashable]
    """Pictures and texts of one key can share a batch without changing each other's answer."""
    yes_tokens: Sequence[int]
    no_tokens: Sequence[int]
    pad_token: int
    revision: str | None
    batch_size: int = 4

    def encode(self, questions: Sequence[Question]) -> list[Answer]:
        """Return the answer to ``QUESTION_TEMPLATE`` for each picture and text."""
        return encode_by_key(questions, lambda question: self.batch_key(*question), self.batch_size, self._answers)

    def _answers(self, questions: Sequence[Question]) -> list[Answer]:

        pictures = [PIL.Image.fromarray(image) for image, _ in questions]
        inputs = self.to_inputs(pictures, [QUESTION_TEMPLATE.format(text) for _, text in questions])
        with exact_inference():
            # one step of generation and not a forward pass: it places the positions behind the padding, and starts
            # the answer of encoder-decoder models, as each model wants it
            output = self.network.generate(
                **{key: value.to(self.device) for key, value in inputs.items()},
                max_new_tokens=1,
                do_sample=False,
                num_beams=1,
                pad_token_id=self.pad_token,
                output_logits=True,
                return_dict_in_generate=True,
            )
            probabilities = output.logits[0].cpu().double().softmax(dim=-1)
        yes = probabilities[:, list(self.yes_tokens)].sum(dim=1).tolist()
        no = probabilities[:, list(self.no_tokens)].sum(dim=1).tolist()
        return [{"yes": one, "no": other} for one, other in zip(yes, no, strict=True)]


def load_vqa(model: str, device: str = "auto") -> QuestionAnswerer:
    """Load a vision-language model of transformers, any that it knows for image and text to text, as a judge.

    It runs in float32: half precision moves an answer with its batch by more than 1e-5. Models that think before they
    answer have no answer in their first token and are no judges of this kind.

    ``model`` and ``device`` as in :func:`load_transformers_model`, such as ``Qwen/Qwen2-VL-2B-Instruct``. Raises
    EncoderUnavailable if there is no such model on this machine, or it does not answer questions about pictures.
    """
    name = f"vqa:{model}"
    kind = "vision-language model"
    loaded = load_transformers_model(name, device, "AutoModelForImageTextToText", kind, lambda network: True)
    from transformers import AutoProcessor

    with hub_offline():
        try:
            processor: Any = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                loaded.folder, trust_remote_code=False
            )
        except load_errors() as error:
            raise EncoderUnavailable(cannot_load(name, error)) from error
    if getattr(processor, "tokenizer", None) is None:
        raise EncoderUnavailable(f"{name} is no complete {kind}: it is {type(loaded.network).__name__}")
    processor.image_processor = loaded.image_processor
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    yes_tokens, no_tokens = tokens_that_spell("yes", tokenizer), tokens_that_spell("no", tokenizer)
    if not yes_tokens or not no_tokens:
        raise EncoderUnavailable(f"{name} cannot be asked: its vocabulary has no single token for yes or for no")
    return QuestionAnswerer(
        name=name,
        licence=loaded.licence,
        weights_sha256=loaded.weights_sha256,
        version=feature_version(
            question=QUESTION_TEMPLATE.replace(" ", "_"),
            chat=_digest(processor.chat_template) if processor.chat_template else "none",
            processor=type(processor.image_processor).__name__,
            processing=_digest(processor.image_processor.to_dict()),
            revision=loaded.revision or "local",
            tokens=_digest([yes_tokens, no_tokens]),
        ),
        network=loaded.network,
        device=loaded.device,
        to_inputs=_inputs_of(processor),
        batch_key=_batch_key_of(processor),
        yes_tokens=yes_tokens,
        no_tokens=no_tokens,
        pad_token=tokenizer.pad_token_id,
        revision=loaded.revision,
    )


def tokens_that_spell(word: str, tokenizer: Any) -> list[int]:
    """Return the ids of all tokens that are the word, in any case, with or without white space around it.

    ``word`` is lower-case ASCII, ``tokenizer`` one of transformers.
    """
    likely = [number for token, number in tokenizer.get_vocab().items() if word in token.lower()]
    return sorted(number for number in likely if tokenizer.decode([number]).strip().lower() == word)


def _inputs_of(processor: Any) -> Callable[[list[PIL.Image.Image], list[str]], Mapping[str, torch.Tensor]]:
    """Return what turns pictures and questions into inputs, in the model's chat template if it has one."""
    begin = processor.tokenizer.bos_token

    def inputs(pictures: list[PIL.Image.Image], questions: list[str]) -> Mapping[str, torch.Tensor]:
        texts = [_as_asked(processor, question) for question in questions]
        # a chat template that writes the start token itself must not get a second one
        written = bool(begin) and texts[0].startswith(begin)
        with TOKENIZING:
            batch: Mapping[str, torch.Tensor] = processor(
                images=[[picture] for picture in pictures],
                text=texts,
                padding=True,
                return_tensors="pt",
                **({"add_special_tokens": False} if written else {}),
            )
        return batch

    return inputs


def _as_asked(processor: Any, question: str) -> str:
    if processor.chat_template:
        turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}
        text: str = processor.apply_chat_template([turn], add_generation_prompt=True, tokenize=False)
        return text
    return question if _places_pictures(processor) else f"{getattr(processor, 'image_token', '')}{question}"


def _batch_key_of(processor: Any) -> Callable[[Image, str], Hashable]:
    """Return the key of a batch: one size of pictures, whose padding not every model masks, and maybe one length."""
    if not _places_pictures(processor):
        return lambda image, text: image.shape

    # the padding lands between picture and question and moves their relative positions, mask or no mask
    def key(image: Image, text: str) -> Hashable:
        with TOKENIZING:
            return image.shape, len(processor.tokenizer(QUESTION_TEMPLATE.format(text))["input_ids"])

    return key


def _places_pictures(processor: Any) -> bool:
    """Tell whether a processor puts the picture in front of the text by itself, as those of the BLIP-2 family do."""
    return hasattr(processor, "num_query_tokens")


def _digest(settings: Any) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:12]
