"""Draws the setting that a picture plays in: sky, ground and scenery."""

from __future__ import annotations

import numpy as np
import PIL.Image
import PIL.ImageColor
import PIL.ImageDraw

from evals.suites.drawing.settings import Setting


def draw_backdrop(setting: Setting, tint: str, side: int, random: np.random.Generator) -> PIL.Image.Image:
    """Return the empty setting as an RGB picture of ``side`` x ``side`` pixels, a third of the tint mixed in."""
    large = side * 2
    shift = random.integers(-22, 23, 3)
    top, bottom = (np.array(PIL.ImageColor.getrgb(colour)) + shift for colour in setting.sky)
    fall = np.linspace(0, 1, large)[:, None, None]
    sky = np.clip(top * (1 - fall) + bottom * fall, 0, 255).astype(np.uint8)
    picture = PIL.Image.fromarray(sky).resize((large, large), PIL.Image.Resampling.NEAREST)
    pen = PIL.ImageDraw.Draw(picture)
    horizon = (setting.horizon + float(random.uniform(-0.04, 0.04))) * large
    _draw_scenery(pen, setting, large, horizon, random)
    ground = np.clip(np.array(PIL.ImageColor.getrgb(setting.ground)) + random.integers(-18, 19), 0, 255)
    pen.rectangle((0, horizon, large, large), tuple(int(channel) for channel in ground))
    if setting.scenery == "waves":
        for y in np.linspace(horizon + large * 0.03, large, 7):
            start = float(random.uniform(-0.1, 0.1)) * large
            for x in np.arange(start, large, large * 0.16):
                pen.arc((x, y, x + large * 0.12, y + large * 0.03), 180, 360, setting.scenery_colour, large // 160)
    colour = PIL.Image.new("RGB", picture.size, tint)
    return PIL.Image.blend(picture, colour, 0.3).reduce(2)


def _draw_scenery(
    pen: PIL.ImageDraw.ImageDraw, setting: Setting, side: int, horizon: float, random: np.random.Generator
) -> None:
    colour = setting.scenery_colour
    if setting.scenery in ("hills", "sea", "waves", "peaks"):
        for _ in range(int(random.integers(1, 4))):
            x, y, width = random.uniform(0.02, 0.8) * side, random.uniform(0.05, 0.3) * side, side * 0.2
            for dx, dy in ((0.0, 0.02), (0.35, -0.02), (0.7, 0.02)):
                pen.ellipse(
                    (x + dx * width, y + dy * side, x + (dx + 0.5) * width, y + dy * side + width / 3), "#ffffff"
                )
    if setting.scenery == "hills":
        for _ in range(3):
            middle, width = random.uniform(0, 1) * side, random.uniform(0.5, 0.9) * side
            height = random.uniform(0.08, 0.2) * side
            pen.ellipse((middle - width / 2, horizon - height, middle + width / 2, horizon + height), colour)
    elif setting.scenery == "peaks":
        for _ in range(4):
            middle, width = random.uniform(0, 1) * side, random.uniform(0.25, 0.4) * side
            tip = horizon - random.uniform(0.25, 0.45) * side
            pen.polygon((middle - width, horizon, middle, tip, middle + width, horizon), colour)
            cap = (horizon - tip) * 0.3
            pen.polygon((middle - width * 0.3, tip + cap, middle, tip, middle + width * 0.3, tip + cap), "#ffffff")
    elif setting.scenery == "houses":
        left = float(-random.uniform(0, 0.1) * side)
        while left < side:
            width, height = random.uniform(0.12, 0.22) * side, random.uniform(0.2, 0.5) * side
            pen.rectangle((left, horizon - height, left + width * 0.94, horizon), colour)
            for y in np.arange(horizon - height + side * 0.03, horizon - side * 0.05, side * 0.075):
                for x in (left + width * 0.18, left + width * 0.56):
                    pen.rectangle((x, y, x + width * 0.2, y + side * 0.04), "#ffe9a8")
            left += width
    elif setting.scenery == "firs":
        for middle in np.linspace(0, side, 8) + random.uniform(-0.05, 0.05, 8) * side:
            height, width = random.uniform(0.3, 0.55) * side, random.uniform(0.07, 0.11) * side
            pen.rectangle((middle - side * 0.01, horizon - height * 0.3, middle + side * 0.01, horizon), "#6d4a2c")
            pen.polygon(
                (
                    middle - width,
                    horizon - height * 0.12,
                    middle,
                    horizon - height,
                    middle + width,
                    horizon - height * 0.12,
                ),
                colour,
            )
    elif setting.scenery == "window":
        left, top = random.uniform(0.06, 0.62) * side, random.uniform(0.06, 0.14) * side
        right, bottom = left + side * 0.3, top + side * 0.3
        pen.rectangle((left, top, right, bottom), colour, "#ffffff", side // 60)
        pen.line(((left + right) / 2, top, (left + right) / 2, bottom), "#ffffff", side // 90)
        pen.line((left, (top + bottom) / 2, right, (top + bottom) / 2), "#ffffff", side // 90)
    elif setting.scenery == "sea":
        pen.rectangle((0, horizon - side * 0.14, side, horizon), colour)
