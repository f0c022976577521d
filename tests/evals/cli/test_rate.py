"""The answer on one screen: a line a row, letters where there are more than two systems, and thresholds for CI."""

import itertools
import json
from typing import Any

import pytest
from click.testing import CliRunner

from evals import load_run
from evals.cli.answer import print_answer
from evals.cli.main import main
from evals.rating.stage import rate_run
from tests.synthetic_run import BANANA, BETTER, FLUX, write_synthetic_run


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Return a run of the main eval between two of its systems, of which it is known who is better at what."""
    return write_synthetic_run(tmp_path_factory.mktemp("rate") / "run")


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def rate(run, *arguments):
    return CliRunner().invoke(main, ["rate", str(run), *arguments], catch_exceptions=False)


def test_a_newcomer_reads_who_is_better_at_what_on_one_screen(scored):
    done = rate(scored)
    lines = done.stdout.splitlines()
    assert (done.exit_code, len(lines) <= 40, max(map(len, lines)) <= 80) == (0, True, True)
    assert lines[0] == "flux-2-pro leads in 8 rows, gemini-3-pro-image in 5, 3 cannot be told apart."
    ahead = {FLUX: "flux-2-pro", BANANA: "gemini-3-pro-image", None: "cannot tell"}
    for title, row in {"Imprecise prompt handling": "imprecise", "Text accuracy": "text", "Logic": "logic"}.items():
        (line,) = (line for line in lines if line.startswith(title))
        assert line.rstrip().endswith(ahead[BETTER[row]])
    assert lines[-1] == f"page: twinlens report {scored}"


def test_all_that_is_behind_the_answer_is_printed_on_request(scored):
    short, long = rate(scored).stdout, rate(scored, "-v").stdout
    assert long.startswith(short)
    for text in ("all rows together: ", "For whom", "Mean over prompts", "Operations: ", "Latency, median"):
        assert (text in long, text in short) == (True, False)


def of_four(ratings: Any) -> Any:
    """Return the ratings with every system twice, as good as itself."""
    twins = {FLUX: (FLUX, "flux-2-pro@fal"), BANANA: (BANANA, "gemini-nano-banana-2.1@google")}
    first = {twin: system for system, names in twins.items() for twin in names}
    stars, systems = ratings["stars"], list(first)
    rows = []
    for row in stars["rows"]:
        pairs = [
            pair | {"system_a": a, "system_b": b, "better_system": better}
            for pair in row["differences"]
            for a, b in itertools.combinations(systems, 2)
            for better in [next((name for name in (a, b) if first[name] == pair["better_system"]), None)]
        ]
        for pair in pairs:
            if first[pair["system_a"]] == first[pair["system_b"]]:
                pair["better_system"] = None
        cells, facts = (
            [cell | {"system": twin} for cell in row[kind] for twin in twins[cell["system"]]]
            for kind in ("cells", "declared_cells")
        )
        rows.append(row | {"cells": cells, "differences": pairs, "declared_cells": facts, "components": []})
    return {**ratings, "stars": {**stars, "systems": systems, "rows": rows}}


def test_four_systems_are_a_line_a_row_with_the_letters_of_their_groups(scored, capsys):
    run = load_run(scored)
    print_answer(of_four(rate_run(run)), run.provenance, "page: here")
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines) <= 60, max(map(len, lines)) <= 80) == (True, True)
    (text,) = (line.split() for line in lines if line.startswith("Text accuracy"))
    assert text[2:] == ["3.1", "B", "3.1", "B", "4.4", "A", "4.4", "A"]
    assert [line.split()[0] for line in lines if "(fact)" in line] == ["Fine-tuning", "Enterprise", "Deployment"]
    assert any(line.startswith("Systems that share a letter cannot be told apart") for line in lines)


def test_two_out_of_a_run_of_more_are_shown_in_the_order_given(scored):
    shown = rate(scored, "--systems", "gemini-3-pro-image,flux-2-pro").stdout
    assert "gemini-3-pro-image in 5" in shown
    (heading,) = (line.split() for line in shown.splitlines() if line.startswith("stars, 1 to 5"))
    assert heading.index("image") < heading.index("flux-2-pro")
    assert shown.splitlines()[-1].endswith("run --systems gemini-3-pro-image,flux-2-pro")
    refused = rate(scored, "--systems", "flux-2-pro,flux-2-prp")
    assert (refused.exit_code, "did you mean" in refused.stderr) == (2, True)


@pytest.mark.parametrize(
    ("asked", "exit_code", "said"),
    [
        ("flux-2-pro@bfl:precise=3.5", 0, "holds: flux-2-pro@bfl at least 3.5 in precise: 3.8 stars (3.6 to 4.1)"),
        ("text=4", 1, "FAILS: flux-2-pro@bfl at least 4 in text: 3.1 stars (2.8 to 3.4)"),
        ("precise=1,speed-4k=1", 1, "FAILS: flux-2-pro@bfl at least 1 in speed-4k: nothing of it could be measured"),
        ("lora=1", 1, "FAILS: gemini-3-pro-image@google at least 1 in lora: "),
        ("txt=4", 2, "there is no row 'txt'; did you mean 'text'?"),
        ("flux:text=4", 2, "there is no row 'flux:text'; did you mean 'flux-2-pro@bfl:text'?"),
        ("text=6", 2, "'text=6' is not ROW=STARS with 1 to 5 stars"),
        ("text", 2, "'text' is not ROW=STARS with 1 to 5 stars"),
        ("text=nan", 2, "'text=nan' is not ROW=STARS with 1 to 5 stars"),
    ],
)
def test_a_release_is_held_to_stars_with_exit_code_1_where_they_are_not_reached(scored, asked, exit_code, said):
    done = rate(scored, "--at-least", asked)
    assert done.exit_code == exit_code
    assert said in " ".join((done.stdout + done.stderr).split())


def test_programs_read_the_same_checks(scored):
    done = rate(scored, "--at-least", "text=4", "--json")
    checks = {check["system"]: check["holds"] for check in json.loads(done.stdout)["thresholds"]}
    assert (done.exit_code, checks) == (1, {FLUX: False, BANANA: True})
    assert "thresholds" not in json.loads(rate(scored, "--json").stdout)
