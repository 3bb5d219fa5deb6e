"""Translation between the values of a search space and the parameters of Optuna, and draws of values from Optuna.

Optuna knows parameters by their keys (`momentum@optimizer=sgd`), so parameters of one name in several branches never
share a distribution. Optuna forbids log with step and knows no reverse_log. So a parameter with steps on a log scale
is drawn as an index into its grid, and a continuous reverse_log parameter as a share, 0 to 1, of its scale. Databases
hold the grid's value in place of the index: see `studies.storage.stored_params`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import optuna

from ...errors import SpaceError
from ...spaces.search_space.parameters import Parameter, SearchSpace, Value, Values

# A system attribute of Optuna's trials: the source that a sampler of ours took the configuration from.
SOURCE = "apertune:source"
Distribution = optuna.distributions.BaseDistribution


def suggest(trial: optuna.trial.BaseTrial, space: SearchSpace) -> Values:
    """Draws a value, by name, for each parameter that is active under the values drawn before it."""

    def drawn(parameter: Parameter) -> Value:
        distribution = distribution_of(parameter)
        return _from_optuna(parameter, None if distribution is None else _ask(trial, parameter.key, distribution))

    return space.configuration(drawn)


def identity_of(values: Mapping[str, Value]) -> str:
    """Returns a short text that is equal for equal configurations."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:16]


def draw_untried(space: SearchSpace, tried: Container[str], seed: int, draws: int = 1000) -> Values | None:
    """Returns a random configuration that was not tried, or None when the whole space was.

    Args:
        space: The space to draw from.
        tried: Identities of the configurations that were tried.
        seed: Seed of the draws.
        draws: How many random draws to make before the space is walked in order, which takes at most one step more
            than configurations were tried.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    drawn = (suggest(study.ask(), space) for _ in range(draws))
    configurations = itertools.chain(drawn, every_configuration(space))
    return next((values for values in configurations if identity_of(values) not in tried), None)


def every_configuration(space: SearchSpace, begun: Values | None = None) -> Iterator[Values]:
    """Yields every configuration of a space once; none below a parameter that is drawn from a continuous range.

    Args:
        space: The space to walk.
        begun: Values that the configurations begin with, by name.
    """
    values = begun or {}
    following = next((parameter for parameter in space.active(values) if parameter.name not in values), None)
    if following is None:
        yield values
        return
    options: Sequence[Value] = following.options or ()
    if following.kind == "int" and not options:
        low, high = following.bounds
        options = range(int(low), int(high) + 1)
    for option in options:
        yield from every_configuration(space, {**values, following.name: option})


def to_optuna(space: SearchSpace, values: Mapping[str, Value]) -> dict[str, Any]:
    """Returns values as Optuna's parameters, for `study.enqueue_trial`.

    Args:
        space: The space that the values are of.
        values: Values by parameter name.

    Raises:
        SpaceError: For a missing value, a value of an inactive or unknown parameter, and one out of range.
    """
    params: dict[str, Any] = {}
    seen: Values = {}
    for parameter in space.active(seen):
        if parameter.name not in values:
            raise SpaceError(f"a value for {parameter.key} is missing")
        value = seen[parameter.name] = values[parameter.name]
        if not parameter.contains(value):
            raise SpaceError(f"{parameter.key} cannot be {value!r} in this search space")
        if distribution_of(parameter) is not None:
            params[parameter.key] = param_of(parameter, parameter.nearest(value))
    strangers = sorted(values.keys() - seen.keys())
    if strangers:
        raise SpaceError(f"no active parameter of this search space is called {', '.join(strangers)}")
    return params


def from_optuna(
    space: SearchSpace, params: Mapping[str, Any], distributions: Mapping[str, Distribution] | None = None
) -> Values:
    """Returns the values, by name, that a trial's Optuna parameters stand for.

    Args:
        space: The space that the trial was drawn from.
        params: The trial's parameters.
        distributions: Their distributions, for a trial that may come from a database.

    Raises:
        SpaceError: A parameter is missing.
    """
    stored = distributions or {}
    values: Values = {}
    for parameter in space.active(values):
        if not _is_fixed(parameter) and parameter.key not in params:
            raise SpaceError(f"the trial has no value for {parameter.key}; was it drawn from another search space?")
        drawn: Any = params.get(parameter.key)
        if is_drawn_by_index(parameter) and isinstance(
            stored.get(parameter.key), optuna.distributions.CategoricalDistribution
        ):
            values[parameter.name] = parameter.nearest(drawn)
        else:
            values[parameter.name] = _from_optuna(parameter, drawn)
    return values


def repair(values: Mapping[str, Value], space: SearchSpace) -> tuple[Values, list[str]]:
    """Fits values of another search into this space.

    A number out of range becomes the nearest that the parameter can take, anything else its default.

    Returns:
        The fitted values by name, and one line for each change.
    """
    repaired: Values = {}
    notes: list[str] = []
    for parameter in space.active(repaired):
        if parameter.name not in values:
            repaired[parameter.name] = parameter.default
            notes.append(f"{parameter.key}: not given, {parameter.default} taken")
            continue
        given = values[parameter.name]
        repaired[parameter.name] = parameter.nearest(given)
        if not parameter.contains(given):
            notes.append(f"{parameter.key}: {given} is outside its range, {repaired[parameter.name]} taken")
    notes += [f"{name}: not used here" for name in values if name not in repaired]
    return repaired, notes


def distribution_of(parameter: Parameter) -> Distribution | None:
    """Returns Optuna's distribution of a parameter, or None if it has only one value."""
    options = parameter.options
    if _is_fixed(parameter):
        return None
    if parameter.kind in ("choice", "boolean", "fixed"):
        return optuna.distributions.CategoricalDistribution(options or ())
    if is_drawn_by_index(parameter):
        return optuna.distributions.IntDistribution(0, len(options or ()) - 1)
    if parameter.sampling == "reverse_log":
        return optuna.distributions.FloatDistribution(0.0, 1.0)
    return _native_distribution(parameter)


def _is_fixed(parameter: Parameter) -> bool:
    """Returns whether the parameter has only one value."""
    return parameter.options is not None and len(parameter.options) == 1


def is_drawn_by_index(parameter: Parameter) -> bool:
    """Returns whether Optuna draws a place in the parameter's grid, since it has no distribution with these steps."""
    is_number = parameter.kind in ("int", "float")
    return is_number and parameter.step is not None and (parameter.sampling != "linear" or not parameter.is_regular)


def _native_distribution(parameter: Parameter) -> Distribution:
    (low, high), step = parameter.bounds, parameter.step
    if step is not None:
        # Optuna counts steps in decimals, and warns if the upper bound is not on the grid.
        count = (Decimal(str(high)) - Decimal(str(low))) // Decimal(str(step))
        high = float(Decimal(str(low)) + count * Decimal(str(step)))
    log = parameter.sampling == "log"
    if parameter.kind == "int":
        return optuna.distributions.IntDistribution(int(low), int(high), log=log, step=int(step or 1))
    return optuna.distributions.FloatDistribution(low, high, log=log, step=step)


def _ask(trial: optuna.trial.BaseTrial, key: str, distribution: Distribution) -> Any:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return trial.suggest_categorical(key, distribution.choices)
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return trial.suggest_int(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    assert isinstance(distribution, optuna.distributions.FloatDistribution)
    return trial.suggest_float(key, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def _from_optuna(parameter: Parameter, drawn: Any) -> Value:
    options = parameter.options
    if options is not None and len(options) == 1:
        return options[0]
    if parameter.sampling == "reverse_log" and options is None:
        return _reverse_log_value(parameter, drawn)
    if options is not None and is_drawn_by_index(parameter):
        index: int = drawn
        return options[index]
    value: Value = drawn
    return parameter.nearest(value)


def param_of(parameter: Parameter, value: Value) -> Any:
    """Returns a value as Optuna's parameter."""
    options = parameter.options
    if options is not None and is_drawn_by_index(parameter):
        return options.index(value)
    if parameter.sampling == "reverse_log":
        return _reverse_log_share(parameter, float(value))
    return value


def _reverse_log_value(parameter: Parameter, share: float) -> Value:
    # As Numerical._sample_numerical_value of keras_tuner, whose scale for an integer ends one above the bound.
    low, high = parameter.bounds
    end = high + 1 if parameter.kind == "int" else high
    value = min(max(end + low - low * (end / low) ** (1 - share), low), high)
    return int(value) if parameter.kind == "int" else float(value)


def _reverse_log_share(parameter: Parameter, value: float) -> float:
    low, high = parameter.bounds
    end = high + 1 if parameter.kind == "int" else high
    # An integer covers the stretch up to the next one, whose middle translates back to the same integer.
    middle = value + 0.5 if parameter.kind == "int" else value
    share = 1.0 - math.log((end + low - middle) / low) / math.log(end / low)
    return min(max(share, 0.0), 1.0)
