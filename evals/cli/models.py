"""The commands ``twinlens models``: list the encoder libraries, and fetch weights."""

from __future__ import annotations

import click

from evals.cli.options import as_json, print_json
from evals.cli.tables import say


@click.group(invoke_without_command=True)
@as_json
@click.pass_context
def models(ctx: click.Context, json_wanted: bool) -> None:
    """List the encoder libraries; 'models fetch NAME' downloads weights."""
    from dataclasses import asdict

    from metrics.encoders.catalogue import ENCODERS

    if ctx.invoked_subcommand:
        return
    if json_wanted:
        print_json([asdict(row) for row in ENCODERS])
        return
    for row in ENCODERS:
        name = f"{row.library}:{row.default_model or 'MODEL'}"
        say(f"{name:<40} {row.role:<11} {row.note} ({row.licence})")


@models.command()
@click.argument("name")
@click.option("--accept-licence", is_flag=True, help="Needed for weights that not everybody may use for everything.")
def fetch(name: str, accept_licence: bool) -> None:
    """Download the weights of an encoder, such as open_clip:ViT-B-32/laion2b_s34b_b79k."""
    from metrics.encoders.catalogue import library_of
    from metrics.encoders.weights import fetch as download
    from metrics.encoders.weights import revision_of

    library = library_of(name)
    say(f"{name}: {library.role}; licence: {library.licence}", err=True)
    if library.needs_consent and not accept_licence:
        raise click.UsageError(f"the licence of {name} allows some uses only; add --accept-licence if yours is one")
    weights = download(name)
    say(f"fetched: {weights}")
    if revision := revision_of(weights):
        say(f"revision: {revision}")
