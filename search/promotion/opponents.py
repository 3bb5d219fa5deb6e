"""The opponents of a new model on the test images: the present champion, and the published reference.

The reference is an opponent only where it was trained on this very data (`apertune search NAME --reference`): its
model then answers the same test images. The number that an article printed was measured on other images, so it is
shown beside the scores and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import ModelError
from ..evaluation.decisions import Probabilities
from ..models.contract import ModelContract
from ..models.package import load_model
from ..results import is_reference, read_studies
from ..tracking.mlflow_store import Registry, fetch_model
from ..tracking.model_addresses import registered_name
from .job import Job
from .source import own_model, trial_source

CHAMPION = "champion"


@dataclass(frozen=True, eq=False)
class Opponent:
    """Another model on the test images."""

    name: str
    probabilities: Probabilities | None
    """Its answers; None if they cannot be had."""

    obstacle: str = ""
    """Reason why they cannot be had; empty when they can."""

    version: str = ""
    """Version of the registered model; empty for the reference."""


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


def reference_opponent(reference: Reference, answer: Callable[[object], Probabilities]) -> Opponent:
    """Returns the reference with its answers.

    Args:
        reference: The trained reference.
        answer: Gives the answers of a network to the test images.
    """
    network, _ = load_model(reference.folder)
    return Opponent(f"{reference.space}, the published reference", answer(network))


def champion_opponent(job: Job, contract: ModelContract, answer: Callable[[object], Probabilities]) -> Opponent | None:
    """Returns the registered champion, if there is one, with the reason if it cannot answer these images."""
    name = registered_name(job.dataset.name)
    version = Registry(name, job.home.tracking_uri).aliases().get(CHAMPION)
    if version is None:
        return None
    called = f"version {version}, the champion"
    folder = job.scratch / CHAMPION
    folder.mkdir()
    try:
        network, theirs = load_model(fetch_model(f"models:/{name}/{version}", job.home.tracking_uri, folder))
    except ModelError as error:
        return Opponent(called, None, f"{called}, cannot be loaded: {error}", version)
    asked = (contract.classes, contract.task, contract.image_shape)
    if (theirs.classes, theirs.task, theirs.image_shape) != asked:
        return Opponent(called, None, f"{called}, has other classes or another image size", version)
    if theirs.fingerprint != contract.fingerprint:
        job.say(f"Version {version}, the champion, learned from other data or splits; it may know some test images.")
    return Opponent(called, answer(network), "", version)
