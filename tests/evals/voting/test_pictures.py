"""The frames: one size, nothing beside the pixels, and no side sharper for being larger."""

import io

import numpy as np
import PIL.Image
import pytest

from evals.imageset.decoding import UnreadableImage
from evals.voting.pictures import SIDE, framed

NOISE = PIL.Image.fromarray(np.random.default_rng(1).integers(0, 256, (1024, 1024, 3), np.uint8))


@pytest.fixture
def saved(tmp_path):
    def save(picture, name):
        exif = PIL.Image.Exif()
        exif[0x0131] = "secretive"
        picture.save(tmp_path / name, exif=exif)
        return tmp_path / name

    return save


def opened(frames):
    return {name: PIL.Image.open(io.BytesIO(content)) for name, content in frames.items()}


@pytest.mark.parametrize("n_pictures", [1, 2, 3, 5])
def test_frames_have_one_size_and_no_metadata_whatever_the_pictures_are(n_pictures, saved):
    small = [saved(NOISE.resize((40 + n, 30)), f"{n}.png") for n in range(n_pictures)]
    large = [saved(NOISE.resize((300, 900 + n)), f"{n}.jpg") for n in range(n_pictures)]
    for frame in opened(framed({"left": small, "right": large, "source": small[:1]}, SIDE)).values():
        assert (frame.size, frame.format, dict(frame.getexif())) == ((SIDE, SIDE), "WEBP", {})
        assert frame.info.keys() <= {"background", "loop", "duration", "timestamp"}


def test_the_same_picture_in_another_resolution_looks_the_same(saved):
    small, large = saved(NOISE.resize((128, 128), PIL.Image.Resampling.LANCZOS), "small.png"), saved(NOISE, "large.png")
    frames = opened(framed({"left": [small], "right": [large], "source": [large]}, SIDE))
    left, right, source = (np.asarray(frames[name].convert("L"), float) for name in ("left", "right", "source"))
    sharpness = [float(np.abs(np.diff(side, axis=1)).mean()) for side in (left, right, source)]
    assert sharpness[1] == pytest.approx(sharpness[0], rel=0.02)
    assert sharpness[2] > 2 * sharpness[1]  # what was given tells nothing, and is shown as it is


@pytest.mark.parametrize("broken", [None, "text.png", "missing.png"])
def test_what_cannot_be_shown_is_refused_and_not_drawn(broken, saved, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    path = broken and tmp_path / broken
    with pytest.raises(UnreadableImage):
        framed({"left": [saved(NOISE, "good.png")], "right": [path]}, SIDE)
