"""Where text stands: boxes of overlapping views put together, with detectors that are told what to see."""

import numpy as np

from metrics.encoders.ocr_places import LARGEST_WHOLE, find_places

HEIGHT, WIDTH = 2000, 4000


def box(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)


def detector_of(image, lines):
    """Return a detector that sees what of the lines lies in a view; the image holds where each of its pixels is."""

    def detect(view):
        (left, top), (right, bottom) = (_place(view[y, x].astype(int)) for y, x in ((0, 0), (-1, -1)))
        scale = view.shape[1] / (right - left + 1)
        seen = []
        for line in lines:
            (x0, y0), (x1, y1) = line[0], line[2]
            x0, x1, y0, y1 = max(x0, left), min(x1, right + 1), max(y0, top), min(y1, bottom + 1)
            if min(x1 - x0, y1 - y0) * scale > 8:
                seen.append((box(x0, y0, x1, y1) - (left, top)) * scale)
        return seen

    return detect


def _place(pixel):
    return np.array([16 * pixel[0] + pixel[2] // 16, 16 * pixel[1] + pixel[2] % 16])


def places_of(*lines):
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    image = np.stack([x // 16, y // 16, 16 * (x % 16) + y % 16], axis=-1).astype(np.uint8)
    found = find_places(image, detector_of(image, lines))
    return sorted(
        np.round(np.concatenate([place.min(axis=0), place.max(axis=0)])).astype(int).tolist() for place in found
    )


def test_a_line_across_tiles_is_one_place_and_lines_below_one_another_stay_apart():
    long, below = box(200, 900, 3900, 930), box(200, 936, 3900, 966)
    found = places_of(long, below)
    assert len(found) == 2
    assert np.abs(np.array(found) - [[200, 900, 3900, 930], [200, 936, 3900, 966]]).max() <= 16


def test_parts_of_a_line_that_overlap_a_little_are_read_once():
    """A detector cuts long lines between words, with a margin around each part."""
    found = places_of(box(200, 900, 1300, 1000), box(1280, 900, 2100, 1000))
    assert np.abs(np.array(found) - [[200, 900, 2100, 1000]]).max() <= 16


def test_small_print_is_seen_at_full_size_and_letters_larger_than_the_overlap_in_one_piece():
    found = places_of(box(1000, 1000, 1100, 1024), box(300, 300, 3700, 800))
    assert len(found) == 2
    assert np.abs(np.array(found) - [[300, 300, 3700, 800], [1000, 1000, 1100, 1024]]).max() <= 16


def test_a_usual_picture_is_seen_once_as_it_is_and_a_small_one_enlarged():
    sizes = []

    def detect(view):
        sizes.append(view.shape[:2])
        return [box(0, 0, view.shape[1], view.shape[0])]

    for shape in ((1024, 1024), (LARGEST_WHOLE, 900), (160, 900), (300, 300), (2, 900)):
        (place,) = find_places(np.zeros((*shape, 3), np.uint8), detect)
        assert np.allclose(place.max(axis=0), shape[::-1], atol=1)
    assert sizes == [(1024, 1024), (LARGEST_WHOLE, 900), (228, 1280), (736, 736), (32, 1280)]


def test_flat_tiles_are_not_searched():
    views = []
    find_places(np.full((4000, 4000, 3), 200, np.uint8), lambda view: views.append(view.shape) or [])
    assert views == [(1024, 1024, 3)]
