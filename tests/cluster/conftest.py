"""An image set with a row of every kind: words, repeats, a sequence, edits with masks, and pictures that are none."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont
import pytest

from evals.imageset.imageset import write_image_set
from evals.scoring.stage import score


def sign(words, tint):
    picture = PIL.Image.new("RGB", (320, 96), (tint, 255, 240))
    PIL.ImageDraw.Draw(picture).text((16, 20), words, "black", PIL.ImageFont.load_default(48))
    return picture


def noise(seed):
    return PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8))


def samples_of(system, shift):
    for item, words in enumerate(("OPEN", "EXIT 5", "TEA")):
        source, mask = f"sources/{item}.png", f"sources/mask-{item}.png"
        pictures = [
            (sign(words, 200 + shift), {"suite": "signs", "prompt": f"says {words}", "expected_text": [words]}),
            (noise(10 * shift + item), {"suite": "story", "prompt": f"step {item}", "sequence_id": "s", "shot": item}),
            *(
                (
                    noise(100 + 10 * item + (seed + repeat) * shift),
                    {"prompt": f"{item}", "seed": seed, "repeat": repeat},
                )
                for seed, repeat in ((1, 0), (1, 1), (2, 0))
            ),
            (
                noise(300 + 10 * item + shift),
                {"suite": "edits", "prompt": "a hat", "reference_images": [source], "mask": mask},
            ),
        ]
        yield from ((picture, {"system": system, "prompt_id": f"p{item}"} | facts) for picture, facts in pictures)


@pytest.fixture(scope="session")
def mixed_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mixed") / "set"
    (folder / "sources").mkdir(parents=True)
    for item in range(3):
        noise(400 + item).save(folder / f"sources/{item}.png")
        mask = PIL.Image.new("L", (64, 48))
        mask.paste(255, (8, 8, 32, 32))
        mask.save(folder / f"sources/mask-{item}.png")
    write_image_set(folder, [*samples_of("a", 0), *samples_of("b", 1)])
    # A picture that breaks off after its header, and one that is not the one that its row records.
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    broken, other = rows[3]["file_name"], rows[9]["file_name"]
    content = (folder / broken).read_bytes()
    (folder / broken).write_bytes(content[: len(content) // 2] + bytes(64) + content[-12:])
    noise(999).save(folder / other)
    return folder


@pytest.fixture(scope="session")
def local_run(mixed_set, tmp_path_factory):
    return score(mixed_set, tmp_path_factory.mktemp("local") / "run", skip_bad=True)


def assert_same_run(run, expected):
    pd.testing.assert_frame_equal(run.scores, expected.scores, rtol=1e-6, atol=1e-6)
    pd.testing.assert_frame_equal(run.samples, expected.samples)
    for part in ("unreadable", "colour", "long_prompts", "metrics", "encoders", "inputs"):
        assert run.provenance[part] == expected.provenance[part]
