"""A search space as data: its parameters, their ranges and the conditions under which each is active.

Discovered once from a KerasTuner HyperModel, and from then on independent of Keras: printed, hashed, narrowed
and sampled without importing it. Semantics of kinds, steps and sampling are KerasTuner's.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from ...errors import SpaceError
from . import wording
from .narrowing import narrow_parameters

Kind = Literal["int", "float", "choice", "boolean", "fixed"]
Sampling = Literal["linear", "log", "reverse_log"]
Value = bool | int | float | str
Values = dict[str, Value]

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Condition:
    """The parameter `name` must be active and have one of `values`."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter. `low` and `high` are inclusive; `step` is a factor when `sampling` is log.

    `values` holds a choice's values, or a fixed parameter's one value.
    """

    name: str
    kind: Kind
    default: Value
    low: float | None = None
    high: float | None = None
    step: float | None = None
    sampling: Sampling | None = None
    values: tuple[Value, ...] = ()
    ordered: bool = False
    conditions: tuple[Condition, ...] = ()

    @property
    def key(self) -> str:
        """Unique name within a space: the name, suffixed by its conditions (`momentum@optimizer=sgd`)."""
        name = wording.quoted(self.name)
        clauses = (f"{wording.quoted(c.name)}={'|'.join(map(wording.quoted, c.values))}" for c in self.conditions)
        return f"{name}@{'&'.join(clauses)}" if self.conditions else name

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Whether the values drawn so far (of active parameters, by name) make this parameter active."""
        return all(c.name in values and values[c.name] in c.values for c in self.conditions)

    @property
    def bounds(self) -> tuple[float, float]:
        """`low` and `high` of a number. Raises SpaceError for any other kind."""
        if self.low is None or self.high is None:
            raise SpaceError(f"{self.key} is a {self.kind} and has no bounds")
        return self.low, self.high

    @cached_property
    def options(self) -> tuple[Value, ...] | None:
        """Every value it can take, in order; None where it is drawn from a continuous range."""
        if self.kind == "boolean":
            return (True, False)
        if self.kind in ("choice", "fixed"):
            return tuple(dict.fromkeys(self.values))
        if self.low == self.high:
            return (self._typed(self.low),)
        return None if self.step is None else self._stepped()

    def _stepped(self) -> tuple[Value, ...]:
        (low, high), step = self.bounds, self.step
        assert step is not None
        if self.sampling == "linear":
            # In decimals, so that 0.1 and two steps of 0.1 make 0.3 and not 0.30000000000000004.
            start, width = Decimal(str(low)), Decimal(str(step))
            count = int((Decimal(str(high)) - start) // width) + 1
            return tuple(self._typed(start + index * width) for index in range(count))
        count = int(math.log(high / low, step) + 1e-8) + 1
        scale = [low * step**index for index in range(count)]
        return tuple(self._typed(value if self.sampling == "log" else high + low - value) for value in scale)

    def _typed(self, number: Any) -> Value:
        return int(number) if self.kind == "int" else float(number)

    def contains(self, value: Value) -> bool:
        """Whether it can take this value. Numbers are compared with a relative tolerance of 1e-9."""
        if self.options is not None:
            return any(_same(value, option) for option in self.options)
        if isinstance(value, bool | str) or (self.kind == "int" and value != int(value)):
            return False
        return self._clipped(value) == value or _same(value, self._clipped(value))

    def nearest(self, value: Value) -> Value:
        """The value it can take that is nearest to a number; the default for anything that is none."""
        if self.contains(value):
            return self._own(value)
        numeric = self.kind in ("int", "float") or self.ordered
        if isinstance(value, bool | str) or not numeric or not math.isfinite(value):
            return self.default
        if self.options is not None:
            return min(self.options, key=lambda option: abs(float(option) - value))
        clipped = self._clipped(value)
        return round(clipped) if self.kind == "int" else float(clipped)

    def _clipped(self, value: float) -> float:
        low, high = self.bounds
        return min(max(value, low), high)

    def _own(self, value: Value) -> Value:
        if self.options is not None:
            return next(option for option in self.options if _same(value, option))
        return self._typed(self._clipped(float(value)))


def _same(value: Value, option: Value) -> bool:
    if isinstance(value, str | bool) or isinstance(option, str | bool):
        return type(value) is type(option) and value == option
    return math.isclose(value, option, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 1e-3)


@dataclass(frozen=True)
class SearchSpace:
    """All parameters of a space, parents before their children."""

    parameters: tuple[Parameter, ...]

    def defaults(self) -> Values:
        """The default configuration: values of the active parameters by name."""
        values: Values = {}
        for parameter in self.active(values):
            values[parameter.name] = parameter.default
        return values

    def active(self, values: Mapping[str, Value]) -> Iterator[Parameter]:
        """Yields the active parameters, parents first, looking at `values` anew for each.

        The caller adds each one's value before it asks for the next. Of two active parameters of one name the
        first counts, as in KerasTuner.
        """
        seen: set[str] = set()
        for parameter in self.parameters:
            if parameter.name not in seen and parameter.is_active(values):
                seen.add(parameter.name)
                yield parameter

    def contains(self, values: Mapping[str, Value]) -> bool:
        """Whether these are values of exactly the active parameters, each within its range."""
        active = {parameter.name: parameter for parameter in self.active(values)}
        return active.keys() == values.keys() and all(p.contains(values[name]) for name, p in active.items())

    def narrow(self, fixed: Mapping[str, str] | None = None, ranges: Mapping[str, str] | None = None) -> SearchSpace:
        """The part of this space that a user's words leave, parameters that can no longer be active left out.

        fixed: value by name (`{"optimizer": "adam"}`). ranges: `LOW..HIGH` or `a,b,c` by name. A name is a
        parameter's, and then stands for all of that name that can be active, or its key.
        Raises UnknownNameError for a name, SpaceError for a value off the space or one without effect.
        """
        return SearchSpace(narrow_parameters(self.parameters, fixed or {}, ranges or {}))

    def describe_difference(self, other: SearchSpace) -> list[str]:
        """A line for each parameter that this space and another do not have in common, alike."""
        mine = {parameter.key: parameter for parameter in self.parameters}
        theirs = {parameter.key: parameter for parameter in other.parameters}
        return wording.differences(mine, theirs)

    def rows(self) -> list[tuple[str, str, str, str, str]]:
        """A table: name, kind, range, condition and default of each parameter, as text."""
        return [wording.row(parameter) for parameter in self.parameters]

    def to_json(self) -> str:
        return json.dumps([asdict(parameter) for parameter in self.parameters], sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> SearchSpace:
        """Raises SpaceError when the text is no search space."""
        try:
            return cls(tuple(_parameter(entry) for entry in json.loads(text)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SpaceError(f"this is no search space as `to_json` writes it: {error}") from error

    @property
    def hash(self) -> str:
        """SHA-256 (hexadecimal) of the space; equal for equal spaces."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _parameter(entry: dict[str, Any]) -> Parameter:
    conditions = tuple(Condition(c["name"], tuple(c["values"])) for c in entry.pop("conditions"))
    return Parameter(**{**entry, "values": tuple(entry["values"]), "conditions": conditions})
