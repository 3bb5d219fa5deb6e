"""Detection of parameters that only decide how a user's model is compiled.

The standard recipe replaces that compilation, so searching them would have no effect.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_tuner

from ..search_space.parameters import Value, Values

Build = Callable[[keras_tuner.HyperParameters], Any]


def compiled_only(build: Build, parameters: Sequence[Any]) -> list[Any]:
    """Returns those KerasTuner parameters that change optimizer, loss or metrics, but no layer.

    For each the model is built twice, the second time with another value. A parameter is kept where the model cannot be
    built or described, and where a parameter that is kept depends on it.
    """
    described = _Described(build)
    if not _varies(parameters, described):
        return []
    dropped = [parameter for parameter in parameters if _decides_compilation_alone(parameter, described)]
    while True:
        needed = {c.name for parameter in parameters if parameter not in dropped for c in parameter.conditions}
        kept = [parameter for parameter in dropped if parameter.name not in needed]
        if len(kept) == len(dropped):
            return kept
        dropped = kept


def _varies(parameters: Sequence[Any], described: _Described) -> bool:
    """Returns whether the compilation depends on the parameters at all; for most models two builds rule it out."""
    others = {parameter.name: _other_value(parameter) for parameter in parameters}
    changed = {name: value for name, value in others.items() if value is not None}
    try:
        return described({})[1] != described(changed)[1]
    # A user's code may raise anything; then each parameter is tried by itself.
    except Exception:
        return True


def _decides_compilation_alone(parameter: Any, described: _Described) -> bool:
    branch: Values = {condition.name: condition.values[0] for condition in parameter.conditions}
    other = _other_value(parameter)
    if other is None:
        return False
    try:
        layers, compilation = described(branch)
        other_layers, other_compilation = described({**branch, parameter.name: other})
    # A user's code may raise anything; then nothing is known about the parameter.
    except Exception:
        return False
    return layers == other_layers and compilation != other_compilation


def _other_value(parameter: Any) -> Value | None:
    """Returns a value other than the default, or None where there is none."""
    kind = type(parameter).__name__
    if kind in ("Int", "Float"):
        ends: list[Value] = [parameter.min_value, parameter.max_value]
        return next((value for value in ends if value != parameter.default), None)
    return next((value for value in getattr(parameter, "values", ()) if value != parameter.default), None)


class _Described:
    """Describes a model's layers and its compilation as two texts; parameters without a value take their default."""

    def __init__(self, build: Build) -> None:
        self._build = build
        self._known: dict[str, tuple[str, str]] = {}

    def __call__(self, values: Values) -> tuple[str, str]:
        key = json.dumps(values, sort_keys=True)
        if key not in self._known:
            hp = keras_tuner.HyperParameters()
            hp.values = dict(values)
            # Each model's layers must be numbered from the start.
            keras.utils.clear_session()
            model = self._build(hp)
            self._known[key] = _text(model.get_config()), _text(model.get_compile_config())
            keras.utils.clear_session()
        return self._known[key]


def _text(config: Any) -> str:
    return json.dumps(config, sort_keys=True, default=str)
