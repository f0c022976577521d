"""What a report says of how the two judges of adherence agree."""

from typing import Any

import pytest

from evals.rating.agreement import MISSING
from evals.reporting.agreement import lines

from .conftest import Report


def measure(value: float | None, half: float | None = None, n: int = 40, reason: str | None = None) -> dict[str, Any]:
    low, high = (None, None) if value is None or half is None else (value - half, value + half)
    return {"value": value, "low": low, "high": high, "n": n, "reason": reason}


def row(suite: str | None = "scenes", n_systems: int = 2, reason: str | None = None, **more: Any) -> dict[str, Any]:
    measures = {"spearman": measure(0.42, 0.2), "kendall": measure(0.31, 0.15), "same_better_system": measure(0.7, 0.1)}
    if reason:
        measures = dict.fromkeys(measures, measure(None, n=0, reason=reason))
    return {"suite": suite, "n_systems": n_systems, **measures, **more}


def test_correlations_and_the_share_have_intervals_and_counts() -> None:
    (line,) = lines([row(same_better_system=measure(0.75, 0.125, n=36))])
    assert line.suites == "scenes"
    assert line.text == (
        "Spearman's rho 0.420 (0.220 to 0.620), Kendall's tau-b 0.310 (0.160 to 0.460) over 40 prompts; the same "
        "system is first for both on 75.0% (62.5 to 87.5%) of the 36 prompts on which each puts one first "
        "(50% by chance)"
    )


def test_chance_follows_the_number_of_systems_and_what_has_no_interval_stands_without_one() -> None:
    (line,) = lines([row(n_systems=4, spearman=measure(1.0), kendall=measure(1.0))])
    assert "(25% by chance)" in line.text
    assert line.text.startswith("Spearman's rho 1.00, Kendall's tau-b 1.00 over 40 prompts;")


@pytest.mark.parametrize("reason", MISSING)
def test_every_reason_is_told_and_suites_share_it(reason: str) -> None:
    (line,) = lines([row("b", reason=reason), row("a", reason=reason), row(None, reason=reason)])
    assert (line.suites, line.text) == ("b, a, all images", f"not known: {MISSING[reason]}")


def test_what_lacks_for_one_measure_does_not_hide_the_other() -> None:
    few, constant = measure(None, reason="few_prompts", n=3), measure(None, reason="constant", n=9)
    text = lines([row(spearman=few, kendall=few)])[0].text
    assert text.startswith(f"no rank correlation, because {MISSING['few_prompts']}; the same system is first")
    alone = measure(None, n=0, reason="one_system")
    assert lines([row(same_better_system=alone)])[0].text.endswith(f"because {MISSING['one_system']}")
    both = lines([row(spearman=constant, kendall=constant, same_better_system=alone)])[0].text
    assert MISSING["constant"] in both
    assert MISSING["one_system"] in both


def test_the_report_tells_it_where_adherence_is_told(report: Report) -> None:
    (known,) = (line for line in lines(report.document["ratings"]["agreements"]) if line.suites == "scenes")
    assert "Spearman's rho" in known.text
    html = report.files["tables.html"]
    part = html[html.index('<section id="adherence"') : html.index('<section id="identity"')]
    assert "Do the two judges agree?" in part
    assert known.text.replace("'", "&#39;") in part
