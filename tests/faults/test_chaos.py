"""A short form of benchmarks/chaos.py: searches, through a faulty proxy and random kills, lose and double nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import REPOSITORY


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [pytest.param(0, marks=pytest.mark.ci), pytest.param(1, marks=pytest.mark.slow)])
def test_random_faults_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    """Every configuration is complete once, in Optuna and in MLflow, with each point of its epochs once."""
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "chaos.py"), "--pretend", "--minutes", "0.5"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    # Benchmarks import each other from the folder of their script.
    environment.pop("PYTHONSAFEPATH", None)
    done = subprocess.run([*command, "--seed", str(seed)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all delivered once" in done.stdout
