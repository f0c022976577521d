"""Loads CLIP and SigLIP from files on this machine: any model of open_clip, and both families through transformers."""

from __future__ import annotations

import copy
import functools
import html
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metrics.encoders.catalogue import EncoderUnavailable
from metrics.encoders.dual import DualEncoder, Tensors, batch_size_on, feature_version
from metrics.encoders.local_models import (
    LOCAL_LICENCE,
    cannot_load,
    licence_of,
    load_errors,
    load_transformers_model,
    no_tokenizer,
    not_here,
)
from metrics.encoders.runtime import import_open_clip, torch_device
from metrics.encoders.weights import (
    OPEN_CLIP_FILES,
    cached_file,
    check_architecture,
    check_fetched,
    find_weights,
    hub_offline,
    open_clip_tag,
    revision_of,
    sha256_of,
)

if TYPE_CHECKING:
    import PIL.Image
    import torch

_CHECKPOINTS = (".pt", ".pth", ".bin", ".safetensors", ".npz")
_LOCAL_DIR_FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)  # open_clip's own order of preference: the file that is hashed is the one that it loads


def load_open_clip(model: str, device: str = "auto") -> DualEncoder:
    """Load a model of open_clip from files on this machine.

    ``model`` is ``ARCHITECTURE/TAG`` as in ``ViT-B-32/laion2b_s34b_b79k``; ``hf-hub:ORG/NAME``; ``local-dir:FOLDER``
    with ``open_clip_config.json`` and weights; or ``ARCHITECTURE/FILE.pt`` (also .pth, .bin, .safetensors, .npz). A
    relative folder or file may lie in the working directory or in the weights folder. A file brings no configuration:
    preprocessing is the architecture's, and OpenAI, MetaCLIP and DFN weights want an architecture that ends in
    ``-quickgelu`` (tags and OpenAI's own TorchScript files get the right activation by themselves). ``device`` is
    ``auto`` (CUDA if there is one, else CPU) or a name of torch's. Raises EncoderUnavailable if the name is unknown,
    the weights or the tokenizer are not on this machine, or they do not fit.
    """
    name = f"open_clip:{model}"
    if model.startswith("local-dir:"):
        return _open_clip_folder(name, model.removeprefix("local-dir:"), device)
    if model.startswith("hf-hub:"):
        repository = model.removeprefix("hf-hub:")
        weights = cached_file(repository, OPEN_CLIP_FILES)
        if weights is None or cached_file(repository, ("open_clip_config.json",)) is None:
            raise EncoderUnavailable(not_here(name))
        return _open_clip_encoder(name, model, weights, device, licence_of(repository))
    architecture, _, rest = model.partition("/")
    if not rest:
        raise EncoderUnavailable(f"{name} names no weights: write open_clip:{model}/TAG or open_clip:{model}/FILE.pt")
    if Path(rest).suffix in _CHECKPOINTS:
        return _open_clip_file(name, architecture, rest, device)
    tag = open_clip_tag(model)
    weights = cached_file(tag.repository, tag.filenames)
    if weights is None:
        raise EncoderUnavailable(not_here(name))
    pretrained = import_open_clip().get_pretrained_cfg(tag.architecture, tag.tag)
    return _open_clip_encoder(name, architecture, weights, device, licence_of(tag.repository), pretrained)


def _open_clip_folder(name: str, folder_name: str, device: str) -> DualEncoder:
    folder = find_weights(folder_name)
    if folder is None or not (folder / "open_clip_config.json").is_file():
        raise EncoderUnavailable(f"{name}: there is no folder {folder_name} with an open_clip_config.json")
    weights = next((folder / file for file in _LOCAL_DIR_FILES if (folder / file).is_file()), None)
    if weights is None:
        raise EncoderUnavailable(f"{name}: {folder} holds no weights; call the file {_LOCAL_DIR_FILES[0]}")
    return _open_clip_encoder(name, f"local-dir:{folder}", weights, device, LOCAL_LICENCE)


def _open_clip_file(name: str, architecture: str, filename: str, device: str) -> DualEncoder:
    weights = find_weights(filename)
    if weights is None or not weights.is_file():
        raise EncoderUnavailable(f"{name}: there is no file {filename}, here or in the weights folder")
    check_architecture(architecture)
    pretrained = _usual_preprocessing(architecture)
    note = "weights from a file, preprocessing usual for the architecture"
    return _open_clip_encoder(name, architecture, weights, device, LOCAL_LICENCE, pretrained, note)


def _usual_preprocessing(architecture: str) -> dict[str, Any]:
    """Return the preprocessing that all of the architecture's tags share (SigLIP's, say), else open_clip's default."""
    open_clip = import_open_clip()
    keys = ("mean", "std", "interpolation", "resize_mode")
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    settings = [{key: open_clip.get_pretrained_cfg(architecture, tag)[key] for key in keys} for tag in tags]
    return settings[0] if settings and all(setting == settings[0] for setting in settings) else {}


def _open_clip_encoder(
    name: str,
    source: str,
    weights: Path,
    device: str,
    licence: str,
    pretrained: Mapping[str, Any] | None = None,
    note: str = "",
) -> DualEncoder:
    """Load ``source`` (an architecture with its ``pretrained`` settings, or a name that brings its own configuration).

    ``pretrained`` is given to open_clip piece by piece: of a tag whose weights want QuickGELU it would only warn and
    run plain GELU, and of a file it would know neither activation nor preprocessing.
    """
    open_clip = import_open_clip()
    import torch

    weights_sha256 = sha256_of(weights)
    check_fetched(name, weights_sha256)
    target = torch_device(device)
    with hub_offline():
        try:
            if _is_torchscript(weights):
                network = _from_torchscript(open_clip, source, weights)
            elif pretrained is None:
                network = open_clip.create_model(source, require_pretrained=True)
            else:
                settings = {key: value for key, value in pretrained.items() if key != "size"}
                network = open_clip.create_model(
                    source,
                    pretrained=str(weights),
                    force_quick_gelu=bool(pretrained.get("quick_gelu")),
                    force_preprocess_cfg=settings,
                )
        except load_errors() as error:
            raise EncoderUnavailable(cannot_load(name, error, weights)) from error
        try:
            tokenizer = open_clip.get_tokenizer(source)
        except (OSError, ValueError, ImportError) as error:
            raise EncoderUnavailable(no_tokenizer(name, error)) from error
    preprocessing = open_clip.get_model_preprocess_cfg(network)
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(**preprocessing), is_train=False
    )
    network = network.eval().to(target)
    sees_padding = _sees_padding(open_clip, network, tokenizer)
    tower_for = functools.cache(lambda length: network if sees_padding else _tower_for(network, length))
    return DualEncoder(
        name=name,
        licence=licence,
        weights_sha256=weights_sha256,
        version=feature_version(**preprocessing, context=tokenizer.context_length, activation=_activation(network)),
        note=note,
        context_length=tokenizer.context_length,
        network=network,
        device=target,
        to_pixels=lambda pictures: {"image": torch.stack([transform(picture) for picture in pictures])},
        to_tokens=lambda texts, length: {"text": tokenizer(texts, context_length=length)},
        sees_padding=sees_padding,
        batch_size=batch_size_on(target),
        count_tokens=_open_clip_counter(tokenizer),
        image_tower=lambda batch: network.encode_image(batch["image"]),
        text_tower=lambda batch: tower_for(batch["text"].shape[1]).encode_text(batch["text"]),
        revision=revision_of(weights),
    )


def _sees_padding(open_clip: Any, network: Any, tokenizer: Any) -> bool:
    """Tell whether what follows a text changes its vector; not where every token sees only those before it."""
    is_causal = isinstance(network, open_clip.CLIP) and network.attn_mask is not None
    follows = getattr(getattr(tokenizer, "tokenizer", None), "padding_side", "right") == "right"
    return not (is_causal and follows and network.text_pool_type in ("argmax", "eos"))


def _tower_for(network: Any, length: int) -> Any:
    """Return a network of the same weights that reads texts of so many tokens: open_clip's wants the whole context."""
    import torch

    shorter = copy.copy(network)
    positions = torch.nn.Parameter(network.positional_embedding[:length], requires_grad=False)
    shorter._parameters = network._parameters | {"positional_embedding": positions}
    shorter._buffers = network._buffers | {"attn_mask": network.attn_mask[:length, :length]}
    return shorter


def _is_torchscript(weights: Path) -> bool:
    if not zipfile.is_zipfile(weights):
        return False
    with zipfile.ZipFile(weights) as archive:
        return any(member.endswith("/constants.pkl") for member in archive.namelist())


def _from_torchscript(open_clip: Any, architecture: str, weights: Path) -> Any:
    """Load one of OpenAI's own files, which open_clip reads only by download, and which all want QuickGELU."""
    import torch

    network = open_clip.CLIP(**{**open_clip.get_model_config(architecture), "quick_gelu": True})
    state = torch.jit.load(str(weights), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    # such a file carries sizes and masks besides the weights
    network.load_state_dict({key: value for key, value in state.items() if key in network.state_dict()})
    preprocessing = {**asdict(open_clip.transform.PreprocessCfg()), "size": network.visual.image_size}
    open_clip.set_model_preprocess_cfg(network, preprocessing)
    return network


def _open_clip_counter(tokenizer: Any) -> Callable[[str], int]:
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is None:
        return lambda text: len(tokenizer.encode(text)) + 2
    if tokenizer.tokenizer_mode == "clips":
        return lambda text: len(inner(tokenizer.clean_fn(text), add_special_tokens=False, verbose=False).input_ids) + 3
    return lambda text: len(inner(tokenizer.clean_fn(text), verbose=False).input_ids)


def load_transformers(model: str, device: str = "auto") -> DualEncoder:
    """Load a CLIP or SigLIP model of transformers from files on this machine.

    ``model`` and ``device`` as in :func:`load_transformers_model`. Raises EncoderUnavailable if there is no such model
    on this machine, or it has no image and text features.
    """
    loaded = load_transformers_model(
        f"transformers:{model}",
        device,
        "AutoModel",
        "CLIP or SigLIP model",
        lambda network: hasattr(network, "get_image_features"),
    )
    network, processor, tokenizer = loaded.network, loaded.image_processor, loaded.tokenizer()
    context_length = network.config.text_config.max_position_embeddings
    siglip = network.config.model_type.startswith("siglip")
    # CLIP's tokens see only those before them.
    sees_padding = network.config.model_type != "clip" or tokenizer.padding_side != "right"
    prepare = _centre_crop_of(processor.to_dict())
    clean = _text_cleaning(network.config.model_type)

    def pixels_of(pictures: list[PIL.Image.Image]) -> Tensors:
        return dict(processor(images=[prepare(picture) for picture in pictures], return_tensors="pt"))

    def tokens_of(texts: list[str], length: int) -> Tensors:
        cleaned = [clean(text) for text in texts]
        tokens = tokenizer(cleaned, padding="max_length", max_length=length, return_tensors="pt")
        # SigLIP was trained without a mask, on padding that it attends to; CLIP needs none
        return {key: value for key, value in tokens.items() if key == "input_ids" or (sees_padding and not siglip)}

    return DualEncoder(
        name=loaded.name,
        licence=loaded.licence,
        weights_sha256=loaded.weights_sha256,
        version=feature_version(context=context_length, **loaded.processing()),
        note="",
        context_length=context_length,
        network=network,
        device=loaded.device,
        to_pixels=pixels_of,
        to_tokens=tokens_of,
        sees_padding=sees_padding,
        batch_size=batch_size_on(loaded.device),
        count_tokens=lambda text: len(tokenizer(clean(text), verbose=False).input_ids),
        image_tower=lambda batch: _pooled(network.get_image_features(**batch)),
        text_tower=lambda batch: _pooled(network.get_text_features(**batch)),
        revision=loaded.revision,
    )


def _centre_crop_of(settings: Mapping[str, Any]) -> Callable[[PIL.Image.Image], PIL.Image.Image]:
    """Return the centre crop of CLIP's original code, for processors that crop; theirs is then left nothing to do.

    transformers rounds an odd margin down, torchvision (CLIP's own code, open_clip) to the even side: one pixel of
    a picture that is not square, which moves the cosine by more than 1e-3.
    """
    edge = (settings.get("size") or {}).get("shortest_edge")
    crop = settings.get("crop_size") or {}
    if not (settings.get("do_center_crop") and settings.get("do_resize") and edge) or max(crop.values()) > edge:
        return lambda picture: picture

    def centre_crop(picture: PIL.Image.Image) -> PIL.Image.Image:
        width, height = (int(edge * side / min(picture.size)) for side in picture.size)
        left, top = round((width - crop["width"]) / 2), round((height - crop["height"]) / 2)
        resized = picture.resize((width, height), settings["resample"])
        return resized.crop((left, top, left + crop["width"], top + crop["height"]))

    return centre_crop


def _text_cleaning(model_type: str) -> Callable[[str], str]:
    """Return what the models' original code does to a text before its tokenizer, where transformers leaves it out."""
    if model_type.startswith("siglip"):
        return str.lower
    if model_type != "clip":
        return str
    from ftfy import fix_text

    return lambda text: " ".join(html.unescape(html.unescape(fix_text(text))).lower().split())


def _pooled(features: Any) -> torch.Tensor:
    # transformers 5 returns an output object where version 4 returned the tensor
    pooled: torch.Tensor = getattr(features, "pooler_output", features)
    return pooled


def _activation(network: torch.nn.Module) -> str:
    return "quickgelu" if any(type(module).__name__ == "QuickGELU" for module in network.modules()) else "gelu"
