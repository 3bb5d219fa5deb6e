"""A search space as data: its parameters, their ranges and the conditions under which each is active.

Discovered once from a KerasTuner HyperModel, and from then on independent of Keras: printed, hashed, narrowed
and sampled without importing it. Semantics of kinds, steps and sampling are KerasTuner's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["int", "float", "choice", "boolean", "fixed"]
Sampling = Literal["linear", "log", "reverse_log"]
Value = bool | int | float | str
Values = dict[str, Value]


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
        clauses = (f"{c.name}={'|'.join(map(str, c.values))}" for c in self.conditions)
        return f"{self.name}@{'&'.join(clauses)}" if self.conditions else self.name

    def is_active(self, values: Mapping[str, Value]) -> bool:
        """Whether the values drawn so far (of active parameters, by name) make this parameter active."""
        return all(c.name in values and values[c.name] in c.values for c in self.conditions)


@dataclass(frozen=True)
class SearchSpace:
    """All parameters of a space, parents before their children."""

    parameters: tuple[Parameter, ...]

    def defaults(self) -> Values:
        """The default configuration: values of the active parameters by name."""
        values: Values = {}
        for parameter in self.parameters:
            if parameter.is_active(values):
                values[parameter.name] = parameter.default
        return values

    def to_json(self) -> str:
        return json.dumps([asdict(parameter) for parameter in self.parameters], sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> SearchSpace:
        return cls(tuple(_parameter(entry) for entry in json.loads(text)))

    @property
    def hash(self) -> str:
        """SHA-256 (hexadecimal) of the space; equal for equal spaces."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _parameter(entry: dict[str, Any]) -> Parameter:
    conditions = tuple(Condition(c["name"], tuple(c["values"])) for c in entry.pop("conditions"))
    return Parameter(**{**entry, "values": tuple(entry["values"]), "conditions": conditions})
