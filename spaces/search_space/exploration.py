"""Exploration of what a user's own code asks for: hyperparameters that plain Python branches hide.

`if hp.Float("rate", 0, 1) > 0:` or `for i in range(hp.Int("layers", 1, 3)):` declare parameters that KerasTuner meets
by chance only. The code is called with every value of each parameter and every pair of values of two, at the low end,
the middle and the high end of numbers, and then with random values, within bounds of calls and time.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import time
from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import SpaceError
from .conversion import to_parameter
from .parameters import Condition, Value, Values

if TYPE_CHECKING:
    from ..base import Declaration

logger = logging.getLogger(__name__)

MOST_CALLS = 400
MOST_SECONDS = 60.0
# Random calls in a row that find nothing new, after which nothing more is expected.
FRUITLESS_CALLS = 20
# Integers with no more values than this are tried with each of them, as numbers of layers must be.
FEW_VALUES = 12
# Numbers with no more values than this are tried with each of them where a branch seems to depend on them.
MOST_VALUES_OF_A_CONDITION = 40
# Three parameters may decide together; only those asked for last are looked at, since triples are many.
NEAREST = 8


@dataclass(frozen=True)
class _Call:
    """One call of the user's code."""

    values: Values
    """The values of the parameters that it asked for, by name."""
    ended: bool
    """It came to its end, so that what it did not ask for, it does not need under these values."""


class Exploration:
    """Calls one declaration with many sets of values, and keeps what it asked for under each.

    Args:
        declare: The declaration.
        parameters: KerasTuner's objects that are known already; further ones are added behind them.
    """

    def __init__(self, declare: Declaration, parameters: list[Any]) -> None:
        self._declare = declare
        self._parameters = list(parameters)
        self._keys = {_key(parameter) for parameter in parameters}
        self._calls: list[_Call] = []
        self._tried: set[tuple[tuple[str, Value], ...]] = set()
        self._pairs: set[tuple[tuple[str, Value], ...]] = set()
        self._random = random.Random(0)
        self._until = time.monotonic() + MOST_SECONDS

    def all_parameters(self) -> list[Any]:
        """Returns all KerasTuner objects, those given first.

        Raises:
            SpaceError: The range of a parameter depends on other values.
        """
        self._call({})
        while not self._is_spent():
            known = len(self._parameters)
            self._cover()
            fruitless = 0
            while fruitless < FRUITLESS_CALLS and not self._is_spent() and len(self._parameters) == known:
                fruitless = fruitless + 1 if self._call(self._drawn(within=fruitless % 2 == 0)) else FRUITLESS_CALLS
            if len(self._parameters) == known:
                self._try_values_that_decide()
                if len(self._parameters) == known:
                    break
        if self._is_spent():
            logger.warning("discovery ended after %d calls of the space", len(self._calls))
        return self._parameters

    def conditions(self) -> dict[str, tuple[Condition, ...]]:
        """Returns the conditions under which parameters are asked for, by name, for those that declare none.

        A condition is only taken if it holds in every call, and if every value of the parameter that it looks at was
        met. A parameter without one is drawn for every trial.
        """
        names = [parameter.name for parameter in self._parameters]
        found: dict[str, tuple[Condition, ...]] = {}
        for place, parameter in enumerate(self._parameters):
            if not parameter.conditions and names.count(parameter.name) == 1:
                before = [one for one in self._parameters[:place] if names.count(one.name) == 1]
                found[parameter.name] = _condition(parameter.name, before, self._calls)
        return found

    def _end_of(self, parameter: Any) -> Value:
        return self._random.choice(_ends_to_try(parameter))

    def _is_spent(self) -> bool:
        return len(self._calls) >= MOST_CALLS or time.monotonic() > self._until

    def _call(self, values: Values) -> bool:
        """Calls the user's code with some values, defaults for the rest; returns whether that was worth a call."""
        key = tuple(sorted(values.items(), key=repr))
        if key in self._tried or self._is_spent():
            return True
        self._tried.add(key)
        recorder = _recorder(values)
        ended = False
        # A combination that cannot be built (pooled below one pixel, say) is not the user's mistake.
        with contextlib.suppress(Exception):
            self._declare(recorder)
            ended = True
        before = len(self._parameters)
        for asked in recorder.asked:
            self._note(asked)
        met = {one.name: recorder.values[one.name] for one in recorder.asked if one.name in recorder.values}
        self._calls.append(_Call(met, ended))
        self._pairs.update(_pair(*two) for two in itertools.combinations(met.items(), 2))
        return len(self._parameters) == before

    def _note(self, asked: Any) -> None:
        if _key(asked) in self._keys:
            known = next(one for one in self._parameters if _key(one) == _key(asked))
            if _range(known) != _range(asked):
                raise SpaceError(
                    f"the range of '{asked.name}' depends on other values ({_range(known)}, but also {_range(asked)}): "
                    "declare one range for all, and bound the value in your code, or give each case a name of its own"
                )
            return
        self._keys.add(_key(asked))
        self._parameters.append(asked)

    def _cover(self) -> None:
        """Calls with every value of each parameter, and with the pairs of values that no call has had yet."""
        for parameter in self._parameters:
            for value in values_to_try(parameter):
                base = next((call.values for call in self._calls if parameter.name in call.values), {})
                self._call({**base, parameter.name: value})
        ends = {parameter.name: _ends_to_try(parameter) for parameter in self._parameters}
        for first, second in itertools.combinations(ends, 2):
            for pair in itertools.product(ends[first], ends[second]):
                items = _pair((first, pair[0]), (second, pair[1]))
                if items in self._pairs or self._is_spent():
                    continue
                both = self._met_together(first, second)
                if both is None:
                    break
                # Random values beside the pair cover other pairs; where they rule the pair out, it is tried without.
                self._call({**both, **self._drawn(both), **dict(items)})
                if items not in self._pairs:
                    self._call({**both, **dict(items)})
                self._pairs.add(items)

    def _try_values_that_decide(self) -> None:
        """Calls with the untried values of a number that seems to decide whether another parameter is asked for.

        Only numbers with steps have values that a condition can name.
        """
        for place, parameter in enumerate(self._parameters):
            asked = [call.values for call in self._calls if parameter.name in call.values]
            not_asked = [call.values for call in self._calls if call.ended and parameter.name not in call.values]
            if parameter.conditions or not not_asked:
                continue
            for one in self._parameters[:place]:
                with_it = {values[one.name] for values in asked if one.name in values}
                without = {values[one.name] for values in not_asked if one.name in values}
                base = next((values for values in asked if one.name in values), None)
                if base is None or with_it & without or not with_it or not without:
                    continue
                for value in _every_value(one) or ():
                    if value not in with_it | without:
                        self._call({**base, one.name: value})

    def _met_together(self, first: str, second: str) -> Values | None:
        return next((call.values for call in self._calls if first in call.values and second in call.values), None)

    def _drawn(self, names: Container[str] | None = None, *, within: bool = False) -> Values:
        """Returns random values.

        Args:
            names: Those of the parameters to draw for; None for all.
            within: Whether numbers come from all of their range, as in a trial, rather than from its ends.
        """
        return {
            one.name: one.random_sample(self._random.randrange(2**31)) if within else self._end_of(one)
            for one in self._parameters
            if names is None or one.name in names
        }


def values_to_try(parameter: Any) -> list[Value]:
    """Returns the values of a KerasTuner object that exploration tries by themselves."""
    if _is_count(parameter):
        return list(dict.fromkeys([parameter.default, *range(parameter.min_value, parameter.max_value + 1)]))
    if type(parameter).__name__ in ("Int", "Float"):
        low, high = parameter.min_value, parameter.max_value
        step = parameter.step if parameter.sampling in (None, "linear") else None
        middle = low + (high - low) / 2 if step is None else low + (high - low) // 2 // step * step
        number = int if type(parameter).__name__ == "Int" else float
        return list(dict.fromkeys([parameter.default, low, number(middle), high]))
    return list(dict.fromkeys(getattr(parameter, "values", ()) or (parameter.default,)))


def _ends_to_try(parameter: Any) -> list[Value]:
    """Returns the values that exploration tries together with those of other parameters."""
    values = values_to_try(parameter)
    if _is_count(parameter) or type(parameter).__name__ not in ("Int", "Float"):
        return values
    return list(dict.fromkeys([parameter.default, parameter.min_value, parameter.max_value]))


def _is_count(parameter: Any) -> bool:
    """Returns whether a parameter is an integer with so few values that each may have a branch, as layers have."""
    is_plain = type(parameter).__name__ == "Int" and parameter.step in (None, 1)
    is_linear = parameter.sampling in (None, "linear") if is_plain else False
    return is_linear and parameter.max_value - parameter.min_value < FEW_VALUES


def _pair(first: tuple[str, Value], second: tuple[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted((first, second), key=repr))


def _recorder(values: Values) -> Any:
    """Returns KerasTuner hyperparameters that keep, in `asked`, each one that code asks for."""
    import keras_tuner

    class Recorder(keras_tuner.HyperParameters):  # type: ignore[misc]  # KerasTuner ships no types
        """Hyperparameters that remember what was asked."""

        def __init__(self) -> None:
            super().__init__()
            self.asked: list[Any] = []

        def _retrieve(self, hp: Any) -> Any:
            if self.is_active(hp):
                # A copy, since the scope's list of conditions goes on changing.
                self.asked.append(type(hp).from_config(hp.get_config()))
            return super()._retrieve(hp)

    recorder = Recorder()
    recorder.values = dict(values)
    return recorder


def _key(parameter: Any) -> str:
    """Returns a name that tells a KerasTuner object from others of its name under other conditions."""
    conditions = [(condition.name, tuple(condition.values)) for condition in parameter.conditions]
    return repr((parameter.name, conditions))


def _range(parameter: Any) -> str:
    """Returns a KerasTuner object's range in words."""
    kind = type(parameter).__name__
    if kind in ("Int", "Float"):
        step = "" if parameter.step is None or (kind == "Int" and parameter.step == 1) else f" step {parameter.step}"
        return f"{parameter.min_value}..{parameter.max_value}{step}"
    return ",".join(map(str, getattr(parameter, "values", ())))


def _condition(name: str, before: list[Any], calls: list[_Call]) -> tuple[Condition, ...]:
    """Returns the condition, on up to three parameters, under which a parameter is asked for; empty if always."""
    asked = [call.values for call in calls if name in call.values]
    # A call that failed might have asked later on.
    not_asked = [call.values for call in calls if call.ended and name not in call.values]
    if not not_asked:
        return ()
    # The parameter asked for last before it is the likeliest to decide.
    candidates = [one for one in reversed(before) if all(one.name in values for values in asked)]
    split = {one.name: _values_when(one, asked, calls) for one in candidates}
    for count, pool in ((1, candidates), (2, candidates), (3, candidates[:NEAREST])):
        for group in itertools.combinations([one.name for one in pool if split[one.name]], count):
            if not any(all(others.get(other) in split[other] for other in group) for others in not_asked):
                return tuple(Condition(other, split[other]) for other in reversed(group))
    return ()


def _values_when(parameter: Any, asked: list[Values], calls: list[_Call]) -> tuple[Value, ...]:
    """Returns the values that a parameter had when another was asked for; empty unless all its values were met.

    Of a range that is not tried value by value, nothing is known about those in between.
    """
    met = {call.values[parameter.name] for call in calls if parameter.name in call.values}
    every = _every_value(parameter)
    if every is None or not met.issuperset(every):
        return ()
    values = {entry[parameter.name] for entry in asked}
    return () if values >= set(every) else tuple(value for value in every if value in values)


def _every_value(parameter: Any) -> list[Value] | None:
    """Returns all values of a KerasTuner object; None for a range without steps, or with too many of them."""
    if type(parameter).__name__ not in ("Int", "Float") or _is_count(parameter):
        return values_to_try(parameter)
    # As data, since values of a condition are compared with those that a study draws.
    options = None if parameter.step is None else to_parameter(parameter).options
    return None if options is None or len(options) > MOST_VALUES_OF_A_CONDITION else list(options)
