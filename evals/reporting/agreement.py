"""How well the two judges of prompt adherence agree, in the sentences that a report prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evals.rating.agreement import CLIP, MISSING, VQA, Agreement, JudgeAgreement
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


def lines(agreements: Sequence[JudgeAgreement]) -> list[AgreementLine]:
    """Return what to say of each suite; suites whose judges cannot be compared for one reason share a line.

    Examples
    --------
    >>> nothing = {"value": None, "low": None, "high": None, "n": 0, "reason": "no_vqa"}
    >>> row = {"n_systems": 2, "spearman": nothing, "kendall": nothing, "same_better_system": nothing}
    >>> lines([{**row, "suite": "scenes"}, {**row, "suite": "signs"}])
    [AgreementLine(suites='scenes, signs', text='not known: no picture has a score of adherence.vqa')]
    """
    suites_of: dict[str, list[str]] = {}
    for row in agreements:
        share, spearman = row["same_better_system"], row["spearman"]
        text = f"{_correlations(row)}; {_winners(share, row['n_systems'])}"
        if spearman["reason"] and spearman["reason"] == share["reason"]:
            text = f"not known: {MISSING[spearman['reason']]}"
        suites_of.setdefault(text, []).append(formatting.suite_name(row["suite"]))
    return [AgreementLine(", ".join(suites), text) for text, suites in suites_of.items()]


def _correlations(row: JudgeAgreement) -> str:
    if reason := row["spearman"]["reason"]:
        return f"no rank correlation, because {MISSING[reason]}"
    rho, tau = _estimate(row["spearman"]), _estimate(row["kendall"])
    n_prompts = formatting.pluralize(row["spearman"]["n"], "prompt")
    return f"Spearman's rho {rho}, Kendall's tau-b {tau} over {n_prompts}"


def _winners(share: Agreement, n_systems: int) -> str:
    if share["reason"]:
        return f"nothing to say of who is better, because {MISSING[share['reason']]}"
    return (
        f"the same system is first for both on {_estimate(share, _SHARE)} of the "
        f"{formatting.pluralize(share['n'], 'prompt')} on which each puts one first "
        f"({formatting.quantity(1 / n_systems, _SHARE)} by chance)"
    )


def _estimate(measure: Agreement, unit: str = "") -> str:
    value, interval = formatting.estimate(measure["value"], measure["low"], measure["high"], unit)
    return f"{value} ({interval})" if interval else value
