"""Measures a GPU: throughput, several trials on one GPU, and a whole search. Runs in one go, offline.

    KERAS_BACKEND=jax python benchmarks/gpu.py [--data fer2013.csv] [--trials 100] [--parts throughput,sharing,search]
    KERAS_BACKEND=jax python benchmarks/gpu.py --check        a tiny run on processors, to see that it works

Needs neither a network connection nor, with JAX, TensorFlow. The parts:

throughput  images of FER2013's size per second, for the published network and three of the search space, in float32 and
            bfloat16, for each way to feed them, against the network's own limit (see `benchmarks/throughput.py`)
sharing     the same trials by 1, 2, 4 and 8 workers on one GPU
search      a search of --trials trials with Hyperband: its time and the best validation accuracy

Without --data the images are random, and accuracies mean nothing. Each part runs in a process of its own. If one fails,
its error is printed and the next part starts.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FACES = 28_709
SIZE = 48
PUBLISHED = "fer2013-cnn"
SEARCHED: dict[str, dict[str, Any]] = {
    "small": {"blocks": 3, "convolutions": 1, "filters": 32},
    "default": {},
    "large": {"blocks": 5, "convolutions": 3, "filters": 64},
}
SHARED_TRIALS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="Read FER2013 from this fer2013.csv; without it, images are random.")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--per-gpu", type=int, default=4, help="Run this many workers on the GPU in the search.")
    parser.add_argument("--sharing", default="1,2,4,8")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--parts", default="throughput,sharing,search")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check:
        arguments.trials, arguments.epochs, arguments.batch_size, arguments.sharing = 2, 1, 32, "1,2"
    if arguments.child:
        part, _, detail = arguments.child.partition(":")
        print(json.dumps({"throughput": throughput, "sharing": sharing, "search": search}[part](arguments, detail)))
        return
    details = {
        "throughput": [f"{name},{dtype}" for name in (PUBLISHED, *SEARCHED) for dtype in ("float32", "bfloat16")],
        "sharing": arguments.sharing.split(","),
        "search": [""],
    }
    if arguments.check:
        details["throughput"] = [f"{PUBLISHED},bfloat16", "small,float32"]
    failed = [
        f"{part}:{detail}" for part in arguments.parts.split(",") for detail in details[part] if not _told(part, detail)
    ]
    raise SystemExit(f"failed: {' '.join(failed)}" if failed else 0)


def _told(part: str, detail: str) -> bool:
    """Runs one part in a process of its own and prints its result; returns whether it succeeded."""
    command = [sys.executable, str(Path(__file__).resolve()), *sys.argv[1:], "--child", f"{part}:{detail}"]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = done.stdout.splitlines()[-1] if done.returncode == 0 else f"FAILED\n{done.stderr[-3000:]}"
    print(f"{part} {detail} ({time.monotonic() - began:.0f} s): {found}", flush=True)
    return done.returncode == 0


def throughput(arguments: argparse.Namespace, detail: str) -> dict[str, Any]:
    import keras

    name, _, dtype = detail.partition(",")
    keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else "float32")
    measured = runpy.run_path(str(Path(__file__).with_name("throughput.py")))
    space, values = (name, {}) if name == PUBLISHED else ("convnet", SEARCHED[name])
    found = {}
    for augmented in (False, True) if space == "convnet" else (False,):
        chosen = {**values, **(measured["AUGMENTED"] if augmented else {})}
        images = 1024 if arguments.check else FACES
        size = 16 if arguments.check and space == "convnet" else SIZE
        bench = measured["Bench"](size, images, arguments.batch_size, chosen, space=space)
        ways = measured["measure"](bench, 1 if arguments.check else 3)
        told = {way: [round(speed), round(share, 3), round(first, 1)] for way, (speed, share, first) in ways.items()}
        found["augmented" if augmented else "plain"] = told
    return {"device": _device(), **found}


def _device() -> str:
    import keras

    if keras.backend.backend() == "jax":
        import jax

        return f"{jax.devices()[0].device_kind}, JAX {jax.__version__}"
    return str(keras.backend.backend())


def _faces(arguments: argparse.Namespace) -> Any:
    import numpy as np

    from apertune import datasets

    if arguments.data:
        return datasets.load("fer2013", arguments.data, datasets.LoadSettings(limit=500 if arguments.check else None))
    random = np.random.default_rng(0)
    count = 500 if arguments.check else FACES + 2 * 3_589
    images = random.integers(0, 256, (count, SIZE, SIZE, 1), dtype=np.uint8)
    return datasets.from_arrays("made-faces", images, random.integers(0, 7, count), classes=[f"{n}" for n in range(7)])


def _places(arguments: argparse.Namespace, together: int) -> dict[str, Any]:
    """Returns the settings for workers on the GPU or, with --check, on processors."""
    return {"workers": together} if arguments.check else {"per_gpu": together}


def sharing(arguments: argparse.Namespace, detail: str) -> dict[str, Any]:
    """Runs the same trials in the number of workers that `detail` gives, and returns their times."""
    settings = {
        "trials": 2 if arguments.check else SHARED_TRIALS,
        "epochs": 2 if arguments.check else 8,
        "patience": None,
        "pruner": "none",
        "sampler": "random",
        "fix": {"schedule": "constant", "augmentation": "none", "batch_size": str(arguments.batch_size)},
    }
    return _searched(arguments, {**settings, **_places(arguments, int(detail))})


def search(arguments: argparse.Namespace, _: str) -> dict[str, Any]:
    settings = {"trials": arguments.trials, "epochs": arguments.epochs, "pruner": "hyperband", "mixed_precision": True}
    return _searched(arguments, {**settings, **_places(arguments, 1 if arguments.check else arguments.per_gpu)})


def _searched(arguments: argparse.Namespace, settings: dict[str, Any]) -> dict[str, Any]:
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

    clock, began = Clock(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        home = searches.make_home({}, root=Path(folder) / "mlflow")
        if arguments.check:
            settings = {**settings, "fix": {**settings.get("fix", {}), "blocks": "1", "filters": "16"}}
        settings = {"objective": "accuracy", **settings}
        result = searches.run(_faces(arguments), searches.SearchSettings(**settings), home=home, display=clock)
    states = [trial.state for trial in result.trials]
    return {
        "trials_seconds": round(clock.ended - clock.first, 1),
        "all_seconds": round(time.monotonic() - began, 1),
        "epochs": clock.epochs,
        "states": {state: states.count(state) for state in set(states)},
        "best": result.best and result.best.value,
        "configuration": result.best and result.best.params,
    }


if __name__ == "__main__":
    os.environ.setdefault("KERAS_BACKEND", "jax")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main()
