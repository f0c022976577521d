"""OCR engines on rendered text: reference strings, hard pictures, and 200 signs in four languages."""

import importlib.util
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from evals.scoring.encoders import Encoders
from metrics.encoders import ocr
from metrics.encoders.catalogue import EncoderUnavailable, load_encoder
from metrics.measurement import Subject
from metrics.text.accuracy import character_error_rate
from metrics.text.rendering import render_text
from tests.benchmarks import ocr_signs

needs_chinese_fonts = pytest.mark.skipif(
    importlib.util.find_spec("pylopdf_fonts_zh_cn") is None, reason="needs the fonts of pylopdf-fonts-zh-cn"
)
needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None or importlib.util.find_spec("pytesseract") is None,
    reason="needs the tesseract program and pytesseract",
)


@pytest.fixture(scope="module")
def rapidocr():
    return load_encoder("rapidocr:pp-ocrv6-small", "cpu")


def poster(lines, size, ink="black", ground="white", shape=(720, 720)):
    page = Image.new("RGB", shape, ground)
    for i, line in enumerate(lines):
        ImageDraw.Draw(page).text((40, 40 + i * size * 1.6), line, font=ImageFont.load_default(size), fill=ink)
    return np.asarray(page)


def error_rate(encoder, image, expected):
    subject = Subject(("s",), ({"expected_text": expected},), ({"ocr": encoder.encode([image])[0]},))
    (measured,) = character_error_rate([subject])
    return 1.0 if measured.value is None else measured.value


def test_reference_strings_and_misspellings_are_read_as_they_stand_and_in_silence(capfd):
    rapidocr = ocr.load_rapidocr("pp-ocrv6-small", "cpu")
    right, wrong = rapidocr.encode([poster(["OPEN 24 HOURS"], 72), poster(["OPNE 24 HUORS"], 64)])
    assert [line["text"] for line in (*right, *wrong)] == ["OPEN 24 HOURS", "OPNE 24 HUORS"]
    assert right[0]["score"] > 0.97
    assert capfd.readouterr() == ("", "")
    lines = ["GRAND OPENING", "Saturday, June 14", "Coffee & Books", "Price: $12.50"]
    (found,) = rapidocr.encode([poster(lines, 72, (240, 220, 120), (20, 30, 60))])
    assert [line["text"] for line in found] == lines
    assert [line["score"] for line in found] == pytest.approx([0.9998, 0.9999, 0.9983, 0.9952], abs=0.02)


def test_boxes_lie_where_the_text_is(rapidocr):
    image = poster(["OPEN"], 80)
    (line,) = rapidocr.encode([image])[0]
    ink = np.argwhere((image < 128).any(axis=2))
    (top, left), (bottom, right) = ink.min(axis=0), ink.max(axis=0)
    corners = np.array(line["box"])
    assert corners.shape == (4, 2)
    assert corners.min(axis=0) == pytest.approx([left, top], abs=20)
    assert corners.max(axis=0) == pytest.approx([right, bottom], abs=20)


def test_a_batch_gives_what_single_images_give(rapidocr):
    images = [poster(["OPEN"], 64), poster(["SALE", "TODAY"], 48)]
    assert rapidocr.encode(images) == [rapidocr.encode([image])[0] for image in images]


def test_empty_pictures_and_slivers_have_no_text(rapidocr, monkeypatch):
    read, recognise = [], rapidocr._recognise
    monkeypatch.setattr(rapidocr, "_recognise", lambda lines: read.extend(lines) or recognise(lines))
    shapes = ((300, 300, 3), (1, 1, 3), (2, 900, 3), (900, 2, 3))
    assert rapidocr.encode([np.full(shape, 160, np.uint8) for shape in shapes]) == [[], [], [], []]
    assert all(len(line) >= ocr.LEAST_HEIGHT for line in read), "a sliver of 2 pixels is not enlarged to be read"


def test_a_line_of_thousands_of_letters_is_read_in_pieces_that_end_between_words(rapidocr, monkeypatch):
    read = []

    def recognise(lines):
        read.extend(lines)
        return SimpleNamespace(txts=["abcd", "ab", "x"][len(read) - 1 :][: len(lines)], scores=[0.9] * len(lines))

    width, height = 12_000, 14
    picture = np.full((height, width, 3), 255, np.uint8)
    picture[2:12, np.arange(width) % 3 > 0] = 0  # letters, a column apart
    for gap in (1_000, 4_090, 7_950):
        picture[:, gap : gap + 8] = 255
    place = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    monkeypatch.setattr(rapidocr, "_engine", lambda: SimpleNamespace(recognize_txt=recognise))
    monkeypatch.setattr("metrics.encoders.ocr.find_places", lambda image, detect: [place])
    ((line,),) = rapidocr.encode([picture])
    widths = [piece.shape[1] for piece in read[:3]]
    assert sum(widths) in range(width - 2, width + 1)
    assert abs(widths[0] - 4_094) < 4
    assert abs(widths[0] + widths[1] - 7_954) < 4
    assert (line["text"], line["score"]) == ("abcd ab x", pytest.approx(0.9))


def test_the_library_is_given_bgr(rapidocr, monkeypatch):
    seen = []

    class Nothing:
        boxes = None

    monkeypatch.setattr(rapidocr, "_engine", lambda: lambda image, **_: seen.append(image) or Nothing)
    rapidocr.encode([np.full((8, 8, 3), (255, 0, 9), np.uint8)])
    assert seen[0][0, 0].tolist() == [9, 0, 255]


def test_rapidocr_declares_the_scripts_of_its_own_dictionary(rapidocr):
    assert rapidocr.scripts == {"Latin", "Han", "Hiragana", "Katakana"}
    assert len(rapidocr.weights_sha256) == 64
    assert rapidocr.licence == "Apache-2.0"


@pytest.mark.parametrize(
    ("expected", "lines", "turns"),
    [
        ("GRAND OPENING", ["GRAND OPENING"], 1),
        ("GRAND OPENING", ["GRAND OPENING"], 2),
        ("GRAND OPENING", ["GRAND OPENING"], 3),
        ("BAKERY", list("BAKERY"), 0),
        ("international fair", ["inter-", "national fair"], 0),
        ("Berlin \u2013 Paris", ["Berlin \u2013 Paris"], 0),
        ("\u221220 \u00b0C today", ["\u221220 \u00b0C today"], 0),
        ("6\u2032 2\u2033 tall \u2014 e\u2011mail", ["6\u2032 2\u2033 tall \u2014 e\u2011mail"], 0),
        ("\u00a1OFERTA HOY!", ["\u00a1OFERTA HOY!"], 0),
    ],
)
def test_what_is_drawn_right_is_read_right_whichever_way_it_runs(rapidocr, expected, lines, turns):
    page = Image.new("RGB", (720, 720), "white")
    font = ImageFont.truetype(ocr_signs.latin_fonts()[0], 48)
    for i, line in enumerate(lines):
        ImageDraw.Draw(page).text((80, 60 + i * 90), line, font=font, fill="black")
    assert error_rate(rapidocr, np.ascontiguousarray(np.rot90(np.asarray(page), turns)), expected) == 0


LABEL = "Ingredients: water, wheat flour, sugar 12 g, salt 0.4 g"


@pytest.mark.parametrize(("size", "x"), [(22, 300), (22, 1000), (28, 1700)])
def test_small_print_in_a_large_picture_is_read_as_in_a_small_one(rapidocr, size, x):
    """Across the edges of tiles too; shrunk to 2000 pixels, letters of 22 pixels are lost."""
    page = Image.new("RGB", (3600, 1700), (235, 230, 220))
    font = ImageFont.truetype(ocr_signs.latin_fonts()[0], size)
    ImageDraw.Draw(page).text((x, 1050), LABEL, font=font, fill=(40, 40, 40))
    ImageDraw.Draw(page).text((400, 60), "SALE", font=font.font_variant(size=500), fill=(120, 20, 20))
    image = np.asarray(page)
    (found,) = rapidocr.encode([image])
    assert sorted(line["text"].replace(" ", "") for line in found) == [LABEL.replace(" ", ""), "SALE"]
    assert error_rate(rapidocr, image[1000:1150, x - 100 : x + 900], LABEL) == 0


def test_a_character_that_the_engine_does_not_know_is_its_limit(rapidocr):
    engines = Encoders({"text": [rapidocr]})
    assert engines.reading("6\u2032 2\u2033 \u2013 \u00a1caf\u00e9! \u201elow\u201c \u2011 \ufb01ne") is rapidocr
    assert engines.reading("p\u1e3f") is None


def test_a_missing_tesseract_program_is_named_with_its_remedy(monkeypatch):
    pytesseract = pytest.importorskip("pytesseract")
    monkeypatch.setattr(pytesseract.pytesseract, "tesseract_cmd", "/nowhere/tesseract")
    with pytest.raises(EncoderUnavailable, match="apt-get install tesseract-ocr"):
        load_encoder("tesseract:eng")


def test_scripts_of_tesseracts_languages():
    for languages, scripts in (
        ("eng srp_latn", {"Latin"}),
        ("srp", {"Cyrillic"}),
        ("chi_sim_vert script/HanT", {"Han"}),
        ("kor", {"Hangul"}),
        ("vie", {"Latin", "Vietnamese"}),
        ("heb", {"Hebrew"}),
    ):
        for language in languages.split():
            assert ocr._scripts_of_language(language) == scripts, language


@needs_tesseract
def test_tesseract_reads_a_rendered_line_word_by_word_and_joins_it():
    encoder = load_encoder("tesseract:eng", "cpu")
    (line,) = encoder.encode([poster(["OPEN 24 HOURS"], 64)])[0]
    assert line["text"] == "OPEN 24 HOURS"
    assert 0.7 < line["score"] <= 1
    assert encoder.scripts == {"Latin"}
    assert encoder.encode([np.full((200, 200, 3), 128, np.uint8), np.full((1, 1, 3), 9, np.uint8)]) == [[], []]


@needs_chinese_fonts
def test_rendered_words_are_the_ceiling(rapidocr):
    """The control: what was asked for, drawn cleanly, is read without error; another text is not."""
    for text in ("OPEN 24 HOURS\nSaturday, June 14", "Geöffnet: Straße der Künste 5", "欢迎光临\n营业时间 9:00"):
        assert error_rate(rapidocr, render_text(text), text) == 0
    assert error_rate(rapidocr, render_text("SALE ENDS TODAY"), "OPEN 24 HOURS") > 0.5


@pytest.mark.parametrize(
    "damaged", ["OPEN EVERY 24 HOURS", "OPEN HOURS", "HOURS 24 OPEN", "OPNE 24 HOURS", "24 OPEN HOURS"]
)
def test_damaged_words_lose_points_on_the_picture(rapidocr, damaged):
    assert error_rate(rapidocr, poster([damaged], 48), "OPEN 24 HOURS") >= 1 / 13


@needs_chinese_fonts
@pytest.mark.parametrize("every", [10, pytest.param(1, marks=pytest.mark.slow)])
def test_200_signs_in_four_languages_are_read_with_at_most_3_percent_errors(rapidocr, every, capsys):
    table = ocr_signs.by_language(ocr_signs.measure(rapidocr, every))
    with capsys.disabled():
        print(f"\n{table}")
    assert table["signs"].sum() >= 200 / every
    assert set(table.index) == {"English", "German", "French", "Chinese"}
    assert (table["mean"] <= 0.03).all()
