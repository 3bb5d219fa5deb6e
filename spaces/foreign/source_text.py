"""The source of an object that a user defined, with everything of theirs that it refers to, as one text.

It is what a reader finds in MLflow, and what tells one space from another: the same text is the same space.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import sys
import sysconfig
import types
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_LONGEST_VALUE = 500


def source_text(thing: Any) -> str:
    """Returns the source of an object, then that of each thing of the user's that it refers to, then plain values."""
    parts = list(referenced(thing))
    texts = [_source(part) for part in parts]
    values: dict[str, str] = {}
    for part in parts:
        for name, value in _references(part):
            if not is_own(value):
                values.setdefault(name, _described(value))
    made = _made_with(thing)
    lines = [f"# {name} = {text}" for name, text in sorted(values.items())]
    return "\n\n".join([*texts, *([made] if made else []), *(["\n".join(lines)] if lines else [])]) + "\n"


def referenced(thing: Any) -> Iterator[Any]:
    """Yields the functions and classes of the user's that an object consists of or refers to, each once."""
    seen: set[int] = set()
    waiting = [thing]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, partial):
            waiting += [one.func, *one.args, *one.keywords.values()]
            continue
        if isinstance(one, types.MethodType):
            waiting += [one.__func__, one.__self__]
            continue
        if isinstance(one, list | tuple):
            waiting += one
            continue
        if not isinstance(one, type | types.FunctionType):
            state = getattr(one, "__dict__", {})
            waiting += [type(one), *(value for value in state.values() if isinstance(value, type | types.FunctionType))]
            continue
        if id(one) in seen or not is_own(one):
            continue
        seen.add(id(one))
        yield one
        waiting += [value for _, value in _references(one) if is_own(value)]


def is_own(thing: Any) -> bool:
    """Returns whether a thing is a function or class of the user's: neither installed nor part of Python."""
    if not isinstance(thing, type | types.FunctionType):
        return False
    module = sys.modules.get(thing.__module__)
    if thing.__module__ == "__main__" or module is None:
        return True
    file = getattr(module, "__file__", None)
    return file is not None and not _is_installed(Path(file))


def _is_installed(file: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(file.parts) or file.is_relative_to(_OWN_PACKAGE):
        return True
    return any(file.is_relative_to(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib"))


_OWN_PACKAGE = Path(__file__).parents[2]


def _references(thing: Any) -> Iterator[tuple[str, Any]]:
    """Yields names and values of what a function, or each method and base of a class, takes from outside."""
    if isinstance(thing, type):
        for base in thing.__bases__:
            yield base.__name__, base
        for name, member in vars(thing).items():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, types.FunctionType):
                yield from _references(function)
            elif isinstance(member, type) and name != "__class__":
                yield name, member
        return
    for name, cell in zip(thing.__code__.co_freevars, thing.__closure__ or (), strict=False):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue
    for name in _names(thing.__code__):
        if name in thing.__globals__:
            yield name, thing.__globals__[name]


def _names(code: types.CodeType) -> list[str]:
    """Returns the names that a piece of code looks up, those of functions within it included."""
    inner = [name for const in code.co_consts if isinstance(const, types.CodeType) for name in _names(const)]
    return list(dict.fromkeys([*code.co_names, *inner]))


def _source(thing: Any) -> str:
    try:
        return inspect.cleandoc("\n" + inspect.getsource(thing)).rstrip()
    except (OSError, TypeError):
        pass
    if isinstance(thing, type) and (found := _class_source(thing)):
        return found
    code = getattr(thing, "__code__", None)
    known = _code_digest(code) if code is not None else ""
    return f"# {thing.__module__}.{thing.__qualname__}: its source is not known {known}".rstrip()


def _class_source(kind: type) -> str:
    """Returns the source of a class that was defined in a notebook, where only its methods know their cell."""
    functions = [member for member in vars(kind).values() if isinstance(member, types.FunctionType)]
    for function in functions:
        text = "".join(linecache.getlines(function.__code__.co_filename))
        try:
            tree = ast.parse(text)
        except SyntaxError:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                return ast.get_source_segment(text, node) or ""
    return ""


def _code_digest(code: types.CodeType) -> str:
    consts = [_code_digest(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts]
    return hashlib.sha256(repr((code.co_code, code.co_names, consts)).encode(errors="replace")).hexdigest()[:12]


def _made_with(thing: Any) -> str:
    """Returns a line on the plain attributes of an instance; empty for functions and classes."""
    if isinstance(thing, partial):
        given = {str(number): value for number, value in enumerate(thing.args)} | thing.keywords
    elif isinstance(thing, type | types.FunctionType | types.MethodType):
        return ""
    else:
        given = {name: value for name, value in getattr(thing, "__dict__", {}).items() if not callable(value)}
    shown = ", ".join(f"{name}={_described(value)}" for name, value in sorted(given.items()))
    return f"# made with: {shown}" if shown else ""


def _described(value: Any) -> str:
    """Returns a value as text: itself where that is short and plain, else its type and what tells it from others."""
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type | types.FunctionType | types.BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if _is_plain(value):
        text = repr(value)
        if len(text) <= _LONGEST_VALUE:
            return text
    return f"{type(value).__module__}.{type(value).__qualname__} {_digest(value)}".rstrip()


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set | frozenset):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    return isinstance(value, _PLAIN)


def _digest(value: Any) -> str:
    """Returns a short hash of a value's bytes; empty for one that has none."""
    tobytes = getattr(value, "tobytes", None)
    if isinstance(value, str | bytes):
        data = value.encode(errors="replace") if isinstance(value, str) else value
    elif _is_plain(value):
        data = repr(value).encode(errors="replace")
    elif callable(tobytes):
        data = bytes(tobytes())
    else:
        return ""
    return hashlib.sha256(data).hexdigest()[:12]
