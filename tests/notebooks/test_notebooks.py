"""Every notebook runs from top to bottom on a scored run, shows what it promises, and is committed without outputs."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import pytest

from evals import load_run
from evals.definition import read_definition
from evals.imageset.imageset import write_image_set
from evals.rating.stage import rate_run
from evals.scoring.stage import score
from evals.voting.votes import write_votes
from tests.synthetic_run import BANANA, BETTER, FLUX, write_synthetic_run
from tests.voting_run import votes_for

if TYPE_CHECKING:
    import nbformat

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST_FUNCTION = 10

ARTICLE = (
    "cinematic", "editing", "imprecise", "precise", "identity", "scenes", "speed-4k", "cost", "lora", "sla",
    "deployment",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has everything: all rows of the real eval, controls, requests, pictures."""
    folder = write_synthetic_run(tmp_path_factory.mktemp("notebooks") / "run")
    rate_run(load_run(folder))
    write_votes(folder, votes_for(folder, FLUX, BANANA, "precise", "precise", ["heron", "gull", "tern"]))
    return folder


@pytest.fixture(scope="module")
def executed(run: Path):
    """Return a function that executes a notebook on that run, each only once."""
    done: dict[str, nbformat.NotebookNode] = {}

    def execute(name: str) -> nbformat.NotebookNode:
        if name not in done:
            done[name] = ran(FOLDER / f"{name}.ipynb", run)
        return done[name]

    return execute


def read(path: Path) -> nbformat.NotebookNode:
    import nbformat  # takes seconds, and every run collects this module

    return nbformat.read(path, as_version=4)


def ran(path: Path, run: Path) -> nbformat.NotebookNode:
    from nbclient import NotebookClient

    notebook = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWINLENS_RUN", str(run))
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    return notebook


def pictures(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", []))


def rendered(notebook: nbformat.NotebookNode) -> str:
    """Everything that a reader sees as text or table."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text", "") or output.get("data", {}).get("text/html", "") for output in outputs)


def lines_of(table: str) -> list[str]:
    """The lines of an HTML table, tags replaced by blanks."""
    lines = re.findall(r"<tr>.*?</tr>", table, flags=re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", line).split()) for line in lines]


def functions(notebook: nbformat.NotebookNode) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda]:
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    python = [re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE) for source in cells]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return [node for source in python for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


def test_there_are_the_five_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_explore_scores",
        "02_head_to_head_stars",
        "03_cost_and_latency",
        "04_identity_and_reproducibility",
        "05_add_a_metric",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom_and_draws(path, executed):
    assert pictures(executed(path.stem))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_thin_committed_without_outputs_and_tells_what_every_figure_shows(path):
    notebook = read(path)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    for node in functions(notebook):
        assert node.end_lineno - node.lineno < LONGEST_FUNCTION, ast.unparse(node)
    for before, cell in itertools.pairwise(notebook.cells):
        if cell.cell_type == "code" and "run.plot." in cell.source:
            assert before.cell_type == "markdown", cell.source
    assert not any("evals.reporting" in cell.source for cell in notebook.cells)


def test_a_slice_and_own_weights_are_shown_and_the_head_to_head_is_short(executed):
    for name in ("01_explore_scores", "02_head_to_head_stars"):
        code = "\n".join(cell.source for cell in executed(name).cells if cell.cell_type == "code")
        assert "where=SLICE" in code
        assert "weights=WEIGHTS" in code
        assert "Only where suite == " in rendered(executed(name))
        assert "The total is under own weights: " in rendered(executed(name))
    assert len(executed("02_head_to_head_stars").cells) < 14


def test_the_article_s_eleven_rows_and_ours_are_in_the_tables_with_stars_and_verdicts(run, executed):
    lines = lines_of(rendered(executed("02_head_to_head_stars")))
    definition = read_definition(run / "eval.yaml")
    assert set(ARTICLE) <= {row.id for row in definition.rows}
    for row in definition.rows:
        kind = "measured" if row.metrics else "computed" if row.computed else "declared"
        assert len([line for line in lines if f" {row.id} {row.title} {kind} " in f" {line}"]) == 2
        if row.id in BETTER:
            verdict = next(line for line in lines if f" {row.id} {row.title} {FLUX} {BANANA} " in f" {line}")
            better = BETTER[row.id]
            assert ("not separable" if better is None else f"{better} is ahead by") in verdict


def test_the_stars_have_the_sign_that_was_scripted(run):
    rows = {row["id"]: row for row in rate_run(load_run(run))["stars"]["rows"]}
    for name, better in BETTER.items():
        (difference,) = rows[name]["differences"]
        assert difference["better_system"] == better, name
        if better is not None:
            assert (difference["stars"] > 0) == (difference["system_a"] == better)


def test_stars_lead_to_pictures_and_totals_to_what_would_turn_them(executed):
    notebook = executed("02_head_to_head_stars")
    text = rendered(notebook)
    assert pictures(notebook) == 5
    assert "it would draw if" in text
    assert "votes of 3 voters" in text
    assert "Production at scale" in text
    assert {"supported", "contradicted", "cannot tell", "not comparable"} <= set(re.findall(r">([a-z ]+)</td>", text))


def test_cost_and_latency_tell_bounds_and_months(executed):
    notebook = executed("03_cost_and_latency")
    assert pictures(notebook) == 5
    assert "is a lower bound" in rendered(notebook)
    assert "500000" in rendered(notebook)


def test_a_new_metric_finds_that_only_one_system_repeats_its_colours(executed):
    lines = lines_of(rendered(executed("05_add_a_metric")))
    assert [line for line in lines if line.startswith("identical_image")] == ["identical_image 16.0" + " 0.00" * 7] * 2
    kept, drawn_anew = [line.split()[3:] for line in lines if line.startswith("AUC of")]
    assert kept == ["16", "1.0", *kept[2:]]
    assert float(drawn_anew[2]) < 0.5 < float(drawn_anew[3])
    (difference,) = [line.split() for line in lines if "minus" in line]
    assert difference[:3] == [FLUX, "minus", BANANA]
    assert float(difference[6]) < 0  # the upper end of the interval


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_on_a_set_that_was_brought(path, tmp_path):
    """Two systems without an eval, without requests, faces or seeds: nothing to show is no failure."""
    random, samples = np.random.default_rng(2), []
    for system, noise in (("a", 0), ("b", 30)):
        for prompt in range(6):
            base = random.integers(60, 190, (48, 48, 3))
            for repeat in (0, 1):
                pixels = base + random.integers(-noise, noise + 1, base.shape)
                facts = {"system": system, "suite": "s", "prompt": f"p{prompt}", "seed": 1, "repeat": repeat}
                samples.append((PIL.Image.fromarray(pixels.astype(np.uint8)), facts))
    image_set = write_image_set(tmp_path / "set", samples)
    scored = score(image_set, tmp_path / "run", ["reproducibility.ssim", "reproducibility.identical"])
    assert pictures(ran(path, scored.path))
