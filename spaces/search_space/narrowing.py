"""Narrowing of a search space by what a user writes: `optimizer=adam`, `blocks=2..4`, `activation=relu,gelu`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ...errors import SpaceError, UnknownNameError
from . import wording
from .parameters import Parameter, SearchSpace, Value

TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def narrow(
    space: SearchSpace, fixed: Mapping[str, str] | None = None, ranges: Mapping[str, str] | None = None
) -> SearchSpace:
    """Returns the part of a space that a user wants to search, without parameters that can no longer be active.

    A parameter is given by its key, or by its name, which then stands for all parameters of that name that can be
    active. Where these are several, of different branches, each takes the part of a range that it has.

    Args:
        space: The space to narrow.
        fixed: A value for each parameter to hold (`{"optimizer": "adam"}`).
        ranges: `LOW..HIGH` or `a,b,c` for each parameter to narrow.

    Raises:
        UnknownNameError: No parameter has such a name.
        SpaceError: A parameter cannot take a value, or the value would have no effect.
    """
    fixed, ranges, parameters = fixed or {}, ranges or {}, space.parameters
    both = fixed.keys() & ranges.keys()
    if both:
        raise SpaceError(f"'{min(both)}' is both fixed and narrowed; give one of the two")
    known = {parameter.name for parameter in parameters} | {parameter.key for parameter in parameters}
    for name in (*fixed, *ranges):
        if name not in known:
            raise UnknownNameError("parameter", name, {parameter.name for parameter in parameters})
    used: set[str] = set()
    left: list[Parameter] = []
    shared = {name for name in ranges if sum(parameter.name == name for parameter in parameters) > 1}
    for parameter in parameters:
        if _can_be_active(parameter, left):
            own = dict(ranges)
            if parameter.name in shared and parameter.key not in ranges:
                own[parameter.name] = _common(parameter, ranges[parameter.name])
            left.append(_narrowed(parameter, fixed, own, used))
    for name in (*fixed, *ranges):
        if name not in used:
            conditions = " or ".join(wording.condition(p.conditions) for p in parameters if name in (p.name, p.key))
            raise SpaceError(f"'{name}' has no effect: it is used only when {conditions}, which is ruled out here")
    return SearchSpace(tuple(left))


def _common(parameter: Parameter, text: str) -> str:
    """Returns the part of a range that a parameter has; the whole text where that cannot be said in the same form."""
    if ".." not in text:
        within = [part.strip() for part in text.split(",") if _has(parameter, part)]
        if not within:
            raise _off_the_space(parameter, text)
        return ",".join(within)
    if parameter.low is None or parameter.high is None:
        return text
    low_text, _, high_text = text.partition("..")
    low, high = _bound(parameter, low_text, text), _bound(parameter, high_text, text)
    if max(low, parameter.low) > min(high, parameter.high):
        raise _off_the_space(parameter, text)
    return f"{max(low, parameter.low)!r}..{min(high, parameter.high)!r}" if low <= high else text


def _has(parameter: Parameter, text: str) -> bool:
    try:
        _parse(parameter, text)
    except SpaceError:
        return False
    return True


def _can_be_active(parameter: Parameter, parents: list[Parameter]) -> bool:
    def met(name: str, values: tuple[Value, ...]) -> bool:
        return any(p.name == name and any(p.contains(value) for value in values) for p in parents)

    return all(met(c.name, c.values) for c in parameter.conditions)


def _narrowed(parameter: Parameter, fixed: Mapping[str, str], ranges: Mapping[str, str], used: set[str]) -> Parameter:
    changes: tuple[tuple[Mapping[str, str], Callable[[Parameter, str], Parameter]], ...] = (
        (fixed, _fix),
        (ranges, _restrict),
    )
    for name in (parameter.key, parameter.name):
        for texts, change in changes:
            if name in texts:
                used.update({name} | ({parameter.name} if parameter.name in texts else set()))
                return change(parameter, texts[name])
    return parameter


def _fix(parameter: Parameter, text: str) -> Parameter:
    return _of_values(parameter, (_parse(parameter, text),), "fixed")


def _restrict(parameter: Parameter, text: str) -> Parameter:
    if ".." in text:
        return _between(parameter, text)
    values = tuple(dict.fromkeys(_parse(parameter, part) for part in text.split(",")))
    return _of_values(parameter, values, "fixed" if len(values) == 1 else "choice")


def _between(parameter: Parameter, text: str) -> Parameter:
    low_text, _, high_text = text.partition("..")
    low, high = _bound(parameter, low_text, text), _bound(parameter, high_text, text)
    if low > high:
        raise SpaceError(f"{parameter.key}: LOW must not exceed HIGH, but got {text}")
    if parameter.options is not None:
        inside = tuple(o for o in parameter.options if low - 1e-9 * abs(low) <= o <= high + 1e-9 * abs(high))  # type: ignore[operator]  # numbers: `_bound` checked
        if not inside or not (_within(parameter, low) and _within(parameter, high)):
            raise _off_the_space(parameter, text)
        if len(inside) == 1:
            return _of_values(parameter, inside, "fixed")
        if parameter.kind == "choice" or parameter.sampling == "reverse_log" or not parameter.is_regular:
            return _of_values(parameter, inside, "choice")
        low, high = float(inside[0]), float(inside[-1])
    elif not (parameter.contains(low) and parameter.contains(high)):
        raise _off_the_space(parameter, text)
    elif low == high:
        return _of_values(parameter, (parameter.nearest(low),), "fixed")
    if parameter.kind == "int":
        low, high = int(low), int(high)
    narrowed = replace(parameter, low=low, high=high, default=low)
    return replace(narrowed, default=narrowed.nearest(parameter.default))


def _within(parameter: Parameter, value: float) -> bool:
    options = [float(option) for option in parameter.options or ()]
    bounds = options if parameter.low is None else [*options, parameter.low, parameter.high or 0.0]
    return min(bounds) - 1e-12 <= value <= max(bounds) + 1e-12


def _bound(parameter: Parameter, text: str, whole: str) -> float:
    numbers = parameter.kind in ("int", "float") or parameter.ordered
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not numbers or value != value or (parameter.kind == "int" and value != int(value)):
        raise _off_the_space(parameter, whole)
    return value


def _of_values(parameter: Parameter, values: tuple[Value, ...], kind: str) -> Parameter:
    default = parameter.default if parameter.default in values else values[0]
    ordered = len(values) > 1 and not any(isinstance(value, bool | str) for value in values)
    return replace(
        parameter,
        kind=kind,  # type: ignore[arg-type]  # "fixed" or "choice", both kinds
        values=values,
        default=default,
        ordered=ordered,
        low=None,
        high=None,
        step=None,
        sampling=None,
    )


def _parse(parameter: Parameter, text: str) -> Value:
    """Returns the value that a user's text means.

    Raises:
        SpaceError: The parameter cannot take it.
    """
    text = text.strip()
    for option in parameter.options or ():
        if isinstance(option, str) and option == text:
            return option
    candidates: list[Value] = [TRUTHS[text.lower()]] if text.lower() in TRUTHS else []
    for reading in (int, float):
        try:
            candidates.append(reading(text))
        except ValueError:
            continue
    for candidate in candidates:
        if parameter.contains(candidate):
            return parameter.nearest(candidate)
    raise _off_the_space(parameter, text)


def _off_the_space(parameter: Parameter, text: str) -> SpaceError:
    return SpaceError(f"{parameter.key} takes {wording.span(parameter)}, not {text}")
