"""Runs whole searches with many seeds, by Apertune, KerasTuner's Hyperband and AutoKeras, and compares what they found.

    uv run python benchmarks/live.py --data FOLDER [--sets digits,simpsons] [--seeds 10] [--hours 2]
    uv run --with autokeras python benchmarks/live.py ...     runs AutoKeras, too
    uv run python benchmarks/live.py --report     tells what was found so far, and runs nothing

The first two search the whole space `convnet` on the same images, as they come: Apertune with 20 trials and two
workers, KerasTuner with one bracket after the other in a process that has all processors. The portfolio that ships was
chosen on these sets among others; so Apertune also runs with one that was chosen without them. Each search runs in a
fresh process, the contenders in turn, and ends as a line of `benchmarks/live.jsonl`; a run that was stopped goes on
where it was.
FOLDER holds the sets in their original formats, as for `benchmarks/record.py`; `digits` need none.

Compared are the best validation accuracies, which all search by, at the end and when half of KerasTuner's time was
over; and the accuracy of the best model on test images that none saw. AutoKeras searches its own networks, as it comes,
for as long as Apertune's search of the same set and seed took; each of its epochs counts, also those of a trial that
the end cuts off, and its best model is not tested. On processors its second trial, a ResNet50 on images of 224x224,
takes longer than all others together. Times are those of the whole command, imports
included. Intervals are of the mean difference over seeds, by the bootstrap.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measurements import Column, Table, arguments_of, tell
from peer_searches import REDUCTION, Events, noted_tuner

FOUND = Path(__file__).resolve().with_name("live.jsonl")
OWN, LEFT_OUT, PEER, AUTOKERAS = "apertune", "apertune-left-out", "kerastuner-hyperband", "autokeras"
TRIALS, EPOCHS, PORTFOLIO = 20, 15, 16
RESAMPLES = 10_000
# With fewer seeds there is no interval.
LEAST_SEEDS = 6


def load(name: str, data: Path) -> Any:
    """Returns a data set, most of whose images are test images."""
    from recorded_sets import character_images, smaller

    if name == "digits":
        from sklearn.datasets import load_digits

        bunch = load_digits()
        images, labels = (bunch.images * 255 / 16).astype(np.uint8), bunch.target.astype(np.int32)
        order = np.random.default_rng(0).permutation(len(images))
        return smaller("digits", images[order], labels[order], train=420, validation=180, test=1100, size=(16, 16))
    images, labels, names = character_images(data)
    return smaller("simpsons", images, labels, names, train=800, validation=350, test=2500, size=(16, 16))


def left_out_search(dataset: Any, seed: int, note: Events, seconds: float) -> float | None:
    """Searches as `own_search` does, with a portfolio that was chosen on sets of other sources."""
    from replay import portfolio_for

    from apertune.search.engine import beginning

    portfolio = portfolio_for(dataset.name.removesuffix("1k"), PORTFOLIO)
    beginning.portfolio_of = lambda *_: portfolio  # type: ignore[attr-defined]
    return own_search(dataset, seed, note, seconds)


def own_search(dataset: Any, seed: int, note: Events, seconds: float) -> float | None:
    """Searches by Apertune, and returns the best model's accuracy on test images."""
    import apertune
    from apertune import search
    from apertune.search.engine.state import NoDisplay

    class Ends(NoDisplay):
        def trial_ended(self, result: Any, state: Any) -> None:
            note(result.value if result.outcome == "complete" else None)

    settings = search.SearchSettings(trials=TRIALS, epochs=EPOCHS, objective="accuracy", seed=seed)
    result = search.run(dataset, settings, display=Ends())
    model = apertune.open_study(result.study).model()
    return _accuracy(model.predict_proba(_test_images(dataset)), dataset)


def peer_search(dataset: Any, seed: int, note: Events, seconds: float) -> float | None:
    """Searches by KerasTuner's Hyperband, and returns the best model's accuracy on test images."""
    import keras_tuner

    from apertune import spaces

    view = dataset.training_view()

    tuner = noted_tuner(keras_tuner.Hyperband, note)(
        spaces.load("convnet", view.spec()).hypermodel,
        objective="val_accuracy",
        max_epochs=EPOCHS,
        factor=REDUCTION,
        seed=seed,
        directory="tuner",
    )
    validation = view.images("validation"), view.targets("validation")
    tuner.search(view.images("train"), view.targets("train"), validation_data=validation, verbose=0)
    (model,) = tuner.get_best_models(1)
    return _accuracy(model.predict(_test_images(dataset), verbose=0), dataset)


class _TimeOverError(BaseException):
    """Ends a search; no tuner takes it for a trial that failed."""


def autokeras_search(dataset: Any, seed: int, note: Events, seconds: float) -> float | None:
    """Searches by AutoKeras for so many seconds, and notes the validation accuracy after each epoch."""
    import autokeras
    import keras
    from autokeras.tuners.task_specific import ImageClassifierTuner

    end = time.time() + seconds

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def __deepcopy__(self, memo: Any) -> Any:
            return Clock()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            note((logs or {})["val_accuracy"])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if time.time() > end:
                raise _TimeOverError

    view = dataset.training_view()
    classifier = autokeras.ImageClassifier(
        max_trials=TRIALS,
        objective="val_accuracy",
        tuner=noted_tuner(ImageClassifierTuner, note),
        seed=seed,
        directory="tuner",
    )
    # AutoKeras 3.0 gives its last layer a NumPy number of units, which Keras 3.15 refuses.
    dense = keras.layers.Dense.__init__
    keras.layers.Dense.__init__ = lambda layer, units, *rest, **named: dense(layer, int(units), *rest, **named)
    parts = {split: (view.images(split), view.targets(split)) for split in ("train", "validation")}
    with contextlib.suppress(_TimeOverError):
        classifier.fit(
            *parts["train"], validation_data=parts["validation"], epochs=EPOCHS, callbacks=[Clock()], verbose=0
        )
    return None


CONTENDERS = {OWN: own_search, LEFT_OUT: left_out_search, PEER: peer_search, AUTOKERAS: autokeras_search}


def _test_images(dataset: Any) -> Any:
    return np.stack([np.asarray(dataset.images[int(row)]) for row in dataset.test])


def _accuracy(probabilities: Any, dataset: Any) -> float:
    return float(np.mean(np.argmax(probabilities, axis=1) == dataset.labels[dataset.test]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--sets", default="digits,simpsons")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--child", nargs=4, metavar=("CONTENDER", "SET", "SEED", "SECONDS"), help=argparse.SUPPRESS)
    arguments = arguments_of(parser)
    if arguments.child:
        contender, name, seed, seconds = arguments.child
        run_one(contender, name, int(seed), float(seconds), arguments.data.resolve())
        return
    if not arguments.report:
        deadline = time.monotonic() + arguments.hours * 3600
        for contender, name, seed in missing(arguments.sets.split(","), arguments.seeds):
            if time.monotonic() > deadline:
                break
            line = searched(contender, name, seed, arguments.data.resolve())
            with FOUND.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(f"{name} {seed} {contender}: {_best(line):.4f} in {line['seconds']:.0f} s", flush=True)
    lines = found()
    tell(table(lines), autokeras_table(lines))


def found() -> list[dict[str, Any]]:
    """Returns the searches that were run so far."""
    return [json.loads(line) for line in FOUND.read_text().splitlines()] if FOUND.exists() else []


def missing(sets: Sequence[str], seeds: int) -> list[tuple[str, str, int]]:
    """Returns the searches that are to be run, contenders in turn and the first one alternating."""
    known = {(line["contender"], line["set"], line["seed"]) for line in found()}
    pairs = [(name, seed) for seed in range(seeds) for name in sets]
    # AutoKeras is given the time of Apertune's search, so it comes after it.
    others = (AUTOKERAS,) if importlib.util.find_spec("autokeras") else ()
    orders = [(OWN, PEER, LEFT_OUT, *others), (PEER, LEFT_OUT, OWN, *others)]
    wanted = [(contender, name, seed) for name, seed in pairs for contender in orders[seed % 2]]
    return [one for one in wanted if one not in known]


def searched(contender: str, name: str, seed: int, data: Path) -> dict[str, Any]:
    """Runs one search in a fresh process and folder."""
    own = [line["seconds"] for line in found() if (line["contender"], line["set"], line["seed"]) == (OWN, name, seed)]
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        given = [contender, name, str(seed), str(own[0] if contender == AUTOKERAS else 0)]
        command = [sys.executable, __file__, "--data", str(data), "--child", *given]
        with (Path(folder) / "log").open("wb") as log:
            done = subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            raise SystemExit((Path(folder) / "log").read_text(errors="replace")[-2000:])
        ends = [json.loads(line) for line in (Path(folder) / "ends").read_text().splitlines()]
        last = json.loads((Path(folder) / "end").read_text())
    return {
        "contender": contender,
        "set": name,
        "seed": seed,
        "seconds": round(last["time"] - began, 1),
        "test": last["test"],
        "ends": [[round(end["time"] - began, 1), end["score"]] for end in ends],
    }


def run_one(contender: str, name: str, seed: int, seconds: float, data: Path) -> None:
    """Runs a search in this process, and writes the ends of its trials and its own into the working folder."""
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    test = CONTENDERS[contender](load(name, data), seed, Events("ends"), seconds)
    Path("end").write_text(json.dumps({"time": time.time(), "test": test}))


def table(lines: Sequence[dict[str, Any]]) -> Table:
    """Returns the comparison, a row per set and portfolio."""
    made = Table(
        "live",
        Column("set", "set"),
        Column("portfolio", "portfolio"),
        Column("seeds", "seeds"),
        Column("own", "Apertune's best", "{:.4f}"),
        Column("peer", "Hyperband's best", "{:.4f}"),
        Column("difference", "difference", "{:+.4f}"),
        Column("interval", "95 % interval", "{:+.4f}"),
        Column("wins", "better, equal, worse", "{}"),
        Column("seconds", "seconds", "{:.0f}"),
        Column("peer_seconds", "Hyperband's", "{:.0f}"),
        Column("half", "in half of Hyperband's time", "{:.4f}"),
        Column("half_share", "then at least Hyperband's best", "{:.0%}"),
        Column("test", "on test images", "{:.4f}"),
        Column("peer_test", "Hyperband's", "{:.4f}"),
    )
    by_key = {(line["contender"], line["set"], line["seed"]): line for line in lines}
    for name in dict.fromkeys(line["set"] for line in lines):
        for own, portfolio in ((LEFT_OUT, "chosen on others"), (OWN, "as shipped")):
            seeds = [seed for kind, a_set, seed in by_key if (kind, a_set) == (own, name)]
            pairs = [
                (by_key[own, name, seed], by_key[PEER, name, seed]) for seed in seeds if (PEER, name, seed) in by_key
            ]
            if pairs:
                made.add(set=name, portfolio=portfolio, **_figures(pairs))
    return made


def autokeras_table(lines: Sequence[dict[str, Any]]) -> Table:
    """Returns the comparison with AutoKeras after equal times, a row per set; the portfolio was chosen on others."""
    made = Table(
        "live-autokeras",
        Column("set", "set"),
        Column("seeds", "seeds"),
        Column("seconds", "seconds of each", "{:.0f}"),
        Column("own", "Apertune's best", "{:.4f}"),
        Column("peer", "AutoKeras's best", "{:.4f}"),
        Column("wins", "better, equal, worse", "{}"),
    )
    by_key = {(line["contender"], line["set"], line["seed"]): line for line in lines}
    for name in dict.fromkeys(line["set"] for line in lines if line["contender"] == AUTOKERAS):
        seeds = [seed for kind, a_set, seed in by_key if (kind, a_set) == (AUTOKERAS, name)]
        given = [by_key[OWN, name, seed]["seconds"] for seed in seeds]
        bests = [
            (_best(by_key[LEFT_OUT, name, seed], until=seconds), _best(by_key[AUTOKERAS, name, seed]))
            for seed, seconds in zip(seeds, given, strict=True)
        ]
        made.add(
            set=name,
            seeds=len(seeds),
            seconds=statistics.median(given),
            own=statistics.fmean(own for own, _ in bests),
            peer=statistics.fmean(peer for _, peer in bests),
            wins=_wins(bests),
        )
    return made


def _wins(bests: Sequence[tuple[float, float]]) -> list[int]:
    """Returns how often the first of a pair is better, equal and worse."""
    return [
        sum(own > peer for own, peer in bests),
        sum(own == peer for own, peer in bests),
        sum(own < peer for own, peer in bests),
    ]


def _figures(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    bests = [(_best(own), _best(peer)) for own, peer in pairs]
    differences = np.array([own - peer for own, peer in bests])
    random = np.random.default_rng(0)
    means = random.choice(differences, (RESAMPLES, len(differences))).mean(axis=1)
    tested = [(own["test"], peer["test"]) for own, peer in pairs if None not in (own["test"], peer["test"])]
    halves = [_best(own, until=peer["seconds"] / 2) for own, peer in pairs]
    return {
        "seeds": len(pairs),
        "own": statistics.fmean(own for own, _ in bests),
        "peer": statistics.fmean(peer for _, peer in bests),
        "difference": float(differences.mean()),
        "interval": np.quantile(means, [0.025, 0.975]).tolist() if len(pairs) >= LEAST_SEEDS else None,
        "wins": _wins(bests),
        "seconds": statistics.median(own["seconds"] for own, _ in pairs),
        "peer_seconds": statistics.median(peer["seconds"] for _, peer in pairs),
        "half": statistics.fmean(halves),
        "half_share": statistics.fmean(half >= peer for half, (_, peer) in zip(halves, bests, strict=True)),
        "test": statistics.fmean(own for own, _ in tested) if tested else None,
        "peer_test": statistics.fmean(peer for _, peer in tested) if tested else None,
    }


def _best(search: dict[str, Any], until: float = float("inf")) -> float:
    """Returns the best accuracy that a search had after so many seconds; 0 before its first trial ended."""
    return max((value for moment, value in search["ends"] if value is not None and moment <= until), default=0.0)


if __name__ == "__main__":
    main()
