"""Advice on what to try next, from the place of a study's best trials in its space."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ...spaces.search_space.parameters import Parameter, SearchSpace, Values
from ...spaces.search_space.wording import number, readable_names

FEWEST_TRIALS = 10
EDGE = 0.1
LITTLE_IMPORTANCE = 0.02
FEWEST_OTHERS = 3
MOST_LINES = 6
MOST_NAMED = 5


def advice(space: SearchSpace, best_first: Sequence[Values], importances: Mapping[str, float]) -> list[str]:
    """Returns a sentence for each of the parameters whose ranges should change, and one on those that matter little.

    There are at most `MOST_LINES` of the former, of the most important parameters, and none of either with fewer than
    10 complete trials.

    Args:
        space: The space that was searched.
        best_first: Each complete trial's values by parameter name, the best trial first.
        importances: Shares of the importance by readable name.
    """
    if len(best_first) < FEWEST_TRIALS:
        return []
    top = best_first[: max(5, len(best_first) // 4)]
    lines: list[tuple[float, str]] = []
    little = []
    names = readable_names(space)
    for parameter in space.parameters:
        name = names[parameter.key]
        values = [values[parameter.name] for values in top if _has(parameter, values)]
        if parameter.kind == "fixed" or len(values) < 3:
            continue
        if parameter.kind in ("int", "float"):
            tried = [float(one[parameter.name]) for one in best_first if _has(parameter, one)]
            line = _edge(name, parameter, [float(value) for value in values], tried)
        else:
            line = _one_choice(name, parameter, values, best_first)
        share = importances.get(name, 0.0)
        if line:
            lines.append((-share, line))
        elif name in importances and share < LITTLE_IMPORTANCE:
            little.append(f"{name} {number(values[0])}")
    ordered = [line for _, line in sorted(lines, key=lambda pair: pair[0])][:MOST_LINES]
    return [*ordered, *_matter_little(little)]


def _has(parameter: Parameter, values: Values) -> bool:
    return parameter.is_active(values) and parameter.name in values


def position(parameter: Parameter, value: float) -> float:
    """Returns the place of a value on its parameter's scale, 0 (low) to 1 (high); 0.5 if the scale is one value."""
    assert parameter.low is not None
    assert parameter.high is not None
    low, high = parameter.low, parameter.high
    if low == high:
        return 0.5
    if parameter.sampling == "log":
        return math.log(value / low) / math.log(high / low)
    if parameter.sampling == "reverse_log":
        return 1 - math.log((high + low - value) / low) / math.log(high / low)
    return (value - low) / (high - low)


def _edge(name: str, parameter: Parameter, values: Sequence[float], tried: Sequence[float]) -> str | None:
    """Returns advice on a range at one end of which the best trials lie, unless the others lie there, too.

    Most draws are near the defaults, and many a default is an end of its range.
    """
    places = sorted(position(parameter, value) for value in values)
    middle = places[len(places) // 2]
    if EDGE < middle < 1 - EDGE or _ends_by_nature(parameter, upwards=middle > 0.5):
        return None
    others = sum(abs(position(parameter, value) - middle) > EDGE for value in tried)
    if others < FEWEST_OTHERS:
        return None
    end, way = ("upper", "upwards") if middle > 0.5 else ("lower", "downwards")
    return (
        f"{name}: the best trials lie at the {end} end of {parameter.low:g} to {parameter.high:g} "
        f"(the best has {values[0]:.3g}); widen the range {way}."
    )


def _ends_by_nature(parameter: Parameter, *, upwards: bool) -> bool:
    """Returns whether a range can hardly go on: below nothing at all or a count of one, or above a whole share."""
    if upwards:
        return parameter.kind == "float" and parameter.high == 1
    return parameter.low == 0 or (parameter.kind == "int" and parameter.low == 1)


def _one_choice(name: str, parameter: Parameter, values: Sequence[object], tried: Sequence[Values]) -> str | None:
    others = sum(trial.get(parameter.name, values[0]) != values[0] for trial in tried)
    if len(set(values)) > 1 or others < FEWEST_OTHERS:
        return None
    return (
        f"{name}: all of the {len(values)} best trials have {values[0]}, although {others} trials tried "
        "another value; "
        f"fix it with `--fix {parameter.name}={values[0]}`."
    )


def _matter_little(values: Sequence[str]) -> list[str]:
    if not values:
        return []
    more = f" and {len(values) - MOST_NAMED} more" if len(values) > MOST_NAMED else ""
    return [
        f"Below {LITTLE_IMPORTANCE:.0%} of the importance each, so that the best trial's values will do: "
        f"{', '.join(values[:MOST_NAMED])}{more}."
    ]
