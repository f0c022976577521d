"""A decoder process: reads one path a line, answers with one JSON line and the raw pixels. Run by `decoders`."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from evals.decoding import UnreadableImage, decode_file

MEMORY_LIMIT_BYTES = 6 << 30


def main() -> None:
    """Serve until the input ends."""
    # A damaged or hostile file must not take the machine down; systems without the limit go without it.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    answers = sys.stdout.buffer
    for line in sys.stdin.buffer:
        try:
            image = decode_file(Path(json.loads(line)))
        except UnreadableImage as error:
            answers.write(json.dumps({"unreadable": str(error)}).encode() + b"\n")
        else:
            facts = {"shape": image.pixels.shape, "pixels": image.pixel_sha256, "file": image.file_sha256}
            answers.write(json.dumps(facts).encode() + b"\n")
            answers.write(image.pixels.data.cast("B"))
        answers.flush()


if __name__ == "__main__":
    main()
