"""Junk that begins as something valid: bytes flipped, cut out and doubled, and values of JSON exchanged for others."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -0.0, 0.5])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["", " ", "\ud800", "\x00", "../x", "1e999", "https://x", "ok", "a" * 3000, "9" * 400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every field of a JSON value as its container and its key."""
    fields = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(fields):
        yield value, key
        yield from _places(inner)


@st.composite
def exchanged(draw: st.DrawFn, valid: Any) -> Any:
    """Return a JSON value with one to three of its fields exchanged, taken out, or given another name."""
    value = copy.deepcopy(valid)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return draw(VALUES)
        container, key = places[draw(st.integers(0, len(places) - 1))]
        kind = draw(st.sampled_from(["exchange", "exchange", "exchange", "remove", "rename", "whole"]))
        if kind == "exchange":
            container[key] = draw(VALUES)
        elif kind == "remove":
            del container[key]
        elif kind == "rename" and isinstance(container, dict):
            container[draw(st.text(max_size=4))] = container.pop(key)
        elif kind == "whole" and draw(st.integers(0, 9)) == 0:
            return draw(VALUES)
    return value


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """Return bytes of which some were flipped, cut out, doubled, or exchanged for others."""
    content = bytearray(valid)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        span = draw(st.sampled_from([1, 1, 2, 4, 16, 100, 5000]))
        kind = draw(st.sampled_from(["flip", "flip", "cut", "double", "exchange", "end"]))
        if kind == "flip" and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del content[place : place + span]
        elif kind == "double":
            content[place:place] = content[place : place + span]
        elif kind == "exchange":
            content[place : place + span] = draw(st.binary(max_size=8))
        elif kind == "end":
            del content[place:]
    return bytes(content)
