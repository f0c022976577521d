"""Local: any text-to-image pipeline of the diffusers library, run on this machine in one worker thread."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import inspect
import io
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals.facts.models import HostFacts, Offer
from evals.generation.answers import (
    Ended,
    Finished,
    HostUnavailable,
    PollAnswer,
    Rejected,
    ResponseMetadata,
    SubmitAnswer,
    Task,
    UntrustedUrl,
)
from evals.generation.hosts.redaction import redact_answer
from evals.generation.plan import ImageRequest
from evals.imageset.decoding import open_picture, upright_rgb

_SETTINGS: Mapping[str, Mapping[str, float]] = {
    "black-forest-labs/FLUX.1-schnell": {"num_inference_steps": 4, "guidance_scale": 0.0, "max_sequence_length": 256},
    "black-forest-labs/FLUX.2-klein-4B": {"num_inference_steps": 4, "guidance_scale": 1.0},
    "black-forest-labs/FLUX.2-klein-9B": {"num_inference_steps": 4, "guidance_scale": 1.0},
}
"""What a model's card asks for where the pipeline's own defaults are for another model of the family."""

_BROKEN = (ArithmeticError, AttributeError, ImportError, LookupError, OSError, RuntimeError, TypeError, ValueError)
"""What a pipeline, or the weights it is made of, may raise; it is not for the other systems of a run to suffer."""


@dataclass(frozen=True, slots=True)
class LocalCall:
    """What one run of a pipeline is asked for."""

    weights: str
    prompt: str
    seed: int | None
    side: int
    references: tuple[bytes, ...] = ()
    settings: Mapping[str, float] = field(default_factory=dict)

    def record(self) -> dict[str, Any]:
        """Return what is asked for, as the ledger keeps it."""
        hashes = [hashlib.sha256(reference).hexdigest() for reference in self.references]
        return {
            "weights": self.weights,
            "prompt": self.prompt,
            "seed": self.seed,
            "width": self.side,
            "height": self.side,
            "references_sha256": hashes,
            "settings": dict(self.settings),
        }


@dataclass(frozen=True, slots=True)
class _Loaded:
    pipeline: Any
    takes: frozenset[str]
    version: str


class Local:
    """Pipelines of diffusers in this process; the offer's ``api_id`` is a Hugging Face repository or a folder.

    Steps and guidance are the pipeline's own defaults, but for models whose card names others. Noise is drawn on the
    CPU, so that a seed means the same noise with and without a GPU. One picture is made at a time; pipelines stay
    loaded until the host is closed.

    Raises
    ------
    HostUnavailable
        If torch or diffusers is not installed.
    """

    def __init__(self, facts: HostFacts, key: str = "", base_url: str | None = None) -> None:
        """Look whether the libraries are there and load nothing; there is neither key nor address."""
        missing = [name for name in ("torch", "diffusers") if importlib.util.find_spec(name) is None]
        if missing:
            raise HostUnavailable(
                f"the host {facts.id!r} needs {' and '.join(missing)}; install with: pip install 'twinlens[diffusers]'"
            )
        self.facts = facts
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-host")
        self._loaded: dict[str, _Loaded] = {}

    def prepare(self, request: ImageRequest, offer: Offer, references: Sequence[bytes]) -> LocalCall:
        """Return what the pipeline will be asked for.

        Raises
        ------
        HostUnavailable
            If ``api_id`` is a path without a pipeline in it.
        """
        looks_like_path = offer.api_id.startswith(("/", ".", "~"))
        folder = Path(offer.api_id).expanduser()
        if looks_like_path and not (folder / "model_index.json").is_file():
            raise HostUnavailable(f"there are no weights for {offer.system}: {folder} holds no model_index.json")
        weights = str(folder) if looks_like_path else offer.api_id
        seed = request.seed if offer.takes_seed else None
        settings = _SETTINGS.get(weights, {})
        return LocalCall(weights, request.prompt, seed, request.side, tuple(references), settings)

    async def submit(self, call: LocalCall) -> SubmitAnswer:
        """Make the picture; the first one of a pipeline waits for its weights, which is not counted as its time."""
        sent_s = time.perf_counter()
        answer = await asyncio.get_running_loop().run_in_executor(self._worker, self._answer, call, sent_s)
        return redact_answer(answer, ())

    async def poll(self, task: Task) -> PollAnswer:
        """Return the end of any task: this host accepts none, its pictures come at once or not at all."""
        return Ended("failed", "task_not_found", "the local host keeps no tasks")

    async def download(self, url: str) -> bytes:
        """Raise `UntrustedUrl`: this host delivers no addresses."""
        raise UntrustedUrl(f"{self.facts.id} delivers no pictures by address")

    async def aclose(self) -> None:
        """Let the running picture finish and drop the pipelines."""
        await asyncio.to_thread(self._worker.shutdown, cancel_futures=True)
        self._loaded.clear()

    def _answer(self, call: LocalCall, sent_s: float) -> SubmitAnswer:
        try:
            loaded = self._loaded.get(call.weights)
            if loaded is None:
                loaded = self._loaded[call.weights] = _load(call.weights)
        except HostUnavailable as error:
            return Rejected("no_weights", str(error), stops="get the weights, or leave the system out")
        begun_s = time.perf_counter()
        try:
            made = _run(loaded, call)
            generation_s = time.perf_counter() - begun_s
            picture = io.BytesIO()
            made.images[0].save(picture, format="PNG")
        except _BROKEN as error:
            return Ended("failed", type(error).__name__, " ".join(str(error).split()))
        metadata = ResponseMetadata(
            model_version=loaded.version,
            seed_used=call.seed,
            queue_s=begun_s - sent_s,
            generation_s=generation_s,
        )
        flags = getattr(made, "nsfw_content_detected", None)
        if flags is not None and any(flags):
            return Ended(
                "filtered", "nsfw_content_detected", "the pipeline's safety checker blanked the picture", metadata
            )
        return Finished(picture.getvalue(), metadata=metadata)


def _load(weights: str) -> _Loaded:
    import torch

    if importlib.util.find_spec("torchvision") is not None:
        from metrics.encoders.runtime import import_torchvision

        import_torchvision()  # diffusers imports it, and a build for another torch would stop it
    import diffusers

    on_gpu = torch.cuda.is_available()
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            weights, dtype=torch.bfloat16 if on_gpu else torch.float32, trust_remote_code=False
        )
        pipeline = pipeline.to("cuda" if on_gpu else "cpu")
    except _BROKEN as error:
        raise HostUnavailable(
            f"the weights {weights!r} cannot be loaded: {' '.join(str(error).split())}; "
            "name a diffusers repository or folder, and download what is behind a licence first"
        ) from None
    takes = frozenset(inspect.signature(pipeline.__call__).parameters)
    if "prompt" not in takes:
        raise HostUnavailable(f"{type(pipeline).__name__} takes no prompt; name a text-to-image pipeline")
    pipeline.set_progress_bar_config(disable=True)
    version = f"{type(pipeline).__name__} diffusers {diffusers.__version__} torch {torch.__version__}"
    revision = _revision(weights)
    return _Loaded(pipeline, takes, f"{version} weights {revision}" if revision else version)


def _run(loaded: _Loaded, call: LocalCall) -> Any:
    import PIL.Image
    import torch

    arguments: dict[str, Any] = {"prompt": call.prompt, "width": call.side, "height": call.side, "output_type": "pil"}
    arguments |= call.settings
    unknown = {"width", "height", *(["image"] if call.references else [])} - loaded.takes
    if unknown:
        raise ValueError(f"{type(loaded.pipeline).__name__} takes no {' and no '.join(sorted(unknown))}")
    if call.seed is not None:
        arguments["generator"] = torch.Generator("cpu").manual_seed(call.seed)
    if call.references:
        pictures = []
        for reference in call.references:
            with open_picture(reference) as opened:
                pictures.append(PIL.Image.fromarray(upright_rgb(opened)))
        arguments["image"] = pictures if len(pictures) > 1 else pictures[0]
    return loaded.pipeline(**arguments)


def _revision(weights: str) -> str | None:
    """Return the commit of the snapshot that the Hugging Face cache holds; a folder of one's own has none."""
    if Path(weights).exists():
        return None
    from huggingface_hub import try_to_load_from_cache

    index = try_to_load_from_cache(weights, "model_index.json")
    return Path(index).parent.name if isinstance(index, str) else None
