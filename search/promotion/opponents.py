"""The opponents of a new model on the test images: the present champion, and the published reference.

The reference is an opponent only where it was trained on this very data (`apertune search NAME --reference`): its
model then answers the same test images. The number that an article printed was measured on other images, so it is
shown beside the scores and decides nothing.

A champion that was made under another split may have learned some of these test images, and would win on them. It is
compared on the others alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from ...text import counted
from ..evaluation.decisions import Probabilities
from ..models.contract import ModelContract
from ..models.package import load_model
from ..results import is_reference, read_studies
from ..tracking.mlflow_store import Registry, fetch_model, fetch_run_file, run_of_model
from ..tracking.model_addresses import registered_name
from .job import Job
from .row_keys import LEARNED_FILE, known_among, read_learned, row_keys
from .source import TrainedNetwork, own_model, trial_source

CHAMPION = "champion"
# Fewer images than this show only differences that nobody needs a test for; of a small test set, half must be left.
FEWEST_UNSEEN = 100
RETRAIN = "compare with the same configuration, trained again on this split, with --retrain-champion"

Answer = Callable[[object], Probabilities]


@dataclass(frozen=True, eq=False)
class Opponent:
    """Another model, ready to answer."""

    name: str
    network: object | None
    """A Keras model; None if it cannot answer."""

    obstacle: str = ""
    """Reason why it cannot answer; empty when it can."""

    version: str = ""
    """Version of the registered model; empty for the reference."""

    thresholds: tuple[float, ...] = ()
    """The least probability to say yes per output; empty for 0.5."""

    unseen: NDArray[np.bool_] | None = None
    """The test images that it neither learned nor was chosen on, (n,); None for all."""


@dataclass(frozen=True)
class Reference:
    """A published network that was trained on this data."""

    space: str
    folder: Path
    """The folder of its model, every byte of which is checked."""


def trained_reference(job: Job) -> Reference | None:
    """Returns the model of the published reference if it has been trained on this very data, else None.

    Tells the user if its model was not kept.

    Raises:
        ModelError: A file of the model is damaged.
    """
    if is_reference(job.study):
        return None
    studies = [study for study in read_studies(job.home, job.dataset.name) if is_reference(study)]
    for study in studies:
        complete = study.complete()
        if study.definition.fingerprint != job.dataset.fingerprint or not complete:
            continue
        source = trial_source(job.home, study, complete[0])
        if source.keeps_model:
            return Reference(study.definition.space, own_model(job.home, source, job.scratch))
        job.say(f"The reference of study {study.name} kept no model, so it is not compared on the test images.")
    return None


def reference_opponent(reference: Reference) -> Opponent:
    """Returns the reference, ready to answer."""
    network, contract = load_model(reference.folder)
    return Opponent(f"{reference.space}, the published reference", network, thresholds=contract.thresholds)


def champion_version(job: Job) -> str | None:
    """Returns the version that is champion now, if there is one."""
    return Registry(registered_name(job.dataset.name), job.home.tracking_uri).aliases().get(CHAMPION)


def champion_opponent(job: Job, contract: ModelContract, retrained: TrainedNetwork | None = None) -> Opponent | None:
    """Returns the registered champion, if there is one, with the reason if it cannot answer these images.

    Args:
        job: The promotion.
        contract: The new model's contract.
        retrained: The champion's configuration, trained again on this split, which then stands for it.
    """
    version = champion_version(job)
    if version is None:
        return None
    called = f"version {version}, the champion"
    if retrained is not None:
        network, theirs = load_model(retrained.folder)
        return Opponent(f"{called}, trained again on this split", network, "", version, theirs.thresholds)
    folder = job.scratch / CHAMPION
    folder.mkdir()
    address = f"models:/{registered_name(job.dataset.name)}/{version}"
    try:
        network, theirs = load_model(fetch_model(address, job.home.tracking_uri, folder))
    except ModelError as error:
        return Opponent(called, None, f"{called}, cannot be loaded: {error}", version)
    asked = (contract.classes, contract.task, contract.image_shape)
    if (theirs.classes, theirs.task, theirs.image_shape) != asked:
        return Opponent(called, None, f"{called}, has other classes or another image size", version)
    champion = Opponent(called, network, "", version, theirs.thresholds)
    if theirs.fingerprint == contract.fingerprint:
        return champion
    return _on_unseen(job, champion, address)


def _on_unseen(job: Job, champion: Opponent, address: str) -> Opponent:
    """Returns a champion of another split, with the test images that it has not learned."""
    called, total = champion.name, len(job.dataset.test)
    folder = job.scratch / "learned"
    folder.mkdir()
    try:
        run_id = run_of_model(address, job.home.tracking_uri)
        if run_id is None:
            raise ModelError("MLflow does not know its run")
        learned = read_learned(fetch_run_file(run_id, LEARNED_FILE, job.home.tracking_uri, folder))
    except ModelError as error:
        reason = (
            f"{called}, learned from another split, and which of these test images is not known ({error}); {RETRAIN}"
        )
        return Opponent(called, None, reason, champion.version)
    unseen = ~known_among(row_keys(job.dataset, job.dataset.test), learned)
    left = int(np.count_nonzero(unseen))
    share = f"{called}, has learned {total - left:,} of {counted(total, 'test image')} under another split"
    if left < min(FEWEST_UNSEEN, total / 2):
        return Opponent(
            called, None, f"{share}, too many to compare on the other {left:,}; {RETRAIN}", champion.version
        )
    if left < total:
        job.say(f"{share[0].upper()}{share[1:]}; it is compared on the other {left:,} alone.")
    return Opponent(called, champion.network, "", champion.version, champion.thresholds, unseen)
