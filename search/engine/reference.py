"""A data set's published reference, trained as a study of one trial beside the searches it is compared with."""

from __future__ import annotations

from dataclasses import replace

from ...datasets.base import ImageDataset
from ...errors import SettingError
from ...spaces.registry import SPACES, reference_network
from ...text import counted
from ..results import read_studies
from ..settings import Home, SearchSettings, reference_defaults
from .launch import SearchResult, run
from .state import Display

# Measured with TensorFlow on two cores of a server of 2023, for the network of the article on FER2013.
TWO_CORES_PER_SECOND = 2e11


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
    display.say(cost_line(dataset, wanted))
    if settings.epochs != wanted.epochs:
        display.say(
            f"--epochs {settings.epochs} holds for the search alone: the reference is trained as published, since a "
            "comparison with half a training would mean little. Leave --reference out to do without."
        )
    return run(dataset, wanted, home=home, display=display)


def cost_line(dataset: ImageDataset, settings: SearchSettings) -> str:
    """Returns a line on what the training of a reference takes, before it begins."""
    publication = SPACES[settings.space].publication
    assert publication is not None
    height, width, _ = dataset.image_shape
    # Operations of convolutions grow with the pixels.
    scale = height * width / publication.image_size**2
    operations = publication.training_flops * scale * len(dataset.train)
    minutes = operations / TWO_CORES_PER_SECOND / 60
    shown = f"{minutes:.0f} minutes" if minutes >= 1.5 else "a minute" if minutes >= 0.5 else "seconds"
    return (
        f"Training the published reference {settings.space} first, for at most {counted(settings.epochs, 'epoch')} of "
        f"{counted(len(dataset.train), 'image')}; each epoch takes {operations:.1e} operations, about {shown} on two "
        "processor cores."
    )
