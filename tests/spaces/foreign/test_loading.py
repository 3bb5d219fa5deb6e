from __future__ import annotations

from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest

from apertune import spaces
from apertune.errors import SettingError, SpaceError, UnknownNameError
from apertune.spaces.base import Candidate
from apertune.spaces.search_space.parameters import SearchSpace

MODELS = """
import keras
import keras_tuner

def network(hp, outputs, last):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    for index in range(hp.Int("layers", 1, 3)):
        model.add(keras.layers.Dense(hp.Int(f"units_{index}", 4, 8), activation="relu"))
    if hp.Boolean("drop"):
        model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5)))
    kind = hp.Choice("norm", ["none", "batch"])
    with hp.conditional_scope("norm", ["batch"]):
        if kind == "batch":
            model.add(keras.layers.BatchNormalization(momentum=hp.Float("momentum", 0.5, 0.9)))
    model.add(keras.layers.Dense(outputs, activation=last))
    return model

def sparse_logits(hp):
    model = network(hp, 4, None)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model

def named_loss(hp):
    model = network(hp, 4, "softmax")
    model.compile(keras.optimizers.Adamax(0.5), "categorical_crossentropy")
    return model

def sparse_name(hp):
    model = network(hp, 4, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model

def tuned(hp):
    units = hp.Int("units", 4, 8)
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(units)])
    model.add(keras.layers.Dense(4, "softmax"))
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log") / units
    kind = hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        momentum = hp.Float("momentum", 0.1, 0.9)
    optimizer = keras.optimizers.SGD(rate, momentum=momentum) if kind == "sgd" else keras.optimizers.Adam(rate)
    model.compile(optimizer, "categorical_crossentropy")
    return model

def uncompiled(hp):
    return network(hp, 4, None)

def two_columns(hp):
    model = network(hp, 2, "softmax")
    model.compile("adam", "sparse_categorical_crossentropy")
    return model

def listed_loss(hp):
    model = network(hp, 4, "softmax")
    model.compile("adam", ["sparse_categorical_crossentropy"])
    return model

def several_losses(hp):
    model = network(hp, 4, "softmax")
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    return model

def map_of_answers(hp):
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 8, activation="softmax")])

def own_loss(hp):
    model = network(hp, 4, "softmax")
    model.compile("adam", lambda targets, answers: keras.ops.square(targets - answers))
    return model

def own_sparse(hp):
    def loss(targets, answers):
        return keras.losses.sparse_categorical_crossentropy(targets, answers)

    model = network(hp, 4, "softmax")
    model.compile("adam", loss)
    return model

def rescaled(hp):
    model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    model.add(keras.layers.Dense(hp.Fixed("outputs", 4), activation="softmax"))
    return model

def wrong_classes(hp):
    return network(hp, 3, "softmax")

def wrong_images(hp):
    return keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten(), keras.layers.Dense(4)])

def no_model(hp):
    return "nothing"

class Kind(keras_tuner.HyperModel):
    def __init__(self, classes, units=3, name=None, tunable=True):
        super().__init__(name, tunable)
        self.classes, self.units = classes, units

    def build(self, hp):
        first = [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(self.units)]
        return keras.Sequential([*first, keras.layers.Dense(self.classes, activation="softmax")])

instance = Kind(4)
number = 3
"""


@pytest.fixture(autouse=True)
def _models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = tmp_path_factory.mktemp("models")
    (folder / "foreign_models.py").write_text(MODELS)
    (folder / "foreign_broken.py").write_text("1 / 0")
    (folder / "foreign_needy.py").write_text("import a_package_that_is_not_there")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))


def load(name: str, spec: Any, **settings: Any) -> Candidate:
    space = spaces.load(f"foreign_models:{name}", spec, **settings)
    return space.candidate(keras_tuner.HyperParameters(), epochs=1, seed=0)


def discover(name: str, spec: Any, **settings: Any) -> SearchSpace:
    return spaces.discover(spaces.load(f"foreign_models:{name}", spec, **settings))


@pytest.mark.ci
def test_parameters_behind_plain_python_branches_are_found(spec_of: Any) -> None:
    """Layers that a loop adds, a rate behind an `if`, and a conditional scope's parameter have their conditions."""
    search_space = discover("sparse_logits", spec_of())
    keys = {parameter.key for parameter in search_space.parameters}
    hidden = {"units_1@layers=2|3", "units_2@layers=3", "rate@drop=True", "momentum@norm=batch"}
    assert keys == {"layers", "units_0", "drop", "norm"} | hidden


@pytest.mark.parametrize(
    ("name", "class_numbers"),
    [
        ("sparse_logits", True),
        ("named_loss", False),
        ("sparse_name", True),
        ("listed_loss", True),
        ("own_loss", False),
        ("own_sparse", True),
    ],
)
def test_a_compiled_model_trains_as_its_code_does(name: str, class_numbers: bool, spec_of: Any, batch_of: Any) -> None:
    """Logits or probabilities: the network yields probabilities, and the loss gets the targets that it takes."""
    spec = spec_of()
    images, targets = batch_of(spec)
    candidate = load(name, spec)
    assert np.asarray(candidate.network(images)).sum(axis=1) == pytest.approx(np.ones(6), rel=1e-5)
    own = candidate.own_training
    assert own is not None
    assert candidate.loss is None
    assert own.class_numbers is class_numbers
    given = own.targets(targets, class_numbers=class_numbers)
    assert np.isfinite(own.model.evaluate(own.images(images), given, verbose=0))


def test_a_model_that_is_not_compiled_gets_adam_and_cross_entropy(spec_of: Any, batch_of: Any) -> None:
    """Without a compilation our own loss trains, one number per example."""
    spec = spec_of()
    images, targets = batch_of(spec)
    candidate = load("uncompiled", spec)
    assert candidate.own_training is None
    assert candidate.loss is not None
    probabilities = np.asarray(candidate.network(images))
    expected = -np.log(probabilities[np.arange(6), targets.argmax(axis=1)])
    assert np.asarray(candidate.loss(targets, probabilities)) == pytest.approx(expected, rel=1e-4)
    assert any("is not compiled, so Adam" in line for line in candidate.notes)


def test_a_compiled_model_keeps_its_optimizer(spec_of: Any) -> None:
    """The optimizer that the user compiled with is the one that trains."""
    candidate = load("named_loss", spec_of())
    assert type(candidate.optimizer).__name__ == "Adamax"
    assert float(np.asarray(candidate.optimizer.learning_rate)) == 0.5


def test_two_columns_of_a_binary_task_become_one(spec_of: Any, batch_of: Any) -> None:
    """A softmax over two classes yields the second class's probability, and trains on both columns."""
    spec = spec_of("binary")
    images, targets = batch_of(spec)
    candidate = load("two_columns", spec)
    own = candidate.own_training
    assert own is not None
    both = np.asarray(own.model(own.images(images)))
    assert np.asarray(candidate.network(images)) == pytest.approx(both[:, 1:], rel=1e-5)
    assert own.targets(targets, class_numbers=True).tolist() == targets[:, 0].astype(int).tolist()
    assert own.targets(targets, class_numbers=False).tolist() == np.hstack([1 - targets, targets]).tolist()


def test_pixels_are_rescaled_once(spec_of: Any) -> None:
    """A model with a rescaling layer gets 0 to 255, any other gets 0 to 1, and an option overrules this."""
    spec = spec_of()
    for name, options, scale in [
        ("rescaled", {}, 1.0),
        ("uncompiled", {}, 1 / 255),
        ("uncompiled", {"rescale": "no"}, 1.0),
    ]:
        candidate = load(name, spec, options=options)
        assert candidate.network.get_layer("rescaling").scale == pytest.approx(scale)


@pytest.mark.ci
def test_our_recipe_can_be_composed_with_any_network(spec_of: Any) -> None:
    """The standard recipe brings batch size, augmentation and optimizer, under names that clash with nothing."""
    names = {parameter.name for parameter in discover("named_loss", spec_of(), recipe="standard").parameters}
    assert {"layers", "momentum", "recipe/momentum", "recipe/augmentation", "recipe/batch_size"} <= names
    candidate = load("named_loss", spec_of(), recipe="standard")
    assert type(candidate.optimizer).__name__ == "Adam"
    assert candidate.augmentation is not None


@pytest.mark.slow
def test_what_the_recipe_decides_is_not_searched_twice(spec_of: Any, caplog: pytest.LogCaptureFixture) -> None:
    """With our recipe a model's own optimizer, rate and momentum are named and not searched; its layers still are."""
    own = {parameter.name for parameter in discover("tuned", spec_of()).parameters}
    assert own == {"units", "learning_rate", "optimizer", "momentum"}
    composed = {parameter.name for parameter in discover("tuned", spec_of(), recipe="standard").parameters}
    assert {name for name in composed if not name.startswith("recipe/")} == {"units"}
    assert any(line.endswith("are not searched: learning_rate, momentum, optimizer") for line in caplog.messages)
    candidate = load("tuned", spec_of(), recipe="standard")
    assert candidate.optimizer.name.startswith("adam")


@pytest.mark.parametrize("name", ["Kind", "instance"])
def test_a_class_or_an_instance_of_it_will_do(name: str, spec_of: Any) -> None:
    """A HyperModel class is given the facts that its constructor asks for, and an instance is taken as it is."""
    assert load(name, spec_of()).network.output_shape == (None, 4)


def test_options_reach_a_class(spec_of: Any) -> None:
    """Options are keywords of a HyperModel class; others are refused."""
    candidate = load("Kind", spec_of(), options={"units": "5"})
    assert candidate.network.count_params() == 64 * 5 + 5 + 5 * 4 + 4
    with pytest.raises(SettingError, match="takes no option colour"):
        load("Kind", spec_of(), options={"colour": "red"})
    with pytest.raises(SettingError, match="takes no options, but got colour"):
        load("uncompiled", spec_of(), options={"colour": "red"})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong_classes", r"must yield \(images, 4\) for this multiclass data set, but yields \(None, 3\)"),
        (
            "wrong_images",
            r"takes \(None, 9, 9, 1\), but the data set's images are \(8, 8, 1\); .*, or set --image-size 9",
        ),
        ("map_of_answers", r"yields \(None, 1, 1, 4\); end it with a Flatten or a global pooling layer"),
        ("several_losses", "must be compiled with one loss, but has several"),
        ("no_model", "must be a keras.Model|must build a keras.Model, but built an object of type str"),
        ("number", r"must be a keras_tuner.HyperModel or a function build\(hp\), but is of type int"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(name: str, message: str, spec_of: Any) -> None:
    """A model that cannot be used is refused in one line, with the rule and what was found."""
    with pytest.raises(SpaceError, match=message):
        load(name, spec_of())


def test_names_that_lead_nowhere_are_refused(spec_of: Any) -> None:
    """Messages tell apart a missing module, a missing name, a module that fails and one that lacks a package."""
    with pytest.raises(SpaceError, match="no module 'foreign_nowhere' in this folder"):
        spaces.load("foreign_nowhere:build", spec_of())
    with pytest.raises(SettingError, match=r"not the path of a file; write models\.own:build"):
        spaces.load("models/own.py:build", spec_of())
    with pytest.raises(UnknownNameError, match="did you mean 'uncompiled'"):
        spaces.load("foreign_models:uncompile", spec_of())
    with pytest.raises(SpaceError, match="importing foreign_broken failed: ZeroDivisionError"):
        spaces.load("foreign_broken:build", spec_of())
    with pytest.raises(SpaceError, match="needs the module 'a_package_that_is_not_there'"):
        spaces.load("foreign_needy:build", spec_of())
    with pytest.raises(UnknownNameError, match="recipe 'standart'; did you mean 'standard'"):
        spaces.load("foreign_models:uncompiled", spec_of(), recipe="standart")


@pytest.mark.parametrize(
    "name",
    [pytest.param("HyperResNet", marks=pytest.mark.slow), pytest.param("HyperXception", marks=pytest.mark.ci)],
)
def test_keras_tuners_own_hypermodels_run(name: str, spec_of: Any, batch_of: Any) -> None:
    """KerasTuner's HyperResNet and HyperXception are discovered unchanged and yield probabilities."""
    spec = spec_of("multiclass", (32, 32, 3))
    space = spaces.load(f"keras_tuner.applications:{name}", spec)
    search_space = spaces.discover(space)
    assert {"pooling", "learning_rate"} <= {parameter.name for parameter in search_space.parameters}
    candidate = space.candidate(spaces.hyperparameters(search_space, search_space.defaults()), epochs=1, seed=0)
    images, targets = batch_of(spec, 2)
    own = candidate.own_training
    assert own is not None
    given = own.targets(targets, class_numbers=bool(own.class_numbers))
    assert np.isfinite(own.model.evaluate(own.images(images), given, verbose=0)).all()
    assert np.asarray(candidate.network(images)).sum(axis=1) == pytest.approx(np.ones(2), rel=1e-5)
