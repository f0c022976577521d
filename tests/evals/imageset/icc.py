"""Colour profiles of known content, written by the ICC's format (ICC.1), for pictures that carry one."""

import struct
from itertools import product

import numpy as np

SRGB = ((0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
"""What red, green and blue are in XYZ under D50."""

_D50 = (0.9642, 1.0, 0.8249)


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz(values) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _curve(*values: int) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *values)


SRGB_CURVE = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def sampled_srgb_curve(n: int) -> bytes:
    x = np.linspace(0, 1, n)
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    return _curve(*(65535 * linear).round().astype(int))


def gamma(value: float) -> bytes:
    return _curve(round(value * 256))


def rgb_profile(primaries=DISPLAY_P3, curve: bytes = SRGB_CURVE) -> bytes:
    names = (b"rXYZ", b"gXYZ", b"bXYZ"), (b"rTRC", b"gTRC", b"bTRC")
    points = dict(zip(names[0], map(_xyz, primaries), strict=True))
    return _profile(b"RGB ", points | dict.fromkeys(names[1], curve))


def grey_profile(curve: bytes) -> bytes:
    return _profile(b"GRAY", {b"kTRC": curve})


def cmyk_profile() -> bytes:
    """Inks that take CIELAB lightness off in proportion to the strongest of them, at the corners; no hue."""
    corners = [0 if any(inks) else 0xFF00 for inks in product((0, 1), repeat=4)]
    table = b"".join(struct.pack(">HHH", lightness, 0x8000, 0x8000) for lightness in corners)
    straight = struct.pack(">HH", 0, 0xFFFF)
    matrix = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut = (
        b"mft2\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + struct.pack(">HH", 2, 2) + 4 * straight + table + 3 * straight
    )
    return _profile(b"CMYK", {b"A2B0": lut}, connection=b"Lab ", device=b"prtr")


def _profile(space: bytes, tags: dict[bytes, bytes], connection: bytes = b"XYZ ", device: bytes = b"mntr") -> bytes:
    name = b"made for a test"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(name) + 1) + name + bytes(80)
    tags = {b"desc": description, b"cprt": b"text\0\0\0\0CC0\0", b"wtpt": _xyz(_D50), **tags}
    place, table, content = 132 + 12 * len(tags), b"", b""
    for tag, value in tags.items():
        table += tag + struct.pack(">II", place + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    body = struct.pack(">I", len(tags)) + table + content
    head = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02400000, device, space, connection)
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_D50)
    return head.ljust(128, b"\0") + body
