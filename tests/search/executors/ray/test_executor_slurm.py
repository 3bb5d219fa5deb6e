"""The recipe of docs/cluster.md for SLURM, on a cluster within this machine that loses a node.

It needs SLURM and munge (Debian: slurm-wlm, munge), Ray in the extra `ray`, and root; CONTRIBUTING.md has the command.
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
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

# Ray says so when a node did not come up within limits of its own that cannot be moved, as on a crowded machine.
NOT_STARTED = "Failed to start Ray:"


@pytest.fixture
def training_job(monkeypatch: pytest.MonkeyPatch, empty_store: Path) -> Iterator[tuple[SlurmCluster, str]]:
    """A cluster that runs the recipe, whose second node trains by now, and the number of the job."""
    if reason := skip_reason():
        pytest.skip(reason)
    Path("mlflow").mkdir()
    shutil.copy(empty_store, "mlflow/mlflow.db")
    Path("search.sh").write_text(recipe())
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "src"))
    while True:
        with slurm_cluster(nodes=2) as cluster:
            # A job takes its environment from who submits it.
            monkeypatch.setenv("SLURM_TMPDIR", str(cluster.local))
            monkeypatch.setenv("RAY_TMPDIR", str(cluster.local))
            Path("said.txt").unlink(missing_ok=True)
            submit = ["sbatch", "--parsable", "--output=said.txt", *PLACES, "search.sh"]
            job = cluster.run(*submit, folder=Path.cwd()).strip()
            if second_node_trains(cluster, job):
                yield cluster, job
                return


def recipe() -> str:
    """Returns the script of the page for a small search."""
    [script] = examples("SLURM", "sh", page="docs/cluster.md")
    for words, smaller in SMALLER.items():
        assert script.count(words) == 1, words
        script = script.replace(words, smaller)
    return script


def second_node_trains(cluster: SlurmCluster, job: str) -> bool:
    """Waits until a trial on the second node has a checkpoint; False if Ray did not start on each node in its time."""
    while not list(cluster.nodes["node2"].own.rglob("trials/*/checkpoint*")):
        state = cluster.state(job)
        if NOT_STARTED in said():
            return False
        assert state in ("PENDING", "CONFIGURING", "RUNNING"), f"{state}\n{said()}\n{cluster.logs()}"
        time.sleep(0.1)
    return True


def said() -> str:
    """Returns what the job has printed."""
    path = Path("said.txt")
    return path.read_text(errors="replace") if path.exists() else ""


def test_the_recipe_survives_a_lost_node(training_job: tuple[SlurmCluster, str]) -> None:
    """A node that dies while it trains ends neither the job nor the search, and each trial is delivered once."""
    cluster, job = training_job
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
