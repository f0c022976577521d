"""(c) CLIP on the same weights against open_clip one by one, behind a DataLoader, and torchmetrics' CLIPScore.

Weights are drawn at random at ViT-B/32's own size, as no hub is asked: what they cost is the same. Decoding is included
on every side, loading on none.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from evals.scoring.decoders import Decoders
from evals.scoring.encoders import Encoders
from evals.scoring.engine import FeatureTable
from evals.scoring.features import FeatureCache
from evals.scoring.measuring import collect_needs
from evals.scoring.needs import FeatureKey
from evals.scoring.plans import ImageKey
from evals.scoring.stage import no_progress, select_metrics
from evals.scoring.subjects import plan_subjects
from metrics.encoders.clip import load_open_clip
from metrics.encoders.runtime import cores, import_open_clip
from tests.benchmarks.scoring import image_set
from tests.benchmarks.table import Row, seconds

ARCHITECTURE = "ViT-B-32"
PICTURES = 96


def rows() -> Iterator[Row]:
    """Yield a row for each way."""
    open_clip = import_open_clip()
    import torch

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        weights = folder / "weights.pt"
        torch.save(open_clip.create_model(ARCHITECTURE).state_dict(), weights)
        source = image_set(folder / "set", PICTURES, "JPEG")
        items = [json.loads(line) for line in (source / "metadata.jsonl").read_text("utf-8").splitlines()]
        found, ours = _ours(source, items, weights, folder / "features")

        torch.set_num_threads(cores())
        network, _, transform = open_clip.create_model_and_transforms(ARCHITECTURE, pretrained=str(weights))
        network.eval()
        tokenizer = open_clip.get_tokenizer(ARCHITECTURE)
        files = [(source / item["file_name"], item["prompt"]) for item in items]

        @torch.inference_mode()
        def scores(pixels: torch.Tensor, prompts: list[str]) -> list[float]:
            images, texts = network.encode_image(pixels), network.encode_text(tokenizer(prompts))
            return torch.nn.functional.cosine_similarity(images, texts).tolist()  # type: ignore[no-any-return]

        theirs: list[float] = []

        def one_by_one() -> None:
            theirs.clear()
            for path, prompt in files:
                theirs.extend(scores(transform(PIL.Image.open(path).convert("RGB"))[None], [prompt]))

        class Pictures(torch.utils.data.Dataset[Any]):
            def __len__(self) -> int:
                return len(files)

            def __getitem__(self, n: int) -> Any:
                path, prompt = files[n]
                return transform(PIL.Image.open(path).convert("RGB")), prompt

        def by_loader() -> None:
            theirs.clear()
            for pixels, prompts in torch.utils.data.DataLoader(Pictures(), batch_size=32, num_workers=cores()):
                theirs.extend(scores(pixels, list(prompts)))

        for what, work, wanted in (("one by one", one_by_one, "2"), ("behind a DataLoader", by_loader, "1.2")):
            other = seconds(work)
            assert np.abs(np.array(theirs) - found).max() < 1e-4
            yield _row(ours, f"open_clip {what}", other, wanted)
        try:
            other = seconds(_torchmetrics(files))
        except AttributeError as error:  # torchmetrics 1.9 beside transformers 5
            print(f"c: torchmetrics is left out: {error}")
            return
        yield _row(ours, "torchmetrics CLIPScore, other random weights", other, "")


def _row(ours: float, what: str, other: float, wanted: str) -> Row:
    said = f"{PICTURES / ours:.1f} /s"
    return Row("c", "CLIPScore of JPEG, ViT-B/32", said, f"{what} {PICTURES / other:.1f} /s", other / ours, wanted)


def _ours(source: Path, items: list[dict[str, Any]], weights: Path, features: Path) -> tuple[Any, float]:
    """Return the cosine of every picture with its prompt, and the seconds that the pass takes."""
    encoder = load_open_clip(f"{ARCHITECTURE}/{weights}", "cpu")
    chosen = Encoders({"adherence": [encoder]})
    specs = select_metrics(["adherence.clip"], items)
    with FeatureCache(features).closing() as cache, Decoders() as decoders:
        list(decoders.decode([source / item["file_name"] for item in items[:2]]))  # starts the processes
        table = FeatureTable(source, cache, decoders, no_progress, {})
        needs = collect_needs(((s, plan) for s in specs for plan in plan_subjects(s, items)), items, chosen)
        ours = seconds(lambda: table.fill(needs))
        pairs = [
            (
                table.get(FeatureKey("clip_image", encoder.name, (ImageKey("file", item["file_name"]),))),
                table.get(FeatureKey("prompt", encoder.name, (item["prompt"],)))["chunks"][0],
            )
            for item in items
        ]
    return np.array([float(image @ text) for image, text in pairs]), ours


def _torchmetrics(files: list[tuple[Path, str]]) -> Any:
    import torch
    from torchmetrics.multimodal.clip_score import CLIPScore
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    from tests.metrics.encoders.conftest import clip_tokenizer

    model, processor = CLIPModel(CLIPConfig()), CLIPProcessor(CLIPImageProcessor(), clip_tokenizer())
    metric = CLIPScore(lambda: (model, processor))

    def work() -> None:
        for path, prompt in files:
            pixels = np.asarray(PIL.Image.open(path).convert("RGB"))
            metric.update(torch.from_numpy(pixels.copy()).permute(2, 0, 1), prompt)

    return work
