"""The table of beliefs: every entry is of a parameter that a shipped space has, with values that it can take."""

from __future__ import annotations

import numpy as np
import pytest

from apertune import spaces
from apertune.datasets.base import DataSpec
from apertune.spaces.beliefs import BELIEFS, DEMANDING, OF_ONE_SPACE, beliefs_about
from apertune.spaces.search_space.parameters import Value
from apertune.spaces.search_space.prior import Prior, share_of


@pytest.fixture(scope="module")
def parameters() -> dict[str, list[spaces.Parameter]]:
    spec = DataSpec((64, 64, 3), "multiclass", ("a", "b", "c"), (400, 400, 400), 1200)
    found: dict[str, list[spaces.Parameter]] = {}
    for name in ("convnet", "residual"):
        for parameter in spaces.discover(spaces.load(name, spec)).parameters:
            found.setdefault(parameter.name, []).append(parameter)
    return found


@pytest.mark.parametrize("name", [*BELIEFS, *DEMANDING, *OF_ONE_SPACE["convnet"]])
def test_every_belief_is_about_something(parameters: dict[str, list[spaces.Parameter]], name: str) -> None:
    """Names exist, and weights are given to values of the parameter alone."""
    for epochs in (1, 20, 100):
        belief = beliefs_about("convnet", epochs)[name]
        assert parameters[name]
        assert {*belief.weights} <= {option for parameter in parameters[name] for option in parameter.options or ()}
        for parameter in parameters[name]:
            assert 0.0 <= share_of(parameter, parameter.default) <= 1.0


def drawn(parameter: spaces.Parameter, epochs: int, count: int = 4000) -> list[Value]:
    prior = Prior(spaces.SearchSpace((parameter,)), beliefs_about("convnet", epochs))
    random = np.random.default_rng(0)
    return [prior.draw_value(parameter, random) for _ in range(count)]


def test_mixing_waits_for_long_trainings(parameters: dict[str, list[spaces.Parameter]]) -> None:
    """The chance of mixed images rises with the epochs, to that of any choice in long trainings, and is never 0."""
    (mixing,) = parameters["mixing"][:1]
    shares = [sum(value != "none" for value in drawn(mixing, epochs)) / 4000 for epochs in (5, 10, 20, 30, 40, 100)]
    assert shares == sorted(shares)
    assert 0.0 < shares[0] < 0.06
    assert shares[2] < 0.12
    assert shares[-1] == shares[-2] == pytest.approx(1 / 3, abs=0.03)


def test_low_rates_wait_for_long_trainings(parameters: dict[str, list[spaces.Parameter]]) -> None:
    """Short trainings are offered fewer rates under a third of the default, and as many high ones."""
    rate = next(one for one in parameters["learning_rate"] if one.default == 1e-3)
    low, high = [], []
    for epochs in (5, 20, 40):
        values = [float(value) for value in drawn(rate, epochs)]
        low.append(sum(value < 1e-3 / 3 for value in values) / len(values))
        high.append(sum(value > 3e-3 for value in values) / len(values))
    assert low[0] < low[1] < low[2]
    assert low[0] < 0.1
    assert min(high) > 0.1


def test_strong_augmentation_waits_for_long_trainings(parameters: dict[str, list[spaces.Parameter]]) -> None:
    """Erasing is drawn stronger on average the more epochs there are."""
    (erasing,) = parameters["erasing"][:1]
    means = [float(np.mean([float(value) for value in drawn(erasing, epochs)])) for epochs in (5, 20, 40)]
    assert means == sorted(means)
    assert means[0] < means[2] / 1.5


def test_a_belief_may_be_about_one_space(parameters: dict[str, list[spaces.Parameter]]) -> None:
    """Half of the dense heads of `convnet` are drawn with 512 units or more; `pretrained` keeps its own default."""
    (units,) = parameters["dense_units"]
    values = [int(value) for value in drawn(units, 20)]
    assert 0.4 < sum(value >= 512 for value in values) / len(values) < 0.8
    assert "dense_units" not in beliefs_about("pretrained", 20)


def test_averaged_weights_wait_for_long_trainings(parameters: dict[str, list[spaces.Parameter]]) -> None:
    """Few short trainings average their weights, and one long one in five."""
    averages = parameters["average_weights"][0]
    shares = [sum(map(bool, drawn(averages, epochs))) / 4000 for epochs in (5, 20, 40)]
    assert shares[0] < 0.05 < shares[1] + 0.02 < shares[2]
    assert shares[2] == pytest.approx(0.2, abs=0.03)


def test_nothing_is_believed_about_a_space_of_the_users_own() -> None:
    """A name such as `optimizer` means what the user's code makes of it."""
    assert beliefs_about("module:build", 20) == {}
