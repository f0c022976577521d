"""The command ``twinlens doctor``: what this machine can score, each role's default encoder tried for real."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from evals.cli.options import as_json, print_json

if TYPE_CHECKING:
    from metrics.specification import MetricSpec

_MARKS = {"ready": "ok  ", "weak": "weak", "option": "-   ", "missing": "no  "}


@dataclass(frozen=True, slots=True)
class Check:
    """What was tried and how it stands: ready, weak (a stand-in), option (not needed) or missing.

    ``encoder`` is the name of the encoder that was loaded, ``note`` a sentence on it or what to do.
    """

    what: str
    state: str
    note: str
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class Ability:
    """The dimensions that a machine scores, weakly or not at all, and the command that would add most, if any."""

    scored: tuple[str, ...]
    weak: tuple[str, ...]
    lacking: tuple[str, ...]
    most: str | None

    def sentence(self) -> str:
        """Return it as one sentence.

        Examples
        --------
        >>> Ability(("Text accuracy",), ("Prompt adherence",), (), None).sentence()
        'This machine can score 2 of 2 dimensions, prompt adherence only weakly.'
        """
        n = len(self.scored) + len(self.weak)
        limits = ((self.weak, "only weakly"), (self.lacking, "not at all"))
        but = [f", {', '.join(names).lower()} {how}" for names, how in limits if names]
        return f"This machine can score {n} of {n + len(self.lacking)} dimensions{''.join(but)}."


@click.command()
@as_json
def doctor(json_wanted: bool) -> None:
    """Say what this machine can score, with which encoders, and what is missing."""
    from evals.cli.progress import doing, shown_progress
    from evals.cli.tables import print_lines

    doing("trying every encoder")

    with shown_progress() as progress:
        checks = examine(progress)
    able = ability(checks)
    if json_wanted:
        print_json({**asdict(able), "checks": [asdict(check) for check in checks]})
        return
    print_lines([able.sentence()])
    if able.most:
        print_lines([f"This would add most: {able.most}"], wrap=False)
    print_lines(["", *(f"{_MARKS[check.state]} {check.what}: {check.note}" for check in checks)])


def examine(progress: Callable[[str, int, int], None]) -> list[Check]:
    """Return one check a default encoder, and those of Python and Tesseract.

    Every default encoder is loaded, so that 'ready' means that it works.
    """
    from metrics.encoders.catalogue import ENCODERS, default_names

    note = f"{platform.python_version()} on {platform.system()}, {os.cpu_count()} cores"
    checks = [Check("python", "ready", note)]
    roles = list(dict.fromkeys(row.role for row in ENCODERS))
    for done, role in enumerate(roles, start=1):
        checks += [_tried(role, name, "missing", _described) for name in default_names(role)]
        progress("encoders", done, len(roles))
    checks.append(_tried("tesseract", "tesseract:installed", "option", _with_scripts))
    return checks


def ability(checks: Sequence[Check]) -> Ability:
    """Return what the encoders that were tried can score, and which missing one that can be fetched adds most metrics.

    A dimension is scored where one of its primary metrics is (of quality, which has none: any metric). A weak encoder
    is one that was seen to fail the control of some metric; another of its role would measure all of them better.
    """
    from evals.reporting.formatting import DIMENSIONS
    from metrics.catalogue import METRICS, primary_metrics
    from metrics.encoders.catalogue import fetch_command

    state_of: dict[str, str] = {}
    for check in checks:
        if check.state in ("ready", "weak"):
            state_of.setdefault(check.what, check.state)
    titles: dict[str | None, list[str]] = {}
    for dimension, (title, _) in DIMENSIONS.items():
        specs = primary_metrics(dimension) or [spec for spec in METRICS if spec.dimension == dimension]
        states = {_worst(state_of.get(role) for role in _roles(spec)) for spec in specs}
        titles.setdefault(next((state for state in ("ready", "weak") if state in states), None), []).append(title)
    gains = {
        command: sum(check.what in _roles(spec) for spec in METRICS)
        for check in checks
        if state_of.get(check.what) != "ready" and (command := fetch_command(check.what))
    }
    scored, weak, lacking = (tuple(titles.get(state, ())) for state in ("ready", "weak", None))
    return Ability(scored, weak, lacking, max(gains, key=lambda command: gains[command], default=None))


def _roles(spec: MetricSpec) -> set[str]:
    from metrics.features import FEATURES

    return {FEATURES[feature].role for feature in spec.features}


def _worst(states: Iterable[str | None]) -> str | None:
    """Return the state of a metric that needs several encoders."""
    return min(states, key=(None, "weak", "ready").index)


def _tried(what: str, name: str, otherwise: str, describe: Callable[[Any], str]) -> Check:
    from metrics.catalogue import is_weak
    from metrics.encoders.catalogue import EncoderUnavailable, load_encoder

    try:
        encoder = load_encoder(name)
        if load := getattr(encoder, "load", None):
            load()
        note = describe(encoder)
    except EncoderUnavailable as error:
        return Check(what, otherwise, str(error), name)
    return Check(what, "weak" if is_weak(name) else "ready", note, name)


def _described(encoder: Any) -> str:
    weights = f", weights {encoder.weights_sha256[:12]}" if encoder.weights_sha256 else ""
    note = f"; {encoder.note}" if getattr(encoder, "note", None) else ""
    return f"{encoder.name} ({encoder.licence}{weights}){note}"


def _with_scripts(encoder: Any) -> str:
    return f"{encoder.name}, scripts: {', '.join(sorted(encoder.scripts))}"
