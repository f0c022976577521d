"""The picture sizes that can be asked for."""

from __future__ import annotations

from collections.abc import Mapping

SIZES: Mapping[str, int] = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
"""Every size with the side of a square picture in pixels."""
