"""What this machine can score: each role's default encoder tried for real, options and helpers looked up."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from typing import Any

from metrics.encoders.catalogue import ENCODERS, EncoderUnavailable, default_names, load_encoder


def examine(progress: Callable[[str, int, int], None]) -> list[dict[str, Any]]:
    """Return one record a check: ``what``, ``state`` (ready, option, missing) and a sentence.

    Every default encoder is loaded, so that 'ready' means that it works.
    """
    checks = [_record("python", "ready", f"{platform.python_version()} on {platform.system()}, {os.cpu_count()} cores")]
    roles = list(dict.fromkeys(row.role for row in ENCODERS))
    for done, role in enumerate(roles, start=1):
        for name in default_names(role):
            try:
                encoder = load_encoder(name)
            except EncoderUnavailable as error:
                checks.append(_record(role, "missing", str(error)))
            else:
                weights = encoder.weights_sha256
                shown = f", weights {weights[:12]}" if weights else ""
                warning = f"; {encoder.note}" if getattr(encoder, "note", None) else ""
                checks.append(_record(role, "ready", f"{encoder.name} ({encoder.licence}{shown}){warning}"))
        progress("encoders", done, len(roles))
    try:
        encoder = load_encoder("tesseract:installed")
    except EncoderUnavailable as error:
        checks.append(_record("tesseract", "option", str(error)))
    else:
        checks.append(_record("tesseract", "ready", f"{encoder.name}, scripts: {', '.join(sorted(encoder.scripts))}"))
    return checks


def _record(what: str, state: str, note: str) -> dict[str, Any]:
    return {"what": what, "state": state, "note": note}
