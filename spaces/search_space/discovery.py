"""Discovery, which walks all branches of a KerasTuner HyperModel and turns it into data."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...errors import SpaceError
from .conversion import to_parameter
from .exploration import Exploration
from .parameters import Condition, Parameter, SearchSpace, Value, Values

if TYPE_CHECKING:
    import keras_tuner

    from ..base import Declaration, Space

MOST_ROUNDS = 8
_NOTHING = object()


def discover(space: Space) -> SearchSpace:
    """Returns all parameters of a space, those of every conditional branch included.

    A space that ships only declares. A user's model is built once for each branch, and then with every pair of values
    of two parameters, since plain Python branches hide parameters too (`for i in range(hp.Int("layers", 1, 3))`). A
    parameter that is asked for under certain values only becomes conditional on them. No model is kept alive.

    Raises:
        SpaceError: Two parameters cannot be told apart, one is of a kind that KerasTuner does not have, or its range
            depends on other values.
        Exception: Whatever the user's own code raises for its defaults.
    """
    found: list[Any] = []
    conditions: dict[str, tuple[Condition, ...]] = {}
    unstated: set[str] = set()
    for declare in space.declarations():
        walk = _Walk(declare)
        parameters = walk.all_parameters()
        if not space.declares_all:
            exploration = Exploration(declare, parameters)
            parameters = exploration.all_parameters()
            conditions |= exploration.conditions()
        found += parameters
        unstated |= walk.without_default
    idle = {id(parameter) for parameter in space.without_effect(found)}
    kept = [parameter for parameter in found if id(parameter) not in idle]
    return _to_search_space(kept, _among(kept, conditions), unstated)


def _among(parameters: list[Any], conditions: Mapping[str, tuple[Condition, ...]]) -> dict[str, tuple[Condition, ...]]:
    """Returns the conditions that refer to parameters of the space only."""
    names = {parameter.name for parameter in parameters}
    return {name: found for name, found in conditions.items() if all(one.name in names for one in found)}


def check_asked(hp: keras_tuner.HyperParameters, values: Values, search_space: SearchSpace) -> None:
    """Checks that a build asked for no parameter whose value the study did not draw.

    Args:
        hp: The object that the model was built from, made by `hyperparameters`.
        values: The drawn values, by name.
        search_space: The study's space.

    Raises:
        SpaceError: It asked for another, unknown or thought unused, whose value would be neither searched nor recorded.
    """
    if not (strangers := sorted(hp.values.keys() - values.keys())):
        return
    known = {parameter.name for parameter in search_space.parameters}
    met = "did not meet" if known.isdisjoint(strangers) else "met under other values only"
    raise SpaceError(
        f"the model asks for {', '.join(map(repr, strangers))}, which discovery {met}, so that it would be "
        "neither searched nor recorded; declare it in every case, for instance in declare_hyperparameters(hp), and "
        "begin a new study"
    )


def hyperparameters(search_space: SearchSpace, values: Values) -> keras_tuner.HyperParameters:
    """Returns values as the object that a HyperModel is built from; active parameters without a value get the default.

    Args:
        search_space: The discovered space, narrowed or not.
        values: Values by parameter name.

    Raises:
        SpaceError: A value is out of range, or no active parameter has such a name.
    """
    import keras_tuner

    complete: Values = {}
    for parameter in search_space.active(complete):
        value = values.get(parameter.name, parameter.default)
        if not parameter.contains(value):
            raise SpaceError(f"{parameter.key} cannot be {value!r} in this search space")
        complete[parameter.name] = parameter.nearest(value)
    strangers = sorted(values.keys() - complete.keys())
    if strangers:
        raise SpaceError(f"no active parameter of this search space is called {', '.join(strangers)}")
    hp = keras_tuner.HyperParameters()
    hp.values = dict(complete)
    return hp


class _Walk:
    """Calls one declaration with many sets of values until no call finds anything new."""

    def __init__(self, declare: Declaration) -> None:
        import keras_tuner

        self._declare = declare
        self._known = keras_tuner.HyperParameters()
        self._tried: list[Values] = []
        self._branches: list[Values] = [{}]
        self.without_default: set[str] = set()
        """Names of the parameters that were declared without naming a default."""

    def all_parameters(self) -> list[Any]:
        """Returns KerasTuner's hyperparameter objects, parents before their children."""
        self._visit({})
        for _ in range(MOST_ROUNDS):
            before = len(self._known.space), len(self._branches)
            for branch in list(self._branches):
                for values in [branch, *self._sweep(branch)]:
                    # A combination that cannot be built (pooled below one pixel, say) is not the user's mistake:
                    # what it declares before it fails counts, and the other combinations are still visited.
                    with contextlib.suppress(Exception):
                        self._visit(values)
            if (len(self._known.space), len(self._branches)) == before:
                break
        return list(self._known.space)

    def _visit(self, values: Values) -> None:
        if values in self._tried:
            return
        self._tried.append(values)
        hp = self._known.copy()
        hp.values = dict(values)
        _fill_with_defaults(hp)
        self._watch_defaults(hp)
        try:
            self._declare(hp)
        finally:
            self._known.merge(hp, overwrite=False)
            for scope in [*hp.active_scopes, *hp.inactive_scopes]:
                branch = {condition.name: condition.values[0] for condition in scope}
                if branch not in self._branches:
                    self._branches.append(branch)

    def _watch_defaults(self, hp: keras_tuner.HyperParameters) -> None:
        """Notes parameters whose declaration names no default, since KerasTuner then makes one of the lowest value."""

        def watched(declare: Callable[..., Any], place: int) -> Callable[..., Any]:
            def declare_and_note(name: str, *settings: Any, **named: Any) -> Any:
                if len(settings) <= place and named.get("default") is None:
                    self.without_default.add(name)
                return declare(name, *settings, **named)

            return declare_and_note

        for kind, place in _PLACES_OF_DEFAULT.items():
            setattr(hp, kind, watched(getattr(hp, kind), place))

    def _sweep(self, branch: Values) -> Iterator[Values]:
        """Yields sets of values that between them take every choice of a branch.

        All choices move to their next value at once, so there are as many sets as the longest choice has values.
        """
        takes: dict[str, list[Value]] = {}
        for parameter in self._known.space:
            active = all(branch.get(c.name, _NOTHING) in c.values for c in parameter.conditions)
            if active and parameter.name not in branch:
                takes.setdefault(parameter.name, _values_to_visit(parameter))
        for index in range(max(map(len, takes.values()), default=0)):
            yield {**branch, **{name: values[index % len(values)] for name, values in takes.items()}}


# The place of the default among the arguments after the name.
_PLACES_OF_DEFAULT = {"Int": 4, "Float": 4, "Choice": 2, "Boolean": 0}


def _values_to_visit(parameter: Any) -> list[Value]:
    kind = type(parameter).__name__
    if kind == "Int":
        return [parameter.max_value, parameter.default]
    if kind == "Float":
        return [parameter.default]
    others = [value for value in parameter.values if value != parameter.default]
    return [*others, parameter.default]


def _fill_with_defaults(hp: keras_tuner.HyperParameters) -> None:
    for parameter in hp.space:
        if hp.is_active(parameter):
            hp.values.setdefault(parameter.name, parameter.default)
        elif not any(hp.is_active(other) for other in hp.space if other.name == parameter.name):
            hp.values.pop(parameter.name, None)


def _to_search_space(
    parameters: list[Any], conditions: Mapping[str, tuple[Condition, ...]], unstated: Container[str]
) -> SearchSpace:
    converted = [
        replace(to_parameter(parameter), states_default=parameter.name not in unstated) for parameter in parameters
    ]
    converted = [
        parameter if parameter.conditions else replace(parameter, conditions=conditions.get(parameter.name, ()))
        for parameter in converted
    ]
    by_key: dict[str, Parameter] = {}
    for parameter in converted:
        if by_key.setdefault(parameter.key, parameter) != parameter:
            raise SpaceError(f"two different parameters of the space are called '{parameter.key}'; rename one of them")
    return SearchSpace(tuple(converted))
