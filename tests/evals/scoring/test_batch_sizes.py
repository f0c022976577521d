"""No metric of the catalogue depends on the batch that it was computed in, nor on the order of the image set."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image
import PIL.ImageDraw
import pytest

from evals.imageset.imageset import write_metadata
from evals.scoring.stage import score
from evals.suites.drawing.faces import draw_portrait
from metrics.catalogue import METRICS, metric
from metrics.encoders import aesthetic, catalogue
from metrics.encoders.aesthetic import AestheticHead
from metrics.features import FEATURES
from tests.metrics.encoders.conftest import CLIP_PREPROCESSING, TINY_CLIP, clip_tokenizer, save_open_clip
from tests.metrics.encoders.small_models import judge_tokenizer, save_llava, save_owlv2

BATCH_SIZES = (1, 7, 32)
TOLERANCE = 1e-5

LPIPS = ("reproducibility.lpips", "editing.preserved_lpips")
"""Their weights come with no package; where they are not at hand, these two are left out."""

SCENES = ("a red fox under the bridge", "a blue fish", "the old bridge at night", "a fox")
THINGS = ("fox", "fish", "bridge")


class Reader:
    """A text engine without weights that reads what the pixels decide: words of its own, or none in a plain picture."""

    name = "rapidocr:pp-ocrv6-small"
    licence = "test"
    weights_sha256 = None
    version = "1"
    scripts, characters = frozenset({"Latin"}), None

    def encode(self, images: Sequence[np.ndarray]) -> list[list[dict[str, Any]]]:
        return [self._read(image) for image in images]

    def _read(self, image: np.ndarray) -> list[dict[str, Any]]:
        digest = hashlib.sha256(image.tobytes()).digest()
        words = ("open", "opn", "a sign", "closed today")[digest[0] % 4]
        box = [[0.0, 0.0], [9.0, 0.0], [9.0, 5.0], [0.0, 5.0]]
        return [{"text": words, "score": 0.8 + digest[1] / 2000, "box": box}] if np.ptp(image) else []


def scene(random: np.random.Generator, width: int, height: int) -> PIL.Image.Image:
    """Draw a few coloured shapes on a coloured ground, no two pictures alike."""
    picture = PIL.Image.new("RGB", (width, height), tuple(random.integers(40, 255, 3)))
    pen = PIL.ImageDraw.Draw(picture)
    for _ in range(4):
        left, top = random.integers(0, width - 20), random.integers(0, height - 20)
        pen.ellipse((left, top, left + 20, top + 20), tuple(random.integers(0, 255, 3)))
    return picture


def everything(folder: Path, n_scenes: int) -> Path:
    """Write an image set that gives every metric something to measure: characters, repeats, signs, brands, edits."""
    (folder / "images").mkdir(parents=True)
    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []

    def save(name: str, picture: PIL.Image.Image) -> str:
        picture.save(folder / "images" / name)
        return f"images/{name}"

    def add(picture: PIL.Image.Image, **facts: Any) -> None:
        name = f"s{len(rows):03d}"
        usual = {"system": "a", "suite": "s", "prompt": SCENES[len(rows) % len(SCENES)], "prompt_id": name}
        rows.append({"sample_id": name, "file_name": save(f"{name}.png", picture), **usual, **facts})

    for character, colour in (("robin", "#cc2222"), ("kim", "#2222cc")):
        portrait = PIL.Image.new("RGB", (280, 280), "#d8d0c0")
        draw_portrait(portrait, character, random)
        reference = save(f"{character}.png", portrait)
        for shot in (1, 2, 3):
            picture = PIL.Image.new("RGB", (280, 280), colour)
            draw_portrait(picture, character, random)
            facts = {"suite": "portraits", "sequence_id": character, "shot": shot, "prompt_id": f"{character}-{shot}"}
            add(picture, reference_images=[reference], palette=[colour, "#d8d0c0"], **facts)
    for prompt in range(n_scenes):
        for seed, repeat in ((1, 0), (1, 1), (2, 0), (2, 1)):
            things = [{"name": THINGS[prompt % 3], "count": 1 + prompt % 2, "colour": "red", "position": "left"}]
            relation = {"first": THINGS[prompt % 3], "relation": "left of", "second": THINGS[(prompt + 1) % 3]}
            facts = {"objects": [*things, {"name": relation["second"]}], "relations": [relation], "absent": ["cup"]}
            facts |= {"prompt": SCENES[prompt % 4] + " night" * (prompt // 4), "prompt_id": f"p{prompt}", "seed": seed}
            add(scene(random, 72, 48 + 24 * (prompt % 2)), repeat=repeat, expected_text="open", **facts)
    add(PIL.Image.new("RGB", (64, 64), "white"), expected_text="open")
    add(scene(random, 64, 64), expected_text="สวัสดี")
    for edit in range(3):
        source = scene(random, 64 + 32 * edit, 64)
        changed, mask = source.copy(), PIL.Image.new("L", source.size)
        PIL.ImageDraw.Draw(changed).rectangle((20, 20, 40, 40), tuple(random.integers(0, 255, 3)))
        PIL.ImageDraw.Draw(mask).rectangle((18, 18, 42, 42), 255)
        facts = {"reference_images": [save(f"source{edit}.png", source)], "caption": SCENES[edit]}
        # The last edit says nothing of what may change.
        facts |= {"mask": save(f"mask{edit}.png", mask)} if edit < 2 else {}
        add(changed, source_caption=SCENES[edit - 1], suite="edits", **facts)
    write_metadata(folder, rows)
    return folder


def shuffle(folder: Path) -> None:
    """Put the rows of an image set into another order."""
    path = folder / "metadata.jsonl"
    lines = path.read_text().splitlines()
    order = np.random.default_rng(1).permutation(len(lines))
    path.write_text("\n".join(lines[n] for n in order))


@pytest.fixture(scope="module")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """Random models in the place of those whose weights come with no package, and the folder with an aesthetic head."""
    import torch

    from metrics.encoders.runtime import import_open_clip

    folders = {
        name: tmp_path_factory.mktemp(name) for name in ("clip", "quick", "heads", "tokenizer", "owlv2", "llava")
    }
    torch.manual_seed(0)
    state = dict(import_open_clip().CLIP(**TINY_CLIP).state_dict())
    save_open_clip(folders["clip"], TINY_CLIP, CLIP_PREPROCESSING, state)
    save_open_clip(folders["quick"], {**TINY_CLIP, "quick_gelu": True}, CLIP_PREPROCESSING, state)
    head = {"weight": torch.randn(1, TINY_CLIP["embed_dim"]), "bias": torch.tensor([5.0])}
    torch.save(head, folders["heads"] / "tiny.pth")
    clip_tokenizer().save_pretrained(folders["tokenizer"])
    encoders = [
        f"open_clip:local-dir:{folders['clip']}",
        f"aesthetic:tiny@local-dir:{folders['quick']}",
        f"owlv2:{save_owlv2(folders['owlv2'], folders['tokenizer'])}",
        f"vqa:{save_llava(folders['llava'], judge_tokenizer())}",
    ]
    return encoders, folders["heads"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run the small networks on one thread: sharing out so little work takes longer than the work."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Counted:
    """An encoder that keeps how many inputs it is given at once, at most ``batch_size``."""

    def __init__(self, encoder: Any, batch_size: int, lengths: list[int]) -> None:
        self._encoder, self.batch_size, self._lengths = encoder, batch_size, lengths

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode(self, inputs: Sequence[Any]) -> Any:
        self._lengths.append(len(inputs))
        return self._encoder.encode(inputs)


@pytest.fixture
def in_batches_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Return a function that sets how much is measured at once; what encoders are then given fills its list."""
    load_once = cache(catalogue.load_encoder)

    def set_size(size: int) -> list[int]:
        lengths: list[int] = []
        monkeypatch.setattr("evals.scoring.needs.WINDOW_IMAGES", size)
        monkeypatch.setattr("evals.scoring.measuring._CHUNK", size)
        monkeypatch.setattr(
            "evals.scoring.encoders.load_encoder",
            lambda name, device="auto": Counted(load_once(name, device), size, lengths),
        )
        return lengths

    return set_size


def outcomes(scores: pd.DataFrame) -> pd.DataFrame:
    """Return values and reasons by metric, control and samples, whatever the order of a score table's rows."""
    table = scores[["metric", "control", "reason", "value"]].fillna({"control": "", "reason": ""})
    table["samples"] = [" ".join(sorted(subject)) for subject in scores["subject"]]
    return table.sort_values(["metric", "control", "samples", "reason", "value"], ignore_index=True)


def scored_alike(
    folder: Path, runs: Path, in_batches_of: Callable[[int], list[int]], metrics: Sequence[str], encoders: Sequence[str]
) -> tuple[pd.DataFrame, list[int]]:
    """Score an image set one by one, and in larger batches in another order, and hold the tables together.

    Returns what all of them say, and the largest number of inputs that an encoder was given at once for each size.
    """

    def scored(run: str) -> pd.DataFrame:
        return outcomes(score(folder, runs / run, metrics, encoders).scores)

    lengths = [in_batches_of(BATCH_SIZES[0])]
    first = scored("first")
    shuffle(folder)
    for size in BATCH_SIZES[1:]:
        lengths.append(in_batches_of(size))
        pd.testing.assert_frame_equal(scored(f"of {size}"), first, rtol=0, atol=TOLERANCE)
    return first, [max(each) for each in lengths]


def assert_measured(table: pd.DataFrame, metrics: Sequence[str]) -> None:
    """Check that each metric has a value, on its own subjects and on those of each of its controls."""
    valued = set(table.dropna(subset="value")[["metric", "control"]].itertuples(index=False, name=None))
    assert valued >= {(name, control) for name in metrics for control in ("", *metric(name).controls)}


OWN = [spec.id for spec in METRICS if spec.function.startswith("metrics.")]
"""The catalogue without what other packages bring."""


def test_no_metric_depends_on_its_batch_or_on_the_order(tmp_path, small_models, in_batches_of, monkeypatch):
    models, heads = small_models
    monkeypatch.setenv("TWINLENS_WEIGHTS", str(heads))
    monkeypatch.setitem(aesthetic.HEADS, "tiny", AestheticHead("tiny.pth", "", "nowhere", "MIT"))
    monkeypatch.setattr("metrics.encoders.ocr.load_rapidocr", lambda model, device: Reader())
    # A metric that is new in the catalogue is asked for here too, and fails where the image set gives it nothing.
    metrics = [name for name in OWN if name not in LPIPS]
    encoders = [*models, "dlib:resnet_v1", "rapidocr:pp-ocrv6-small"]
    table, at_once = scored_alike(everything(tmp_path / "set", 2), tmp_path, in_batches_of, metrics, encoders)
    assert at_once[0] < at_once[1] < at_once[2]
    assert_measured(table, metrics)
    assert set(table["reason"]) >= {"no_face", "no_text", "language_unsupported", "no_mask"}


def test_lpips_does_not_depend_on_its_batch_or_on_the_order(tmp_path, in_batches_of, shared):
    # One option serves the repeats and the edits.
    encoders = [f"lpips:{shared('models/lpips/lpips_alex.onnx')}"]
    table, _ = scored_alike(everything(tmp_path / "set", 2), tmp_path, in_batches_of, LPIPS, encoders)
    assert_measured(table, LPIPS)


@pytest.mark.slow
def test_the_encoders_of_packages_do_not_depend_on_the_batch_or_on_the_order(tmp_path, in_batches_of):
    roles = ("adherence", "text", "identity")
    metrics = [
        spec.id
        for spec in METRICS
        if spec.id in OWN
        and {FEATURES[feature].role for feature in spec.features} <= set(roles)
        and "embedded" not in spec.unfit_encoders
    ]
    encoders = ["embedded:lite", "dlib:resnet_v1", "rapidocr:pp-ocrv6-small"]
    table, at_once = scored_alike(everything(tmp_path / "set", 4), tmp_path, in_batches_of, metrics, encoders)
    assert at_once[0] < at_once[1] < at_once[2]
    assert_measured(table, metrics)
