"""A search space as data: its parameters, their ranges and the conditions under which each is active.

It is discovered once from a KerasTuner HyperModel, and then printed, hashed, narrowed and sampled without importing
Keras. Kinds, steps and sampling mean what they mean in KerasTuner.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from ...errors import SpaceError

Kind = Literal["int", "float", "choice", "boolean", "fixed"]
Sampling = Literal["linear", "log", "reverse_log"]
Value = bool | int | float | str
Values = dict[str, Value]

TOLERANCE = 1e-9
PLAIN_TEXT = re.compile(r"[^@=&|\"']+")


@dataclass(frozen=True)
class Condition:
    """A requirement that another parameter is active and has one of certain values."""

    name: str
    """The other parameter's name."""
    values: tuple[Value, ...]
    """The values that meet the condition."""


@dataclass(frozen=True)
class Parameter:
    """One hyperparameter."""

    name: str
    """Its name in the user's code; several parameters may share one under different conditions."""
    kind: Kind
    """The kind of KerasTuner's hyperparameter."""
    default: Value
    """Its value in the default configuration."""
    low: float | None = None
    """The lowest value of an int or a float; None for other kinds."""
    high: float | None = None
    """The highest value of an int or a float; None for other kinds."""
    step: float | None = None
    """The distance between neighbouring values, a factor unless `sampling` is linear; None for a continuous range."""
    sampling: Sampling | None = None
    """The scale of an int or a float; None for other kinds."""
    values: tuple[Value, ...] = ()
    """The values of a choice, or the one value of a fixed parameter."""
    ordered: bool = False
    """True if the values of a choice have an order."""
    conditions: tuple[Condition, ...] = ()
    """All must be met for the parameter to be active."""
    states_default: bool = True
    """False where the user's code names no default, and KerasTuner takes the lowest or first value for one."""

    @cached_property
    def key(self) -> str:
        """A unique name within a space: the name, followed by its conditions (`momentum@optimizer=sgd`)."""
        clauses = (f"{quoted(c.name)}={'|'.join(map(quoted, c.values))}" for c in self.conditions)
        return f"{quoted(self.name)}@{'&'.join(clauses)}" if self.conditions else quoted(self.name)

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Returns whether the parameter is active, given the values of the active parameters drawn so far, by name."""
        return all(c.name in values and values[c.name] in c.values for c in self.conditions)

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value of an int or a float.

        Raises:
            SpaceError: The parameter is of another kind.
        """
        if self.low is None or self.high is None:
            raise SpaceError(f"{self.key} is a {self.kind} and has no bounds")
        return self.low, self.high

    @cached_property
    def options(self) -> tuple[Value, ...] | None:
        """All values that the parameter can take, in order; None for a continuous range."""
        if self.kind == "boolean":
            return (True, False)
        if self.kind in ("choice", "fixed"):
            return tuple(dict.fromkeys(self.values))
        if self.low == self.high:
            return (self._typed(self.low),)
        if self.step is None:
            return None
        return self._grid if self.is_regular else self._with_default(self._grid)

    @cached_property
    def is_regular(self) -> bool:
        """True unless the parameter has steps and its default lies between two of them, which KerasTuner allows."""
        return self.step is None or any(_same(self.default, value) for value in self._grid)

    def _with_default(self, grid: tuple[Value, ...]) -> tuple[Value, ...]:
        """Returns the grid with the default in its place, in the grid's order."""
        return tuple(sorted((*grid, self.default), key=float, reverse=self.sampling == "reverse_log"))

    @cached_property
    def _grid(self) -> tuple[Value, ...]:
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
        """Returns whether the parameter can take a value; numbers may differ by a relative 1e-9."""
        if self.options is not None:
            return any(_same(value, option) for option in self.options)
        if isinstance(value, bool | str) or (self.kind == "int" and value != int(value)):
            return False
        return self._clipped(value) == value or _same(value, self._clipped(value))

    def nearest(self, value: Value) -> Value:
        """Returns the allowed value nearest to the given one; the default where there is no nearest, as for texts."""
        if self._has_exactly(value):
            return value
        if self.contains(value):
            return self._own(value)
        numeric = self.kind in ("int", "float") or self.ordered
        if isinstance(value, bool | str) or not numeric or not math.isfinite(value):
            return self.default
        if self.options is not None:
            return min(self.options, key=lambda option: abs(float(option) - value))
        clipped = self._clipped(value)
        return round(clipped) if self.kind == "int" else float(clipped)

    def _has_exactly(self, value: Value) -> bool:
        """Returns True for most of the values that need no change, at a fraction of the time of `contains`."""
        if self.options is not None:
            return type(value) is str and value in self.options
        return type(value) is float and self.kind == "float" and self._clipped(value) == value

    def _clipped(self, value: float) -> float:
        low, high = self.bounds
        return min(max(value, low), high)

    def _own(self, value: Value) -> Value:
        if self.options is not None:
            return next(option for option in self.options if _same(value, option))
        return self._typed(self._clipped(float(value)))


def quoted(value: Value) -> str:
    """Returns a name or value as a key spells it: in double quotes if it could be taken for another part of the key."""
    if not isinstance(value, str):
        return str(value)
    return value if PLAIN_TEXT.fullmatch(value) and not _reads_as_other_type(value) else json.dumps(value)


def _reads_as_other_type(text: str) -> bool:
    if text in ("True", "False"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _same(value: Value, option: Value) -> bool:
    if isinstance(value, str | bool) or isinstance(option, str | bool):
        return type(value) is type(option) and value == option
    return math.isclose(value, option, rel_tol=TOLERANCE, abs_tol=TOLERANCE * 1e-3)


@dataclass(frozen=True)
class SearchSpace:
    """The parameters of a space."""

    parameters: tuple[Parameter, ...]
    """Parents before their children."""

    def configuration(self, choose: Callable[[Parameter], Value]) -> Values:
        """Returns the configuration that a function makes: the values of the active parameters by name.

        Args:
            choose: Gives the value of a parameter; called for the active ones only, parents first.
        """
        values: Values = {}
        for parameter in self.active(values):
            values[parameter.name] = choose(parameter)
        return values

    def defaults(self) -> Values:
        """Returns the default configuration."""
        return self.configuration(lambda parameter: parameter.default)

    def active(self, values: Mapping[str, Value]) -> Iterator[Parameter]:
        """Yields the active parameters, parents first.

        The caller adds the value of each to `values` before it asks for the next. Where two active parameters share a
        name, the first counts, as in KerasTuner.
        """
        seen: set[str] = set()
        for parameter in self.parameters:
            if parameter.name not in seen and (not parameter.conditions or parameter.is_active(values)):
                seen.add(parameter.name)
                yield parameter

    def contains(self, values: Mapping[str, Value]) -> bool:
        """Returns whether the values are those of exactly the active parameters, each within its range."""
        active = {parameter.name: parameter for parameter in self.active(values)}
        return active.keys() == values.keys() and all(p.contains(values[name]) for name, p in active.items())

    def to_json(self) -> str:
        """Returns the space as text that `from_json` reads."""
        return json.dumps([_entry(parameter) for parameter in self.parameters], sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> SearchSpace:
        """Reads a space from the text that `to_json` writes.

        Raises:
            SpaceError: The text is something else.
        """
        try:
            return cls(tuple(_parameter(entry) for entry in json.loads(text)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise SpaceError(
                f"a search space must be JSON as `to_json` writes it, but reading it failed: {error}"
            ) from error

    @property
    def hash(self) -> str:
        """The space's SHA-256 in hexadecimal, equal for equal spaces."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _entry(parameter: Parameter) -> dict[str, Any]:
    entry = asdict(parameter)
    if entry["states_default"]:
        # Spaces written before there was this field stay equal to theirs.
        del entry["states_default"]
    return entry


def _parameter(entry: dict[str, Any]) -> Parameter:
    conditions = tuple(Condition(c["name"], tuple(c["values"])) for c in entry.pop("conditions"))
    return Parameter(**{**entry, "values": tuple(entry["values"]), "conditions": conditions})
