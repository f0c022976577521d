"""The command ``twinlens doctor``: what this machine can score, each role's default encoder tried for real."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import Any

import click

from evals.cli.options import as_json, print_json
from evals.cli.tables import say

_MARKS = {"ready": "ok  ", "option": "-   ", "missing": "no  "}


@click.command()
@as_json
def doctor(json_wanted: bool) -> None:
    """Say what this machine can score, with which encoders, and what is missing."""
    from evals.cli.progress import shown_progress

    with shown_progress() as progress:
        checks = examine(progress)
    if json_wanted:
        print_json(checks)
        return
    for check in checks:
        say(f"{_MARKS[check['state']]}{check['what']}: {check['note']}")


def examine(progress: Callable[[str, int, int], None]) -> list[dict[str, str]]:
    """Return one record a check: ``what``, ``state`` (ready, option, missing) and a sentence, ``note``.

    Every default encoder is loaded, so that 'ready' means that it works.
    """
    from metrics.encoders.catalogue import ENCODERS, default_names

    note = f"{platform.python_version()} on {platform.system()}, {os.cpu_count()} cores"
    note = f"{platform.python_version()} on {platform.system()}, {os.cpu_count()} cores"
    checks = [{"what": "python", "state": "ready", "note": note}]
    roles = list(dict.fromkeys(row.role for row in ENCODERS))
    for done, role in enumerate(roles, start=1):
        checks += [_tried(role, name, "missing", _described) for name in default_names(role)]
        progress("encoders", done, len(roles))
    checks.append(_tried("tesseract", "tesseract:installed", "option", _with_scripts))
    return checks


def _tried(what: str, name: str, otherwise: str, describe: Callable[[Any], str]) -> dict[str, str]:
    from metrics.encoders.catalogue import EncoderUnavailable, load_encoder

    try:
        return {"what": what, "state": "ready", "note": describe(load_encoder(name))}
    except EncoderUnavailable as error:
        return {"what": what, "state": otherwise, "note": str(error)}


def _described(encoder: Any) -> str:
    weights = f", weights {encoder.weights_sha256[:12]}" if encoder.weights_sha256 else ""
    note = f"; {encoder.note}" if getattr(encoder, "note", None) else ""
    return f"{encoder.name} ({encoder.licence}{weights}){note}"


def _with_scripts(encoder: Any) -> str:
    return f"{encoder.name}, scripts: {', '.join(sorted(encoder.scripts))}"
