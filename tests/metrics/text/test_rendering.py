"""Clean renderings: what is drawn, with which font, and when nothing can be."""

import importlib.util

import numpy as np
import pytest

from metrics.text import rendering
from metrics.text.rendering import SIDE, font_for, render_text


def rows_of_ink(image):
    dark = (image < 128).any(axis=(1, 2))
    return int(np.count_nonzero(np.diff(dark.astype(int)) == 1))


def test_each_expected_line_has_a_row_of_its_own():
    image = render_text("OPEN\nHOURS\nSALE")
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert rows_of_ink(image) == 3
    assert set(np.unique(image[0])) == {255}
    assert np.array_equal(image, render_text(["OPEN", "HOURS", "SALE"]))


def test_long_lines_are_wrapped_and_many_lines_shrink():
    wrapped = render_text("word " * 60)
    assert wrapped.shape[1] == SIDE
    assert rows_of_ink(wrapped) > 3
    assert render_text("\n".join(["OPEN"] * 20)).shape[0] <= SIDE


def test_a_word_wider_than_the_page_is_not_cut_off():
    image = render_text("W" * 120)
    assert image.shape[1] > SIDE
    assert (image[:, -20:] == 255).all()


def test_a_rendering_is_as_large_as_its_picture_and_its_letters_as_those_in_it():
    small, large = (render_text("OPEN 24 HOURS", (4096, 900), letters) for letters in (22, 130))
    assert small.shape == large.shape == (900, 4096, 3)
    heights = [np.ptp(np.nonzero((image < 128).any(axis=(1, 2)))) for image in (small, large)]
    assert heights == [pytest.approx(0.75 * size, abs=2) for size in (20, 128)]
    # letters that fill a picture leave no room for the same words in another font
    assert render_text("OPEN 24 HOURS", (400, 300), 300).shape == (300, 400, 3)
    assert rows_of_ink(render_text("OPEN 24 HOURS", (400, 300), 300)) <= 3


def test_nothing_to_draw_or_no_font_with_the_characters_means_no_rendering(monkeypatch):
    assert render_text(" \n") is None
    monkeypatch.setattr(rendering, "_system_fonts", tuple)
    assert font_for("\U0001d9f1") is None
    assert render_text("\U0001d9f1") is None


@pytest.mark.skipif(importlib.util.find_spec("pylopdf_fonts_zh_cn") is None, reason="needs pylopdf-fonts-zh-cn")
def test_chinese_and_japanese_are_drawn_in_a_font_that_has_them():
    assert font_for("欢迎光临 24 ラーメン").name == "NotoSansSC-Regular.otf"
    assert rows_of_ink(render_text("欢迎光临")) >= 1
