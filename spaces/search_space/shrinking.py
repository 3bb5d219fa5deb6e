"""Shrinking of a configuration until its network keeps within limits, by measured costs and nothing else.

Numbers are lowered, each within its range, and nothing is raised. First all numbers that make the network cheaper go
down together, as little as suffices; then each in turn goes back up as far as the limits let it. So no number of the
result could be higher alone. Where numbers do not suffice, choices are changed to the cheapest, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .parameters import Parameter, SearchSpace, Value, Values
from .prior import has_scale, share_of, value_at

# Steps in which numbers go down together, and in which a continuous number goes back up.
STEPS, STEPS_UP = 16, 8

Ratios = Mapping[str, float]
"""Costs divided by their limits, by the name of the limit."""
Measure = Callable[[Values], Ratios | None]
"""Measures a configuration; None for one that cannot be built."""


class SpentError(Exception):
    """Raised by a `Measure` that measures no more; the shrinking then ends with what it has found."""


@dataclass(frozen=True)
class Shrunk:
    """A configuration beside the one that it was made of."""

    values: Values
    """The configuration within the limits, or the cheapest that was met."""
    given: Ratios
    """Ratios of the configuration that was given; empty for one that cannot be built."""
    ratios: Ratios
    """Ratios of `values`."""

    @property
    def fits(self) -> bool:
        """True if `values` keep within all limits."""
        return bool(self.ratios) and excess(self.ratios) == 0.0


def excess(ratios: Ratios | None) -> float:
    """Returns by how much limits are broken, summed over the limits on a log scale; 0 where none is."""
    if ratios is None:
        return math.inf
    return sum(max(0.0, math.log(max(ratio, 1e-12))) for ratio in ratios.values())


class Shrinking:
    """Shrinks configurations of one space; what it learns of one serves the next.

    Args:
        space: The space.
        measure: Gives the costs of a configuration; equal configurations are measured once.
    """

    def __init__(self, space: SearchSpace, measure: Measure) -> None:
        self._space = space
        self._measure = measure
        self._measured: dict[str, Ratios | None] = {}
        self._cheapest: tuple[float, Values] = math.inf, {}
        self._cheapening: list[str] = []

    def shrunk(self, values: Values) -> Shrunk:
        """Returns the configuration, made smaller if need be.

        Args:
            values: The values of the active parameters.
        """
        self._cheapest = math.inf, values
        given: Ratios | None = None
        try:
            given = self._ratios(values)
            if given is not None and excess(given) > 0.0:
                self._search(values)
        except SpentError:
            pass
        best = self._cheapest[1]
        return Shrunk(best, given or {}, self._measured.get(_identity(best)) or {})

    def _search(self, values: Values) -> None:
        """Leaves the nearest configuration that keeps within the limits in `_cheapest`."""
        wanted = dict(values)
        if not self._lowered(wanted, [name for name in self._cheapening if name in wanted]):
            while not self._lowered(wanted, self._that_cheapen(wanted)):
                choice = self._cheapest_choice(wanted)
                if choice is None:
                    return
                wanted = self._complete({**wanted, **dict([choice])})

    def _lowered(self, wanted: Values, names: Sequence[str]) -> bool:
        """Lowers numbers together and raises each again; returns whether the limits let any configuration be."""

        def down(step: int) -> Values:
            lowered = {name: self._between(name, wanted, self._lowest(name, wanted), step / STEPS) for name in names}
            return {**wanted, **lowered}

        if not self._fits(down(STEPS if names else 0)):
            return False
        found = down(_first(STEPS, lambda step: self._fits(down(step))) if names else 0)
        self._cheapest = -1.0, self._complete(found)
        for name in names:
            found = self._raised(name, found, wanted)
            self._cheapest = -1.0, self._complete(found)
        return True

    def _raised(self, name: str, found: Values, wanted: Values) -> Values:
        """Returns a configuration within the limits with one number as near to what was wanted as they allow."""
        steps = self._steps(name, found, wanted)
        # From what was wanted down to what was found.
        place = _first(len(steps), lambda place: self._fits({**found, name: steps[place - 1]}), known=len(steps))
        return {**found, name: steps[place - 1]}

    def _steps(self, name: str, found: Values, wanted: Values) -> list[Value]:
        """Returns the values of a number from the wanted one down to the one found, both included."""
        parameter = self._parameter(name, wanted)
        if parameter.options is None:
            return [self._between(name, wanted, found[name], step / STEPS_UP) for step in range(STEPS_UP + 1)]
        low, high = sorted((found[name], wanted[name]), key=float)
        return sorted((one for one in parameter.options if low <= one <= high), key=float, reverse=True)  # type: ignore[operator]  # numbers

    def _that_cheapen(self, wanted: Values) -> list[str]:
        """Returns the numbers whose lowest value alone makes the network cheaper, in the order of the space."""
        numbers = [
            parameter.name
            for parameter in self._space.active(self._complete(wanted))
            if has_scale(parameter) and self._lowest(parameter.name, wanted) != wanted[parameter.name]
        ]
        self._cheapening = self._of_effect(numbers, wanted)
        return self._cheapening

    def _of_effect(self, names: Sequence[str], wanted: Values) -> list[str]:
        """Halves the names until each that makes the network cheaper stands alone; most change no cost at all."""
        if not names:
            return []
        before = self._ratios(wanted)
        after = self._ratios({**wanted, **{name: self._lowest(name, wanted) for name in names}})
        if after == before:
            return []
        if len(names) == 1:
            return list(names) if excess(after) < excess(before) else []
        middle = len(names) // 2
        return [*self._of_effect(names[:middle], wanted), *self._of_effect(names[middle:], wanted)]

    def _cheapest_choice(self, wanted: Values) -> tuple[str, Value] | None:
        """Returns the change of one choice that breaks the limits least, if it is better than none."""
        best, found = excess(self._ratios(wanted)), None
        for parameter in list(self._space.active(self._complete(wanted))):
            for option in () if has_scale(parameter) else parameter.options or ():
                if option != wanted[parameter.name]:
                    broken = excess(self._ratios({**wanted, parameter.name: option}))
                    if broken < best:
                        best, found = broken, (parameter.name, option)
        return found

    def _fits(self, wanted: Values) -> bool:
        return excess(self._ratios(wanted)) == 0.0

    def _ratios(self, wanted: Values) -> Ratios | None:
        values = self._complete(wanted)
        key = _identity(values)
        if key not in self._measured:
            self._measured[key] = self._measure(values)
        broken = excess(self._measured[key])
        if broken < self._cheapest[0]:
            self._cheapest = broken, values
        return self._measured[key]

    def _complete(self, wanted: Values) -> Values:
        """Returns a configuration of the space: wanted values of parameters that are no longer active are left out."""
        return self._space.configuration(
            lambda parameter: parameter.nearest(wanted.get(parameter.name, parameter.default))
        )

    def _parameter(self, name: str, wanted: Values) -> Parameter:
        return next(parameter for parameter in self._space.active(self._complete(wanted)) if parameter.name == name)

    def _lowest(self, name: str, wanted: Values) -> Value:
        parameter = self._parameter(name, wanted)
        if parameter.options is not None:
            return min(parameter.options, key=float)
        return parameter.nearest(parameter.bounds[0])

    def _between(self, name: str, wanted: Values, low: Value, share: float) -> Value:
        """Returns the value at a share of the way from the wanted one down to a lower one, on the parameter's scale."""
        parameter = self._parameter(name, wanted)
        if parameter.options is None:
            start, end = share_of(parameter, wanted[name]), share_of(parameter, low)
            return value_at(parameter, start + (end - start) * share)
        below = sorted((one for one in parameter.options if low <= one <= wanted[name]), key=float)  # type: ignore[operator]  # numbers
        return below[round((len(below) - 1) * (1.0 - share))]


def _first(count: int, holds: Callable[[int], bool], *, known: int | None = None) -> int:
    """Returns the first number from 1 to `count` for which something holds, as it does for all after it.

    Args:
        count: The last number, for which it holds.
        holds: Tells of one number.
        known: A number for which it is known to hold, and is not asked; None for `count`.
    """
    least, most = 1, known or count
    if count and holds(1):
        return 1
    while least < most:
        middle = (least + most) // 2
        if holds(middle):
            most = middle
        else:
            least = middle + 1
    return most


def _identity(values: Values) -> str:
    return repr(sorted(values.items()))
