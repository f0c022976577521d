"""The command ``twinlens metrics``: lists what can be measured."""

from __future__ import annotations

import click

from evals.cli.options import as_json, print_json

_BETTER = {"higher": "higher is better", "lower": "lower is better", "neither": "descriptive"}


@click.command()
@as_json
def metrics(json_wanted: bool) -> None:
    """List every metric."""
    from metrics.listing import list_metrics

    rows = list_metrics()
    if json_wanted:
        print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['id']:<32} {row['title']} [{row['unit']}; {_BETTER[row['better']]}; per {row['subject']}]")
