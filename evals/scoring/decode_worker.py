"""A decoder process: reads one request a line, answers with one JSON line and the raw pixels. Run by `decoders`."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from evals.imageset.decoding import DecodedImage, UnreadableImage, decode_file
from evals.imageset.masks import decode_mask
from evals.scoring.filling import decode_filled
from metrics.encoders.processes import private_stream

MEMORY_LIMIT_BYTES = 6 << 30

_STARTS_A_PROGRAM = ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system")


def main() -> None:
    """Serve until the input ends."""
    requests, answers = private_stream(0, "rb"), private_stream(1, "wb")
    _confine()
    for line in requests:
        request = json.loads(line)
        name = {key: request[key] for key in ("number", "kind", "paths")}
        try:
            image = _decode(request["kind"], *map(Path, request["paths"]))
        except UnreadableImage as error:
            answers.write(json.dumps({**name, "unreadable": str(error), "reason": error.reason}).encode() + b"\n")
        else:
            facts = {"shape": image.pixels.shape, "pixels": image.pixel_sha256, "file": image.file_sha256}
            answers.write(json.dumps({**name, **facts, "colour_note": image.colour_note}).encode() + b"\n")
            answers.write(image.pixels.data.cast("B"))
            del image  # while it waits for the next request it holds no picture
        answers.flush()


def _decode(kind: str, *paths: Path) -> DecodedImage:
    match kind:
        case "mask":
            return decode_mask(*paths)
        case "filled":
            return decode_filled(*paths)
    return decode_file(*paths)


def _confine() -> None:
    """Bound the memory, and let nothing that decodes start a program."""
    # Systems without the limit go without it.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))

    def refuse(event: str, _: tuple[Any, ...]) -> None:
        if event in _STARTS_A_PROGRAM:
            raise UnreadableImage("asks for another program to be started, which decoding never does")

    sys.addaudithook(refuse)


if __name__ == "__main__":
    main()
