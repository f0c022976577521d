"""How well the two judges of prompt adherence agree, in the sentences that a report prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evals.rating.agreement import CLIP, MISSING, VQA
from evals.reporting import formatting
from metrics.catalogue import metric

_SHARE = "share of prompts"

INTRODUCTION = (
    "The similarity of a picture's and a prompt's embeddings follows people only weakly; a vision-language model that "
    f"is asked about the pictures is a second judge. How well the two, {metric(CLIP).title.lower()!r} and "
    f"{metric(VQA).title.lower()!r}, agree over prompts, with 95% intervals:"
)


@dataclass(frozen=True, slots=True)
class AgreementLine:
    """What holds of one suite, or of several of which the same has to be said."""

    suites: str
    text: str


def lines(agreements: Sequence[Mapping[str, Any]]) -> list[AgreementLine]:
    """Return what to say of each suite; suites whose judges cannot be compared for one reason share a line.

    Parameters
    ----------
    agreements
        As ``evals.rating.agreement.judge_agreements`` returns them.

    Examples
    --------
    >>> nothing = {"value": None, "low": None, "high": None, "n": 0, "reason": "no_vqa"}
    >>> row = {"n_systems": 2, "spearman": nothing, "kendall": nothing, "same_better_system": nothing}
    >>> lines([{**row, "suite": "scenes"}, {**row, "suite": "signs"}])
    [AgreementLine(suites='scenes, signs', text='not known: no picture has a score of adherence.vqa')]
    """
    said: dict[str, list[str]] = {}
    for row in agreements:
        said.setdefault(_said_of(row), []).append(formatting.suite_name(row["suite"]))
    return [AgreementLine(", ".join(suites), text) for text, suites in said.items()]


def _said_of(row: Mapping[str, Any]) -> str:
    share, reason = row["same_better_system"], row["spearman"]["reason"]
    if reason and reason == share["reason"]:
        return f"not known: {MISSING[reason]}"
    return f"{_correlations(row)}; {_winners(share, row['n_systems'])}"


def _correlations(row: Mapping[str, Any]) -> str:
    if reason := row["spearman"]["reason"]:
        return f"no rank correlation, because {MISSING[reason]}"
    rho, tau = (_estimate(row[name]) for name in ("spearman", "kendall"))
    return f"Spearman's rho {rho}, Kendall's tau-b {tau} over {formatting.pluralize(row['spearman']['n'], 'prompt')}"


def _winners(share: Mapping[str, Any], n_systems: int) -> str:
    if share["reason"]:
        return f"nothing to say of who is better, because {MISSING[share['reason']]}"
    chance = formatting.quantity(1 / n_systems, _SHARE)
    prompts = formatting.pluralize(share["n"], "prompt")
    return (
        f"the same system is first for both on {_estimate(share, _SHARE)} of the {prompts} on which each puts one "
        f"first ({chance} by chance)"
    )


def _estimate(found: Mapping[str, Any], unit: str = "") -> str:
    value, interval = formatting.estimate(found["value"], found["low"], found["high"], unit)
    return f"{value} ({interval})" if interval else value
