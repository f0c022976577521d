"""What is damaged in these tests: an image set, a run that was scored from it, and a run that was generated as well."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from evals.cli.main import main
from tests.run_folder import write_noise_set

METRICS = ("--metrics", "reproducibility.ssim")
EVAL = """\
name: small
systems: [flux-2-pro@bfl, flux-2-klein-4b@bfl]
suites: [demo-signs]
seed: 7
size: 512
"""


def twinlens(*arguments: object) -> Result:
    """Run a command in this process, an error that nobody has foreseen included in the result."""
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an image set ``set``, its scored run ``run``, an eval, its scored run ``made``, and a text.

    Every test leaves it as it was.
    """
    folder = tmp_path_factory.mktemp("faults")
    write_noise_set(folder / "set")
    (folder / "small.yaml").write_text(EVAL)
    (folder / "small.txt").write_text("of the user")
    for command in (
        ("score", folder / "set", *METRICS, "--out", folder / "run"),
        ("rate", folder / "run"),
        ("generate", folder / "small.yaml", "--simulated", "--out", folder / "made"),
        ("score", folder / "made", "--metrics", "quality.exposure", "--out", folder / "made"),
        ("rate", folder / "made"),
    ):
        assert twinlens(*command).exit_code == 0, command
    return folder
