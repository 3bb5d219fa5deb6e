"""How parameters read in tables, names and messages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .parameters import Condition, Parameter, Value

PLAIN_NAME = re.compile(r"[^@=&|\"']+")


def quoted(value: Value) -> str:
    """A name or value as a key spells it; what could be mistaken for a part of the key is in double quotes."""
    if not isinstance(value, str):
        return str(value)
    return value if PLAIN_NAME.fullmatch(value) and not _reads_as_other_type(value) else json.dumps(value)


def _reads_as_other_type(text: str) -> bool:
    if text in ("True", "False"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def number(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def span(parameter: Parameter) -> str:
    """Its range in words: `16 to 256, times 2`, `1e-05 to 0.01, log`, `relu, gelu`."""
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
    return " and ".join(f"{c.name} is {' or '.join(map(number, c.values))}" for c in conditions)


def row(parameter: Parameter) -> tuple[str, str, str, str, str]:
    """Name, kind, range, condition, default."""
    return (
        parameter.name,
        parameter.kind,
        span(parameter),
        condition(parameter.conditions),
        number(parameter.default),
    )


def differences(ours: Mapping[str, Parameter], theirs: Mapping[str, Parameter]) -> list[str]:
    """A line for each parameter, by key, that is only in one of two spaces or not the same in both."""
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
