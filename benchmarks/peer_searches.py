"""Runs one search by one contender, in a process that `benchmarks/peers.py` starts and watches.

    python benchmarks/peer_searches.py CONTENDER --events FILE [the settings of peers.py]

Every contender gets the same arrays, the same `convnet` space and the same epochs. Without --pruning all train the same
list of configurations to the end; with it each draws and stops in its own way. KerasTuner and the bare loop feed arrays
to Keras's `fit`, the fastest way they have, and use every processor in one process; Ray Tune gives each trial one
processor; Apertune has its defaults. The events file gets a line at the end of each trial, with its best score.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

SPACE = "convnet"
# Small enough to train in seconds on two processor cores; the same for every contender. Averaged weights are left out,
# since Keras's `fit` validates each epoch by the others, which is not the same work.
FIXED = {
    "filters": "16",
    "convolutions": "1",
    "convolution": "plain",
    "kernel_size": "3",
    "augmentation": "none",
    "mixing": "none",
    "schedule": "constant",
    "class_weights": "none",
    "batch_size": "64",
    "average_weights": "false",
}
REDUCTION = 3


def parser() -> argparse.ArgumentParser:
    """Returns a parser of the settings that both files share."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--dataset", default="digits", help="Name a data set of `apertune datasets list`.")
    words.add_argument("--data", help="Read the data set from here; digits need no path.")
    words.add_argument("--limit", type=int)
    words.add_argument("--image-size", type=int)
    words.add_argument("--trials", type=int, default=6)
    words.add_argument("--epochs", type=int, default=5)
    words.add_argument(
        "--pruning", action="store_true", help="Let each contender prune in its own way instead of doing equal work."
    )
    return words


class Events:
    """Appends a line for each trial that ended: the time and its best validation score."""

    def __init__(self, file: str) -> None:
        self._file = Path(file)

    def __call__(self, score: float | None) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps({"time": time.time(), "score": score}) + "\n")


def load(arguments: argparse.Namespace) -> Any:
    from apertune import datasets

    settings = datasets.LoadSettings(image_size=arguments.image_size, limit=arguments.limit)
    return datasets.load(arguments.dataset, arguments.data, settings)


class Work:
    """The work of every contender: arrays, and the list of configurations."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        import optuna

        from apertune import spaces
        from apertune.search.strategies.translation import suggest

        self.epochs = arguments.epochs
        view = load(arguments).training_view()
        self.train = view.images("train"), view.targets("train")
        self.validation = view.images("validation"), view.targets("validation")
        self.space = spaces.load(SPACE, view.spec())
        self.searched = spaces.narrow(spaces.discover(self.space), FIXED)
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        self.listed = [suggest(study.ask(), self.searched) for _ in range(arguments.trials)]

    def model(self, values: dict[str, Any]) -> tuple[Any, int]:
        """Returns a compiled model and its batch size."""
        from apertune import spaces

        candidate = self.space.candidate(spaces.hyperparameters(self.searched, values), epochs=self.epochs, seed=0)
        candidate.network.compile(candidate.optimizer, candidate.loss, metrics=["accuracy"])
        return candidate.network, candidate.batch_size

    def fit(self, values: dict[str, Any], callbacks: list[Any]) -> float:
        """Trains one configuration; returns its best validation accuracy."""
        model, batch_size = self.model(values)
        history = model.fit(
            *self.train,
            batch_size=batch_size,
            epochs=self.epochs,
            validation_data=self.validation,
            callbacks=callbacks,
            verbose=0,
        )
        return max(history.history["val_accuracy"])


def apertune(workers: int | None, arguments: argparse.Namespace, note: Events) -> None:
    """Runs Apertune. `workers`: None for one per processor; 1 for one that uses the threads of all processors."""
    import optuna

    from apertune import search
    from apertune.search.engine import planning
    from apertune.search.engine.state import NoDisplay

    class Ends(NoDisplay):
        def trial_ended(self, result: Any, state: Any) -> None:
            note(result.value)

    if not arguments.pruning:
        # The same list as the peers': same sampler and seed, without the defaults first.
        planning.make_sampler = lambda *_: optuna.samplers.RandomSampler(seed=1)
        optuna.study.Study.enqueue_trial = lambda *_, **__: None  # type: ignore[method-assign]
    settings = search.SearchSettings(
        space=SPACE,
        trials=arguments.trials,
        epochs=arguments.epochs,
        patience=None,
        workers=workers,
        pruner="hyperband" if arguments.pruning else "none",
        objective="accuracy",
        fix=FIXED,
    )
    search.run(load(arguments), settings, display=Ends())


def bare(arguments: argparse.Namespace, note: Events) -> None:
    """Runs a hand-written Optuna loop with callbacks that keep the best weights and prune."""
    import keras
    import optuna

    from apertune.search.strategies.translation import suggest

    work = Work(arguments)

    def objective(trial: Any) -> float:
        callbacks = [_best_weights(f"{trial.number}.weights.h5")]
        if arguments.pruning:
            callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=functools.partial(_prune, trial)))
            values = suggest(trial, work.searched)
        else:
            values = work.listed[trial.number]
        score = work.fit(values, callbacks)
        note(score)
        keras.utils.clear_session()
        return score

    pruner = optuna.pruners.HyperbandPruner(1, arguments.epochs, REDUCTION)
    study = optuna.create_study(storage="sqlite:///study.db", direction="maximize", pruner=pruner)
    study.optimize(objective, n_trials=arguments.trials)


def _prune(trial: Any, epoch: int, logs: dict[str, float]) -> None:
    import optuna

    trial.report(logs["val_accuracy"], epoch + 1)
    if trial.should_prune():
        raise optuna.TrialPruned


def kerastuner(kind: str, arguments: argparse.Namespace, note: Events) -> None:
    """Runs KerasTuner of one kind: RandomSearch, Hyperband, or listed (equal work), a grid with one axis."""
    import keras_tuner

    work = Work(arguments)

    class Listed(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
        def build(self, hp: Any) -> Any:
            return work.model(work.listed[hp.Int("configuration", 0, len(work.listed) - 1)])[0]

        def fit(self, hp: Any, model: Any, *arrays: Any, **settings: Any) -> Any:
            return model.fit(*arrays, batch_size=int(FIXED["batch_size"]), **settings)

    class Searched(Listed):
        def build(self, hp: Any) -> Any:
            return work.space.hypermodel.build(hp)

    base = {"listed": keras_tuner.GridSearch}.get(kind) or getattr(keras_tuner, kind)
    settings: dict[str, Any] = {"objective": "val_accuracy", "directory": "tuner", "seed": 1}
    settings |= (
        {"max_epochs": work.epochs, "factor": REDUCTION} if kind == "Hyperband" else {"max_trials": arguments.trials}
    )
    if kind != "listed":
        settings["hyperparameters"] = _fixed(work.searched)
    tuner = noted_tuner(base, note)(Listed() if kind == "listed" else Searched(), **settings)
    tuner.search(*work.train, epochs=work.epochs, validation_data=work.validation, verbose=0)


def noted_tuner(tuner: Any, note: Events) -> Any:
    """Returns a class of KerasTuner's tuners that notes the end of each trial."""

    class Noted(tuner):  # type: ignore[misc]
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            note(trial.score)

        def _configure_tensorboard_dir(self, *_: Any) -> None:
            """KerasTuner 1.4.8 imports tensorboard here even where no callback needs it."""

    return Noted


def _fixed(searched: Any) -> Any:
    """Returns KerasTuner's hyperparameters with the values that the narrowed space holds."""
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    for parameter in searched.parameters:
        if parameter.name in FIXED:
            hp.Fixed(parameter.name, parameter.values[0])
    return hp


def ray_tune(arguments: argparse.Namespace, note: Events) -> None:
    """Runs Ray Tune with OptunaSearch, and with ASHA if --pruning is given."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    # Trials run elsewhere and import the framework there; here it is only asked for the space.
    work = Work(arguments)
    ray.init(num_cpus=os.cpu_count(), include_dashboard=False, log_to_driver=False)
    searcher = OptunaSearch(
        functools.partial(_draw, work.searched),
        metric="val_accuracy",
        mode="max",
        sampler=None if arguments.pruning else optuna.samplers.RandomSampler(seed=1),
    )

    class Ends(tune.Callback):  # type: ignore[misc]  # Ray's types are untyped here
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
            note(trial.metric_analysis["val_accuracy"]["max"])

    scheduler = ASHAScheduler(max_t=work.epochs, grace_period=1, reduction_factor=REDUCTION)
    tune.Tuner(
        tune.with_resources(functools.partial(_ray_trial, vars(arguments)), {"cpu": 1}),
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            search_alg=searcher,
            num_samples=arguments.trials,
            scheduler=scheduler if arguments.pruning else None,
        ),
        run_config=tune.RunConfig(storage_path=str(Path("ray").resolve()), callbacks=[Ends()], verbose=0),
    ).fit()
    ray.shutdown()


def _draw(searched: Any, trial: Any) -> None:
    """Draws values; at module level because Ray pickles it in its record of the search."""
    from apertune.search.strategies.translation import suggest

    suggest(trial, searched)


def _ray_trial(settings: dict[str, Any], config: dict[str, Any]) -> None:
    os.environ |= {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    import keras
    from ray import tune

    from apertune.search.strategies.translation import from_optuna

    work = Work(argparse.Namespace(**settings))

    class Report(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            tune.report({"val_accuracy": (logs or {})["val_accuracy"]})

    work.fit(from_optuna(work.searched, config), [_best_weights("best.weights.h5"), Report()])


def _best_weights(file: str) -> Any:
    import keras

    return keras.callbacks.ModelCheckpoint(file, "val_accuracy", save_best_only=True, save_weights_only=True)


CONTENDERS: dict[str, Callable[[argparse.Namespace, Events], None]] = {
    "apertune": functools.partial(apertune, None),
    "apertune-one-worker": functools.partial(apertune, 1),
    "bare": bare,
    "kerastuner": functools.partial(kerastuner, "listed"),
    "kerastuner-random": functools.partial(kerastuner, "RandomSearch"),
    "kerastuner-hyperband": functools.partial(kerastuner, "Hyperband"),
    "ray": ray_tune,
}


def main() -> None:
    words = parser()
    words.add_argument("contender", choices=CONTENDERS)
    words.add_argument("--events", required=True)
    arguments = words.parse_args()
    warnings.simplefilter("ignore")
    CONTENDERS[arguments.contender](arguments, Events(arguments.events))


if __name__ == "__main__":
    main()
