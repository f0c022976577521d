"""Where weights are: finds them on this machine, hashes them, and downloads them only when asked to."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from metrics.encoders.catalogue import EncoderUnavailable, check_weights
from metrics.encoders.runtime import import_open_clip

OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""The names that weights have in a repository of open_clip's, best first."""

TRANSFORMERS_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
FETCHED = "fetched.json"
"""The file of the weights folder that keeps, by encoder, the revision that was fetched and the hash of its weights."""

_TEXT_FILES = ("config.json", "tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab*", "merges.txt")
_OF_TRANSFORMERS = ("transformers", "owlv2", "grounding_dino", "vqa")
_CONFIG_FILES = (
    *_TEXT_FILES,
    "*.model",
    "chat_template*",
    "generation_config.json",
    "open_clip_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
)

SUGGESTED: Mapping[str, str] = {
    "ViT-B-32/laion2b_s34b_b79k": "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
    "ViT-B-32/openai": "timm/vit_base_patch32_clip_224.openai",
    "ViT-B-16/laion2b_s34b_b88k": "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
    "ViT-L-14/openai": "timm/vit_large_patch14_clip_224.openai",
    "ViT-L-14/laion2b_s32b_b82k": "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
    "ViT-H-14/laion2b_s32b_b79k": "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
    "ViT-B-16-SigLIP2-256/webli": "timm/ViT-B-16-SigLIP2-256",
    "ViT-SO400M-14-SigLIP2-378/webli": "timm/ViT-SO400M-14-SigLIP2-378",
}
"""Models that adherence is usually measured with, and the repository of each: known without importing open_clip."""


def weights_folder() -> Path:
    """Return the folder of the user's own weights: ``$TWINLENS_WEIGHTS``, else ``~/.cache/twinlens/weights``."""
    return Path(os.environ.get("TWINLENS_WEIGHTS") or Path.home() / ".cache" / "twinlens" / "weights").expanduser()


def insightface_home() -> Path:
    """Return the folder whose ``models`` holds insightface's packs: ``$INSIGHTFACE_HOME``, else ``~/.insightface``."""
    return Path(os.environ.get("INSIGHTFACE_HOME") or "~/.insightface").expanduser()


def find_weights(filename: str) -> Path | None:
    """Return the file or folder of that name: as a path if there is one, else in :func:`weights_folder`, else None."""
    path_name = Path(filename).expanduser()
    return next((path for path in (path_name, weights_folder() / path_name) if path.exists()), None)


def sha256_of(*paths: Path) -> str:
    """Return the SHA-256 of a file, or of the concatenated hashes of several, as 64 hex digits."""
    hashes = []
    for path in paths:
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def shards_of(weights: Path) -> list[Path]:
    """Return the files of weights: those that an index (``*.index.json``) names, else the file itself."""
    if not weights.name.endswith(".index.json"):
        return [weights]
    shards = json.loads(weights.read_text("utf-8"))["weight_map"].values()
    return [weights.with_name(shard) for shard in sorted(set(shards))]


def revision_of(path: Path) -> str | None:
    """Return the revision (a commit) of a file or folder in the Hugging Face cache, None for any other.

    Examples
    --------
    >>> revision_of(Path("hub/models--org--name/snapshots/0123456789abcdef/model.safetensors"))
    '0123456789abcdef'
    """
    return next((each.name for each in (path, *path.parents) if each.parent.name == "snapshots"), None)


def fetched() -> dict[str, dict[str, str]]:
    """Return what was fetched, by encoder: ``revision`` and ``weights_sha256`` (see `FETCHED`).

    Raises EncoderUnavailable if the file is damaged.
    """
    path = weights_folder() / FETCHED
    try:
        record = json.loads(path.read_text("utf-8"))
        return {
            name: {key: str(entry[key]) for key in ("revision", "weights_sha256")} for name, entry in record.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise EncoderUnavailable(f"{path} cannot be read ({error}); remove it, and fetch the weights again") from None


def check_fetched(name: str, weights_sha256: str) -> None:
    """Raise EncoderUnavailable if the weights of an encoder are others than were fetched (see `check_weights`)."""
    known = fetched().get(name, {}).get("weights_sha256")
    check_weights(name, weights_sha256, known, f"fetch them again with: twinlens models fetch {name}")


def _record(name: str, weights: Path) -> None:
    revision = revision_of(weights)
    if revision is None:
        return
    record = fetched() | {name: {"revision": revision, "weights_sha256": sha256_of(*shards_of(weights))}}
    path = weights_folder() / FETCHED
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(f".{secrets.token_hex(8)}.new")
    with staged.open("x", encoding="utf-8") as out:
        out.write(json.dumps(record, indent=2, sort_keys=True))
    os.replace(staged, path)


def cached_file(repository: str, filenames: Sequence[str]) -> Path | None:
    """Return the first of the files of a Hugging Face repository that its cache on this machine holds, or None."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for filename in filenames:
        try:
            cached = try_to_load_from_cache(repository, filename)
        except HFValidationError:
            return None
        if isinstance(cached, str):
            return Path(cached)
    return None


@contextmanager
def hub_offline() -> Iterator[None]:
    """Keep huggingface_hub, and what is built on it, off the network while the block runs, and from asking questions.

    transformers asks at the terminal whether to run code that comes with a model, where a library between leaves that
    open, as open_clip does of text towers; with no time left for an answer it raises ValueError instead.

    The environment variable ``HF_HUB_OFFLINE`` is read once, when huggingface_hub is imported, so it comes too late
    in a process that has it already; a missing file would then cost half a minute of retries.
    """
    from huggingface_hub import constants

    with ExitStack() as restored:
        restored.callback(setattr, constants, "HF_HUB_OFFLINE", constants.HF_HUB_OFFLINE)
        constants.HF_HUB_OFFLINE = True
        with suppress(ImportError):
            from transformers import dynamic_module_utils

            before = dynamic_module_utils.TIME_OUT_REMOTE_CODE
            restored.callback(setattr, dynamic_module_utils, "TIME_OUT_REMOTE_CODE", before)
            dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
        yield


@dataclass(frozen=True, slots=True)
class OpenClipTag:
    """A pretrained model of open_clip's table: an architecture, a tag, and where its weights come from."""

    architecture: str
    tag: str
    repository: str
    filenames: tuple[str, ...]


def open_clip_tag(model: str) -> OpenClipTag:
    """Return what open_clip knows of ``ARCHITECTURE/TAG``.

    Raises EncoderUnavailable if open_clip knows no such architecture or tag; the message lists close matches.

    Examples
    --------
    >>> open_clip_tag("ViT-B-32/laion2b_s34b_b79k").repository
    'laion/CLIP-ViT-B-32-laion2B-s34B-b79K'
    """
    architecture, _, tag = model.partition("/")
    if model in SUGGESTED:
        return OpenClipTag(architecture, tag, SUGGESTED[model], OPEN_CLIP_FILES)
    open_clip = import_open_clip()
    pretrained = open_clip.get_pretrained_cfg(architecture, tag)
    if not pretrained:
        check_architecture(architecture)
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        near = get_close_matches(tag, tags, n=3, cutoff=0.4) or tags[:3]
        there_are = "there are " + ", ".join(f"{architecture}/{name}" for name in near) if near else "it has none"
        raise EncoderUnavailable(f"open_clip has no weights {tag!r} for {architecture}; {there_are}")
    repository, _, filename = pretrained["hf_hub"].rpartition("/")
    return OpenClipTag(architecture, tag, repository, (filename,) if filename else OPEN_CLIP_FILES)


def check_architecture(architecture: str) -> None:
    """Raise EncoderUnavailable, with close matches, if open_clip has no such architecture."""
    architectures = import_open_clip().list_models()
    if architecture not in architectures:
        near = get_close_matches(architecture, architectures, n=3, cutoff=0.4)
        there_are = f"; near it are {', '.join(near)}" if near else ""
        raise EncoderUnavailable(f"open_clip has no architecture {architecture!r}{there_are}")


def fetch(name: str) -> Path:
    """Download the weights of an encoder, and record revision and hash; the only function that downloads any.

    ``name`` is ``open_clip:ARCHITECTURE/TAG``, ``open_clip:hf-hub:ORG/NAME``, ``insightface:PACK``, or
    ``transformers``, ``owlv2``, ``grounding_dino`` or ``vqa`` with ``:ORG/NAME``. Returns the weights file, or the
    pack's folder. Raises EncoderUnavailable if the name is not one that can be downloaded, or the download fails; one
    sentence each.
    """
    weights = _fetch(name)
    _record(name, weights)
    return weights


def _fetch(name: str) -> Path:
    library, _, model = name.partition(":")
    if library == "insightface" and model:
        return _fetch_insightface(model)
    if library in _OF_TRANSFORMERS and model.count("/") == 1 and not Path(model).exists():
        return _fetch_repository(model, TRANSFORMERS_FILES)
    if library == "open_clip" and model.startswith("hf-hub:"):
        repository = model.removeprefix("hf-hub:")
        path = _fetch_repository(repository, OPEN_CLIP_FILES)
        config = cached_file(repository, ("open_clip_config.json",))
        if config is not None:
            _fetch_text_tower(json.loads(config.read_text("utf-8"))["model_cfg"])
        return path
    if library == "open_clip" and "/" in model and not model.startswith("local-dir:"):
        source = open_clip_tag(model)
        path = _fetch_repository(source.repository, source.filenames)
        _fetch_text_tower(import_open_clip().get_model_config(source.architecture))
        return path
    raise EncoderUnavailable(
        f"{name} is nothing that can be fetched: names are open_clip:ViT-B-32/laion2b_s34b_b79k, "
        "open_clip:hf-hub:ORG/NAME, transformers:ORG/NAME or insightface:PACK"
    )


def _fetch_repository(repository: str, weights: Sequence[str]) -> Path:
    from huggingface_hub import constants, list_repo_files, snapshot_download
    from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled, RepositoryNotFoundError
    from huggingface_hub.errors import HTTPError as TransportError  # type: ignore[attr-defined]

    _check_network(repository, constants.ENDPOINT)
    try:
        files = list_repo_files(repository) if weights else []
        chosen = [name for name in weights if name in files][:1]
        if weights and not chosen:
            raise EncoderUnavailable(f"{repository} holds none of {', '.join(weights)}; is it the right repository?")
        if chosen and chosen[0].endswith(".index.json"):
            stem = chosen[0].removesuffix(".index.json").rpartition(".")
            chosen.append(f"{stem[0]}-*.{stem[2]}")
        folder = Path(snapshot_download(repository, allow_patterns=[*chosen, *_CONFIG_FILES]))
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise EncoderUnavailable(
            f"{repository} is not on {constants.ENDPOINT}, or not open to all (then: hf auth login)"
        ) from error
    except OfflineModeIsEnabled as error:
        raise EncoderUnavailable(f"{repository} cannot be fetched while HF_HUB_OFFLINE is set; unset it") from error
    except (TransportError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EncoderUnavailable(f"{repository} could not be downloaded: {reason}") from error
    return folder / chosen[0] if chosen else folder


def _fetch_text_tower(model_config: Mapping[str, Any]) -> None:
    """Download tokenizer and text configuration that an open_clip model takes from other repositories."""
    text = model_config["text_cfg"]
    for repository in {text.get("hf_tokenizer_name"), text.get("hf_model_name")} - {None, ""}:
        _fetch_repository(repository, ())


def _fetch_insightface(pack: str) -> Path:
    try:
        from insightface.utils import ensure_available
    except ImportError as error:
        raise EncoderUnavailable("insightface is not installed; pip install insightface") from error
    _check_network(f"insightface:{pack}", "https://github.com")
    try:
        with redirect_stdout(sys.stderr):
            return Path(ensure_available("models", pack, root=str(insightface_home())))
    except (OSError, RuntimeError) as error:
        raise EncoderUnavailable(f"the insightface pack {pack!r} could not be downloaded: {error}") from error


def _check_network(name: str, address: str) -> None:
    # the libraries' own downloads retry for half a minute before they say that there is no network
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except urllib.error.HTTPError:
        return
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise EncoderUnavailable(
            f"{name} cannot be fetched: {address} cannot be reached from this machine ({reason})"
        ) from error
