"""The pictograms of the demo: one literal table of everyday things as plain shapes, and the function that draws one."""

from __future__ import annotations

import colorsys
import functools
from dataclasses import dataclass

import PIL.Image
import PIL.ImageColor
import PIL.ImageDraw

Shape = tuple[object, ...]

COLOURS: dict[str, str] = {
    "red": "#d62828", "orange": "#f3822a", "yellow": "#f6c921", "green": "#3a9d3a", "blue": "#2a6fdb",
    "purple": "#8a3fc0", "pink": "#ee6fa8", "brown": "#8a5a34", "black": "#2b2b2e", "white": "#f5f5f0",
    "grey": "#8b8f96",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pictogram:
    """One thing: its usual colour, its shapes back to front on a grid of 100 x 100, and how it behaves in a scene.

    A shape is a kind, a colour and numbers: ``oval`` and ``box`` x0 y0 x1 y1, ``poly`` x y x y ..., ``line`` width
    x y x y ..., ``slice`` x0 y0 x1 y1 from to, ``arc`` width x0 y0 x1 y1 from to (degrees, clockwise from the right).
    The colours ``main``, ``dark`` and ``light`` follow the colour that is asked for, ``CUT`` removes what is below.
    ``floats`` says that the thing hangs in the air, ``grown`` that it has its usual colour unless another is asked for;
    ``label`` is the place for text.
    """

    colour: str
    shapes: tuple[Shape, ...]
    floats: bool = False
    grown: bool = False
    label: tuple[float, float, float, float] | None = None


PICTOGRAMS: dict[str, Pictogram] = {
    "apple": Pictogram("red", (
        ("oval", "main", 10, 28, 60, 94), ("oval", "main", 40, 28, 90, 94), ("oval", "main", 26, 34, 74, 97),
        ("line", "#6b4423", 5, 50, 38, 53, 24, 60, 10), ("poly", "#4caf50", 58, 20, 70, 8, 90, 8, 84, 20, 70, 26),
        ("oval", "light", 22, 40, 36, 60),
    ), grown=True),
    "balloon": Pictogram("red", (
        ("line", "#666666", 1.5, 50, 74, 47, 82, 53, 90, 50, 99), ("oval", "main", 21, 2, 79, 70),
        ("poly", "dark", 50, 66, 43, 77, 57, 77), ("oval", "light", 32, 13, 44, 32),
    ), floats=True),
    "banana": Pictogram("yellow", (
        ("slice", "main", 2, -42, 98, 88, 12, 168), ("slice", "CUT", 8, -50, 92, 56, 0, 180),
        ("poly", "#6b4423", 91, 32, 99, 28, 100, 38, 94, 44), ("poly", "#6b4423", 3, 36, 9, 36, 10, 46, 4, 46),
        ("arc", "dark", 1.5, 6, -40, 94, 76, 25, 155),
    ), grown=True),
    "bicycle": Pictogram("blue", (
        ("arc", "#222222", 4, 2, 44, 44, 86, 0, 360), ("arc", "#222222", 4, 56, 44, 98, 86, 0, 360),
        ("line", "#888888", 1, 23, 46, 23, 84), ("line", "#888888", 1, 4, 65, 42, 65),
        ("line", "#888888", 1, 77, 46, 77, 84), ("line", "#888888", 1, 58, 65, 96, 65),
        ("line", "main", 5, 23, 65, 37, 36, 68, 36, 48, 67, 23, 65), ("line", "main", 5, 48, 67, 35, 30),
        ("line", "main", 5, 77, 65, 66, 26), ("line", "#222222", 5, 26, 29, 44, 29),
        ("line", "#222222", 4, 78, 20, 66, 25, 60, 22), ("oval", "#222222", 43, 62, 53, 72),
    )),
    "bird": Pictogram("blue", (
        ("line", "#c77d1a", 2.5, 48, 78, 46, 97, 38, 97), ("line", "#c77d1a", 2.5, 58, 78, 58, 97, 50, 97),
        ("poly", "dark", 70, 56, 99, 44, 97, 62, 72, 72), ("oval", "main", 24, 36, 82, 84),
        ("oval", "main", 14, 12, 52, 52), ("poly", "#f39c12", 18, 26, 0, 34, 18, 40),
        ("oval", "#ffffff", 22, 20, 34, 32), ("oval", "#111111", 25, 23, 31, 29),
        ("slice", "dark", 38, 34, 84, 78, -10, 170), ("oval", "light", 26, 54, 46, 76),
    )),
    "boat": Pictogram("blue", (
        ("line", "#5b3a1e", 3.5, 50, 4, 50, 76), ("poly", "#fffdf5", 47, 8, 47, 66, 10, 66),
        ("poly", "#f2e6d0", 53, 14, 53, 66, 86, 66), ("poly", "main", 2, 72, 98, 72, 82, 95, 18, 95),
        ("poly", "dark", 2, 72, 98, 72, 95, 78, 6, 78), ("poly", "#d62828", 50, 3, 62, 7, 50, 11),
    )),
    "book": Pictogram("green", (
        ("poly", "dark", 2, 24, 50, 34, 98, 24, 98, 88, 50, 97, 2, 88),
        ("poly", "#fffdf2", 7, 18, 50, 30, 50, 91, 7, 81), ("poly", "#f3eedd", 93, 18, 50, 30, 50, 91, 93, 81),
        *(("line", "#9a9a9a", 1.2, 13, y, 44, y + 8) for y in range(32, 72, 8)),
        *(("line", "#9a9a9a", 1.2, 56, y + 8, 87, y) for y in range(32, 72, 8)),
        ("poly", "main", 60, 25, 68, 23, 68, 58, 64, 52, 60, 60),
        ("line", "main", 3, 2, 24, 2, 88, 50, 97, 98, 88, 98, 24),
    )),
    "bottle": Pictogram("green", (
        ("box", "#6b4423", 43, 0, 57, 8), ("box", "main", 41, 6, 59, 30), ("oval", "main", 14, 20, 86, 62),
        ("box", "main", 14, 42, 86, 98), ("box", "#fffbee", 14, 50, 86, 90), ("line", "light", 2, 46, 10, 46, 26),
    ), label=(16, 52, 84, 88)),
    "box": Pictogram("brown", (
        ("poly", "light", 4, 26, 18, 8, 98, 8, 86, 26), ("poly", "dark", 86, 26, 98, 8, 98, 78, 86, 97),
        ("box", "main", 4, 26, 86, 97), ("box", "#fffbee", 8, 40, 82, 84),
    ), label=(10, 42, 80, 82)),
    "car": Pictogram("red", (
        ("poly", "main", 20, 52, 32, 28, 68, 28, 84, 52), ("poly", "#cfe8f7", 27, 50, 35, 33, 49, 33, 49, 50),
        ("poly", "#cfe8f7", 53, 50, 53, 33, 66, 33, 76, 50),
        ("poly", "main", 2, 56, 10, 50, 90, 50, 98, 58, 98, 76, 2, 76),
        ("box", "dark", 2, 70, 98, 77), ("oval", "#222222", 13, 62, 37, 86), ("oval", "#c9ccd1", 20, 69, 30, 79),
        ("oval", "#222222", 63, 62, 87, 86), ("oval", "#c9ccd1", 70, 69, 80, 79), ("oval", "#fff3a8", 90, 56, 98, 65),
        ("line", "dark", 1.2, 51, 52, 51, 70),
    )),
    "cat": Pictogram("orange", (
        ("arc", "main", 8, 62, 46, 99, 92, -80, 110), ("oval", "main", 24, 44, 80, 98),
        ("poly", "main", 24, 26, 24, 2, 44, 14), ("poly", "main", 76, 26, 76, 2, 56, 14),
        ("poly", "#f7b7b7", 28, 20, 28, 8, 38, 15), ("poly", "#f7b7b7", 72, 20, 72, 8, 62, 15),
        ("oval", "main", 20, 8, 80, 58), ("oval", "#e9f59a", 30, 24, 45, 38), ("oval", "#e9f59a", 55, 24, 70, 38),
        ("oval", "#111111", 35, 24, 40, 38), ("oval", "#111111", 60, 24, 65, 38),
        ("poly", "#e58a8a", 45, 40, 55, 40, 50, 46),
        ("arc", "#555555", 1.5, 38, 40, 50, 52, 10, 120), ("arc", "#555555", 1.5, 50, 40, 62, 52, 60, 170),
        ("line", "#888888", 1, 30, 44, 6, 40), ("line", "#888888", 1, 30, 47, 6, 50),
        ("line", "#888888", 1, 70, 44, 94, 40),
        ("line", "#888888", 1, 70, 47, 94, 50), ("oval", "light", 36, 64, 64, 96),
        ("oval", "main", 28, 86, 48, 99), ("oval", "main", 52, 86, 72, 99),
    ), grown=True),
    "chair": Pictogram("brown", (
        ("box", "main", 20, 2, 28, 62), ("box", "main", 70, 2, 78, 62), ("box", "main", 20, 6, 78, 16),
        ("box", "light", 20, 24, 78, 32), ("box", "light", 20, 40, 78, 48),
        ("poly", "dark", 20, 54, 78, 54, 90, 68, 10, 68),
        ("box", "main", 10, 66, 90, 72), ("box", "main", 12, 70, 21, 98), ("box", "main", 79, 70, 88, 98),
        ("box", "dark", 26, 72, 32, 90), ("box", "dark", 68, 72, 74, 90),
    )),
    "clock": Pictogram("brown", (
        ("oval", "main", 2, 2, 98, 98), ("oval", "dark", 7, 7, 93, 93), ("oval", "#fffdf5", 10, 10, 90, 90),
        *(("line", "#222222", 3, *ends) for ends in (
            (50, 13, 50, 22), (50, 78, 50, 87), (13, 50, 22, 50), (78, 50, 87, 50), (31, 18, 35, 25), (69, 18, 65, 25),
            (31, 82, 35, 75), (69, 82, 65, 75), (18, 31, 25, 35), (18, 69, 25, 65), (82, 31, 75, 35), (82, 69, 75, 65),
        )),
        ("line", "#222222", 5, 50, 50, 34, 34), ("line", "#222222", 3.5, 50, 50, 66, 24),
        ("oval", "#d62828", 46, 46, 54, 54),
    ), floats=True),
    "cup": Pictogram("blue", (
        ("arc", "main", 7, 62, 42, 97, 80, -100, 110), ("poly", "main", 8, 36, 76, 36, 68, 92, 16, 92),
        ("oval", "main", 16, 84, 68, 98), ("oval", "dark", 8, 27, 76, 45), ("oval", "#5a3a22", 13, 31, 71, 44),
        ("line", "#e8e8e8", 3, 32, 24, 27, 16, 34, 8, 30, 1), ("line", "#e8e8e8", 3, 52, 24, 47, 16, 54, 8, 50, 1),
        ("line", "light", 4, 18, 50, 22, 80),
    )),
    "fish": Pictogram("orange", (
        ("poly", "dark", 68, 50, 98, 22, 90, 50, 98, 78), ("poly", "dark", 30, 30, 46, 8, 64, 30),
        ("poly", "dark", 40, 72, 48, 90, 60, 72), ("oval", "main", 2, 22, 80, 78),
        ("arc", "light", 2.5, 6, 28, 34, 72, -70, 70),
        ("arc", "light", 2.5, 26, 34, 50, 66, -70, 70), ("arc", "light", 2.5, 42, 36, 64, 64, -70, 70),
        ("oval", "#ffffff", 11, 38, 23, 50), ("oval", "#111111", 14, 41, 20, 47),
        ("arc", "#7a3b12", 2, 0, 50, 14, 64, 10, 90),
    ), grown=True),
    "flower": Pictogram("pink", (
        ("line", "#2f8f2f", 4.5, 50, 48, 50, 99), ("poly", "#3fae3f", 50, 84, 70, 66, 92, 70, 74, 86),
        ("poly", "#3fae3f", 50, 92, 30, 74, 8, 78, 26, 94),
        *(("oval", "main", x - 15, y - 15, x + 15, y + 15) for x, y in (
            (50, 15), (69, 24), (71, 45), (57, 58), (36, 56), (27, 38), (33, 20),
        )),
        ("oval", "#f9d648", 35, 23, 65, 53), ("oval", "#d9a514", 42, 30, 58, 46),
    )),
    "house": Pictogram("yellow", (
        ("box", "#7d6a5f", 68, 8, 80, 34), ("box", "main", 14, 44, 86, 98), ("poly", "#a8402c", 2, 48, 50, 6, 98, 48),
        ("box", "#6b4423", 42, 66, 58, 98), ("oval", "#f2d16b", 53, 81, 56, 84), ("box", "#cfe8f7", 20, 56, 36, 74),
        ("box", "#cfe8f7", 64, 56, 80, 74), ("line", "#ffffff", 1.5, 28, 56, 28, 74),
        ("line", "#ffffff", 1.5, 20, 65, 36, 65),
        ("line", "#ffffff", 1.5, 72, 56, 72, 74), ("line", "#ffffff", 1.5, 64, 65, 80, 65),
        ("line", "dark", 1.5, 14, 97, 86, 97),
    )),
    "jar": Pictogram("yellow", (
        ("box", "#b9bec6", 22, 2, 78, 16), ("box", "#8e949d", 22, 11, 78, 16), ("oval", "main", 6, 12, 94, 48),
        ("box", "main", 6, 30, 94, 84), ("oval", "main", 6, 68, 94, 99), ("box", "#fffbee", 10, 40, 90, 80),
    ), label=(12, 42, 88, 78)),
    "mushroom": Pictogram("red", (
        ("poly", "#f4ead5", 38, 50, 62, 50, 68, 96, 32, 96), ("oval", "#f4ead5", 32, 88, 68, 99),
        ("slice", "main", 4, 4, 96, 104, 180, 360), ("oval", "#e8dcc0", 4, 46, 96, 62),
        ("slice", "main", 4, 4, 96, 104, 180, 360), ("oval", "#ffffff", 42, 12, 60, 28),
        ("oval", "#ffffff", 18, 28, 34, 42), ("oval", "#ffffff", 66, 26, 84, 42), ("oval", "#ffffff", 44, 36, 56, 47),
    ), grown=True),
    "tree": Pictogram("green", (
        ("poly", "#7a4b26", 43, 58, 57, 58, 62, 99, 38, 99), ("oval", "dark", 10, 26, 56, 72),
        ("oval", "dark", 44, 26, 90, 72),
        ("oval", "main", 22, 2, 78, 50), ("oval", "main", 12, 22, 54, 62), ("oval", "main", 46, 22, 88, 62),
        ("oval", "light", 34, 10, 52, 26),
    ), grown=True),
    "umbrella": Pictogram("red", (
        ("line", "#5b3a1e", 4, 50, 6, 50, 88), ("arc", "#5b3a1e", 4, 36, 78, 52, 98, 0, 180),
        ("slice", "main", 2, 10, 98, 106, 180, 360), ("slice", "light", 34, 10, 66, 106, 180, 360),
        ("oval", "CUT", 2, 51, 34, 66), ("oval", "CUT", 34, 51, 66, 66), ("oval", "CUT", 66, 51, 98, 66),
        ("line", "#5b3a1e", 4, 50, 46, 50, 88),
    )),
}  # fmt: skip
"""What the simulated systems can draw, by the name that prompt items use."""

_OVERSAMPLING = 3


@functools.lru_cache(maxsize=64)
def draw_pictogram(name: str, colour: str | None, side: int) -> PIL.Image.Image:
    """Return one thing as an RGBA picture of ``side`` x ``side`` pixels, which others have too: draw on a copy of it.

    Raises KeyError if there is no pictogram of that name or no colour of that name.
    """
    pictogram = PICTOGRAMS[name]
    main = COLOURS[colour or pictogram.colour]
    shades = {"main": main, "dark": _shade(main, 0.72), "light": _shade(main, 1.35), "CUT": "#00000000"}
    scale = side * _OVERSAMPLING / 100
    canvas = PIL.Image.new("RGBA", (side * _OVERSAMPLING,) * 2)
    pen = PIL.ImageDraw.Draw(canvas)
    for kind, shade, *numbers in pictogram.shapes:
        fill = PIL.ImageColor.getrgb(shades.get(str(shade), str(shade)))
        values = [float(str(number)) for number in numbers]
        if kind == "oval":
            pen.ellipse([value * scale for value in values], fill)
        elif kind == "box":
            pen.rectangle([value * scale for value in values], fill)
        elif kind == "poly":
            pen.polygon([value * scale for value in values], fill)
        elif kind == "slice":
            pen.pieslice([value * scale for value in values[:4]], values[4], values[5], fill)
        elif kind == "line":
            pen.line([value * scale for value in values[1:]], fill, round(values[0] * scale), joint="curve")
        else:
            pen.arc([value * scale for value in values[1:5]], values[5], values[6], fill, round(values[0] * scale))
    return canvas.resize((side, side), PIL.Image.Resampling.LANCZOS)


def _shade(colour: str, factor: float) -> tuple[int, int, int] | str:
    red, green, blue = (channel / 255 for channel in PIL.ImageColor.getrgb(colour)[:3])
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    shaded = colorsys.hls_to_rgb(hue, min(0.95, lightness * factor), saturation)
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in shaded)
