"""The terminal's tables: what has no better direction takes a line a metric, not a line a suite."""

from evals.cli.details import print_ratings


def a_row(metric, suite, system, mean, better="neither"):
    return {
        "metric": metric, "title": metric, "unit": "", "suite": suite, "system": system, "mean": mean, "low": None,
        "high": None, "better": better, "encoder": None, "n_prompts": 4, "n_scored": 4, "n_unscored": 0, "reasons": {},
    }  # fmt: skip


def printed(capsys, *rows):
    print_ratings({"systems": ["a@x", "b@x"], "rows": rows, "differences": [], "controls": [], "warnings": []})
    return [line.strip("│ ").split() for line in capsys.readouterr().out.splitlines() if line.startswith("│")]


def test_a_descriptive_metric_of_several_suites_is_one_line_with_its_extremes(capsys):
    rows = [a_row("quality.noise", suite, "a@x", mean) for suite, mean in (("s", 0.5), ("t", 2.0), ("u", 1.0))]
    (line,) = printed(capsys, *rows, a_row("quality.noise", "s", "b@x", 3.0))
    assert [part for part in line if part != "│"] == ["quality.noise", "3", "0.5", "to", "2", "3", "to", "3"]


def test_a_descriptive_metric_of_one_suite_stands_among_the_others(capsys):
    found = printed(
        capsys, a_row("quality.noise", "s", "a@x", 0.5), a_row("text.cer", "s", "a@x", 0.1, "lower"),
        a_row("text.cer", "t", "a@x", 0.2, "lower"),
    )  # fmt: skip
    assert [[part for part in line if part != "│"] for line in found] == [
        ["s", "quality.noise", "0.500"],
        ["s", "text.cer", "↓", "0.100"],
        ["t", "text.cer", "↓", "0.200"],
    ]
