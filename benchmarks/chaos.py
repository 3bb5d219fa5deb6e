"""Faults at random, for as long as wanted, in real searches that must lose nothing and double nothing.

    uv run python benchmarks/chaos.py [--minutes 60] [--seed 0] [--trials 6] [--epochs 3] [--pretend]

Searches of digits with two workers tell a real `mlflow server` on loopback their results, through a proxy that delays,
drops, resets and invents replies. At random moments, placed by the epochs told and not by the clock, a worker, the
supervisor, the sender or the server is killed. A supervisor is started again with the same command, a server with the
same store. After each search everything is sent without further faults, and counted: each configuration that was asked
for is complete once in Optuna and once in MLflow, with every epoch's point once and its model; nothing is left over,
and no process lives on.

With --pretend workers only pretend to train, and leave no models: a fault every second for a test.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from measurements import Column, Table, arguments_of, tell
from mlflow import MlflowClient

SUPPORT = Path(__file__).resolve().parents[1] / "tests" / "support"
sys.path.insert(0, str(SUPPORT))

from tracking_server import Server, tracking_server  # noqa: E402  # found by the line before
from unreliable_proxy import HTML, NO_FAULT, Fault, UnreliableProxy  # noqa: E402

from apertune.search.results import read_study  # noqa: E402
from apertune.search.settings import make_home  # noqa: E402
from apertune.search.tracking.local_store import creation_lock, make_local_store  # noqa: E402
from apertune.search.tracking.outbox import read_progress, unsent, unsent_bytes  # noqa: E402
from apertune.search.tracking.records import KEY_TAG, MetricsLogged  # noqa: E402

WORKERS = 2
SHARE_OF_REQUESTS = 0.12
DELAYS_S = (0.05, 2.0)
EPOCHS_BETWEEN_KILLS = (1, 5)
LOOK_EVERY_S = 0.05
# A search that makes no progress for this long is stuck.
STUCK_S = 300.0
SYNCS = 20
MODULES = {"worker": ("training.worker", "pretend_worker.py"), "sender": ("sending.sender",)}


class Weather:
    """Decides how the proxy misbehaves, and counts it.

    Args:
        chance: Source of randomness, used by one thread at a time.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._guard = threading.Lock()
        self.calm = False
        self.counts: collections.Counter[str] = collections.Counter()

    def fault_for(self, method: str, path: str) -> Fault:
        with self._guard:
            if self.calm or self._chance.random() > SHARE_OF_REQUESTS:
                return NO_FAULT
            kinds = {
                "delayed": Fault(delay_s=self._chance.uniform(*DELAYS_S)),
                "reply lost": Fault(lost=True),
                "reset": Fault(reset=True),
                "list for an answer": Fault(status=200, body=b"[]"),
                "page for an answer": Fault(status=200, body=HTML),
                "bad gateway": Fault(status=502, body=HTML),
                "page that refuses": Fault(status=400, body=HTML),
            }
            kind = self._chance.choice(sorted(kinds))
            self.counts[kind] += 1
            return kinds[kind]


class Searching:
    """One study, searched through all faults.

    Args:
        name: Name of the study.
        server: The tracking server.
        proxy: The proxy before it.
        weather: How the proxy misbehaves.
        chance: Source of randomness.
        options: The command line.
    """

    def __init__(
        self,
        name: str,
        server: Server,
        proxy: UnreliableProxy,
        weather: Weather,
        chance: random.Random,
        options: argparse.Namespace,
    ) -> None:
        self.name = name
        self._server = server
        self._weather = weather
        self._chance = chance
        self._options = options
        self._environment = {**os.environ, "MLFLOW_TRACKING_URI": proxy.url, "APERTUNE_PRETEND_SECONDS": "0.3"}
        self._home = make_home({"MLFLOW_TRACKING_URI": proxy.url}, storage=None)
        self._outbox = self._home.study_folder(name) / "outbox.jsonl"
        self._started: subprocess.Popen[bytes] | None = None
        self._until = 0.0

    def run(self, until: float) -> None:
        """Searches to the end, with faults until a time of `time.monotonic`, and checks what is left."""
        self._until = until
        self._weather.calm = False
        self._search()
        self._send_all()
        self._check()

    def _command(self, *words: str) -> list[str]:
        if self._options.pretend:
            return [sys.executable, str(SUPPORT / "pretend_command.py"), *words]
        return [sys.executable, "-m", "apertune", *words]

    def _start(self) -> subprocess.Popen[bytes]:
        options = self._options
        command = self._command("search", "digits", "--study", self.name, "--trials", str(options.trials))
        command += ["--epochs", str(options.epochs), "--workers", str(WORKERS), "--objective", "accuracy"]
        command += ["--pruner", "none", "--sampler", "random"]
        with Path(f"{self.name}.log").open("ab") as log:
            self._started = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        return self._started

    def _search(self) -> None:
        search, next_kill, moved, seen = self._start(), self._next_kill(0), time.monotonic(), (0, 0)
        while True:
            status = search.poll()
            if status is not None:
                if self._is_finished():
                    return
                assert status < 0, f"{self.name} ended with status {status}; see {self.name}.log"
                search = self._start()
            epochs = self._epochs_told()
            if (epochs, search.pid) != seen:
                seen, moved = (epochs, search.pid), time.monotonic()
            assert time.monotonic() - moved < STUCK_S, f"{self.name} is stuck after {epochs} epochs"
            if epochs >= next_kill and time.monotonic() < self._until and search.poll() is None:
                self._kill(search)
                next_kill = self._next_kill(epochs)
            time.sleep(LOOK_EVERY_S)

    def _next_kill(self, epochs: int) -> int:
        return epochs + self._chance.randint(*EPOCHS_BETWEEN_KILLS)

    def _epochs_told(self) -> int:
        return sum(isinstance(record, MetricsLogged) for record, _ in unsent(self._outbox, 0))

    def _is_finished(self) -> bool:
        if not self._outbox.exists():
            return False
        study = read_study(self._home, self.name)
        return study.finished >= self._options.trials

    def _kill(self, search: subprocess.Popen[bytes]) -> None:
        victim = self._chance.choice(["worker", "worker", "supervisor", "sender", "server"])
        killers: dict[str, Callable[[], bool]] = {
            "supervisor": lambda: _killed(search),
            "server": self._restart_server,
        }
        if killers.get(victim, lambda: self._kill_child(search, victim))():
            self._weather.counts[f"{victim} killed"] += 1

    def _kill_child(self, search: subprocess.Popen[bytes], victim: str) -> bool:
        modules = MODULES[victim]
        try:
            children = psutil.Process(search.pid).children()
            found = [child for child in children if any(module in " ".join(child.cmdline()) for module in modules)]
            if not found:
                return False
            self._chance.choice(found).kill()
        except psutil.NoSuchProcess:
            return False
        return True

    def _restart_server(self) -> bool:
        self._server.kill()
        # The search goes on meanwhile.
        self._server.restart()
        return True

    def _send_all(self) -> None:
        """Sends what is left, at first through the same faults."""
        for attempt in range(SYNCS):
            self._weather.calm = attempt >= 2 or time.monotonic() > self._until
            if not unsent_bytes(self._outbox):
                return
            with Path(f"{self.name}.log").open("ab") as log:
                subprocess.run(self._command("sync"), env=self._environment, stdout=log, stderr=log, check=False)
        assert not unsent_bytes(self._outbox), read_progress(self._outbox)

    def _check(self) -> None:
        """Asserts that the study and MLflow have each trial once, whole."""
        self._weather.calm = True
        study = read_study(self._home, self.name)
        states = [(trial.number, trial.state) for trial in study.trials]
        # A number may be missing: a proposal that a kill cut short is set aside, and made again.
        wanted = {trial.number: trial for trial in study.trials}
        assert len(states) == len(wanted) == self._options.trials, states
        assert {state for _, state in states} == {"complete"}, states
        client = MlflowClient(f"http://127.0.0.1:{self._server.port}")
        experiment = client.get_experiment_by_name("digits").experiment_id
        runs = client.search_runs([experiment], f"tags.study = '{self.name}' and tags.kind = 'trial'")
        assert sorted(int(run.data.tags["trial"]) for run in runs) == sorted(wanted), [run.data.tags for run in runs]
        assert {run.info.status for run in runs} == {"FINISHED"}, [run.info.status for run in runs]
        for run in runs:
            epochs = wanted[int(run.data.tags["trial"])].epochs
            points = client.get_metric_history(run.info.run_id, "val_accuracy")
            assert sorted(point.step for point in points) == list(range(1, epochs + 1)), (run.data.tags, points)
            self._check_model(client, run)
        # A run that nothing followed has no tags of its study.
        keys = collections.Counter(run.data.tags[KEY_TAG] for run in client.search_runs([experiment]))
        assert max(keys.values()) == 1, keys.most_common(3)
        searches = client.search_runs([experiment], f"tags.study = '{self.name}' and tags.kind = 'search'")
        assert "RUNNING" not in {run.info.status for run in searches}
        assert not _left_processes(), _left_processes()

    def _check_model(self, client: MlflowClient, run: object) -> None:
        if self._options.pretend:
            return
        info, outputs = run.info, run.outputs  # type: ignore[attr-defined]  # MLflow's own types are not read
        (output,) = outputs.model_outputs
        models = client.search_logged_models([info.experiment_id], f"source_run_id = '{info.run_id}'")
        assert [model.model_id for model in models] == [output.model_id]
        files = {Path(file.path).name for file in client.list_logged_model_artifacts(output.model_id)}
        assert "MLmodel" in files, files

    def end(self) -> None:
        """Kills the search, if it still runs."""
        if self._started is not None and self._started.poll() is None:
            self._started.kill()
            self._started.wait()


def _killed(search: subprocess.Popen[bytes]) -> bool:
    search.kill()
    search.wait()
    return True


def _left_processes() -> list[str]:
    """Returns the commands of workers and senders in this folder that outlive their search, after some patience."""
    until = time.monotonic() + 60
    modules = [module for names in MODULES.values() for module in names]
    while True:
        left = []
        for process in psutil.process_iter():
            try:
                command = " ".join(process.cmdline())
                if any(module in command for module in modules) and Path(process.cwd()) == Path.cwd():
                    left.append(command)
            except psutil.Error:
                continue
        if not left or time.monotonic() > until:
            return left
        time.sleep(0.5)


def run(options: argparse.Namespace) -> dict[str, int]:
    """Searches one study after another in the working folder until the time is over.

    Returns:
        The number of faults by their kind, and of trials and searches.

    Raises:
        AssertionError: Something was lost or doubled, or a search got stuck.
    """
    store = Path("empty.db").absolute()
    with creation_lock(f"sqlite:///{store}"):
        make_local_store(f"sqlite:///{store}")
    folder = Path("server").absolute()
    folder.mkdir()
    weather = Weather(random.Random(options.seed))
    until, searches = time.monotonic() + 60 * options.minutes, 0
    with (
        tracking_server(store, folder) as server,
        UnreliableProxy(server.port, fault_for=weather.fault_for) as proxy,
    ):
        while searches == 0 or time.monotonic() < until:
            chance = random.Random(f"{options.seed} {searches}")
            searching = Searching(f"chaos-{searches}", server, proxy, weather, chance, options)
            try:
                searching.run(until)
            finally:
                searching.end()
            searches += 1
            print(f"{searches} searches, {sum(weather.counts.values())} faults: all delivered once", flush=True)
    return {**weather.counts, "searches": searches, "trials": searches * options.trials}


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--minutes", type=float, default=60, help="Begin searches for this long.")
    made.add_argument("--seed", type=int, default=0, help="Draw the faults with this seed.")
    made.add_argument("--trials", type=int, default=6, help="Trials per search.")
    made.add_argument("--epochs", type=int, default=3, help="Maximum epochs per trial.")
    made.add_argument("--pretend", action="store_true", help="Let workers pretend to train.")
    return made


def main() -> None:
    """Runs it in a temporary folder, which is kept if something went wrong."""
    options = arguments_of(parser())
    folder = tempfile.mkdtemp(prefix="chaos-")
    os.chdir(folder)
    print(f"in {folder}, seed {options.seed}", flush=True)
    counts = run(options)
    victims = ("worker", "supervisor", "sender", "server")
    killed = {f"{victim} killed" for victim in victims}
    table = Table(
        "chaos",
        Column("what", ""),
        Column("minutes", "minutes", "{:g}"),
        Column("searches", "searches"),
        Column("trials", "trials"),
        Column("faults", "faults of the proxy", "{:,}"),
        Column("kills", "kills: worker, supervisor, sender, server"),
        Column("lost", "lost or doubled"),
    )
    table.add(
        what=f"{'pretended' if options.pretend else 'real'} trainings, seed {options.seed}",
        minutes=options.minutes,
        searches=counts["searches"],
        trials=counts["trials"],
        faults=sum(number for kind, number in counts.items() if kind not in {*killed, "searches", "trials"}),
        kills=[counts.get(f"{victim} killed", 0) for victim in victims],
        lost=0,
    )
    tell(table)


if __name__ == "__main__":
    main()
