"""Conversion of KerasTuner's hyperparameters into data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...errors import SpaceError
from .parameters import Condition, Parameter


def to_parameter(parameter: Any) -> Parameter:
    """Returns a hyperparameter of KerasTuner as data.

    KerasTuner takes a default outside of the range. Of a range without steps, the nearest end is taken instead.

    Raises:
        SpaceError: It is of a kind that KerasTuner does not have.
    """
    kind = type(parameter).__name__.lower()
    if kind not in ("int", "float", "choice", "boolean", "fixed"):
        raise SpaceError(
            f"'{parameter.name}' must be an Int, Float, Choice, Boolean or Fixed, but is a {type(parameter).__name__}"
        )
    numeric = kind in ("int", "float")
    number = int if kind == "int" else float
    converted = Parameter(
        name=parameter.name,
        kind=kind,  # type: ignore[arg-type]  # one of Kind: checked above
        default=number(parameter.default) if numeric else parameter.default,
        low=number(parameter.min_value) if numeric else None,
        high=number(parameter.max_value) if numeric else None,
        step=None if not numeric or parameter.step is None else number(parameter.step),
        sampling=parameter.sampling if numeric else None,
        values=tuple(parameter.values) if kind in ("choice", "fixed") else (),
        ordered=bool(parameter.ordered) if kind == "choice" else False,
        conditions=tuple(Condition(c.name, tuple(c.values)) for c in parameter.conditions),
    )
    if converted.options is None and not converted.contains(converted.default):
        low, high = converted.bounds
        return replace(converted, default=number(min(max(float(converted.default), low), high)))
    return converted
