"""The words for parameters in tables and messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from .parameters import Condition, Parameter, SearchSpace, Value


def number(value: Value) -> str:
    """Returns a value as text, a float with at most six significant digits."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def span(parameter: Parameter) -> str:
    """Returns a parameter's range in words: `16 to 256, times 2`, `1e-05 to 0.01, log`, `relu, gelu`."""
    if parameter.kind not in ("int", "float"):
        return ", ".join(number(option) for option in parameter.options or ())
    low, high = parameter.bounds
    text = f"{number(low)} to {number(high)}"
    if parameter.step is None:
        return text if parameter.sampling == "linear" else f"{text}, {parameter.sampling}"
    if parameter.sampling == "linear":
        return text if parameter.kind == "int" and parameter.step == 1 else f"{text}, step {number(parameter.step)}"
    return f"{text}, times {number(parameter.step)}" + ("" if parameter.sampling == "log" else ", reverse_log")


def condition(conditions: Sequence[Condition]) -> str:
    """Returns conditions in words: `optimizer is sgd and schedule is cosine or step`."""
    return " and ".join(f"{c.name} is {' or '.join(map(number, c.values))}" for c in conditions)


# More values than this of one condition are counted and not named.
_VALUES_NAMED = 4


def readable_names(space: SearchSpace) -> dict[str, str]:
    """Returns the name to show for each parameter, by its key.

    It is the name in the user's code, as `--fix` takes it. Where several parameters share that, the values that tell
    them apart follow: `learning_rate (sgd)`.
    """
    shared: dict[str, list[Parameter]] = {}
    for parameter in space.parameters:
        shared.setdefault(parameter.name, []).append(parameter)
    names: dict[str, str] = {}
    for name, variants in shared.items():
        told = _told_apart(variants) if len(variants) > 1 else [""]
        names |= {each.key: f"{name} ({words})" if words else name for each, words in zip(variants, told, strict=True)}
    counts = Counter(names.values())
    return {key: name if counts[name] == 1 else key for key, name in names.items()}


def _told_apart(variants: Sequence[Parameter]) -> list[str]:
    """Returns the fewest words on conditions by which parameters of one name differ."""
    parents = dict.fromkeys(c.name for variant in variants for c in variant.conditions)
    ways: list[Callable[[Parameter], str]] = [
        *(lambda variant, parent=parent: _short(variant, (parent,)) for parent in parents),
        lambda variant: _short(variant, tuple(parents)),
    ]
    for way in ways:
        words = [way(variant) for variant in variants]
        if len(set(words)) == len(words):
            return words
    return [condition(variant.conditions) for variant in variants]


def _short(parameter: Parameter, parents: Sequence[str]) -> str:
    return ", ".join(_short_condition(c) for c in parameter.conditions if c.name in parents)


def _short_condition(one: Condition) -> str:
    words = [number(value) for value in one.values[:_VALUES_NAMED]]
    more = len(one.values) - len(words)
    values = ", ".join(words) + (f" and {more} more" if more else "")
    return values if all(isinstance(value, str) for value in one.values) else f"{one.name} {values}"


def rows(space: SearchSpace) -> list[tuple[str, str, str, str, str]]:
    """Returns name, kind, range, condition and default of each parameter, as text."""
    return [(p.name, p.kind, span(p), condition(p.conditions), number(p.default)) for p in space.parameters]


def describe_difference(first: SearchSpace, second: SearchSpace) -> list[str]:
    """Returns a line for each parameter that is in one of two spaces only or differs between them."""
    ours = {parameter.key: parameter for parameter in first.parameters}
    theirs = {parameter.key: parameter for parameter in second.parameters}
    lines = [f"{key}: only in the first ({span(ours[key])})" for key in ours if key not in theirs]
    lines += [f"{key}: only in the second ({span(theirs[key])})" for key in theirs if key not in ours]
    for key in ours:
        if key in theirs and ours[key] != theirs[key]:
            lines.append(f"{key}: {_facts(ours[key])} in the first, {_facts(theirs[key])} in the second")
    order = [key for key in ours if key in theirs]
    if not lines and order != [key for key in theirs if key in ours]:
        lines.append("the order of the parameters")
    return lines


def _facts(parameter: Parameter) -> str:
    return f"{parameter.kind} {span(parameter)} (default {number(parameter.default)})"
