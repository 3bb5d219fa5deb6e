"""The recipe of docs/cluster.md for SLURM, on a cluster within this machine that loses a node.

It needs SLURM and munge (Debian: slurm-wlm, munge), Ray in the extra `ray`, and root; CONTRIBUTING.md has the command.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from guide import examples
from programs import REPOSITORY
from slurm_cluster import SlurmCluster, skip_reason, slurm_cluster

from apertune.search.results import read_study
from apertune.search.settings import make_home

TRIALS = 6
# Words of the recipe, with those that stand here instead.
SMALLER = {
    "source /shared/venv/bin/activate": f'export PATH={Path(sys.executable).parent}:"$PATH"',
    "fer2013 --data /shared/fer2013.csv": "digits --limit 300",
    "--trials 1000": f"--trials {TRIALS} --epochs 8 --pruner none --sampler random --study lossy",
}
# On the command line, they count instead of the recipe's.
PLACES = ("--nodes=2", "--gpus-per-node=0", "--cpus-per-task=1")

# For a search that hangs; one that goes on is waited for, and takes some minutes.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    if reason := skip_reason():
        pytest.skip(reason)
    with slurm_cluster(nodes=2) as cluster:
        # A job takes its environment from who submits it.
        monkeypatch.setenv("SLURM_TMPDIR", str(cluster.local))
        monkeypatch.setenv("RAY_TMPDIR", str(cluster.local))
        monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
        yield cluster


def recipe() -> str:
    """Returns the script of the page for a small search."""
    [script] = examples("SLURM", "sh", page="docs/cluster.md")
    for words, smaller in SMALLER.items():
        assert script.count(words) == 1, words
        script = script.replace(words, smaller)
    return script


def wait_for(job: str, cluster: SlurmCluster, there: Callable[[], object]) -> None:
    """Waits until something is there while a job runs."""
    while not there():
        state = cluster.state(job)
        assert state in ("PENDING", "CONFIGURING", "RUNNING"), f"{state}\n{said()}\n{cluster.logs()}"
        time.sleep(0.1)


def said() -> str:
    """Returns what the job has printed."""
    path = Path("said.txt")
    return path.read_text(errors="replace") if path.exists() else ""


def test_the_recipe_survives_a_lost_node(cluster: SlurmCluster, empty_store: Path) -> None:
    """A node that dies while it trains ends neither the job nor the search, and each trial is delivered once."""
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    Path("search.sh").write_text(recipe())
    job = cluster.run("sbatch", "--parsable", "--output=said.txt", *PLACES, "search.sh", folder=Path.cwd()).strip()

    node = cluster.nodes["node2"]
    wait_for(job, cluster, lambda: list(node.own.rglob("trials/*/checkpoint*")))
    cluster.lose("node2")
    while cluster.state(job) in ("RUNNING", "COMPLETING"):
        time.sleep(0.2)

    assert cluster.state(job) == "COMPLETED", f"{said()}\n{cluster.logs()}"
    assert "2 workers." in said()
    assert said().count("node2 was lost; another worker goes on with it") == 1, said()
    result = read_study(make_home({}), "lossy")
    assert [(trial.number, trial.state) for trial in result.trials] == [(n, "complete") for n in range(TRIALS)]
    assert len(set(result.run_ids.values())) == TRIALS
    assert epochs_in_mlflow() == [list(range(1, trial.epochs + 1)) for trial in result.trials]


def epochs_in_mlflow() -> list[list[int]]:
    """Returns the steps of the validation accuracy that each trial's run has, by the trials' numbers."""
    store = sqlite3.connect("mlflow/mlflow.db")
    query = """SELECT name, group_concat(step) FROM (SELECT * FROM metrics ORDER BY step) JOIN runs USING (run_uuid)
        WHERE name LIKE 'lossy #%' AND key = 'val_accuracy' GROUP BY run_uuid"""
    try:
        found = {int(name.partition("#")[2]): steps for name, steps in store.execute(query)}
    finally:
        store.close()
    return [[int(step) for step in found[number].split(",")] for number in sorted(found)]
