"""How well does an OCR engine read clean signs? Run as: python -m tests.benchmarks.ocr_signs [ENCODER]"""

import importlib.util
import itertools
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from metrics.encoders.catalogue import Image, load_encoder
from metrics.measurement import Subject
from metrics.text.accuracy import character_error_rate
from metrics.text.normalisation import cuts, words_of

SIDE = 512
ROW = 0.92 * SIDE
SIGNS_PER_PHRASE = 2

PHRASES: Mapping[str, Sequence[str]] = {
    "English": (
        "OPEN 24 HOURS", "Grand Opening", "Fresh Bread Daily", "Mind the Gap", "NO PARKING", "Coffee & Books",
        "Please Ring the Bell", "Sale: 50% off", "Exit Only", "Saturday, June 14", "Live Music Tonight",
        "Wet Paint", "Platform 9", "Price: $12.50", "Beware of the Dog", "Keep Right", "Happy Birthday, Sophie!",
        "Quiet Please", "Lost & Found", "The Blue Whale", "SPEED LIMIT 30", "Tickets Sold Here", "Back in 5 minutes",
        "Free Wi-Fi", "Hotel Astoria\nRooms from $89", "FARMERS MARKET\nEvery Sunday 8-12",
    ),
    "German": (
        "Geöffnet von 9 bis 18 Uhr", "Straße gesperrt", "Frische Brötchen", "Bitte nicht stören", "Ausgang",
        "Betreten verboten", "Grüße aus München", "Käse und Wurst", "Achtung, Stufe!", "Fußgängerzone",
        "Zimmer frei", "Äpfel 2,50 €", "Größe XL", "Bäckerei Müller", "Rauchen verboten", "Öffentliche Bücherei",
        "Vorsicht, bissiger Hund", "Bahnhof Süd", "Kasse geschlossen", "Schöne Ferien!", "Umleitung", "Weiße Rosen",
        "Heute Ruhetag", "Gasthaus zum Löwen", "Flohmarkt\nSonntag ab 10 Uhr", "HAUS DER KÜNSTE\nEintritt frei",
    ),
    "French": (
        "Ouvert le dimanche", "Café de la Gare", "Défense de fumer", "Boulangerie Pâtisserie", "Sortie de secours",
        "Crème brûlée 6,50 €", "Où est la plage ?", "Fermé à midi", "Prière de frapper", "Garçons et filles",
        "Théâtre du Châtelet", "Élèves à l'étage", "Poussez fort", "Attention à la marche", "Forêt interdite",
        "Joyeux Noël", "Entrée gratuite", "Chien méchant", "Hôtel des Îles", "À louer", "Fromage de chèvre",
        "Jusqu'à 30 % de remise", "Voie sans issue", "Déjà vu", "MARCHÉ\nchaque samedi", "Musée d'Orsay\n2e étage",
    ),
    "Chinese": (
        "欢迎光临", "营业时间", "禁止吸烟", "小心地滑", "出口", "请勿打扰", "新年快乐", "北京烤鸭", "中国银行",
        "上海火车站", "咖啡与书", "今日特价", "开放时间：9:00", "生日快乐", "注意安全", "请排队等候", "图书馆",
        "第五人民医院", "停车场", "严禁烟火", "手工面包", "春夏秋冬", "全场八折", "一路平安",
        "老北京\n羊肉火锅", "花开富贵\n国泰民安",
    ),
}  # fmt: skip

SIZES = (36, 48, 64, 80)

COLOURS = (
    ("black", "white"), ("white", "#8b1a1a"), ("#f0dc78", "#14143c"), ("#1d4d2b", "#f5efdc"),
    ("white", "#1f5fa8"), ("#202020", "#f2a541"), ("#333333", "#dddddd"),
)  # fmt: skip


def chinese_fonts() -> list[Path]:
    """Return Noto Sans SC and Noto Serif SC (OFL-1.1) from the package pylopdf-fonts-zh-cn; empty without it."""
    spec = importlib.util.find_spec("pylopdf_fonts_zh_cn")
    return sorted(Path(spec.submodule_search_locations[0]).glob("*.otf")) if spec else []  # type: ignore[index]


def latin_fonts() -> list[Path]:
    """Return the text fonts of matplotlib: DejaVu and STIX, both free."""
    folder = Path(importlib.util.find_spec("matplotlib").submodule_search_locations[0]) / "mpl-data/fonts/ttf"  # type: ignore
    names = ("DejaVuSans", "DejaVuSerif", "DejaVuSans-Bold", "STIXGeneral", "DejaVuSansMono", "STIXGeneralBol")
    return [folder / f"{name}.ttf" for name in (*names, "DejaVuSerif-Italic")]


def signs() -> Iterator[tuple[str, str, Image]]:
    """Yield language, text and picture, the same on every run: each phrase in two styles, sizes and colours in turn."""
    for language, phrases in PHRASES.items():
        fonts = itertools.cycle(chinese_fonts() if language == "Chinese" else [*latin_fonts(), *chinese_fonts()])
        sizes, colours = itertools.cycle(SIZES), itertools.cycle(COLOURS)
        for phrase in phrases * SIGNS_PER_PHRASE:
            yield language, phrase, draw(phrase, next(fonts), next(sizes), *next(colours))


def draw(text: str, path: Path, size: int, ink: str, ground: str) -> Image:
    """Draw a text in the middle of a square, wrapped between words, smaller if a single word is too wide."""
    font = ImageFont.truetype(path, size)
    while max(map(font.getlength, words_of(text))) > ROW:
        size -= 4
        font = ImageFont.truetype(path, size)
    rows = []
    for line in text.splitlines():
        while font.getlength(line) > ROW and cuts(line):
            row, line = [cut for cut in cuts(line) if font.getlength(cut[0]) <= ROW][-1]
            rows.append(row)
        rows.append(line)
    sign = PillowImage.new("RGB", (SIDE, SIDE), ground)
    canvas = ImageDraw.Draw(sign)
    for i, row in enumerate(rows):
        y = SIDE / 2 + (i - len(rows) / 2 + 0.5) * size * 1.4
        canvas.text((SIDE / 2, y), row, font=font, fill=ink, anchor="mm")
    return np.asarray(sign)


def measure(encoder: Any, every: int = 1) -> pd.DataFrame:
    """Return ``language``, ``text``, ``read`` and character error rate of every n-th sign; 1 where nothing is read."""
    rows = []
    for language, text, image in itertools.islice(signs(), 0, None, every):
        subject = Subject(("sign",), ({"expected_text": text},), ({"ocr": encoder.encode([image])[0]},))
        (measured,) = character_error_rate([subject])
        error = 1.0 if measured.value is None else measured.value
        rows.append((language, text, measured.details.get("read"), error))
    return pd.DataFrame(rows, columns=["language", "text", "read", "error"])


def by_language(measured: pd.DataFrame) -> pd.DataFrame:
    """Return the number of signs, their mean error rate and the share read without error, by language."""
    errors = measured.groupby("language", sort=False)["error"]
    return errors.agg(signs="size", mean="mean", exact=lambda error: (error == 0).mean())


def main() -> None:
    """Print the table, then every sign that was misread."""
    name = sys.argv[1] if len(sys.argv) > 1 else "rapidocr:pp-ocrv6-small"
    start = time.perf_counter()
    measured = measure(load_encoder(name))
    print(f"{name}, {time.perf_counter() - start:.0f} s\n{by_language(measured).round(4)}")
    for sign in measured[measured["error"] > 0].itertuples():
        print(f"{sign.error:.3f}  {sign.text!r} read as {sign.read}")


if __name__ == "__main__":
    main()
