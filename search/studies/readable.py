"""A copy of a study for plots, with names that people read and the values that trials were trained with.

The study itself may hold an index into a grid of steps on a log scale, and holds a share for a reverse_log parameter:
see `strategies.translation`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial

from ...errors import SpaceError
from ...spaces.search_space.parameters import Parameter, SearchSpace, Value
from ...spaces.search_space.wording import readable_names
from ..strategies.translation import from_optuna
from .study import Study


def readable(study: Study) -> optuna.Study:
    """Returns a copy in memory, its parameters named as `readable_names` has them.

    Trials keep their numbers, and those that do not fit the space are copied unchanged.
    """
    made = optuna.create_study(study_name=study.name, directions=study.optuna.directions)
    space, names = study.search_space, readable_names(study.search_space)
    made.add_trials([_readable(trial, space, names) for trial in study.optuna.get_trials(deepcopy=False)])
    return made


def _readable(trial: FrozenTrial, space: SearchSpace, names: Mapping[str, str]) -> FrozenTrial:
    shown = copy.copy(trial)
    try:
        values = from_optuna(space, trial.params, trial.distributions)
    except SpaceError:
        # The trial waits, or its supervisor was killed while it drew the values.
        return shown
    drawn = [parameter for parameter in space.parameters if parameter.key in trial.params]
    shown.params = {names[parameter.key]: values[parameter.name] for parameter in drawn}
    shown.distributions = {
        names[parameter.key]: _distribution(parameter, values[parameter.name]) for parameter in drawn
    }
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
