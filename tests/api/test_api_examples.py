"""The examples in the docstrings of the public face run as they stand there, on one small study."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import apertune


def examples() -> Iterator[tuple[str, Any]]:
    """Each public function and method by name."""
    for name in apertune.__all__:
        thing = getattr(apertune, name)
        if thing.__module__.startswith("apertune.api."):
            yield name, thing


def described() -> Iterator[tuple[str, Any]]:
    """Each public function, and each public method of a public class, by name."""
    for name, thing in examples():
        if not inspect.isclass(thing):
            yield name, thing
            continue
        for member, function in inspect.getmembers(thing, inspect.isfunction):
            if not member.startswith("_") and function.__module__.startswith("apertune.api."):
                yield f"{name}.{member}", function


@pytest.mark.parametrize(("name", "function"), list(described()))
def test_arguments_and_errors_are_documented(name: str, function: Any) -> None:
    """A docstring has a line for each argument under `Args:`, and each method with arguments has one."""
    text = inspect.getdoc(function)
    assert text, name
    parameters = [p for p in inspect.signature(function, follow_wrapped=False).parameters if p != "self"]
    code = function.__code__
    own = {*code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]} - {"self"}
    if own & set(parameters):
        assert "Args:" in text, name
    for parameter in own & set(parameters):
        assert f"    {parameter}: " in text, f"{name}: {parameter}"


@pytest.mark.parametrize(
    ("name", "function"), [(name, thing) for name, thing in described() if inspect.isfunction(thing)]
)
def test_each_function_has_an_example(name: str, function: Any) -> None:
    """Each function and method that is called has an example, which the next test runs."""
    assert "Example:" in str(inspect.getdoc(function)), name


@pytest.mark.ci
def test_the_examples_hold(tuned: apertune.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `>>>` of the public face gives what it says, in the folder of a study of digits."""
    folder = tuned.home.root.parent
    monkeypatch.chdir(folder)
    monkeypatch.setenv("APERTUNE_CACHE", str(folder / "cache"))
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
    known: dict[str, Any] = {"apertune": apertune, "study": tuned, "data": tuned.data}
    report: list[str] = []
    for name, thing in sorted(examples(), key=_order):
        for test in finder.find(thing, name, globs=known):
            # The champion of one example is that of the next.
            test.globs = known
            runner.run(test, out=report.append, clear_globs=False)
    assert not runner.failures, "".join(report)
    assert runner.tries > 30


def _order(entry: tuple[str, Any]) -> tuple[int, str]:
    """Puts the study first, which makes a champion, and the search last, which adds trials."""
    return {"Study": 0, "tune": 2}.get(entry[0], 1), entry[0]
