"""The wheel: it carries the suites, and works where no checkout is."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="the build backend is not installed")
    out = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_wheel; import sys; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(out)], cwd=CHECKOUT, check=True, capture_output=True)
    (found,) = out.glob("*.whl")
    return found


def test_wheel_holds_packages_and_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"evals", "metrics", "twinlens-0.1.0.dist-info"}
    assert "evals/datasets/suites/demo-signs.yaml" in names
    assert "evals/definitions/demo.yaml" in names
    assert not [name for name in names if "/training/" in name]
    assert any(name.startswith("evals/reporting/templates/") for name in names)
    assert {"metrics/encoders/embedded/heads.npz", "metrics/encoders/embedded/metrics.json"} <= set(names)


def test_installed_wheel_lists_its_suites_without_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "import evals; print(evals.__file__); from evals.cli.main import main; main(['suites'])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert str(tmp_path / "site") in done.stdout.splitlines()[0]
    assert "demo-signs" in done.stdout
