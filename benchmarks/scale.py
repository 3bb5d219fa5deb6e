"""Limits of one supervisor and one SQLite file: a study of many trials, and many workers at once.

    uv run python benchmarks/scale.py [--trials 10000] [--workers 64] [--seconds 60]

Part one fills a study with finished trials of 40 parameters and 20 epochs, and its outbox with what a search would have
told MLflow of them. It measures how long a search that continues it takes from the worker's answer to its first trial,
how long each sampler takes to propose the next configuration, and how long `apertune status`, `compare` and `studies`
take to answer. Part two runs a
supervisor, without sending to MLflow, on workers that only sleep and report one epoch per second each. It measures the
supervisor's share of a processor, and counts every trial and epoch.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
from measurements import Column, Table, arguments_of, tell

from apertune import datasets
from apertune.datasets.base import TrainingView
from apertune.search.engine.launch import run
from apertune.search.engine.planning import Plan
from apertune.search.engine.state import NoDisplay
from apertune.search.engine.supervisor import Supervisor
from apertune.search.evaluation.direction import Direction
from apertune.search.messages import (
    Discovered,
    EpochEnded,
    SpaceReference,
    StopRequest,
    TrialEvent,
    TrialResult,
    TrialStarted,
    TrialTask,
)
from apertune.search.settings import Home, SearchSettings, make_home
from apertune.search.strategies.pruners import make_pruner
from apertune.search.strategies.samplers import make_sampler
from apertune.search.strategies.translation import distribution_of, suggest, to_optuna
from apertune.search.studies.definition import Launch, StudyDefinition
from apertune.search.studies.opening import create_study, open_study
from apertune.search.studies.storage.storage import open_storage
from apertune.search.studies.study import Asked, Study
from apertune.search.tracking.journal import Journal, trial_key
from apertune.search.tracking.outbox import Outbox, read_progress, write_progress
from apertune.search.tracking.records import DatasetLogged, MetricsLogged, RunEnded, RunStarted, to_line
from apertune.search.trial_folder import TrialFolder
from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace

EPOCHS = 20
ASKS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--samplers", default="tpe,random,qmc,nsga2", help="Ask these samplers, separated by commas.")
    arguments = arguments_of(parser)
    with tempfile.TemporaryDirectory() as folder:
        tables = [many_trials(Path(folder) / "many", arguments.trials, arguments.samplers.split(","))]
        tables.append(many_workers(Path(folder) / "workers", arguments.workers, arguments.seconds))
    tell(*tables)


def space() -> SearchSpace:
    """Returns 40 parameters, half of them conditional, as in the built-in spaces."""
    optimizers = ("adam", "sgd", "rmsprop", "adamw")
    plain = [Parameter("optimizer", "choice", "adam", values=optimizers)]
    plain += [Parameter(f"choice_{n}", "choice", "a", values=("a", "b", "c")) for n in range(9)]
    plain += [Parameter(f"share_{n}", "float", 0.1, low=0.0, high=0.5, sampling="linear") for n in range(10)]
    under = [
        Parameter(
            f"rate_{n}",
            "float",
            1e-3,
            low=1e-5,
            high=1e-1,
            sampling="log",
            conditions=(Condition("optimizer", (optimizers[n % 4],)),),
        )
        for n in range(20)
    ]
    return SearchSpace((*plain, *under))


def definition(epochs: int) -> StudyDefinition:
    return StudyDefinition(
        "scale",
        "generated",
        "multiclass",
        "ab" * 32,
        "generated",
        space().to_json(),
        "accuracy",
        Direction.MAXIMIZE,
        epochs,
    )


def many_trials(root: Path, trials: int, samplers: list[str]) -> Table:
    table = Table(
        "scale",
        Column("what", ""),
        Column("found", "median", "{:.2f} s"),
        Column("first", "the first", "{:.2f} s"),
        Column("trials", "finished trials", "{:,}"),
    )
    home = make_home({}, root=root / "mlflow")
    first = begun_search(home)
    study = open_study(open_storage(home.storage), "scale")
    began = time.monotonic()
    fill(study, trials, home.records_file("scale"))
    fill_outbox(study, trials, home.study_folder("scale") / "outbox.jsonl")
    print(f"{trials:,} finished trials written in {time.monotonic() - began:.0f} s", flush=True)
    print(f"a new search began its first trial {first} after it knew its space", flush=True)
    print(f"one that continues {trials:,} trials, after {begun_search(home)}", flush=True)
    for name in samplers:
        study = open_study(open_storage(home.storage), "scale")
        began = time.monotonic()
        study.own(home.records_file("scale"))
        opened = time.monotonic() - began
        study.use(make_sampler(name, 0), make_pruner("hyperband", EPOCHS))
        began = time.monotonic()
        first = study.ask()
        took = [time.monotonic() - began]
        for _ in range(ASKS - 1):
            began = time.monotonic()
            study.ask()
            took.append(time.monotonic() - began)
        assert first is not None
        table.add(what=f"ask, {name}", found=statistics.median(took[1:]), first=took[0], trials=trials)
        if name == samplers[-1]:
            table.add(what="opening the study for a search", found=opened, trials=trials)
        print(f"{name}: opened in {opened:.1f} s; asks: {', '.join(f'{one:.2f}' for one in took)} s", flush=True)
    for words in (["status", "scale"], ["compare", "scale"], ["studies"]):
        began = time.monotonic()
        command = [sys.executable, "-m", "apertune", *words, "--storage", home.storage]
        subprocess.run(command, check=True, capture_output=True, cwd=root)
        table.add(what=f"apertune {words[0]}", found=time.monotonic() - began, trials=trials)
    return table


class BegunError(Exception):
    """The first trial was to begin."""


def begun_search(home: Home) -> str:
    """Begins a search as `apertune search` does, and tells the seconds from its space to its first trial."""

    class Workers(SleepingWorkers):
        known, busy = 0.0, 0.0

        def discover(self, task: object) -> Discovered:
            self.known, self.busy = time.monotonic(), _processor_seconds()
            return Discovered(space())

        def submit(self, task: TrialTask) -> None:
            raise BegunError(time.monotonic() - self.known, _processor_seconds() - self.busy)

    settings = SearchSettings(study="scale", epochs=EPOCHS)
    try:
        run(datasets.load("digits"), settings, home=home, executor=Workers(1, EPOCHS))
    except BegunError as begun:
        return "{:.1f} s ({:.1f} s of a processor)".format(*begun.args)
    raise AssertionError("the search began no trial")


def fill_outbox(study: Study, trials: int, path: Path) -> None:
    """Adds to an outbox what the journal of a search would have written, as if MLflow had taken it all."""
    records: list[str] = []
    for trial in study.records():
        key = trial_key(study.identity, trial.number)
        params = {name: str(value) for name, value in trial.params.items()}
        records.append(to_line(RunStarted(key, "digits", f"scale #{trial.number}", 0, "", {"tag": "x" * 600}, params)))
        for epoch in range(1, EPOCHS + 1):
            points = tuple((f"metric_{n}", 0.5, epoch, 1_700_000_000_000) for n in range(8))
            records.append(to_line(MetricsLogged(key, points)))
        records.append(to_line(RunEnded(key, "FINISHED", 0)))
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in records))
    runs = {trial_key(study.identity, number): "ab" * 16 for number in range(trials)}
    write_progress(path, replace(read_progress(path), offset=path.stat().st_size, run_ids=runs))


def fill(study: Study, trials: int, file: Path) -> None:
    """Writes finished trials as a search would leave them."""
    draws = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    searched = study.search_space
    random_numbers = random.Random(0)
    made = []
    for _ in range(trials):
        values = suggest(draws.ask(), searched)
        params = to_optuna(searched, values)
        distributions = {
            parameter.key: distribution_of(parameter) for parameter in searched.parameters if parameter.key in params
        }
        value = random_numbers.random()
        result = {"outcome": "complete", "value": value, "metrics": {"accuracy": value}, "epochs": EPOCHS}
        made.append(
            optuna.trial.create_trial(
                params=params,
                distributions=distributions,
                value=value,
                intermediate_values={epoch: value * epoch / EPOCHS for epoch in range(1, EPOCHS + 1)},
                user_attrs={"result": result},
            )
        )
    study.optuna.add_trials(made)
    study.note_launch(Launch(trials, trials))
    study.own(file)


class SleepingWorkers:
    """An executor whose trials take one second per epoch and always end; it remembers the trials it was given."""

    def __init__(self, slots: int, epochs: int) -> None:
        self.slots = slots
        self.epochs = epochs
        self.submitted: list[int] = []
        self._running: set[int] = set()
        self._due: list[tuple[float, int, int]] = []

    def start(self) -> None:
        pass

    def discover(self, task: object) -> Discovered:
        return Discovered(space())

    def free_slots(self) -> int:
        return self.slots - len(self._running)

    def submit(self, task: TrialTask) -> None:
        self.submitted.append(task.number)
        self._running.add(task.number)
        heapq.heappush(self._due, (time.monotonic() + random.random(), task.number, 0))

    def wait(self, timeout_s: float) -> list[TrialEvent]:
        now = time.monotonic()
        if self._due:
            time.sleep(max(0.0, min(timeout_s, self._due[0][0] - now)))
        events: list[TrialEvent] = []
        while self._due and self._due[0][0] <= time.monotonic():
            due, number, epoch = heapq.heappop(self._due)
            events.append(self._event(due, number, epoch))
        return events

    def _event(self, due: float, number: int, epoch: int) -> TrialEvent:
        if epoch == self.epochs + 1:
            self._running.remove(number)
            value = random.Random(number).random()
            return TrialResult(number, "complete", value=value, metrics={"accuracy": value}, epochs=self.epochs)
        heapq.heappush(self._due, (due + 1.0, number, epoch + 1))
        if epoch == 0:
            return TrialStarted(number, 1000, 1)
        metrics = {"loss": 1.0, "val_loss": 1.0, "val_accuracy": random.random(), "learning_rate": 1e-3}
        return EpochEnded(number, epoch, metrics, 1.0, int(time.time() * 1000))

    def stop(self, request: StopRequest) -> None:
        pass

    def kill(self, number: int, reason: str) -> None:
        pass

    def close(self) -> None:
        pass


def many_workers(root: Path, workers: int, seconds: float) -> Table:
    root.mkdir(parents=True)
    epochs = 8
    trials = max(workers, int(workers * seconds / (epochs + 1)))
    study = create_study(open_storage(f"sqlite:///{root / 'studies.db'}"), "workers", definition(epochs))
    study.own(root / "trials.jsonl")
    study.use(make_sampler("tpe", 0), make_pruner("none", epochs))
    executor = SleepingWorkers(workers, epochs)
    rows = np.arange(1)
    view = TrainingView("scale", "multiclass", ("a", "b"), (8, 8, 1), root, rows, rows, "ab" * 32)

    def task(asked: Asked) -> TrialTask:
        reference = SpaceReference("generated")
        folder = root / str(asked.number)
        return TrialTask(
            asked.number, view, reference, study.search_space, asked.values, 0, epochs, None, "accuracy", folder
        )

    plan = Plan(
        trials, task, lambda number: TrialFolder(root / str(number)), DatasetLogged("", "scale", "ab" * 32, "", {})
    )
    began, before = time.monotonic(), _processor_seconds()
    with Outbox(root / "outbox.jsonl") as outbox:
        Supervisor(study, executor, Journal(outbox, study, "launch", {}), plan, NoDisplay()).run()
    wall, busy = time.monotonic() - began, _processor_seconds() - before
    records = study.records()
    told = sum(len(trial.intermediate_values) for trial in study.optuna.trials)
    complete = sum(record.state == "complete" for record in records)
    assert complete == len(records) == trials == len(set(executor.submitted)) == len(executor.submitted)
    assert told == trials * epochs, (told, trials * epochs)
    table = Table(
        "scale-workers",
        Column("workers", "workers"),
        Column("trials", "trials, each complete once", "{:,}"),
        Column("epochs", "epochs, each told once", "{:,}"),
        Column("seconds", "in all", "{:.0f} s"),
        Column("share", "supervisor", "{:.2f} of a processor"),
    )
    table.add(workers=workers, trials=trials, epochs=told, seconds=wall, share=busy / wall)
    return table


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    main()
