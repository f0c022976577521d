"""A run in a notebook: it shows itself, its tables are tidy and say what was compared, its figures are figures."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

import evals
from evals.notebook.frames import Table
from evals.rating.selection import SelectionError
from evals.reporting.answer import answer
from evals.run import Run
from tests.run_folder import write_run
from tests.synthetic_run import BANANA, BETTER, FLUX, write_synthetic_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_synthetic_run(tmp_path_factory.mktemp("notebook") / "run", prompts=20)


@pytest.fixture(scope="module")
def run(folder):
    return evals.load_run(folder)


TABLES = ["stars", "verdicts", "advice", "scales", "means", "differences", "controls", "article", "operations", "costs"]


def test_a_run_shows_systems_counts_and_the_answer(run):
    said = answer(evals.rate_run(run), run.provenance)
    for shown in (str(run), run._repr_html_()):
        assert shown.count(said.title) == 1
        assert f"{FLUX} and {BANANA}: {len(run.samples):,} pictures of " in shown
        assert all(sentence in shown for sentence in said.advice)
    assert "comparisons corrected together (Holm)" in run._repr_html_()
    assert repr(run).startswith(f"<NotebookRun {str(run.path)!r}: ")
    assert "\n" not in repr(run)
    assert isinstance(run, Run)


def test_a_name_is_text_in_html(tmp_path):
    samples = [{"file_name": f"{n}.png", "sample_id": str(n), "system": f"<i>{n % 2}</i>", "suite": "s", "prompt": "p",
                "prompt_id": str(n // 2)} for n in range(12)]  # fmt: skip
    scores = [{"system": row["system"], "suite": "s", "prompt_id": row["prompt_id"], "subject": [row["sample_id"]],
               "metric": "text.cer", "value": 0.5} for row in samples]  # fmt: skip
    shown = evals.load_run(write_run(tmp_path / "run", samples, scores))._repr_html_()
    assert "<i>" not in shown
    assert "&lt;i&gt;0&lt;/i&gt;" in shown


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_tidy_and_its_docstring_names_every_column(run, name):
    table = getattr(run, name)()
    assert isinstance(table, pd.DataFrame)
    assert len(table)
    assert list(table.columns) == list(dict.fromkeys(table.columns))
    assert set(map(str, table.dtypes)) <= {"string", "Int64", "float64", "boolean"}
    assert not [column for column in table.columns if column not in getattr(type(run), name).__doc__]
    assert {"low", "high"} <= set(table) or name in ("advice", "scales", "article")
    assert isinstance(table.attrs["family"], int)
    assert "NA&gt;" not in table._repr_html_()
    assert table._repr_html_().count("<tr>") <= 200


def test_stars_are_those_of_the_star_table_and_only_verdicts_name_a_winner(run):
    document = evals.rate_run(run)["stars"]
    stars = run.stars().set_index(["row", "system"])
    for row in document["rows"]:
        for cell in row["cells"]:
            expected = float("nan") if cell["stars"] is None else cell["stars"]
            assert stars.loc[row["id"], cell["system"]]["stars"] == pytest.approx(expected, nan_ok=True)
    totals = {total["system"]: total["stars"] for total in document["totals"]["systems"]}
    assert stars.loc["total"]["stars"].to_dict() == pytest.approx(totals)
    assert stars["n_prompts"].dtype == "Int64"
    verdicts = run.verdicts().set_index("row")
    assert (
        verdicts["better_system"].astype(object).where(verdicts["better_system"].notna(), None)[list(BETTER)].to_dict()
        == BETTER
    )
    assert [name for name in TABLES if "better_system" in getattr(run, name)()] == ["verdicts"]
    assert (
        run.verdicts().attrs["family"]
        == document["n_compared"]
        == verdicts["p_value"].count() + sum(case["p_holm"] is not None for case in document["recommendations"])
    )


def test_a_slice_and_own_weights_say_which_family_they_are_and_that_each_further_one_adds_chances(folder, tmp_path):
    run = evals.load_run(folder)
    whole, one = run.verdicts(), run.verdicts(where="suite == 'scenes'")
    assert 0 < one.attrs["family"] < whole.attrs["family"]
    assert "Only where suite == 'scenes': " in repr(one)
    assert f"{one.attrs['family']} comparisons corrected together" in one._repr_html_()
    assert "after 1 of them up to 5% of runs" in repr(one)
    assert "of them up to" not in repr(whole)
    (tmp_path / "w.yaml").write_text("cost: 2\nscenes: 1\n")
    own = run.stars(weights={"cost": 2, "scenes": 1})
    assert own.equals(run.stars(weights=tmp_path / "w.yaml"))
    assert own.query("row == 'cost'")["weight"].tolist() == pytest.approx([2 / 3] * 2)
    assert "under own weights: cost 2, scenes 1" in repr(own.query("row == 'total'"))
    (tmp_path / "w.yaml").write_text("cost: 1\n")
    assert run.stars(weights=tmp_path / "w.yaml").query("row == 'cost'")["weight"].tolist() == [1.0, 1.0]
    assert set(run.means(where="suite == 'scenes'")["suite"]) == {"scenes"}
    assert (
        set(run.means("text.similarity")["metric"])
        == set(run.differences("text.similarity")["metric"])
        == {"text.similarity"}
    )


def test_systems_of_a_run_of_more_are_chosen_when_it_is_opened(folder):
    chosen = evals.load_run(folder, systems=[BANANA, FLUX])
    assert chosen.stars(where="suite == 'scenes'")["system"].unique().tolist() == [BANANA, FLUX]
    with pytest.raises(SelectionError, match="the run has no system 'flux'"):
        evals.load_run(folder, systems=["flux", BANANA]).stars()


def test_figures_are_drawn_of_the_whole_and_of_a_slice(run):
    worst = run.scores[run.scores["metric"].eq("reproducibility.ssim") & run.scores["control"].isna()].head(1)
    figures = [
        run.plot.stars(), run.plot.stars(where="suite == 'scenes'"), run.plot.metric("text.similarity"),
        run.plot.pictures("precise", 2), run.plot.distribution("identity.self"), run.plot.shots(),
        run.plot.pairs(worst), run.plot.operations("latency_p50", "operations.latency_p95"), run.plot.costs(),
    ]  # fmt: skip
    assert all(isinstance(figure, Figure) and figure.get_axes() for figure in figures)
    whole, part = (figure.get_axes()[0].get_yticklabels() for figure in figures[:2])
    assert 0 < len(part) < len(whole)
    assert len(run.plot.pictures("precise", 2).subfigs) == 2


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda run: run.means("text.similarty"), "no metric 'text.similarty'; did you mean 'text.similarity'"),
        (lambda run: run.plot.metric("text.similarty"), "no metric 'text.similarty'; did you mean 'text.similarity'"),
        (lambda run: run.plot.pictures("precis"), "no row 'precis'; did you mean 'precise'"),
        (lambda run: run.plot.pictures("lora"), "row 'lora': no picture decides it"),
        (lambda run: run.plot.operations("latency_p59"), "no figure 'operations.latency_p59' of operations; did you"),
        (lambda run: run.stars(weights={"cots": 1}), "no row of the star table 'cots'; did you mean 'cost'"),
        (lambda run: run.stars(where="sute == 'x'"), "no column 'sute'; did you mean 'suite'"),
        (lambda run: run.stars(where="suite.map(print)"), "is not allowed; a condition has"),
    ],
)
def test_what_is_not_there_is_one_sentence_with_the_nearest_name(run, wrong, sentence):
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")) as refused:
        wrong(run)
    assert "\n" not in str(refused.value)


def test_no_character_of_a_name_turns_a_line_round():
    table = Table({"system": ["x\u202ey"]})
    assert "x\\u202ey" in repr(table)
    assert "\u202e" not in repr(table) + table._repr_html_()
