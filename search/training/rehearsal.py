"""A rehearsal of a user's space before its first trial: everything that would otherwise fail when the budget is spent.

One configuration is built, trained for a step, saved, loaded in a fresh process as `predict` loads it, and exported.
It takes seconds; its notes are kept, so that it is done once per version of the user's module. Imported in workers
only, since it imports Keras.
"""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ...errors import SpaceError
from ...files.replacing import replacing
from ...files.scratch import scratch_folder
from ...processes import child_environment, module_command
from ...spaces.base import Candidate, Space
from ...spaces.search_space.discovery import hyperparameters
from ...spaces.search_space.parameters import SearchSpace
from ...text import first_line, named_line
from ...versions import installed_version
from ..messages import DiscoveryTask, TrialTask
from ..models.contract import ModelContract
from ..models.package import save_model
from .additions import additions_of, metric_name
from .epoch_monitor import TrainingEndedError
from .trainers import UserTrainer

logger = logging.getLogger(__name__)

# Enough for a batch of the usual size, and for a second one.
_TRAINING_ROWS = 64
_VALIDATION_ROWS = 16
_PROBE_IMAGES = 8
_PATIENCE_S = 600
_LOADER = "apertune.search.export.rehearsal"


def rehearse(space: Space, search_space: SearchSpace, task: DiscoveryTask) -> tuple[str, ...]:
    """Tries everything on a space's default configuration; returns lines for the user.

    Args:
        space: The user's space.
        search_space: The space as it was discovered.
        task: What was to be discovered.

    Raises:
        SpaceError: Nothing useful could come of a search: the model cannot be trained, saved or loaded.
    """
    assert task.rehearsals is not None
    noted = task.rehearsals / f"{_version(search_space, task)}.json"
    try:
        return tuple(json.loads(noted.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        pass
    candidate = space.candidate(hyperparameters(search_space, search_space.defaults()), epochs=1, seed=0)
    lines = list(candidate.notes)
    if candidate.own_training is not None:
        _train_a_step(candidate, task, space.name)
    with scratch_folder("rehearsal") as scratch:
        lines += _saved_and_loaded(candidate, task, space.name, scratch)
    keras.utils.clear_session()
    task.rehearsals.mkdir(parents=True, exist_ok=True)
    with replacing(noted) as file:
        file.write(json.dumps(lines, ensure_ascii=False).encode())
    return tuple(lines)


def _version(search_space: SearchSpace, task: DiscoveryTask) -> str:
    """Returns a hash of all that a rehearsal's outcome depends on: the module's text, data, options and packages."""
    module = sys.modules.get(task.space.name.partition(":")[0])
    file = getattr(module, "__file__", None)
    packages = [f"{name} {installed_version(name)}" for name in ("apertune", "keras", "keras-tuner")]
    parts: list[Any] = [
        Path(file).read_text(encoding="utf-8", errors="replace") if file else "",
        task.space.name, task.space.recipe, sorted(task.space.options.items()), sorted(task.own_objectives),
        task.view.task, task.view.image_shape, len(task.view.classes), search_space.hash, packages,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _train_a_step(candidate: Candidate, task: DiscoveryTask, name: str) -> None:
    own, view = candidate.own_training, task.view
    assert own is not None
    few = replace(view, train=view.train[:_TRAINING_ROWS], validation=view.validation[:_VALIDATION_ROWS])
    with scratch_folder("rehearsal") as folder:
        trial = TrialTask(
            number=0, view=few, space=task.space, search_space=SearchSpace(()), values={}, seed=0, epochs=1,
            patience=None, objective="", folder=folder,
        )  # fmt: skip
        trainer, step = UserTrainer(trial, candidate, own), _OneStep()
        try:
            trainer.fit([step], first_epoch=0, epochs=1)
        except TrainingEndedError:
            pass
        except SpaceError:
            raise
        except Exception as error:
            logger.exception("the rehearsal's training failed")
            raise SpaceError(f"{name} cannot be trained with its default values: {named_line(error)}") from error
    if own.is_keras_fit:
        added = {metric_name(metric) for metric in additions_of(task.space).metrics}
        known = added | step.metrics | {f"{metric}".removeprefix("val_") for metric in step.metrics}
        for objective in task.own_objectives:
            if objective not in known:
                computed = ", ".join(sorted(metric for metric in known if not metric.startswith("val_")))
                raise SpaceError(f"{name} computes no metric '{objective}'; it computes: {computed}")


class _OneStep(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Ends a training after its first batch, or after its first epoch where the loop tells of no batches."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: set[str] = set()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.model is not None:
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.metrics:
            raise TrainingEndedError
        self.metrics = set(logs or {"loss"})

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.metrics:
            raise TrainingEndedError


def _saved_and_loaded(candidate: Candidate, task: DiscoveryTask, name: str, folder: Path) -> list[str]:
    images = np.random.default_rng(0).integers(0, 256, (_PROBE_IMAGES, *task.view.image_shape), np.uint8)
    try:
        save_model(candidate.network, ModelContract.of(task.view), folder / "model")
    except Exception as error:
        logger.exception("the rehearsal's model cannot be saved")
        raise SpaceError(f"{name} builds a network that cannot be saved: {_save_advice(error)}") from error
    np.savez(folder / "probe.npz", images=images, answers=np.asarray(candidate.network.predict_on_batch(images)))
    run = subprocess.run(
        module_command(_LOADER, str(folder), task.space.name),
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        check=False,
    )
    try:
        found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    except OSError:
        logger.error("the rehearsal's process failed: %s", run.stderr[-4000:])
        last = (run.stderr.strip().splitlines() or ["no word"])[-1]
        raise SpaceError(f"{name} builds a network whose loading ended its process: {last[:200]}") from None
    if found["problem"]:
        raise SpaceError(f"{name} builds a network that {found['problem']}")
    return [f"{name}: {line}" for line in found["notes"]]


def _save_advice(error: Exception) -> str:
    text = first_line(error)
    if isinstance(error, NotImplementedError) or "get_config" in str(error):
        return f"{text}; give each class of your own a get_config that returns the arguments of its constructor"
    return text
