"""Draws from a space by what is believed beforehand: near each parameter's default rather than anywhere.

Numbers are drawn from a normal distribution around the default, cut off at the ends of the range, on the parameter's
own scale; choices are drawn with the default more likely than each other value. Source: Mallik et al., PriorBand,
NeurIPS 2023, and Hvarfner et al., piBO, ICLR 2022, whose priors have this form.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal

import numpy as np

from .narrowing import narrow
from .parameters import Parameter, SearchSpace, Value, Values

Strength = Literal["none", "weak", "strong"]

STANDARD_WIDTH = 0.25
STANDARD_WEIGHT = 4.0
BELIEVED_WEIGHT = 8.0
LEAST_WIDTH = 0.02
_STANDARD = NormalDist()
# Widths are divided by the first, and weights raised to the power of the second.
STRENGTHS: dict[Strength, tuple[float, float]] = {"weak": (1.0, 1.0), "strong": (2.0, 1.5)}


@dataclass(frozen=True)
class Belief:
    """An opinion on one parameter, held before any trial."""

    width: float = STANDARD_WIDTH
    """Standard deviation of a number, as a share of its range on the parameter's scale."""
    weights: Mapping[Value, float] = field(default_factory=dict)
    """Relative chances of the values of a choice; empty for `STANDARD_WEIGHT` for the default and 1 for the others."""
    centre: Value | None = None
    """The likeliest value; None for the parameter's default."""
    width_below: float | None = None
    """Standard deviation of numbers below the centre, where it is another; None for `width`."""

    @property
    def below(self) -> float:
        """Standard deviation of numbers below the centre."""
        return self.width if self.width_below is None else self.width_below


def believe(space: SearchSpace, beliefs: Mapping[str, Belief], ranges: Mapping[str, str]) -> dict[str, Belief]:
    """Returns beliefs with those of a user in place of, or beside, the space's own.

    Args:
        space: The space.
        beliefs: The space's own beliefs.
        ranges: `LOW..HIGH` or `a,b,c` by parameter, as `narrow` takes them. A number is believed to lie within one
            standard deviation of the middle; each of the named values is `BELIEVED_WEIGHT` times as likely as others.

    Raises:
        UnknownNameError: No parameter has such a name.
        SpaceError: A parameter cannot take a value.
    """
    held = dict(beliefs)
    if not ranges:
        return held
    believed = {parameter.key: parameter for parameter in narrow(space, None, ranges).parameters}
    for parameter in space.parameters:
        part = believed.get(parameter.key)
        if part is None or part == parameter:
            continue
        options = part.options
        if has_scale(parameter) and (options is None or has_scale(part) or len(options) == 1):
            ends = (options[0], options[-1]) if options else part.bounds
            low, high = sorted(share_of(parameter, end) for end in ends)
            width = max((high - low) / 2, LEAST_WIDTH)
            held[parameter.key] = Belief(width, centre=value_at(parameter, (low + high) / 2))
        else:
            held[parameter.key] = Belief(weights=dict.fromkeys(options or (), BELIEVED_WEIGHT))
    return held


class Prior:
    """A distribution over the configurations of a space.

    Args:
        space: The space.
        beliefs: Opinions by the names or keys of parameters; all others are believed in as `Belief()`.
        strength: `none` to draw everything evenly; `strong` for narrower draws than `weak`.
    """

    def __init__(self, space: SearchSpace, beliefs: Mapping[str, Belief], strength: Strength = "weak") -> None:
        self.space = space
        self.strength = strength
        self._beliefs = beliefs

    def draw(self, random: np.random.Generator) -> Values:
        """Returns a configuration."""
        return self.space.configuration(lambda parameter: self.draw_value(parameter, random))

    def draw_evenly(self, random: np.random.Generator) -> Values:
        """Returns a configuration drawn without any belief."""
        return self.space.configuration(lambda parameter: even_value(parameter, random))

    def draw_value(self, parameter: Parameter, random: np.random.Generator) -> Value:
        """Returns a value of one parameter."""
        if self.strength == "none":
            return even_value(parameter, random)
        belief = self._belief(parameter)
        if belief is None:
            return even_value(parameter, random)
        narrowing, power = STRENGTHS[self.strength]
        centre = belief.centre if belief.centre is not None else parameter.default
        if has_scale(parameter):
            return near(parameter, centre, belief.width / narrowing, random, below=belief.below / narrowing)
        options = parameter.options or ()
        if belief.weights:
            weights = np.array([belief.weights.get(option, 1.0) for option in options])
        else:
            weights = np.array([STANDARD_WEIGHT if option == centre else 1.0 for option in options])
        weights = weights**power
        return options[int(random.choice(len(options), p=weights / weights.sum()))]

    def _belief(self, parameter: Parameter) -> Belief | None:
        """Returns the opinion on a parameter, or None where nobody has one: no belief, and no default in the code."""
        known = self._beliefs.get(parameter.key) or self._beliefs.get(parameter.name)
        return known or (Belief() if parameter.states_default else None)


def has_scale(parameter: Parameter) -> bool:
    """Returns whether the values have an order on which a value can be near another."""
    options = parameter.options
    if options is None:
        return True
    return len(options) > 1 and (parameter.kind in ("int", "float") or parameter.ordered)


def share_of(parameter: Parameter, value: Value) -> float:
    """Returns the place of a value on the parameter's scale, from 0 to 1; a grid's values lie at even distances."""
    value = parameter.nearest(value)
    if parameter.options is not None:
        return parameter.options.index(value) / max(1, len(parameter.options) - 1)
    low, high = parameter.bounds
    number = float(value)
    if parameter.sampling == "log":
        return math.log(number / low) / math.log(high / low)
    if parameter.sampling == "reverse_log":
        return 1.0 - math.log((high + low - number) / low) / math.log(high / low)
    return (number - low) / (high - low)


def value_at(parameter: Parameter, share: float) -> Value:
    """Returns the value at a place on the parameter's scale, from 0 to 1."""
    share = min(max(share, 0.0), 1.0)
    if parameter.options is not None:
        return parameter.options[round(share * (len(parameter.options) - 1))]
    low, high = parameter.bounds
    if parameter.sampling == "log":
        return parameter.nearest(low * (high / low) ** share)
    if parameter.sampling == "reverse_log":
        return parameter.nearest(high + low - low * (high / low) ** (1.0 - share))
    return parameter.nearest(low + share * (high - low))


def near(
    parameter: Parameter, centre: Value, width: float, random: np.random.Generator, *, below: float | None = None
) -> Value:
    """Draws from a normal distribution on the parameter's scale, cut off at its ends.

    Args:
        parameter: One that has a scale.
        centre: The likeliest value.
        width: The standard deviation as a share of the range.
        random: The source of the draw.
        below: The standard deviation under the centre, where it is another: the two halves then meet at the centre.
    """
    options = parameter.options
    # The outermost values of a grid stand for half a step beyond them, as each stands for half a step either way.
    margin = 0.0 if options is None else 0.5 / max(1, len(options) - 1)
    place, above, under = share_of(parameter, centre), max(width, 1e-9), max(width if below is None else below, 1e-9)
    low, high = _STANDARD.cdf((-margin - place) / under), _STANDARD.cdf((1.0 + margin - place) / above)
    # Heights meet at the centre if each half has a mass that goes with its width.
    masses = (0.5 - low) * under, (high - 0.5) * above
    drawn = float(random.random()) * sum(masses)
    deviation, from_left = (
        (under, low + drawn / under) if drawn < masses[0] else (above, 0.5 + (drawn - masses[0]) / above)
    )
    return value_at(parameter, place + deviation * _STANDARD.inv_cdf(min(max(from_left, 1e-12), 1.0 - 1e-12)))


def even_value(parameter: Parameter, random: np.random.Generator) -> Value:
    """Returns any value of a parameter, each with the same chance, or evenly on its scale."""
    if parameter.options is not None:
        return parameter.options[int(random.integers(len(parameter.options)))]
    return value_at(parameter, float(random.random()))
