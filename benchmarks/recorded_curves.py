"""Recorded curves as a table, and a surrogate that answers for configurations that were not recorded."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import CURVES, recorded

from apertune.search.evaluation.metrics import default_objective
from apertune.spaces.search_space.parameters import Parameter, SearchSpace, Value, Values
from apertune.spaces.search_space.prior import has_scale, share_of

Floats = NDArray[np.float64]

TASKS = {"pets": "binary", "pairs": "multilabel"}
EARLIER = ("digits-short", "simpsons-short")
"""Sets that were recorded before `record.py`, with other configurations, fewer epochs, and accuracy alone."""
SOURCES = {"mnist": "digits", "pairs": "simpsons", "digits-short": "digits", "simpsons-short": "simpsons"}
"""Sets that must be left out together, since their images are of one source or one kind."""
LEAST_CONFIGURATIONS = 30
TREES = 200
FOLDS = 5
# Unseen configurations must be ranked this well for free proposals to be answered.
LEAST_CORRELATION = 0.8
# The residual of a configuration is that of one of these many recorded ones with the most similar prediction.
ALIKE = 12


@dataclass(frozen=True)
class RecordedConfiguration:
    """One recorded training."""

    population: str
    index: int
    seed: int
    values: Values
    curve: Floats
    """The objective after each epoch, (epochs,)."""
    seconds: float


class RecordedSet:
    """All recorded trainings of one set.

    Args:
        name: A key of `recorded_sets.SETS`.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.task = TASKS.get(name, "multiclass")
        self.objective = "accuracy" if name in EARLIER else default_objective(self.task)  # type: ignore[arg-type]
        self.space = SearchSpace.from_json((CURVES / f"{name}.space.json").read_text())
        self.trainings = [one for row in recorded(name) if (one := self._read(row)) is not None]

    @property
    def source(self) -> str:
        """The source of its images."""
        return SOURCES.get(self.name, self.name)

    @property
    def epochs(self) -> int:
        return max((len(one.curve) for one in self.trainings), default=0)

    def _read(self, row: Mapping[str, Any]) -> RecordedConfiguration | None:
        curve = row["curves"].get(f"val_{self.objective}")
        if not curve:
            return None
        # A training that diverged has no value from then on.
        numbers = np.array([np.nan if value is None else value for value in curve], dtype=np.float64)
        if np.isnan(numbers).all():
            return None
        return RecordedConfiguration(
            row["population"], row["index"], row["seed"], row["values"], _filled(numbers), row["seconds"]
        )

    @cached_property
    def firsts(self) -> list[RecordedConfiguration]:
        """The trainings with the first seed, one per configuration."""
        return [one for one in self.trainings if one.seed == 0 and len(one.curve) == self.epochs]

    @cached_property
    def seed_spread(self) -> float:
        """Standard deviation of the best value between two seeds of one configuration that is not ruined."""
        by_configuration: dict[int, list[float]] = {}
        for one in self.trainings:
            by_configuration.setdefault(one.index, []).append(float(one.curve.max()))
        differences = [values[0] - other for values in by_configuration.values() for other in values[1:]]
        return float(np.sqrt(np.mean(np.square(differences)) / 2)) if differences else 0.0


def _filled(curve: Floats) -> Floats:
    """Returns a curve in which a missing value is the worst one, as for a training that diverged."""
    return np.where(np.isnan(curve), np.nanmin(curve), curve)


class Encoding:
    """Turns configurations into rows of numbers: places on scales, and one column per value of a choice."""

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._columns: dict[str, tuple[Parameter, int]] = {}
        self.width = 0
        for parameter in space.parameters:
            self._columns[parameter.key] = (parameter, self.width)
            self.width += 1 if has_scale(parameter) else len(parameter.options or ())

    def row(self, values: Mapping[str, Value]) -> Floats:
        row = np.full(self.width, -1.0)
        given: Values = {}
        for parameter in self._space.active(given):
            value = given[parameter.name] = values[parameter.name]
            _, column = self._columns[parameter.key]
            if has_scale(parameter):
                row[column] = share_of(parameter, value)
            else:
                options = parameter.options or ()
                row[column : column + len(options)] = 0.0
                row[column + list(options).index(parameter.nearest(value))] = 1.0
        return row


class Pool:
    """Answers with the recorded configuration nearest to what is proposed, each of which is given once.

    Evenly drawn configurations are answered by evenly drawn ones, since the others are better than they look from afar.
    """

    def __init__(self, recorded_set: RecordedSet) -> None:
        self.set = recorded_set
        self._encoding = Encoding(recorded_set.space)
        self._rows = np.array([self._encoding.row(one.values) for one in recorded_set.firsts])
        self._even = np.array([one.population == "uniform" for one in recorded_set.firsts])
        self._default = np.array([one.index < 0 for one in recorded_set.firsts])

    def curve(self, values: Mapping[str, Value], taken: set[int], *, even: bool = False) -> Floats:
        """Returns the objective after each epoch, (epochs,), and adds what it gives to `taken`.

        Args:
            values: The proposed configuration.
            taken: Places of what was given before in this search.
            even: Whether it was drawn evenly from the space.
        """
        distances = np.abs(self._rows - self._encoding.row(values)).sum(axis=1)
        exact = int(np.argmin(distances))
        free = np.ones(len(distances), dtype=bool)
        if distances[exact] > 1e-6:
            free = (self._even if even else ~self._even) & ~self._default
            free[list(taken)] = False
            if not free.any():
                free = ~self._default
                free[list(taken)] = False
        place = int(np.argmin(np.where(free, distances, np.inf)))
        taken.add(place)
        return self.set.firsts[place].curve


class Surrogate:
    """Answers for any configuration of one set with a curve.

    Trees predict the curve; the residual that they left on a recorded configuration with a similar prediction is added,
    the same for a configuration whenever it is asked for. So answers are spread as recorded ones are.
    """

    def __init__(self, recorded_set: RecordedSet, seed: int = 0) -> None:
        self.set = recorded_set
        self._encoding = Encoding(recorded_set.space)
        self._rows = np.array([self._row(one.values) for one in recorded_set.firsts])
        self._curves = np.array([one.curve for one in recorded_set.firsts])
        predicted = self._unseen(seed)
        self._residuals = self._curves - predicted
        self._levels = predicted.max(axis=1)
        self.correlation = _rank_correlation(self._levels, self._curves.max(axis=1))
        self._trees = _trees(seed).fit(self._rows, self._curves)
        self._known: dict[str, Floats] = {}

    def _row(self, values: Mapping[str, Value]) -> Floats:
        return np.concatenate([self._encoding.row(values), knowledge(values, self.set.space)])

    def _unseen(self, seed: int) -> Floats:
        """Returns the predictions of each configuration by trees that did not see it."""
        from sklearn.model_selection import KFold

        predicted = np.empty_like(self._curves)
        for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(self._rows):
            predicted[test] = _trees(seed).fit(self._rows[train], self._curves[train]).predict(self._rows[test])
        return predicted

    def curve(self, values: Mapping[str, Value], taken: set[int], *, even: bool = False) -> Floats:
        """Returns the objective after each epoch, (epochs,), as `Pool.curve` does."""
        identity = json.dumps(dict(values), sort_keys=True)
        if identity not in self._known:
            predicted = self._trees.predict(self._row(values)[None])[0]
            nearest = np.argsort(np.abs(self._levels - predicted.max()), kind="stable")[:ALIKE]
            random = np.random.default_rng(int(hashlib.sha256(identity.encode()).hexdigest()[:8], 16))
            curve = predicted + self._residuals[nearest[int(random.integers(len(nearest)))]]
            self._known[identity] = np.clip(curve, self._curves.min(), 1.0)
        return self._known[identity]


def knowledge(values: Mapping[str, Value], space: SearchSpace) -> Floats:
    """Returns what a person would look at first: how far the rate is from its default, size, decay and dropout."""
    given: Values = {}
    defaults: dict[str, Value] = {}
    for parameter in space.active(given):
        given[parameter.name] = values[parameter.name]
        defaults[parameter.name] = parameter.default

    def number(name: str, otherwise: float = 0.0) -> float:
        return float(values.get(name, otherwise))

    rate = math.log(number("learning_rate") / float(defaults["learning_rate"]))
    batch = math.log(number("batch_size"))
    channels, operations, side = 1.0, 0.0, 1.0
    for block in range(int(values["blocks"])):
        filters = max(8.0, 8 * round(number("filters") * number("filters_growth") ** block / 8))
        for index in range(int(values["convolutions"])):
            kernel = number("kernel_size") if index == 0 else 3.0
            plain = kernel * kernel * channels * filters
            operations += side * (plain if values["convolution"] == "plain" else kernel**2 * channels + plain / 9)
            channels = filters
        side /= 4
    dropped = number("block_dropout_rate") * number("blocks") + number("head_dropout") * number("dense_layers")
    widest = {
        "rotation": 30.0,
        "shift": 0.2,
        "zoom": 0.3,
        "shear": 20.0,
        "brightness": 0.3,
        "contrast": 0.5,
        "erasing": 0.3,
        "noise": 0.1,
    }
    changed = sum(number(name) / most for name, most in widest.items())
    mixes = values["mixing"] != "none"
    ruins = mixes + (values["normalization"] == "none") + (values.get("flip") == "both") + (rate < math.log(0.1))
    return np.array(
        [
            rate,
            min(rate, 0.0),
            max(rate, 0.0),
            rate - 0.5 * batch,
            batch,
            math.log(operations),
            channels,
            number("blocks") * number("convolutions"),
            dropped,
            changed,
            number("mixing_alpha") * mixes,
            math.log(number("weight_decay", 1e-7)),
            ruins,
        ]
    )


def uniform_level(recorded_set: RecordedSet) -> float:
    """Returns the median of the best values of evenly drawn configurations of a set."""
    return float(np.median([one.curve.max() for one in recorded_set.firsts if one.population == "uniform"]))


def _trees(seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=seed, n_jobs=1)


def _rank_correlation(left: Floats, right: Floats) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(left, right)[0])


def recorded_sets(names: Sequence[str]) -> list[RecordedSet]:
    """Returns the sets of these names of which enough was recorded."""
    found = [RecordedSet(name) for name in names if (CURVES / f"{name}.space.json").exists()]
    return [one for one in found if one.trainings and len(one.firsts) >= LEAST_CONFIGURATIONS]
