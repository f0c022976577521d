"""The option ``--json`` of the commands, and what it prints."""

from __future__ import annotations

import json
import os
from typing import Any

import click

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON for programs.")


def print_json(value: Any) -> None:
    """Print one JSON document; a path in it is written as text.

    Raises
    ------
    ValueError
        If a number in it is not finite, which JSON cannot say.
    """
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=os.fspath))
