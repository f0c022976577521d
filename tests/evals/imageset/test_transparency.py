"""Pictures with transparency: seen on white, unless they would vanish there."""

import io

import numpy as np
import PIL.Image
import PIL.ImageDraw
import pytest

from evals.imageset.decoding import decode_bytes
from evals.imageset.transparency import ground_of


def lettering(*colours):
    layer = PIL.Image.new("RGBA", (200, 80 * len(colours)), (0, 0, 0, 0))
    for n, colour in enumerate(colours):
        PIL.ImageDraw.Draw(layer).text((10, 10 + 80 * n), "SALE", fill=colour, font_size=48)
    return layer


@pytest.mark.parametrize(
    ("colours", "ground"),
    [
        (["black"], "white"),
        (["#c03030"], "white"),
        (["white"], "black"),
        (["#f4f0e0"], "black"),
        (["white", "#c03030"], "black"),
        (["white", "black"], "gray"),
    ],
)
def test_lettering_is_seen_on_a_ground_that_shows_it(colours, ground):
    layer = lettering(*colours)
    assert ground_of(layer) == ground
    file = io.BytesIO()
    layer.save(file, "PNG")
    pixels = decode_bytes(file.getvalue()).pixels
    for n in range(len(colours)):
        assert np.ptp(pixels[80 * n : 80 * n + 80].astype(int).sum(axis=2)) > 100


def test_what_has_all_shades_or_shows_nothing_stays_on_white():
    shades = np.random.default_rng(0).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    assert ground_of(PIL.Image.fromarray(shades, "RGBA")) == "white"
    assert ground_of(PIL.Image.new("RGBA", (8, 8), (255, 255, 255, 0))) == "white"
