"""Where text stands in a picture of any size: the views that a detector is shown, and its boxes put together again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from metrics.encoders.catalogue import Image

LARGEST_WHOLE = 1600
"""A picture of at most so many pixels a side is seen whole; a larger one in tiles that overlap."""

LARGEST_TILE = 1280
"""The side of a tile at most: in a view of 2000 pixels the detector misses small print that it finds in one of 1000."""

OVERLAP = 256
"""So many pixels of a tile are in its neighbour too: a line of writing of half that height is whole in one of them."""

OVERVIEW = 1024
"""The longer side at which a larger picture is seen as a whole, for letters that are too large for the tiles."""

SHORT_SIDE, LONG_SIDE = 736, 1280
"""A small picture is enlarged until its shorter side has so many pixels (RapidOCR's own rule), or its longer one."""

_SMALLEST_SIDE = 32
"""Slimmer pictures are padded: the detector works on blocks of so many pixels."""

_LEAST_CONTRAST = 8
"""Tiles in which no channel varies by more than this many of 255 levels are not searched."""

Quad = npt.NDArray[np.float64]
"""The four corners (4, 2) of a box, x and y in pixels, clockwise from the top left of the writing."""


def find_places(image: Image, detect: Callable[[Image], list[Quad]]) -> list[Quad]:
    """Return the boxes of writing in an image, in its own pixels, from a detector of views.

    A large picture is seen in overlapping tiles at its full resolution, where a 20-pixel letter is found that is lost
    when 4096 pixels are shrunk to 2000. Boxes of neighbouring tiles that lie over one another are parts of one line and
    become one. Letters of half the overlap or more may be cut by every tile; they are taken from a view of the whole.
    """
    height, width = image.shape[:2]
    if max(height, width) <= LARGEST_WHOLE:
        return _seen(image, detect, _enlargement(height, width))
    overview = _seen(image, detect, OVERVIEW / max(height, width))
    large = [place for place in overview if height_of(place) >= OVERLAP / 2]
    places: list[Quad] = []
    for top, bottom in _tiles(height):
        for left, right in _tiles(width):
            tile = image[top:bottom, left:right]
            if np.ptp(tile, axis=(0, 1)).max() > _LEAST_CONTRAST:
                of_tile = [place + np.array([left, top]) for place in _seen(tile, detect, 1.0)]
                places = _together(places, [place for place in of_tile if not any(_lies_in(place, x) for x in large)])
    return [*large, *places]


def _tiles(side: int) -> Iterator[tuple[int, int]]:
    """Yield where the fewest equal tiles of at most `LARGEST_TILE` that overlap by `OVERLAP` begin and end.

    Examples
    --------
    >>> list(_tiles(4096)), list(_tiles(1280))
    ([(0, 1216), (960, 2176), (1920, 3136), (2880, 4096)], [(0, 1280)])
    """
    number = max(1, -(-(side - OVERLAP) // (LARGEST_TILE - OVERLAP)))
    starts = [round(n * (side - OVERLAP) / number) for n in range(number + 1)]
    return ((start, min(side, end + OVERLAP)) for start, end in itertools.pairwise(starts))


def _enlargement(height: int, width: int) -> float:
    return max(1.0, min(SHORT_SIDE / min(height, width), LONG_SIDE / max(height, width)))


def _seen(image: Image, detect: Callable[[Image], list[Quad]], scale: float) -> list[Quad]:
    """Return the boxes in an image that is shown to the detector at another scale, in the image's own pixels."""
    import cv2

    height, width = image.shape[:2]
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Averaging over areas keeps thin strokes when a picture shrinks.
    view = image if scale == 1 else cv2.resize(image, shape, interpolation=cv2.INTER_AREA if scale < 1 else 1)
    down, right = (max(0, _SMALLEST_SIDE - side) for side in view.shape[:2])
    view = np.pad(view, ((0, down), (0, right), (0, 0)), mode="edge") if down or right else view
    return [np.clip(place / scale, 0, (width, height)) for place in detect(np.ascontiguousarray(view))]


def _together(places: list[Quad], more: list[Quad]) -> list[Quad]:
    """Add the boxes of another tile to those that are known; what is one line becomes one box."""
    for place in more:
        while same := [n for n, other in enumerate(places) if _is_same_line(place, other)]:
            place = _around([place, *(places[n] for n in same)])
            places = [other for n, other in enumerate(places) if n not in same]
        places = [*places, place]
    return places


def _is_same_line(a: Quad, b: Quad) -> bool:
    """Tell whether what two boxes share is at least half as high as the lower one: lines below one another touch."""
    import cv2

    area, shared = cv2.intersectConvexConvex(a.astype(np.float32), b.astype(np.float32))
    if area <= 0 or shared is None:
        return False
    sides = np.concatenate([np.roll(box, -1, axis=0) - box for box in (a, b)])
    along = sides[np.linalg.norm(sides, axis=1).argmax()]
    across = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    return bool(np.ptp(shared.reshape(-1, 2) @ across) > 0.5 * min(height_of(a), height_of(b)))


def _lies_in(place: Quad, large: Quad) -> bool:
    import cv2

    area, _ = cv2.intersectConvexConvex(place.astype(np.float32), large.astype(np.float32))
    return bool(area > 0.5 * cv2.contourArea(place.astype(np.float32)))


def height_of(place: Quad) -> float:
    """Return the thickness of a box, whichever way it lies: the height of a line's letters with their margin."""
    sides = np.linalg.norm(place - np.roll(place, 1, axis=0), axis=1)
    return float(min(sides[0] + sides[2], sides[1] + sides[3]) / 2)


def _around(places: list[Quad]) -> Quad:
    """Return the smallest box around several, with its corners in order."""
    import cv2

    corners = cv2.boxPoints(cv2.minAreaRect(np.concatenate(places).astype(np.float32))).astype(np.float64)
    by_x = corners[np.argsort(corners[:, 0], kind="stable")]
    left, right = (pair[np.argsort(pair[:, 1], kind="stable")] for pair in (by_x[:2], by_x[2:]))
    return np.array([left[0], right[0], right[1], left[1]])
