"""Junk that begins as valid input is read, or refused in the one sentence that the command line shows."""

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from evals.cli.errors import is_refusal
from tests.fuzzing.targets import TARGETS, Target

SECONDS = float(os.environ.get("TWINLENS_FUZZ_S", "120"))
"""How long each target is fuzzed by ``make fuzz``."""


def fuzz(target: Target, folder, **options) -> None:
    phases = (Phase.generate, Phase.shrink)  # what explains a failure takes minutes

    @settings(phases=phases, deadline=None, database=None, suppress_health_check=list(HealthCheck), **options)
    @given(target.junk(folder))
    def holds(junk):
        try:
            target.read(folder, junk)
        except target.refusals:
            pass
        except Exception as error:
            if not is_refusal(error) or not str(error):
                raise

    holds()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_little_junk(target, tmp_path):
    fuzz(target, tmp_path, max_examples=10, derandomize=True)


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_junk_for_minutes(target, tmp_path):
    end, n_inputs = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        fuzz(target, tmp_path, max_examples=300)
        n_inputs += 300
    print(f"\n{target.name}: {n_inputs} inputs")
