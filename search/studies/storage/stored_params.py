"""The form in which the database holds parameters that a study draws as places in a grid: with their real values.

Optuna has no distribution for steps on a log scale, so its samplers draw a place in the grid (see
`strategies.translation`). Optuna's dashboard, and whoever reads `trial.params`, would then see 2 where the batch size
is 64. The database therefore holds such a parameter as one of the grid's values. Optuna writes both as the same number,
so only the distribution differs.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable

from optuna.distributions import BaseDistribution, CategoricalDistribution, distribution_to_json
from optuna.trial import FrozenTrial

from ....spaces.search_space.parameters import SearchSpace
from ...strategies.translation import distribution_of, is_drawn_by_index

# Characters. Every trial holds the whole grid, so that a longer one is stored as places.
LONGEST_DISTRIBUTION = 4096


class StoredParams:
    """The parameters of one study that the database holds in another form.

    Args:
        space: The study's space.
        trials: The trials that the database has. If they hold places, as studies of earlier versions do, the study
            goes on with these: Optuna refuses a second kind of distribution for a parameter.
    """

    def __init__(self, space: SearchSpace, trials: Iterable[FrozenTrial]) -> None:
        self._drawn: dict[str, BaseDistribution] = {}
        self._stored: dict[str, BaseDistribution] = {}
        for parameter in space.parameters:
            drawn = distribution_of(parameter)
            if drawn is not None and is_drawn_by_index(parameter):
                stored = CategoricalDistribution(parameter.options or ())
                if len(distribution_to_json(stored)) <= LONGEST_DISTRIBUTION:
                    self._drawn[parameter.key], self._stored[parameter.key] = drawn, stored
        for trial in trials:
            for key in trial.distributions.keys() & self._stored.keys():
                if not isinstance(trial.distributions[key], CategoricalDistribution):
                    del self._drawn[key], self._stored[key]

    def stored(self, key: str, drawn: BaseDistribution) -> BaseDistribution:
        """Returns the distribution to write for a parameter that was drawn from this one."""
        return self._stored.get(key, drawn)

    def to_database(self, trial: FrozenTrial) -> FrozenTrial:
        """Returns a trial as the database holds it."""
        return _with(trial, self._stored)

    def from_database(self, trial: FrozenTrial) -> FrozenTrial:
        """Returns a trial of the database as samplers see it."""
        return _with(trial, self._drawn)


def _with(trial: FrozenTrial, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    keys = trial.distributions.keys() & distributions.keys()
    if not keys:
        return trial
    made = copy.copy(trial)
    numbers = {key: trial.distributions[key].to_internal_repr(trial.params[key]) for key in keys}
    # In the order they were drawn.
    made.params = {
        key: distributions[key].to_external_repr(numbers[key]) if key in keys else value
        for key, value in trial.params.items()
    }
    made.distributions = {key: distributions[key] if key in keys else each for key, each in trial.distributions.items()}
    return made
