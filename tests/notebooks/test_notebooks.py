"""Every notebook runs from top to bottom on a scored run, and is committed without outputs."""

from pathlib import Path

import nbformat
import numpy as np
import PIL.Image
import pytest
from nbclient import NotebookClient

from evals.imageset import write_image_set
from evals.scoring.stage import score

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("notebook"), np.random.default_rng(2)
    samples = []
    for system, noise in (("a", 0), ("b", 30)):
        for prompt in range(6):
            base = random.integers(60, 190, (48, 48, 3))
            for repeat in (0, 1):
                pixels = base + random.integers(-noise, noise + 1, base.shape)
                facts = {"system": system, "suite": "s", "prompt": f"p{prompt}", "seed": 1, "repeat": repeat}
                samples.append((PIL.Image.fromarray(pixels.astype(np.uint8)), facts))
    image_set = write_image_set(folder / "set", samples)
    return score(image_set, folder / "run", ["reproducibility.ssim", "reproducibility.identical"]).path


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_top_to_bottom(path, run, monkeypatch):
    monkeypatch.setenv("TWINLENS_RUN", str(run))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    pictures = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    assert pictures, "a notebook that draws nothing"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
