from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from apertune import spaces
from apertune.datasets.base import DataSpec
from apertune.errors import SettingError, SpaceError, UnknownNameError
from apertune.search.models.averaged_views import answering_network
from apertune.search.training.training_model import TrainingModel
from apertune.spaces.base import OBJECTIVE_LOG, Candidate
from apertune.spaces.registry import SPACES, reference_for
from apertune.spaces.search_space.parameters import Parameter, SearchSpace, Value, Values


def candidate_of(name: str, spec: DataSpec, values: Values | None = None, **options: str) -> Candidate:
    space = spaces.load(name, spec, options=options)
    search_space = spaces.discover(space)
    drawn = search_space.defaults() if values is None else values
    return space.candidate(spaces.hyperparameters(search_space, drawn), epochs=2, seed=0)


def train_a_step(candidate: Candidate, spec: DataSpec, images: Any, targets: Any) -> float:
    """Returns the loss of one training step as a trial takes it: augmentation, network, loss, optimizer."""
    model = TrainingModel(candidate, spec.task, (images, targets))
    model.compile(optimizer=candidate.optimizer, run_eagerly=True, auto_scale_loss=False)
    logs = model.train_on_batch(np.arange(len(images), dtype=np.int32), return_dict=True)
    return float(logs["loss"])


def draw(space: SearchSpace, how: Callable[[Parameter], Value]) -> Values:
    return space.configuration(how)


def somewhere(randomness: random.Random) -> Callable[[Parameter], Value]:
    def pick(parameter: Parameter) -> Value:
        if parameter.options is not None:
            return randomness.choice(parameter.options)
        return parameter.nearest(randomness.uniform(*parameter.bounds))

    return pick


@pytest.mark.parametrize("name", ["convnet", "residual"])
def test_what_a_space_proposes_trains_a_step(name: str, spec: DataSpec, batch_of: Any) -> None:
    """Defaults and a random draw build, yield probabilities in float32 and train, for each task on 8x8 images."""
    space = spaces.load(name, spec)
    search_space = spaces.discover(space)
    pick = somewhere(random.Random(7))
    images, targets = batch_of(spec)
    for values in [search_space.defaults(), draw(search_space, pick)]:
        candidate = space.candidate(spaces.hyperparameters(search_space, values), epochs=2, seed=0)
        probabilities = np.asarray(candidate.network(images))
        assert probabilities.shape == (len(images), spec.outputs)
        assert probabilities.dtype == np.float32
        assert np.isfinite(train_a_step(candidate, spec, images, targets)), values


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["convnet", "residual"])
@pytest.mark.parametrize("shape", [(8, 8, 1), (33, 20, 3), (48, 48, 1), (96, 64, 3)])
def test_every_corner_of_a_space_trains_a_step(
    name: str, shape: tuple[int, int, int], spec_of: Any, batch_of: Any
) -> None:
    """Both ends of every range, each branch, and twenty random draws build and train, on all sizes and tasks."""
    for task in ("binary", "multiclass", "multilabel"):
        spec = spec_of(task, shape)
        space = spaces.load(name, spec)
        search_space = spaces.discover(space)
        images, targets = batch_of(spec, 2)
        randomness = random.Random(1)
        drawn = [draw(search_space, somewhere(randomness)) for _ in range(20)]
        drawn += [draw(search_space, _end(-1)), draw(search_space, _end(0))]
        for values in drawn:
            candidate = space.candidate(spaces.hyperparameters(search_space, values), epochs=2, seed=0)
            assert np.isfinite(train_a_step(candidate, spec, images, targets)), values
            keras.utils.clear_session()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_both_ends_of_every_range_train_a_step(spec: DataSpec, batch_of: Any) -> None:
    """Each parameter, conditional ones included, takes its lowest and its highest value, or each choice."""
    space = spaces.load("convnet", spec)
    search_space = spaces.discover(space)
    small = {"blocks": 1, "convolutions": 1, "filters": 16, "dense_layers": 0}
    images, targets = batch_of(spec, 4)
    tried = 0
    for parameter in search_space.parameters:
        if parameter.name in small:
            continue
        for value in parameter.options or parameter.bounds:
            chosen = {**small, **_conditions(parameter, search_space), parameter.name: value}
            values = draw(search_space, lambda p, chosen=chosen: chosen.get(p.name, p.default))
            candidate = space.candidate(spaces.hyperparameters(search_space, values), epochs=2, seed=0)
            assert values.get(parameter.name) == parameter.nearest(value) or parameter.name in small
            assert np.isfinite(train_a_step(candidate, spec, images, targets)), values
            keras.utils.clear_session()
            tried += 1
    assert tried > 100


def _conditions(parameter: Parameter, search_space: SearchSpace) -> Values:
    """Returns values that make a parameter active: those of its conditions, and of its parents' conditions in turn."""
    chosen: Values = {}
    for condition in parameter.conditions:
        chosen[condition.name] = condition.values[0]
        parents = [parent for parent in search_space.parameters if parent.name == condition.name]
        chosen = {**_conditions(parents[0], search_space), **chosen}
    return chosen


def _end(index: int) -> Callable[[Parameter], Value]:
    return lambda p: p.options[index] if p.options is not None else p.nearest(p.bounds[index])


@pytest.mark.parametrize("shape", [(2, 2, 1), (3, 100, 3), (8, 8, 1), (48, 48, 1), (224, 224, 3)])
def test_no_network_pools_below_a_pixel(shape: tuple[int, int, int], spec_of: Any) -> None:
    """The deepest convnet that an image size allows can be built on it."""
    spec = spec_of("multiclass", shape)
    search_space = spaces.discover(spaces.load("convnet", spec))
    (blocks,) = (p for p in search_space.parameters if p.name == "blocks")
    values = {**search_space.defaults(), "blocks": int(blocks.bounds[1]), "convolutions": 1, "filters": 16}
    assert candidate_of("convnet", spec, values).network.output_shape == (None, 4)


def test_images_too_small_or_too_long_are_refused(spec_of: Any) -> None:
    """Images that cannot be pooled even once are refused in one clear line."""
    for name in ("convnet", "residual"):
        with pytest.raises(SpaceError, match=r"at least 2x2 pixels .* but these are 1x5"):
            spaces.discover(spaces.load(name, spec_of("multiclass", (1, 5, 1))))
    with pytest.raises(SpaceError, match="at least 32x32 pixels, not 8x8"):
        spaces.discover(spaces.load("fer2013-cnn", spec_of("multiclass", (8, 8, 1))))


@pytest.mark.parametrize(
    ("name", "shape", "task", "classes", "parameters"),
    [
        ("fer2013-cnn", (48, 48, 1), "multiclass", 7, 5_810_183),
        (
            "fer2013-vgg",
            (48, 48, 1),
            "multiclass",
            7,
            4_684_224 + 7_680 + 2048 * 4096 + 4096 * 4096 + 2 * 4096 + 4097 * 7,
        ),
        ("simpsons-cnn", (64, 64, 3), "multiclass", 18, 6_497_842),
        ("emotion-cnn", (64, 64, 3), "binary", 2, 112_576 + 64 * 16 * 16 * 64 + 64 + 64 * 64 + 64 + 64 + 1),
        ("voc2012-resnet50", (128, 128, 3), "multilabel", 20, 23_587_712 + 2048 * 20 + 20),
    ],
)
def test_references_have_the_published_size(
    name: str, shape: tuple[int, int, int], task: Any, classes: int, parameters: int
) -> None:
    """Published networks have exactly the number of parameters that their articles give."""
    spec = DataSpec(shape, task, tuple(map(str, range(classes))), (5,) * classes, 5 * classes)
    options = {"weights": "none"} if SPACES[name].options else {}
    network = candidate_of(name, spec, **options).network
    assert network.count_params() == parameters


def test_references_have_the_published_recipe(spec_of: Any) -> None:
    """FER2013's article: Adam at 1e-4, batches of 64, shifts of 0.1, flips, zooms of 0.2; none of it is searched."""
    spec = spec_of("multiclass", (48, 48, 1))
    space = spaces.discover(spaces.load("fer2013-cnn", spec))
    assert {parameter.kind for parameter in space.parameters} == {"fixed"}
    assert space.defaults() == {
        "optimizer": "adam",
        "learning_rate": 1e-4,
        "batch_size": 64,
        "loss": "cross_entropy",
        "class_weights": "none",
        "flip": "horizontal",
        "shift": 0.1,
        "zoom": 0.2,
        "mixing": "none",
    }
    assert reference_for("fer2013") == "fer2013-cnn"
    assert reference_for("digits") is None


def test_the_best_published_network_answers_over_ten_crops(spec_of: Any) -> None:
    """Its answer is the mean over the centre, the four corners and their mirror images, each 40x40 of 48x48 pixels."""
    spec = spec_of("multiclass", (48, 48, 1))
    candidate = candidate_of("fer2013-vgg", spec)
    images = np.random.default_rng(0).integers(0, 256, (2, 48, 48, 1), np.uint8)
    assert candidate.views is not None
    seen = [np.asarray(view)[:, 4:44, 4:44] for view in candidate.views(images)]
    corners = [(4, 4), (0, 0), (0, 8), (8, 0), (8, 8)]
    crops = [images[:, top : top + 40, left : left + 40] for top, left in corners]
    wanted = [crop for one in crops for crop in (one, one[:, :, ::-1])]
    assert len(seen) == 10
    for view, crop in zip(seen, wanted, strict=True):
        assert (view == crop).all()
    mean = np.mean([np.asarray(candidate.network(np.asarray(view))) for view in candidate.views(images)], axis=0)
    assert np.asarray(answering_network(candidate)(images)) == pytest.approx(mean, abs=1e-5)
    (plateau,) = candidate.callbacks
    assert (plateau.factor, plateau.patience, plateau.monitor) == (0.75, 5, OBJECTIVE_LOG)


def test_the_frozen_reference_trains_its_head_only(spec_of: Any) -> None:
    """VOC2012's ResNet50 is frozen: only the dense layer's kernel and bias are trained."""
    network = candidate_of("voc2012-resnet50", spec_of("multilabel", (32, 32, 3)), weights="none").network
    assert [variable.path for variable in network.trainable_variables] == ["logits/kernel", "logits/bias"]


def test_a_seed_decides_the_initial_weights(spec_of: Any) -> None:
    """Candidates of equal seeds start from equal weights, those of other seeds from others."""
    spec = spec_of()
    space = spaces.load("convnet", spec)
    search_space = spaces.discover(space)

    def weights(seed: int) -> Any:
        hp = spaces.hyperparameters(search_space, search_space.defaults())
        return space.candidate(hp, epochs=1, seed=seed).network.get_weights()[0]

    assert (weights(3) == weights(3)).all()
    assert (weights(3) != weights(4)).any()


def test_mixed_precision_still_yields_float32(spec_of: Any, batch_of: Any) -> None:
    """Under bfloat16 the network's probabilities are float32, and a step trains."""
    spec = spec_of()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        candidate = candidate_of("convnet", spec)
        images, targets = batch_of(spec)
        assert np.asarray(candidate.network(images)).dtype == np.float32
        assert np.isfinite(train_a_step(candidate, spec, images, targets))
    finally:
        keras.config.set_dtype_policy("float32")


def test_settings_without_effect_are_refused(spec_of: Any) -> None:
    """An unknown space, recipe or option is named, with what would be right."""
    with pytest.raises(UnknownNameError, match="did you mean 'convnet'"):
        spaces.load("convnett", spec_of())
    with pytest.raises(SettingError, match="has its own recipe"):
        spaces.load("fer2013-cnn", spec_of(), recipe="standard")
    with pytest.raises(SettingError, match="space 'convnet' has no options, but got weights"):
        spaces.load("convnet", spec_of(), options={"weights": "none"})


def test_squeeze_and_excitation_adds_a_little(multiclass: DataSpec) -> None:
    """Both networks of our own can weigh their channels, for a few more parameters, and answer with it."""
    for name in ("convnet", "residual"):
        search_space = spaces.discover(spaces.load(name, multiclass))
        plain = candidate_of(name, multiclass)
        values = spaces.narrow(search_space, {"squeeze_excitation": "true", "squeeze_ratio": "4"}).defaults()
        squeezed = candidate_of(name, multiclass, values)
        more = squeezed.network.count_params() / plain.network.count_params()
        assert 1.0 < more < 1.3
        images = np.zeros((2, *multiclass.image_shape), np.uint8)
        assert np.asarray(squeezed.network(images)).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.fixture
def multiclass() -> DataSpec:
    return DataSpec((16, 16, 3), "multiclass", ("a", "b", "c"), (20, 20, 20), 60)
