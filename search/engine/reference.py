"""A data set's published reference, trained as a study of one trial beside the searches it is compared with."""

from __future__ import annotations

from dataclasses import replace

from ...datasets.base import ImageDataset
from ...errors import SettingError
from ...spaces.registry import SPACES, reference_network
from ..results import read_studies
from ..settings import Home, SearchSettings, reference_defaults
from .launch import SearchResult, run
from .state import Display


def reference_settings(dataset: ImageDataset, settings: SearchSettings) -> SearchSettings:
    """Returns the published recipe as settings: its network, epochs and patience.

    The user still decides where to train, and on options of the space that the reference has as well (`weights`).

    Raises:
        SettingError: No reference was published for the data set.
    """
    name = reference_network(dataset.adapter, dataset.task)
    if name is None:
        raise SettingError(
            f"--reference needs a published network, and '{dataset.name}' has none; these have: "
            "fer2013, simpsons, voc2012, and folders of two classes"
        )
    known, publication = SPACES[name].options, SPACES[name].publication
    assert publication is not None
    return replace(
        settings,
        # The reference is trained to its end, however long that takes and however large it is.
        **reference_defaults(),
        space=name,
        space_options={option: text for option, text in settings.space_options.items() if option in known},
        trials=1,
        epochs=publication.epochs,
        patience=publication.patience,
        pruner="none",
        # A study has one set of objectives, and here nobody can name another.
        study="-".join((dataset.name, "reference", *settings.objectives)).replace(" ", "_"),
    )


def train_reference(
    dataset: ImageDataset, settings: SearchSettings, *, home: Home, display: Display
) -> SearchResult | None:
    """Trains the reference, or continues its training; returns None if it was trained on this very data before."""
    wanted = reference_settings(dataset, settings)
    for study in read_studies(home, dataset.name):
        if study.name == wanted.study and study.definition.fingerprint == dataset.fingerprint:
            done = [trial for trial in study.trials if trial.state == "complete"]
            if done:
                display.say(
                    f"The reference {wanted.space} is trained: {study.definition.objective} {done[0].value:.4f}."
                )
                return None
    display.say(f"Training the published reference {wanted.space} first, for at most {wanted.epochs} epochs.")
    return run(dataset, wanted, home=home, display=display)
