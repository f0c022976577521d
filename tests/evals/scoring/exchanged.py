"""A third system for the demo's run: it hands back sources, and pictures of the others in the places of other ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from evals.definition import read_definition
from evals.imageset.contract import CHECKSUMS
from evals.run import Run
from evals.scoring.grouping import by_hash
from evals.scoring.stage import score

WRONG = "wrong@demo"

HASHES = ("file_sha256", "pixel_sha256")

Row = dict[str, Any]


def with_exchanged_pictures(run: Path, out: Path) -> Run:
    """Score what the rows of the demo measure again, into ``out``, with a system of exchanged pictures beside the two.

    The pictures are those of the run, so that its cache knows what they show.
    """
    for name in ("images", "features"):
        shutil.copytree(run / name, out / name)
    asked = (run / "eval.yaml").read_text()
    (out / "eval.yaml").write_text(asked.replace("borealis-2@demo]", f"borealis-2@demo, {WRONG}]", 1))
    (out / "images" / CHECKSUMS).unlink()  # the change is meant
    table = out / "images/metadata.jsonl"
    definition = read_definition(out / "eval.yaml")
    measured = {row.suite for row in definition.rows if row.metrics}
    rows = [row for row in map(json.loads, table.read_text().splitlines()) if row["suite"] in measured]
    with table.open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        for n, (row, picture) in enumerate(exchanged(rows)):
            name = f"images/wrong{n}{Path(picture).suffix}"
            shutil.copy(table.parent / picture, table.parent / name)
            facts = {"file_name": name, "sample_id": f"wrong{n}", "system": WRONG, **dict.fromkeys(HASHES)}
            file.write(json.dumps({**row, **facts}) + "\n")
    return score(out, out, sorted({metric for row in definition.rows for metric in row.metrics}))


def exchanged(rows: list[Row]) -> Iterator[tuple[Row, str]]:
    """Yield a row for every place that a system has a picture in, and the picture of another place to put there.

    Of half of the edits it is the source. Each shot, and each repeat, is of yet another item, so that not even they
    belong together.
    """
    for _, of_suite in groupby(sorted(rows, key=lambda row: row["suite"]), key=lambda row: row["suite"]):
        by_item: dict[str, dict[tuple[Any, ...], list[Row]]] = {}
        samples = list(of_suite)
        is_repeated = any(row["repeat"] for row in samples)
        for row in samples:
            place = (row["prompt_id"], row["shot"], row["seed"], row["repeat"])
            by_item.setdefault(row["sequence_id"] or row["prompt_id"], {}).setdefault(place, []).append(row)
        # Items beside each other in a suite resemble each other, and half a right answer is no wrong one.
        items = sorted(by_item, key=by_hash)
        for n, name in enumerate(items):
            for k, drawn in enumerate(by_item[name].values()):
                row = drawn[0]
                # One exchange of few items is right by more or less chance than several. Words and pixels cost seconds.
                is_cheap = not (row["mask"] or row["expected_text"] or is_repeated)
                for again in range(3 if is_cheap else 1):
                    others = list(by_item[items[(n + 1 + (k + again) % (len(items) - 1)) % len(items)]].values())
                    other = others[(k + again) % len(others)]
                    picture = str(other[(n + k + again) % len(other)]["file_name"])
                    if row["mask"] and n % 2:
                        picture = row["reference_images"][0]
                    # Without a seed they are not held against each other, pixel by pixel.
                    seed = row["seed"] if is_repeated else None
                    yield row | {"repeat": row["repeat"] + again, "seed": seed}, picture
