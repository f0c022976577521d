"""Makes heads.npz, metrics.json and the model card's table from a folder of packages; run by ``make encoder``."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from metrics.adherence import similarity_matrix
from metrics.encoders.dual import DualEncoder
from metrics.encoders.embedded.colours import colour_words
from metrics.encoders.embedded.encoder import HEADS, METRICS, load_embedded
from metrics.encoders.embedded.heads import Heads
from metrics.encoders.embedded.towers import TextTower, load_image_tower, load_text_tower, tower_files
from metrics.encoders.embedded.training.card import write_card
from metrics.encoders.embedded.training.evaluate import (
    SWAPPED,
    Estimate,
    alike,
    auc,
    auc_estimate,
    margins,
    swap_estimate,
    swaps,
)
from metrics.encoders.embedded.training.fit import Choices, Classes, TowerPairs, classes_of, fit_heads, see
from metrics.encoders.embedded.training.pairs import Pair, SourceMissing, clip_art_pairs, template_pairs

HELD_OUT = 4
"""One template family in this many, and one piece of clip art in this many times two, is never trained on."""
FOLDS = 4
SAME_FAMILY = 0.85
CHECKOUT = Path(__file__).resolve().parents[4]
SHARED = {
    "nano-banana-edits": {"text-to-image": "nano-banana, text to image", "edits": "nano-banana, edits"},
    "illustration-styles": {"illustration-styles": "17 styles of one scene"},
}

STEPS: Mapping[str, tuple[Choices, bool]] = {
    "class names only": (Choices(template_weight=0, class_weight=0, colour_weight=0), False),
    "+ templates": (Choices(class_weight=0, colour_weight=0), False),
    "+ clip art": (Choices(class_weight=0, colour_weight=0), True),
    "+ class shares": (Choices(colour_weight=0), True),
    "+ colours (what is shipped)": (Choices(), True),
}


def main() -> None:
    """Fit, measure, write; print the card's tables."""
    if len(sys.argv) != 2:
        raise SystemExit("give the folder of the packages; make encoder downloads them")
    try:
        templates, clip_art = template_pairs(Path(sys.argv[1])), clip_art_pairs(Path(sys.argv[1]))
    except SourceMissing as error:
        raise SystemExit(str(error)) from error
    image_file, text_file = tower_files()
    image_tower, text_tower = load_image_tower(image_file), load_text_tower(text_file)
    classes = classes_of(image_tower, text_tower)
    seen = see(image_tower, text_tower, [pair.picture() for pair in templates], [pair.text for pair in templates])
    art = see(image_tower, text_tower, [pair.picture() for pair in clip_art], [pair.text for pair in clip_art])

    family = families(templates, seen.embeddings)
    held_out = np.array([_share(name, HELD_OUT) == 0 for name in family])
    art_held_out = np.array([_share(pair.name, 2 * HELD_OUT) == 0 for pair in clip_art])
    train, art_train = np.flatnonzero(~held_out), art[~art_held_out]
    folds = np.array([_share(family[i] + "/fold", FOLDS) for i in train])
    validation = cross_validate(classes, seen[train], art_train, folds, [templates[i].text for i in train], text_tower)
    heads = fit_heads(classes, seen[train], art_train)
    heads.save(HEADS)
    encoder = load_embedded("lite", heads=heads)
    test = [templates[i] for i in np.flatnonzero(held_out)]
    sets = {
        "held-out templates": [(pair.picture(), pair.text) for pair in test],
        "of these, the picture shows its prompt": [
            (pair.picture(), pair.text) for pair in test if not pair.is_mislabelled
        ],
        "held-out clip art": [(clip_art[i].picture(), clip_art[i].text) for i in np.flatnonzero(art_held_out)],
        **shared_sets(),
    }
    measured = {name: measure(encoder, text_tower, pairs) for name, pairs in sets.items()}
    first = measured["held-out templates"]["auc"]
    results = {
        "headline": {
            "auc": first["value"],
            "interval": first["interval"],
            "what": f"{first['n']} generated pictures not trained on",
        },
        "trained_on": {"templates": len(train), "clip art": len(art_train.features), "classes": len(classes.rows)},
        "cross_validation": validation,
        "sets": measured,
    }
    METRICS.write_text(json.dumps(_rounded(results), indent=1) + "\n", "utf-8")
    print(write_card(json.loads(METRICS.read_text("utf-8"))))


def families(pairs: Sequence[Pair], embeddings: npt.NDArray[np.floating]) -> list[str]:
    """Return for every pair the name of one of its family: pairs of one template, or of prompts that are alike."""
    family = list(range(len(pairs)))
    near = embeddings @ embeddings.T > SAME_FAMILY
    for i, pair in enumerate(pairs):
        for j in range(i):
            if near[i, j] or pair.name == pairs[j].name:
                old, new = family[i], family[j]
                family = [new if member == old else member for member in family]
    return [pairs[member].name for member in family]


def _share(name: str, parts: int) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % parts


@dataclass(frozen=True, slots=True)
class _Swaps:
    """Swapped sentences of the training prompts, embedded once for all folds."""

    items: npt.NDArray[np.integer]
    texts: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
    colours: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

    def wins(self, heads: Heads, pairs: TowerPairs, kept: npt.NDArray[np.bool_]) -> Iterator[bool]:
        rows = np.flatnonzero(kept[self.items])
        items = self.items[rows]
        pictures = heads.image_vectors(pairs.features[items], pairs.class_shares[items], pairs.colour_shares[items])
        true, altered = (
            (pictures * heads.text_vectors(text[rows], colour[rows])).sum(1)
            for text, colour in zip(self.texts, self.colours, strict=True)
        )
        yield from (true > altered).tolist()


def cross_validate(
    classes: Classes,
    templates: TowerPairs,
    clip_art: TowerPairs,
    folds: npt.NDArray[np.integer],
    prompts: Sequence[str],
    text_tower: TextTower,
) -> list[dict[str, Any]]:
    """Return what each part brings on templates that it was not fitted on: means over folds, swaps over all of them."""
    swapped = {}
    for kind in SWAPPED:
        found = swaps(prompts, kind, sentences=True)
        true, altered = [swap.true for swap in found], [swap.altered for swap in found]
        swapped[kind] = _Swaps(
            np.array([swap.item for swap in found]),
            (text_tower.embed_all(true), text_tower.embed_all(altered)),
            (colour_words(true), colour_words(altered)),
        )
    rows = []
    for name, (choices, with_clip_art) in STEPS.items():
        aucs, margin_aucs = [], []
        wins: dict[str, list[bool]] = {kind: [] for kind in SWAPPED}
        for fold in range(FOLDS):
            test = folds == fold
            heads = fit_heads(classes, templates[~test], clip_art if with_clip_art else None, choices)
            excluded = alike(templates.embeddings[test])
            similarities = templates[test].similarities(heads)
            aucs.append(auc(similarities, excluded))
            margin_aucs.append(auc(margins(similarities), excluded))
            for kind, one in swapped.items():
                wins[kind].extend(one.wins(heads, templates, test))
        shares = {kind: float(np.mean(won)) for kind, won in wins.items()}
        rows.append({"what": name, "auc": np.mean(aucs), "margin_auc": np.mean(margin_aucs), **shares})
    return rows


def shared_sets() -> dict[str, list[tuple[PIL.Image.Image, str]]]:
    """Return the development sets beside the checkout (or at TWINLENS_SHARED), none where they are absent."""
    root = Path(os.environ.get("TWINLENS_SHARED", CHECKOUT.parent / "shared")) / "data"
    sets: dict[str, list[tuple[PIL.Image.Image, str]]] = {}
    for folder, names in SHARED.items():
        if not (root / folder / "metadata.jsonl").is_file():
            continue
        for line in (root / folder / "metadata.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            with PIL.Image.open(root / folder / row["file_name"]) as file:
                sets.setdefault(names[row["suite"]], []).append((file.convert("RGB"), row["prompt"]))
    return sets


def measure(
    encoder: DualEncoder, text_tower: TextTower, pairs: Sequence[tuple[PIL.Image.Image, str]]
) -> dict[str, Estimate]:
    """Return the quality of an encoder on a set that it was not fitted on, as the metrics would see it."""
    prompts = [prompt for _, prompt in pairs]
    vectors = encoder.encode([np.asarray(picture) for picture, _ in pairs])
    similarities = similarity_matrix(vectors, encoder.encode(prompts))
    excluded = alike(text_tower.embed_all(prompts))
    found = {
        "auc": auc_estimate(similarities, excluded),
        "margin_auc": auc_estimate(margins(similarities), excluded),
    }
    for kind in SWAPPED:
        for sentences in (True, False):
            chosen = swaps(prompts, kind, sentences)
            items = [swap.item for swap in chosen]
            if len(set(items)) < 5:
                continue
            own = [vectors[item] for item in items]
            true, altered = (
                np.array([100 * (v @ e["chunks"].T).mean() for v, e in zip(own, encoder.encode(t), strict=True)])
                for t in ([swap.true for swap in chosen], [swap.altered for swap in chosen])
            )
            found[f"{kind}_{'sentence' if sentences else 'prompt'}"] = swap_estimate(items, true, altered)
    return found


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part) for part in value]
    return round(float(value), 4) if isinstance(value, float | np.floating) else value


if __name__ == "__main__":
    main()
