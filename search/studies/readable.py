"""A study's copy for plots, in which each parameter has the values that the trials were trained with.

In the study itself a grid of steps on a log scale is an index, and a reverse_log parameter a share (`sampling`).
"""

from __future__ import annotations

import copy
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from ...errors import SpaceError
from ...spaces.search_space.parameters import Parameter, SearchSpace, Value
from .sampling import from_optuna
from .study import Study


def readable(study: Study) -> optuna.Study:
    """Lives in memory alone; trials keep their numbers. What does not fit the space is copied as it is."""
    made = optuna.create_study(study_name=study.name, directions=study.optuna.directions)
    made.add_trials([_readable(trial, study.search_space) for trial in study.optuna.get_trials(deepcopy=False)])
    return made


def _readable(trial: FrozenTrial, space: SearchSpace) -> FrozenTrial:
    shown = copy.copy(trial)
    try:
        values = from_optuna(space, trial.params)
    except SpaceError:
        # Waiting, or killed while its values were drawn.
        return shown
    drawn = [parameter for parameter in space.parameters if parameter.key in trial.params]
    shown.params = {parameter.key: values[parameter.name] for parameter in drawn}
    shown.distributions = {parameter.key: _distribution(parameter, values[parameter.name]) for parameter in drawn}
    return shown


def _distribution(parameter: Parameter, value: Value) -> BaseDistribution:
    if parameter.kind not in ("int", "float"):
        return CategoricalDistribution(parameter.options or (value,))
    low, high = parameter.bounds
    log = parameter.sampling == "log"
    bounds: tuple[Any, Any] = (min(low, float(value)), max(high, float(value)))
    if parameter.kind == "int":
        return IntDistribution(int(bounds[0]), int(bounds[1]), log=log)
    return FloatDistribution(*bounds, log=log)
