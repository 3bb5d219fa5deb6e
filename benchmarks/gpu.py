"""Measures a GPU: throughput, several workers on it, a whole search, its limits, what it tells. Works offline.

    KERAS_BACKEND=jax python benchmarks/gpu.py [--data fer2013.csv] [--only PARTS] [--minutes 9] [--folder FOLDER]
    KERAS_BACKEND=jax python benchmarks/gpu.py --check        tiny runs on processors, to see that every part works

Needs neither a network connection nor, with JAX, TensorFlow. The parts:

tracking    what MLflow has of a trial's GPU: utilization, memory, power, energy
memory      networks whose weights or activations are too large: infeasible, and the next trial runs
latency     a search with `--max-latency-ms` at the median of what its networks take
resume      a search killed with all its processes, and gone on with
sharing     the same trials by 1, 2, 4 and 8 workers on one GPU (`--per-gpu`)
search      a search of --trials trials: its time and the best validation accuracy
vectorised  trials of one network in one program against as many processes (see `benchmarks/vectorised.py`)
throughput  images of FER2013's size per second for the published network and three of the search space, in float32 and
            bfloat16, plain and augmented, for each way to feed them, against the network's own limit (see
            `benchmarks/throughput.py`)

Each part runs in steps, each in a process of its own. A step that fails prints its error, and the next one starts. With
--minutes, what has not been measured in that time is left to the next run with the same --folder, which keeps results
and measures what is missing; a search goes on where it ended. The tables come last; `results.json` there can be copied
to `benchmarks/results/gpu.json`, from which `benchmarks/run.py --write` makes the tables of RESULTS.md. Without --data
images are random, and accuracies mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measurements import Column, Table, arguments_of, commit, machine, machine_words, tell, today

HERE = Path(__file__).resolve().parent
FACES = 28_709
SIZE = 48
CHECKED_FACES = 500
PUBLISHED = "fer2013-cnn"
SEARCHED: dict[str, dict[str, Any]] = {
    "small": {"blocks": 3, "convolutions": 1, "filters": 32},
    "default": {},
    "large": {"blocks": 5, "convolutions": 3, "filters": 64},
}
SHARED_TRIALS = 8
SMALLEST = {"blocks": "1", "filters": "16", "augmentation": "none"}
# A step with less time than this is not begun, and a search ends its trials this long before its time is over.
LEAST_S = 20.0
CLOSING_S = 40.0
# Vectorised trials stay in the product if so many times the throughput of as many processes comes of them.
WORTH_IT = 2.0

SPEED = "{0[speed]:,.0f} ({0[share]:.2f})"
COLUMNS: dict[str, tuple[Column, ...]] = {
    "throughput": (
        Column("network", "images/s (share of the limit)"),
        Column("type", "type"),
        Column("augmented", "augmented"),
        Column("limit", "limit", SPEED),
        Column("table", "table", SPEED),
        Column("grouped", "table, 16 steps", SPEED),
        Column("stream", "stream", SPEED),
        Column("arrays", "arrays", SPEED),
        Column("pydataset", "PyDataset", SPEED),
        Column("first", "first epoch (table)", "{:.1f} s"),
    ),
    "sharing": (
        Column("workers", "workers on the GPU"),
        Column("seconds", "trials", "{:.1f} s"),
        Column("all_seconds", "in all", "{:.1f} s"),
        Column("epochs", "epochs"),
        Column("states", "ended as"),
    ),
    "search": (
        Column("trials", "trials ended"),
        Column("wanted", "of"),
        Column("workers", "workers on the GPU"),
        Column("seconds", "time", "{:.0f} s"),
        Column("launches", "launches"),
        Column("states", "ended as"),
        Column("best", "best validation accuracy", "{:.4f}"),
        Column("configuration", "its configuration"),
    ),
    "memory": (
        Column("too_large", "too large"),
        Column("state", "ended as"),
        Column("seconds", "after", "{:.1f} s"),
        Column("reason", "because"),
    ),
    "latency": (
        Column("limit", "--max-latency-ms", "{:.3f}"),
        Column("number", "trial"),
        Column("latency", "measured", "{:.3f} ms"),
        Column("parameters", "parameters", "{:,}"),
        Column("state", "ended as"),
    ),
    "tracking": (
        Column("metric", "in MLflow"),
        Column("points", "points"),
        Column("value", "last", "{:,.1f}"),
    ),
    "resume": (
        Column("ended_before", "trials ended before the kill"),
        Column("seconds", "from the second start to the end", "{:.1f} s"),
        Column("complete", "complete in the study"),
        Column("runs", "finished runs in MLflow"),
        Column("wanted", "asked for"),
    ),
    "vectorised": (
        Column("network", "network"),
        Column("trials", "trials"),
        Column("together", "in one program", "{:,.0f} images/s"),
        Column("apart", "in as many processes", "{:,.0f} images/s"),
        Column("ratio", "ratio", "{:.2f}"),
        Column("verdict", f"stays in the product from {WORTH_IT:g}"),
    ),
}


class FoundWrongError(Exception):
    """A part ran, and what it found is not what Apertune promises."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="Read FER2013 from this fer2013.csv; without it, images are random.")
    parser.add_argument("--trials", type=int, default=100, help="Trials of the search.")
    parser.add_argument("--epochs", type=int, default=30, help="Most epochs of a trial of the search.")
    parser.add_argument("--per-gpu", type=int, default=4, help="Run this many workers on the GPU in the search.")
    parser.add_argument("--sharing", default="1,2,4,8", help="Share the GPU among so many workers, one after another.")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--networks", default=",".join((PUBLISHED, *SEARCHED)), help="Networks of the part throughput.")
    parser.add_argument("--types", default="bfloat16,float32", help="Types of the part throughput.")
    parser.add_argument("--only", default=",".join(PARTS), help="Run only these parts, separated by commas.")
    parser.add_argument("--minutes", type=float, default=24 * 60, help="Begin and end steps within this time.")
    parser.add_argument("--folder", type=Path, help="Keep results here; without it, a new temporary folder.")
    parser.add_argument("--check", action="store_true", help="Run everything small, on processors.")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=86_400, help=argparse.SUPPRESS)
    arguments = arguments_of(parser)
    if unknown := set(arguments.only.split(",")) - PARTS.keys():
        parser.error(f"--only takes {', '.join(PARTS)}, but got {', '.join(sorted(unknown))}")
    arguments.folder = (arguments.folder or Path(tempfile.mkdtemp(prefix="apertune-gpu-"))).resolve()
    if arguments.check:
        arguments.trials, arguments.epochs, arguments.batch_size, arguments.sharing = 2, 1, 32, "1,2"
        # A folder of their own, so that checked figures are never taken for measured ones.
        arguments.folder /= "" if arguments.child else "check"
    if arguments.child:
        part, _, detail = arguments.child.partition(":")
        print(json.dumps(PARTS[part](arguments, detail)), file=sys.__stdout__)
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    raise SystemExit(_run_steps(arguments))


def _steps(arguments: argparse.Namespace) -> list[str]:
    networks = [f"{name},{dtype}" for name in arguments.networks.split(",") for dtype in arguments.types.split(",")]
    details = {
        "throughput": [f"{PUBLISHED},bfloat16", "small,float32"] if arguments.check else networks,
        "sharing": arguments.sharing.split(","),
        "vectorised": ["small"] if arguments.check else ["small", "large"],
    }
    return [f"{part}:{detail}" for part in arguments.only.split(",") for detail in details.get(part, [""])]


def _run_steps(arguments: argparse.Namespace) -> int:
    """Runs what has not been measured, prints all tables, and returns the exit status."""
    file = arguments.folder / "results.json"
    kept = json.loads(file.read_text()) if file.exists() else {"steps": {}}
    command = "KERAS_BACKEND=jax python benchmarks/gpu.py" + " --data fer2013.csv" * bool(arguments.data)
    kept |= {"command": command, "date": today(), "commit": commit(), "machine": machine()}
    until, failed, left = time.monotonic() + 60 * arguments.minutes, [], []
    for step in _steps(arguments):
        if kept["steps"].get(step, {}).get("done"):
            continue
        if (seconds := until - time.monotonic()) < LEAST_S:
            left.append(step)
            continue
        began = time.monotonic()
        rows, error = _in_child(step, arguments, seconds)
        took = time.monotonic() - began
        if error:
            (left if error == OUT_OF_TIME else failed).append(step)
            print(f"{step} ({took:.0f} s): FAILED: {error}", flush=True)
            continue
        done = all(row.pop("done", True) for row in rows)
        if not done:
            left.append(step)
        kept["steps"][step] = {"seconds": round(took, 1), "done": done, "rows": rows}
        kept["seconds"] = round(sum(one["seconds"] for one in kept["steps"].values()), 1)
        kept["tables"] = [table.to_json() for table in _tables(kept["steps"])]
        file.write_text(json.dumps(kept, indent=1) + "\n")
        print(f"{step} ({took:.0f} s): {json.dumps(rows)}", flush=True)
    print(f"\n{machine_words(kept['machine'])}; results in {file}", flush=True)
    tell(*_tables(kept["steps"]))
    for words, steps in (("not measured for want of time", left), ("failed", failed)):
        if steps:
            print(f"{words}: {' '.join(steps)}", flush=True)
    return 1 if failed else 0


OUT_OF_TIME = "out of time"


def _in_child(step: str, arguments: argparse.Namespace, seconds: float) -> tuple[list[dict[str, Any]], str]:
    """Runs one step in a process of its own; returns its rows, or the error that ended it."""
    command = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:], "--child", step]
    command += ["--folder", str(arguments.folder), "--seconds", str(seconds)]
    # Alone in a folder, so that workers find no other program of this one, such as datasets.py.
    spaces = arguments.folder / "spaces"
    spaces.mkdir(exist_ok=True)
    shutil.copy(HERE / "oversized.py", spaces)
    paths = [str(spaces), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in paths if path)}
    environment["APERTUNE_CACHE"] = str(arguments.folder / "cache")
    errors = arguments.folder / f"{step.replace(':', '-').replace(',', '-')}.log"
    with errors.open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, start_new_session=True
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end_group(process)
            return [], OUT_OF_TIME
    if process.returncode:
        return [], "\n".join(errors.read_text().strip().splitlines()[-12:])
    return json.loads(output.splitlines()[-1]), ""


def _end_group(process: subprocess.Popen[Any]) -> None:
    """Ends a process and all that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def _tables(steps: dict[str, dict[str, Any]]) -> list[Table]:
    made = []
    for part, columns in COLUMNS.items():
        rows = [row for step, kept in steps.items() if step.partition(":")[0] == part for row in kept["rows"]]
        if rows:
            made.append(Table(f"gpu-{part}", *columns, rows=rows))
    return made


def throughput(arguments: argparse.Namespace, detail: str) -> list[dict[str, Any]]:
    import keras

    name, _, dtype = detail.partition(",")
    keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else "float32")
    measured = runpy.run_path(str(HERE / "throughput.py"))
    space, values = (name, {}) if name == PUBLISHED else ("convnet", SEARCHED[name])
    found = []
    for augmented in (False, True) if space == "convnet" else (False,):
        chosen = {**values, **(measured["AUGMENTED"] if augmented else {})}
        # Too few images would not allow for the batch size in the space that is searched.
        checked = 2 * arguments.batch_size if space == PUBLISHED else CHECKED_FACES
        images = checked if arguments.check else FACES
        size = 16 if arguments.check and space == "convnet" else SIZE
        bench = measured["Bench"](size, images, arguments.batch_size, chosen, space=space)
        ways = measured["measure"](bench, 1 if arguments.check else 3)
        row = {measured["KEYS"][way]: {"speed": speed, "share": share} for way, (speed, share, _) in ways.items()}
        words = "its recipe's" if space == PUBLISHED else "yes" if augmented else "no"
        found.append({"network": name, "type": dtype, "augmented": words, "first": ways["table"][2], **row})
    return found


def sharing(arguments: argparse.Namespace, detail: str) -> list[dict[str, Any]]:
    """Runs the same trials in the number of workers that `detail` gives."""
    settings = {
        "trials": 2 if arguments.check else SHARED_TRIALS,
        "epochs": 2 if arguments.check else 8,
        "patience": None,
        "pruner": "none",
        "sampler": "random",
        "fix": {"schedule": "constant", "augmentation": "none", "batch_size": str(arguments.batch_size)},
    }
    found = _searched(arguments, f"sharing-{detail}", settings, workers=int(detail))
    return [{"workers": int(detail), **found.row, "states": found.states}]


def search(arguments: argparse.Namespace, _: str) -> list[dict[str, Any]]:
    """Searches until the time is over; the next run goes on with the study, and adds its own time."""
    from apertune import search as searches
    from apertune.search.results import read_study

    folder = arguments.folder / "search"
    noted = folder / "noted.json"
    before = json.loads(noted.read_text()) if noted.exists() else {"seconds": 0.0, "launches": 0}
    home = searches.make_home({}, root=folder / "mlflow")
    ended = read_study(home, "search").finished if home.records_file("search").exists() else 0
    workers = 1 if arguments.check else arguments.per_gpu
    settings = {
        "trials": arguments.trials - ended,
        "epochs": arguments.epochs,
        "mixed_precision": True,
        "keep_models": "best:5",
        "hours": max(arguments.seconds - CLOSING_S, LEAST_S) / 3600,
    }
    folder.mkdir(exist_ok=True)
    # If the search is killed for want of time, all that it was given counts.
    now = {"seconds": before["seconds"] + arguments.seconds, "launches": before["launches"] + 1}
    noted.write_text(json.dumps(now))
    found = _searched(arguments, "search", settings, workers=workers, goes_on=True)
    assert isinstance(found.result, searches.SearchResult)
    best = found.result.best
    now["seconds"] = before["seconds"] + found.row["all_seconds"]
    noted.write_text(json.dumps(now))
    row = {
        "trials": found.result.finished,
        "wanted": arguments.trials,
        "workers": workers,
        "seconds": now["seconds"],
        "launches": now["launches"],
        "states": found.states,
        "best": best and best.value,
        "configuration": best and ", ".join(f"{name}={value}" for name, value in best.params.items()),
    }
    return [{**row, "done": found.result.finished >= arguments.trials}]


def memory(arguments: argparse.Namespace, _: str) -> list[dict[str, Any]]:
    """Tries networks that cannot fit, between two that do."""
    settings = {
        "trials": 3,
        "epochs": 1,
        "pruner": "none",
        "sampler": "grid",
        "portfolio": "none",
        "space": "oversized:Oversized",
    }
    found = _searched(arguments, "memory", settings, workers=1, fix={})
    rows = [
        {
            "too_large": record.params["too_large"],
            "state": record.state,
            "seconds": record.seconds,
            # JAX on processors says this once per operation that waited for the one that failed.
            "reason": record.reason.replace("Error dispatching computation: ", "")[:160],
        }
        for record in found.result.trials
    ]
    wrong = [row for row in rows if (row["state"] == "complete") != (row["too_large"] == "nothing")]
    wrong += [row for row in rows if row["too_large"] != "nothing" and row["state"] != "infeasible"]
    if wrong or len(rows) < 3:
        raise FoundWrongError(f"too large networks should be infeasible, and others complete: {rows}")
    return rows


def latency(arguments: argparse.Namespace, _: str) -> list[dict[str, Any]]:
    """Measures what networks take, then sets the limit at their median: the slower ones must not be trained."""
    settings = {
        "trials": 3 if arguments.check else 6,
        "epochs": 1,
        "pruner": "none",
        "sampler": "random",
        "portfolio": "none",
    }
    narrow = {} if not arguments.check else {"filters": "16", "blocks": "1..2"}
    loose = _searched(
        arguments, "latency-loose", {**settings, "max_latency_ms": 1e6, "narrow": narrow}, workers=1, fix={}
    )
    limit = statistics.median(record.cost["latency_ms"] for record in loose.result.trials)
    strict = {**settings, "trials": 2, "max_latency_ms": limit, "narrow": narrow}
    rows = []
    for record in _searched(arguments, "latency", strict, workers=1, fix={}).result.trials:
        taken = record.cost.get("latency_ms")
        if (taken is None or taken > limit) != record.over_limit:
            raise FoundWrongError(
                f"trial {record.number} takes {taken} ms at a limit of {limit}, and is {record.state}"
            )
        state = "not trained" if record.over_limit else record.state
        rows.append(
            {
                "limit": limit,
                "number": record.number,
                "latency": taken,
                "parameters": record.parameters,
                "state": state,
            }
        )
    return rows


def tracking(arguments: argparse.Namespace, _: str) -> list[dict[str, Any]]:
    """Returns the metrics of the GPU that MLflow has of one trial.

    Raises:
        FoundWrongError: There is a GPU, and something about it is missing.
    """
    settings = {"trials": 1, "epochs": 2 if arguments.check else 5, "patience": None, "pruner": "none"}
    found = _searched(arguments, "tracking", settings, workers=1)
    client = _mlflow(found.home)
    (run_id,) = found.result.run_ids.values()
    metrics = client.get_run(run_id).data.metrics
    rows = [
        {"metric": name, "points": len(client.get_metric_history(run_id, name)), "value": value}
        for name, value in sorted(metrics.items())
        if "gpu" in name or "energy" in name
    ]
    wanted = {"system/gpu_utilization_percentage", "system/gpu_power_usage_watts", "energy_joules"}
    missing = wanted - {row["metric"] for row in rows}
    if missing and not arguments.check:
        raise FoundWrongError(f"MLflow lacks {', '.join(sorted(missing))}; it has {', '.join(sorted(metrics))}")
    return rows or [{"metric": "nothing of a GPU (none was used); of a trial in all", "points": len(metrics)}]


def resume(arguments: argparse.Namespace, _: str) -> list[dict[str, Any]]:
    """Kills a search of digits with all its processes in the middle, and starts it again by the same command."""
    from apertune import search as searches
    from apertune.search.results import read_study

    folder = arguments.folder / "resume"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    wanted, epochs = (2, 8) if arguments.check else (6, 20)
    command = [sys.executable, "-m", "apertune", "search", "digits", "--image-size", "32", "--study", "resume"]
    command += ["--trials", str(wanted), "--epochs", str(epochs), "--pruner", "none", "--portfolio", "none"]
    command += ["--objective", "accuracy"]
    command += ["--fix", "filters=16", "--fix", "blocks=1"] if arguments.check else []
    command += ["--workers", "1"] if arguments.check else ["--per-gpu", "2"]
    home = searches.make_home({}, root=folder / "mlflow")

    def started() -> subprocess.Popen[bytes]:
        with (folder / "log.txt").open("ab") as log:
            return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)

    killed, ended = started(), 0
    while ended == 0:
        if killed.poll() is not None:
            raise FoundWrongError(f"the search ended before it was killed:\n{(folder / 'log.txt').read_text()[-2000:]}")
        time.sleep(0.2)
        records = home.records_file("resume")
        ended = len(records.read_text().splitlines()) if records.exists() else 0
    time.sleep(1.0)
    _kill_tree(killed)
    began = time.monotonic()
    status = started().wait()
    seconds = time.monotonic() - began
    if status:
        raise FoundWrongError(
            f"the second search ended with status {status}: {(folder / 'log.txt').read_text()[-2000:]}"
        )
    complete = [record.number for record in read_study(home, "resume").trials if record.state == "complete"]
    client = _mlflow(home)
    experiment = client.get_experiment_by_name("digits").experiment_id
    runs = client.search_runs([experiment], "tags.study = 'resume' and tags.kind = 'trial'")
    finished = [run.data.tags["trial"] for run in runs if run.info.status == "FINISHED"]
    if not len(complete) == len(set(complete)) == len(finished) == len(set(finished)) == len(runs) == wanted:
        raise FoundWrongError(f"of {wanted} trials {complete} are complete, and MLflow has {finished} of {len(runs)}")
    return [
        {
            "ended_before": ended,
            "seconds": seconds,
            "complete": len(complete),
            "runs": len(finished),
            "wanted": wanted,
        }
    ]


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    import psutil

    children = psutil.Process(process.pid).children(recursive=True)
    for one in (process, *children):
        one.kill()
    process.wait()
    psutil.wait_procs(children)


def vectorised(arguments: argparse.Namespace, detail: str) -> list[dict[str, Any]]:
    """Trains 8 small trials in one program and in 8 processes."""
    at_once = 2 if arguments.check else 8
    words = ["--networks", detail, "--at-once", f"1,{at_once}", "--separate", str(at_once), "--json"]
    words += ["--images", "256"] if arguments.check else ["--images", "8192"]
    done = subprocess.run([sys.executable, str(HERE / "vectorised.py"), *words], check=True, stdout=subprocess.PIPE)
    (table,) = json.loads(done.stdout)["tables"]
    speeds = {(row["way"], row["trials"]): row["speed"] for row in table["rows"]}
    together, apart = speeds["one program", at_once], speeds["separate processes", at_once]
    ratio = together / apart
    row = {"network": detail, "trials": at_once, "together": together, "apart": apart, "ratio": ratio}
    return [{**row, "verdict": "keep" if ratio >= WORTH_IT else "remove"}]


PARTS: dict[str, Callable[[argparse.Namespace, str], list[dict[str, Any]]]] = {
    "tracking": tracking,
    "memory": memory,
    "latency": latency,
    "resume": resume,
    "sharing": sharing,
    "search": search,
    "vectorised": vectorised,
    "throughput": throughput,
}


def _faces(arguments: argparse.Namespace) -> Any:
    import numpy as np

    from apertune import datasets

    if arguments.data:
        limit = CHECKED_FACES if arguments.check else None
        return datasets.load("fer2013", arguments.data, datasets.LoadSettings(limit=limit))
    random = np.random.default_rng(0)
    count = CHECKED_FACES if arguments.check else FACES + 2 * 3_589
    images = random.integers(0, 256, (count, SIZE, SIZE, 1), dtype=np.uint8)
    return datasets.from_arrays("made-faces", images, random.integers(0, 7, count), classes=[f"{n}" for n in range(7)])


class Searched:
    """A search that has ended, and its times."""

    def __init__(self, result: Any, home: Any, seconds: float, all_seconds: float, epochs: int) -> None:
        self.result, self.home = result, home
        self.row = {"seconds": seconds, "all_seconds": all_seconds, "epochs": epochs}

    @property
    def states(self) -> str:
        """Number of trials per state."""
        states = [trial.state for trial in self.result.trials]
        return ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))


def _searched(
    arguments: argparse.Namespace,
    name: str,
    settings: dict[str, Any],
    *,
    workers: int,
    fix: dict[str, str] | None = None,
    goes_on: bool = False,
) -> Searched:
    """Searches the faces in a study of this name, with so many workers on the GPU or, with --check, on processors.

    Args:
        arguments: The command line.
        name: Name of the study, and of its folder.
        settings: The settings of the search.
        workers: How many work at the same time.
        fix: Values to hold with --check; those of a small network unless given.
        goes_on: True to go on with the study, if there is one; else what an earlier run left is removed.
    """
    from apertune import search as searches
    from apertune.search.engine.state import NoDisplay

    class Clock(NoDisplay):
        first = 0.0
        ended = 0.0
        epochs = 0

        def update(self, state: Any) -> None:
            if state.running and not self.first:
                self.first = time.monotonic()

        def trial_ended(self, result: Any, state: Any) -> None:
            self.ended, self.epochs = time.monotonic(), self.epochs + result.epochs

    if not goes_on:
        shutil.rmtree(arguments.folder / name, ignore_errors=True)
    clock, began = Clock(), time.monotonic()
    home = searches.make_home({}, root=arguments.folder / name / "mlflow")
    places = {"workers": workers} if arguments.check else {"per_gpu": workers}
    if arguments.check:
        held = SMALLEST if fix is None else fix
        settings = {**settings, "fix": {**settings.get("fix", {}), **held}}
    chosen = searches.SearchSettings(**{"objective": "accuracy", "study": name, **places, **settings})
    result = searches.run(_faces(arguments), chosen, home=home, display=clock)
    return Searched(result, home, clock.ended - clock.first, time.monotonic() - began, clock.epochs)


def _mlflow(home: Any) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(home.tracking_uri)


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    main()
