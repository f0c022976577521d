"""One flipped bit in a stored file is refused, or changes no result: nothing is different without a word."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.cli.errors import is_refusal
from evals.generation.ledger import read_events, replay
from evals.generation.witnesses import check_ledger
from evals.imageset.contract import IMAGES, LEDGER
from evals.rating.stage import rate_run
from evals.run import Run
from evals.scoring.stage import score

FLIPS = 600


def states(work: Path) -> Any:
    """What the next ``generate`` takes for sent, answered and paid."""
    check_ledger(work / "made" / IMAGES)
    return replay(read_events(work / "made" / IMAGES / LEDGER)[0])


def ratings(work: Path) -> Any:
    return rate_run(Run(work / "made"))


def scores(work: Path) -> Any:
    """What scoring measures, in a run that has the features already."""
    run = score(work / "made", work / "scored", ["quality.exposure"], features=work / "made/features")
    assert run.provenance["unreadable"] == []
    return run.scores.to_json()


STORED: dict[str, list[Callable[[Path], Any]]] = {
    "made/images/metadata.jsonl": [scores, ratings],
    "made/images/requests.jsonl": [scores, ratings],
    "made/images/ledger.jsonl": [states],
    "made/images/SHA256SUMS": [scores],
    "made/eval.yaml": [scores, ratings],
    "made/samples.jsonl": [ratings],
    "made/scores.parquet": [ratings],
    "made/ratings.json": [ratings],
    "made/provenance.json": [ratings],
    "made/images/images/*.png": [scores],
    "made/features/technical/**/*.shard": [scores],
}


@pytest.fixture(scope="module")
def untouched(prepared):
    yield prepared, {read: read(prepared) for read in (states, ratings, scores)}
    shutil.rmtree(prepared / "scored")


@pytest.mark.parametrize("n_flips", [pytest.param(6, id="few"), pytest.param(FLIPS, id="all", marks=pytest.mark.slow)])
@pytest.mark.parametrize("pattern", STORED)
def test_a_flipped_bit_is_refused_or_harmless(untouched, pattern, n_flips):
    """`-s` prints how many of the flips were which."""
    work, expected = untouched
    path = min(work.glob(pattern))
    content, random = path.read_bytes(), np.random.default_rng(20260722)
    outcomes = dict.fromkeys(("refused", "harmless"), 0)
    for place, bit in zip(random.integers(len(content), size=n_flips), random.integers(8, size=n_flips), strict=True):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        for read in STORED[pattern]:
            path.write_bytes(damaged)
            try:
                found = read(work)
            except Exception as error:
                if not is_refusal(error):
                    raise
                outcomes["refused"] += 1
            else:
                assert found == expected[read], (place, bit)
                outcomes["harmless"] += 1
    path.write_bytes(content)
    print(f"\n{pattern}: {outcomes}")
