"""Whole searches in this process, with pretended and with real trials; nothing is sent to MLflow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pretend_study import SPACE, Bench, Slots, train

from apertune.datasets import from_arrays
from apertune.datasets.base import ImageDataset
from apertune.search import SearchSettings, TrialRecord, run
from apertune.search.engine.planning import make_plan, prepare
from apertune.search.engine.state import NoDisplay
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.settings import make_home


class NoSender:
    """A stand-in for the process that sends to MLflow."""

    def __init__(self, *given: object, **options: object) -> None: ...

    def __enter__(self) -> NoSender:
        return self

    def __exit__(self, *error: object) -> None: ...

    def finish(self, *given: object) -> int:
        return 0


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apertune.search.engine.launch.SenderProcess", NoSender)


def dataset() -> ImageDataset:
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8, 1), np.uint8)
    return from_arrays("pretended", images, np.arange(60, dtype=np.int32) % 3, ("a", "b", "c"))


def pretended(study: str, seed: int, from_study: str | None = None) -> tuple[tuple[TrialRecord, ...], list[str]]:
    """Runs a search of eight pretended trials in the folder. Returns its trials and the lines it said."""
    settings = SearchSettings(trials=8, epochs=2, objective="accuracy", pruner="none", sampler="random", study=study,
        seed=seed, from_study=from_study)  # fmt: skip
    display = NoDisplay()
    result = run(dataset(), settings, executor=InProcessExecutor(train, SPACE), display=display)
    return result.trials, display.lines


def test_a_search_begins_with_the_best_of_another_study() -> None:
    """`--from-study` tries the other study's five best configurations after the defaults, best first."""
    found, _ = pretended("first", seed=1)
    begun, lines = pretended("second", seed=2, from_study="first")
    rates = sorted((float(trial.params["rate"]) for trial in found), reverse=True)
    # The defaults, 0.5, are tried first in every study, and only once.
    wanted = [0.5, *(rate for rate in rates[:5] if rate != 0.5)]
    assert [float(trial.params["rate"]) for trial in begun][: len(wanted)] == wanted
    assert f"Begins with the {len(wanted) - 1} best configurations of study first not tried here yet." in lines
    unled, _ = pretended("third", seed=2)
    assert not {trial.params["rate"] for trial in unled[1:]} & {trial.params["rate"] for trial in found}


def proposals(folder: Path, seed: int, ends: dict[int, int]) -> list[float]:
    """Returns the configurations of a search with three workers; `ends` has the epochs after which trials end."""
    folder.mkdir()
    bench, home = Bench(folder), make_home({}, root=folder / "mlflow")
    settings = SearchSettings(trials=10, seed=seed, sampler="tpe", pruner="none")
    make_plan(dataset(), prepare(dataset(), settings, home), settings, home, bench.study, 0.0)
    bench.run_with(Slots(3, ends), 10)
    return [float(record.params["rate"]) for record in bench.study.records()]


def test_several_workers_are_given_the_same_first_proposals(tmp_path: Path) -> None:
    """With one seed the first ten configurations are the same in any order of ends; with another seed they differ."""
    first = proposals(tmp_path / "a", 3, {0: 4, 1: 1, 2: 2})
    assert proposals(tmp_path / "b", 3, {0: 1, 1: 4, 2: 3, 3: 2}) == first
    assert proposals(tmp_path / "c", 4, {0: 4, 1: 1, 2: 2})[1:] != first[1:]


def real(root: Path, seed: int, trials: int) -> list[TrialRecord]:
    """Runs real trials of a small network. Returns their records without times and memory, which vary."""
    import tiny_space

    from apertune.search.training.trial import run_trial

    settings = SearchSettings(space="tiny_space:build", trials=trials, epochs=2, objective="log_loss", pruner="none",
        seed=seed, keep_models="none", fix={"factor": "1"})  # fmt: skip
    result = run(
        dataset(), settings, home=make_home({}, root=root), executor=InProcessExecutor(run_trial, tiny_space.SPACE)
    )
    return [replace(trial, began=0.0, seconds=0.0, peak_memory_mb=0.0) for trial in result.trials]


@pytest.mark.slow
def test_a_search_with_one_worker_can_be_repeated(tmp_path: Path) -> None:
    """Two real searches with one seed have the same trials and scores; another seed gives different ones."""
    first = real(tmp_path / "a", 5, trials=2)
    assert [trial.state for trial in first] == ["complete"] * 2
    assert real(tmp_path / "b", 5, trials=2) == first
    # Its first trial has the same configuration but starts from other weights.
    (other,) = real(tmp_path / "c", 6, trials=1)
    assert other.params == first[0].params
    assert other.value != first[0].value
