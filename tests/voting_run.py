"""A small run to vote on: systems with telling names, pictures of several shapes, edits with the picture given."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import PIL.Image
import PIL.PngImagePlugin

from evals.imageset.contract import IMAGES
from evals.imageset.imageset import write_metadata
from evals.run import Run
from evals.voting.application import VotingPages, serve
from evals.voting.pairs import voting_pairs
from evals.voting.store import VoteStore
from evals.voting.votes import Vote
from tests.run_folder import write_run

SYSTEMS = ("secretive@alpha", "undercover@beta")


def write_voting_run(folder: Path, n_prompts: int = 6, systems: Sequence[str] = SYSTEMS, edits: bool = True) -> Path:
    """Write a scored run with the suites ``signs`` (text) and, if wanted, ``retouching`` (edits), and return it."""
    samples, scores = [], []
    images = folder / IMAGES
    (images / "images").mkdir(parents=True)
    PIL.Image.new("RGB", (40, 30), "gold").save(images / "images/given-picture.png")
    suites = {"signs": ["text.cer"], "retouching": ["editing.direction", "editing.preserved"]}
    for suite, metrics in suites.items() if edits else [("signs", ["text.cer"])]:
        for n in range(n_prompts):
            for s, system in enumerate(systems):
                sample = hashlib.sha256(f"{suite} {n} {system}".encode()).hexdigest()[:16]
                name = f"images/{sample[::-1]}.png"
                tell = PIL.PngImagePlugin.PngInfo()
                tell.add_text("Software", system)
                colour = (40 * n % 256, 90 + 60 * s, 200 - 70 * s)
                PIL.Image.new("RGB", (64 - 16 * s, 64), colour).save(images / name, pnginfo=tell)
                row = {"file_name": name, "sample_id": f"s{sample}", "system": system, "suite": suite}
                row |= {"prompt_id": f"{suite}-id-{n}", "prompt": f"Prompt number {n} <b>&</b>", "seed": 1, "repeat": 0}
                row |= {"expected_text": [f"LINE {n}"] if suite == "signs" else None}
                row |= {"reference_images": ["images/given-picture.png"] if suite == "retouching" else None}
                samples.append(row)
                for metric in metrics:
                    value = 0.1 + 0.02 * n + 0.3 * s
                    score = {"system": system, "suite": suite, "prompt_id": row["prompt_id"], "metric": metric}
                    scores.append({**score, "subject": [row["sample_id"]], "value": value})
    write_metadata(images, samples)
    return write_run(folder, samples, scores)


def votes_for(folder: Path, winner: str, loser: str, row: str, suite: str, voters: Sequence[str]) -> list[Vote]:
    """Return a vote of every voter for one of two systems, on every prompt of a suite."""
    samples = Run(folder).samples
    sides = {
        prompt: [[rows.index[rows["system"].eq(system)][0]] for system in (winner, loser)]
        for prompt, rows in samples[samples["suite"].eq(suite)].groupby("prompt_id")
    }
    return [
        Vote(voter=voter, question="Which?", row=row, prompt_id=prompt, left=left, right=right, answer="left",
             seconds=1.0, check=None, expected=None, voted_at=None)
        for prompt, (left, right) in sides.items() for voter in voters
    ]  # fmt: skip


def serve_run(folder: Path, port: int) -> None:
    """Serve the vote on a run until the process is ended or killed."""
    run = Run(folder)
    pairs = voting_pairs(run)
    with VoteStore(folder, pairs) as store:
        application = VotingPages(run, store, pairs).application()
        asyncio.run(serve(application, "127.0.0.1", port, lambda _: None))


def run_apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a thread of its own: in the main one Playwright's loop runs once a browser was opened."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()
