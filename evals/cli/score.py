"""The command ``twinlens score``: measures an image set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from evals.cli.options import FilePath, PathOrAddress, as_json, device, print_json, verbose
from evals.cli.tables import say


@click.command()
@click.argument("source", type=PathOrAddress())
@click.option("--out", type=PathOrAddress(), help="The run folder (default: SET-scored; of a run, the run itself).")
@click.option("--metrics", default="", help="Ids or dimensions, comma-separated: identity,text.cer (see 'metrics').")
@click.option("--encoder", "encoders", multiple=True, help="library:model, repeatable: open_clip:ViT-B-32/openai.")
@click.option("--skip-bad", is_flag=True, help="Leave bad rows out and count them.")
@click.option("--profile", "profile_wanted", is_flag=True, help="Print where the time went, on standard error.")
@click.option("--features", type=FilePath(), help="Share this feature cache (default: OUT/features).")
@device
@click.option(
    "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True, help="ray: a cluster."
)
@click.option("--workers", type=click.IntRange(min=1), help="Of ray (default: one for each core or GPU).")
@verbose
@as_json
def score(
    source: Path | str,
    out: Path | str | None,
    metrics: str,
    encoders: tuple[str, ...],
    skip_bad: bool,
    features: Path | None,
    profile_wanted: bool,
    device: str,
    verbose: bool,
    json_wanted: bool,
    **cluster: Any,
) -> None:
    """Measure an image set (or the one inside a run) and print who is better at what.

    'twinlens import' makes an image set of folders of pictures. SOURCE and --out may be addresses: s3://bucket/folder.
    """
    from evals.cli.progress import doing, shown_progress

    doing("reading the images' rows")
    from evals.cli.rate import page_command, print_run
    from evals.imageset.remote import run_on_this_machine
    from evals.rating.stage import rate_run
    from evals.scoring.profiling import Profile
    from evals.scoring.stage import score as score_images

    out = out or _run_of(source)
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    profile = Profile()
    with shown_progress() as progress, run_on_this_machine(out) as folder:
        run = score_images(
            source, folder, names, encoders, skip_bad, device, features, progress, profile=profile, **cluster
        )
        if profile_wanted:
            say(*profile.report(), err=True)
        ratings = rate_run(run)
    if json_wanted:
        print_json(ratings)
    else:
        print_run(run, ratings, page_command(out), verbose)


def _run_of(source: Path | str) -> Path:
    """Return where the run of an image set goes that nobody named a folder for; of one at an address, it goes here."""
    if isinstance(source, str):
        return Path(f"{source.rstrip('/').rpartition('/')[2]}-scored")
    from evals.imageset.checksums import eval_of
    from evals.imageset.contract import IMAGES

    if (frozen := eval_of(source / IMAGES)) and frozen.is_file():
        return source
    path = source.resolve() if source.name in ("", "..") else source
    return path.with_name(f"{path.name}-scored")
