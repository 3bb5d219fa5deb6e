"""A data set's published reference, trained as a study of one trial beside the searches it is compared with."""

from __future__ import annotations

from dataclasses import replace

from ..datasets.base import ImageDataset
from ..errors import SettingError
from ..spaces.registry import SPACES, reference_for
from .launch import SearchResult, run
from .results import read_studies
from .settings import Home, SearchSettings
from .state import Display


def reference_settings(dataset: ImageDataset, settings: SearchSettings) -> SearchSettings:
    """The published recipe as settings: its network, epochs and patience; where to train stays the user's.

    Raises SettingError when no reference was published for the data set.
    """
    name = reference_for(dataset.adapter)
    if name is None:
        known = sorted({entry.publication.dataset for entry in SPACES.values() if entry.publication})
        raise SettingError(f"--reference needs a published network, and '{dataset.name}' has none; these have: {known}")
    publication = SPACES[name].publication
    assert publication is not None
    return replace(
        settings,
        space=name,
        recipe=None,
        space_options={},
        fix={},
        narrow={},
        trials=1,
        epochs=publication.epochs,
        patience=publication.patience,
        pruner="none",
        study=f"{dataset.name}-reference",
    )


def train_reference(
    dataset: ImageDataset, settings: SearchSettings, *, home: Home, display: Display
) -> SearchResult | None:
    """Trains the reference, or continues its training. None when it was trained on this very data before."""
    wanted = reference_settings(dataset, settings)
    for study in read_studies(home, dataset.name):
        if study.name == wanted.study and study.definition.fingerprint == dataset.fingerprint:
            done = [trial for trial in study.trials if trial.state == "complete"]
            if done and study.definition.objective == (settings.objective or study.definition.objective):
                display.say(
                    f"The reference {wanted.space} is trained: {study.definition.objective} {done[0].value:.4f}."
                )
                return None
    display.say(f"Training the published reference {wanted.space} first, for at most {wanted.epochs} epochs.")
    return run(dataset, wanted, home=home, display=display)
