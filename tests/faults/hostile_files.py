"""Files of formats that are not opened, whatever they are called: what Pillow writes besides, and documents."""

import io

import PIL.Image

from evals.imageset.decoding import RASTER_FORMATS

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(run) print flush\nshowpage\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'
WMF = b"\xd7\xcd\xc6\x9a" + bytes(2) + bytes((0, 0, 0, 0, 64, 0, 64, 0, 96, 0)) + bytes(30)
DOCUMENTS = {"EPS": EPS, "PS": EPS.replace(b" EPSF-3.0", b""), "PDF": b"%PDF-1.4\n%%EOF\n", "SVG": SVG, "WMF": WMF}

PROGRAMS = ("gs", "gswin64c", "convert", "magick", "xv", "display", "ppmtogif", "djpeg")
"""Programs that image libraries are known to start."""


def written_by_pillow() -> dict[str, bytes]:
    """Return one file of every format that Pillow writes and TwinLens does not open."""
    PIL.Image.init()
    files = {}
    for kind in sorted(set(PIL.Image.SAVE) - set(RASTER_FORMATS) - {"MPO"}):  # MPO is JPEG with more pictures behind it
        for mode in ("RGB", "1", "L", "P"):
            buffer = io.BytesIO()
            try:
                PIL.Image.new(mode, (64, 64)).save(buffer, kind)
            except (OSError, ValueError, KeyError, AttributeError, TypeError):
                continue
            files[kind] = buffer.getvalue()
            break
    return files


HOSTILE = written_by_pillow() | DOCUMENTS
