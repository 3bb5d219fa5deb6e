from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from apertune import datasets
from apertune.errors import SettingError
from apertune.search import SearchSettings
from apertune.search.engine import reference
from apertune.search.engine.reference import cost_line, reference_settings, train_reference
from apertune.search.engine.state import NoDisplay
from apertune.search.settings import make_home
from apertune.settings_fields import declarations
from apertune.spaces.registry import published_scores, reference_network

SEVEN = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")


def test_a_reference_is_trained_as_published() -> None:
    """The FER2013 article's network, epochs and patience are used, whatever the data set is called."""
    faces = replace(datasets.load("digits"), name="faces", adapter="fer2013")
    settings = reference_settings(faces, SearchSettings(trials=50, epochs=3, workers=1, fix={"blocks": "1"}))
    assert (settings.space, settings.epochs, settings.patience) == ("fer2013-cnn", 30, 5)
    assert (settings.study, settings.trials, settings.workers, settings.fix) == ("faces-reference", 1, 1, {})


def test_a_reference_is_a_study_for_each_objective() -> None:
    """A reference trained by one objective can be trained by another: each objective has its own study."""
    faces = replace(datasets.load("digits"), name="the faces", adapter="fer2013")
    settings = reference_settings(faces, SearchSettings(objective=("accuracy", "latency_ms")))
    assert (settings.study, settings.objectives) == (
        "the_faces-reference-accuracy-latency_ms",
        ("accuracy", "latency_ms"),
    )


def test_a_reference_takes_what_concerns_it_alone() -> None:
    """A reference takes the options that concern it, but not those of the search's own space, limits and goals."""
    photographs = replace(datasets.load("digits"), adapter="voc2012")
    search = SearchSettings(
        space="pretrained",
        space_options={"weights": "none", "backbone": "resnet50"},
        target_value=0.9,
        max_parameters=1000,
        from_study="other",
    )
    settings = reference_settings(photographs, search)
    assert (settings.space, settings.space_options) == ("voc2012-resnet50", {"weights": "none"})
    assert (settings.target_value, settings.max_parameters, settings.from_study) == (None, None, None)


@pytest.mark.parametrize(
    ("adapter", "task", "space"), [("folders", "binary", "emotion-cnn"), ("folders", "multiclass", None)]
)
def test_two_folders_have_the_emotion_article(adapter: str, task: str, space: str | None) -> None:
    """A folder of two classes is trained with the emotion article's network, without the article's scores."""
    assert reference_network(adapter, task) == space
    assert published_scores(replace(datasets.load("digits"), adapter=adapter, task=task)) == {}


def test_published_scores_are_of_the_published_classes_and_splits() -> None:
    """Only the official splits of FER2013's seven classes have its article's score; a set in its layout has none."""
    digits = datasets.load("digits")
    official = {"validation": np.arange(3589), "test": np.arange(3589)}
    faces = replace(digits, adapter="fer2013", classes=SEVEN, **official)
    assert published_scores(faces) == {"accuracy": 0.6266}
    assert published_scores(replace(faces, test=np.arange(1000))) == {}
    assert published_scores(replace(faces, classes=(*SEVEN, "Contempt"))) == {}
    in_its_layout = replace(digits, adapter="voc2012", validation=np.arange(5823), test=np.arange(0))
    assert published_scores(in_its_layout) == {}


def test_the_cost_of_a_reference_is_told_beforehand() -> None:
    """Epochs, images, operations and a rough time are said; images of another size take as many more."""
    digits = datasets.load("digits")
    images = np.broadcast_to(np.zeros((1, 48, 48, 1), np.uint8), (40_000, 48, 48, 1))
    faces = replace(digits, name="faces", adapter="fer2013", images=images, train=np.arange(28_709))
    settings = reference_settings(faces, SearchSettings())
    line = cost_line(faces, settings)
    assert line == (
        "Training the published reference fer2013-cnn first, for at most 30 epochs of 28,709 images; each epoch takes "
        "6.0e+13 operations, about 5 minutes on two processor cores."
    )
    assert "about seconds on two" in cost_line(replace(faces, train=np.arange(100)), settings)


def test_epochs_of_the_search_are_not_the_reference_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another --epochs is said to hold for the search alone, before anything is trained."""
    monkeypatch.setattr(reference, "run", lambda *given, **more: None)
    faces = replace(datasets.load("digits"), name="faces", adapter="fer2013")
    display = NoDisplay()
    train_reference(faces, SearchSettings(epochs=1), home=make_home({}, root=tmp_path / "mlflow"), display=display)
    assert display.lines[0].startswith("Training the published reference fer2013-cnn first, for at most 30 epochs")
    assert display.lines[1].startswith("--epochs 1 holds for the search alone")


def test_a_data_set_without_a_reference_says_so() -> None:
    """For a data set without a reference, the error lists the data sets that have one."""
    with pytest.raises(SettingError, match=r"'digits' has none; these have: .*fer2013"):
        reference_settings(datasets.load("digits"), SearchSettings())


def test_every_setting_says_what_a_reference_makes_of_it() -> None:
    """Settings declared as kept are the search's, those declared as reset have their defaults."""
    faces = replace(datasets.load("digits"), name="faces", adapter="fer2013")
    search = SearchSettings(
        recipe="standard",
        fix={"blocks": "1"},
        narrow={"filters": "16,32"},
        objective="accuracy",
        hours=1.0,
        total_epochs=100,
        target_value=0.9,
        trial_hours=1.0,
        workers=2,
        memory="64GB",
        hang_minutes=5.0,
        seed=3,
        sampler="random",
        prior="strong",
        believe={"blocks": "1..2"},
        portfolio="none",
        additions="sent_0123456789ab:additions",
        from_studies="all",
        sampler_options={"a": "1"},
        pruner_options={"a": "1"},
        folds=3,
        repeats=2,
        from_study="other",
        max_parameters=1.0,
        max_size_mb=1.0,
        max_flops=1.0,
        max_latency_ms=1.0,
        storage="sqlite:///x.db",
        mixed_precision=True,
        keep_models="none",
    )
    reference = reference_settings(faces, search)
    # They exclude each other with settings above.
    left_out = {"gpus", "per_gpu", "cluster"}
    for name, one in declarations(SearchSettings).items():
        if one.reference == "own" or name in left_out:
            continue
        assert getattr(search, name) != one.default, f"{name} is not among the settings above"
        expected = one.default if one.reference == "default" else getattr(search, name)
        assert getattr(reference, name) == expected, name
