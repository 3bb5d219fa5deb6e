"""A model of the costs of networks, which tells most configurations that break a limit before they are built."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from ...errors import SpaceError
from ...spaces.search_space.parameters import SearchSpace, Values
from ...spaces.search_space.prior import has_scale, share_of
from ...spaces.search_space.shrinking import Ratios
from .translation import from_optuna, identity_of

# The model is made anew when there are this many times as many measured configurations.
GROWTH = 1.1
# Fewer do not tell which parameters cost anything.
LEAST = 12
# Stands for a number that is not used; outside the scale, which goes from 0 to 1.
UNUSED = -0.5


class CostModel:
    """Learns from measured configurations; a sparse linear model of the logarithm of each cost divided by its limit.

    After 72 draws from `convnet` for 48x48 images, where 3 draws in 10 keep within a limit on parameters, 8 in 10 of
    those that it lets through do.

    Args:
        space: The space.
        measured: Configurations with their costs divided by their limits.
    """

    def __init__(self, space: SearchSpace, measured: Sequence[tuple[Values, Ratios]]) -> None:
        self._space = space
        self._measured: dict[str, tuple[Values, Ratios]] = {identity_of(values): (values, r) for values, r in measured}
        # Trials that ran out of memory have a constraint, too, which is no limit on costs.
        self._limits = sorted({name for _, ratios in measured for name in ratios})
        self._seen: set[int] = set()
        self._models: dict[str, Any] = {}
        self._learned = 0

    def learn_of(self, trials: Sequence[FrozenTrial]) -> None:
        """Adds the costs of trials, which Optuna keeps as constraints: cost / limit - 1."""
        for trial in trials:
            if trial.number in self._seen or not trial.state.is_finished():
                continue
            self._seen.add(trial.number)
            ratios = {name: each + 1.0 for name, each in trial.constraints.items() if name in self._limits}
            if not ratios:
                continue
            try:
                values = from_optuna(self._space, trial.params)
            except SpaceError:
                continue
            self._measured[identity_of(values)] = values, ratios

    def excess(self, values: Values) -> float:
        """Returns the logarithm of the largest cost divided by its limit, as expected: over 0 for one that breaks it.

        A measured configuration has its own; where too little was measured, nothing is expected to break a limit.
        """
        if known := self._measured.get(identity_of(values)):
            return max((math.log(max(ratio, 1e-12)) for ratio in known[1].values()), default=0.0)
        self._make_models()
        features = self._features(values)[None]
        return max((float(model.predict(features)[0]) for model in self._models.values()), default=0.0)

    def _make_models(self) -> None:
        if len(self._measured) < max(LEAST, GROWTH * self._learned):
            return
        from sklearn.linear_model import LassoCV

        self._learned = len(self._measured)
        rows = [(self._features(values), ratios) for values, ratios in self._measured.values()]
        for name in self._limits:
            known = [(features, ratios[name]) for features, ratios in rows if name in ratios]
            with warnings.catch_warnings():
                # It says where it did not converge, at the strengths that the choice among them leaves out.
                warnings.simplefilter("ignore")
                targets = np.log([max(ratio, 1e-12) for _, ratio in known])
                self._models[name] = LassoCV(cv=4).fit(np.stack([features for features, _ in known]), targets)

    def _features(self, values: Values) -> NDArray[np.float64]:
        """Returns the place of each number on its scale, and 0 or 1 for each option of a choice."""
        found: list[float] = []
        active = {parameter.key for parameter in self._space.active(values)}
        for parameter in self._space.parameters:
            given = values[parameter.name] if parameter.key in active else None
            if has_scale(parameter):
                found.append(UNUSED if given is None else share_of(parameter, given))
            elif len(parameter.options or ()) > 1:
                found += [float(given == option) for option in parameter.options or ()]
        return np.array(found)
