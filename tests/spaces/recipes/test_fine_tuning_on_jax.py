"""Fine-tuning with JAX, whose training step is stricter than TensorFlow's.

An interpreter has one backend, so the tests that are run again here run in another one.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from programs import REPOSITORY

TESTS = REPOSITORY / "tests"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.parametrize(
    "test",
    [
        "spaces/networks/test_pretrained.py::test_the_backbone_is_frozen_and_then_tuned_at_a_lower_rate",
        "search/training/test_checkpoint_resumed.py::test_a_trial_killed_while_it_is_fine_tuned_goes_on",
        "search/training/test_checkpoint_resumed.py::test_rates_by_stage_outlive_a_kill",
        "spaces/recipes/test_stage_rates.py",
    ],
)
def test_a_backbone_is_thawed_on_jax_too(test: str) -> None:
    """Fine-tuning passes the same tests with JAX, both from the start and resumed."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "-p", "no:cacheprovider", str(TESTS / test)]
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
