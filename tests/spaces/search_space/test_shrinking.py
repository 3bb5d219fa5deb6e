"""Configurations made smaller: nothing is raised, no number could be higher alone, and what costs nothing stays."""

from __future__ import annotations

import pytest

from apertune.spaces.search_space.parameters import Condition, Parameter, SearchSpace, Values
from apertune.spaces.search_space.shrinking import Ratios, Shrinking, SpentError

SPACE = SearchSpace(
    (
        Parameter("depth", "int", 4, low=1, high=6, step=1, sampling="linear"),
        Parameter("width", "choice", 32, values=(64, 32, 16, 8), ordered=True),
        Parameter("rate", "float", 1e-2, low=1e-4, high=1e-1, sampling="log"),
        Parameter("cells", "choice", "full", values=("full", "light")),
        Parameter("gain", "float", 2.0, low=1.0, high=4.0, sampling="linear"),
        Parameter("head", "int", 2, low=0, high=3, step=1, sampling="linear"),
        Parameter(
            "units", "int", 64, low=16, high=256, step=2, sampling="log", conditions=(Condition("head", (1, 2, 3)),)
        ),
    )
)


def cost(values: Values) -> float:
    """Returns numbers of a network that nobody builds; a higher gain makes it cheaper."""
    kernels = int(values["depth"]) * int(values["width"]) ** 2 / (10 if values["cells"] == "light" else 1)
    return kernels + int(values["head"]) * int(values.get("units", 0)) ** 2 + 10 * (4 - float(values["gain"]))


def measure(limit: float, counted: list[Values] | None = None) -> Shrinking:
    def ratios(values: Values) -> Ratios:
        if counted is not None:
            counted.append(values)
        return {"parameters": cost(values) / limit}

    return Shrinking(SPACE, ratios)


@pytest.mark.parametrize("limit", [12000.0, 10000.0, 6000.0, 2000.0, 900.0, 400.0, 100.0])
def test_no_number_could_be_higher_alone(limit: float) -> None:
    """The result fits, lowers what costs alone, and would break the limit if any number went up one step."""
    default = SPACE.defaults()
    shrunk = measure(limit).shrunk(default)
    assert shrunk.fits
    assert cost(shrunk.values) <= limit
    assert SPACE.contains(shrunk.values)
    assert (shrunk.values["rate"], shrunk.values["gain"], shrunk.values["cells"]) == (1e-2, 2.0, "full")
    for parameter in SPACE.parameters[:2]:
        options = sorted(parameter.options or (), key=float)
        place = options.index(shrunk.values[parameter.name])
        assert place <= options.index(default[parameter.name])
        if place < options.index(default[parameter.name]):
            assert cost({**shrunk.values, parameter.name: options[place + 1]}) > limit


def test_what_fits_stays_as_it_is() -> None:
    """A configuration within the limit is measured once and not changed."""
    counted: list[Values] = []
    shrunk = measure(1e6, counted).shrunk(SPACE.defaults())
    assert shrunk.values == SPACE.defaults()
    assert len(counted) == 1


def test_choices_are_changed_where_numbers_do_not_suffice() -> None:
    """The smallest of all numbers costs 94; the lighter cells go below it."""
    shrunk = measure(50.0).shrunk({**SPACE.defaults(), "gain": 1.0})
    assert shrunk.fits
    assert shrunk.values["cells"] == "light"


def test_the_smallest_is_told_where_nothing_fits() -> None:
    """Without any configuration within the limit, the cheapest that was met is the answer."""
    shrunk = measure(1e-3).shrunk({**SPACE.defaults(), "gain": 1.0})
    assert not shrunk.fits
    assert shrunk.values["cells"] == "light"
    assert (shrunk.values["depth"], shrunk.values["width"]) == (1, 8)


def test_the_same_question_has_the_same_answer() -> None:
    """Nothing is drawn, and few networks are built."""
    counted: list[Values] = []
    first = measure(2000.0, counted).shrunk(SPACE.defaults())
    assert first == measure(2000.0).shrunk(SPACE.defaults())
    assert len(counted) <= 40


def test_a_configuration_that_cannot_be_built_is_passed_over() -> None:
    """Values that raise are no result, and do not end the search for one."""

    def ratios(values: Values) -> Ratios | None:
        return None if int(values["depth"]) == 2 else {"parameters": cost(values) / 2000.0}

    shrunk = Shrinking(SPACE, ratios).shrunk(SPACE.defaults())
    assert shrunk.fits
    assert shrunk.values["depth"] != 2


def test_a_meter_that_measures_no_more_leaves_the_best_found() -> None:
    """When the time is up after the first that fits, that one is taken."""
    left = 60

    def ratios(values: Values) -> Ratios:
        nonlocal left
        left -= 1
        if left < 0:
            raise SpentError
        return {"parameters": cost(values) / 2000.0}

    whole = Shrinking(SPACE, ratios).shrunk(SPACE.defaults())
    needed = 60 - left
    left = needed - 3
    cut = Shrinking(SPACE, ratios).shrunk(SPACE.defaults())
    assert whole.fits
    assert cut.fits
    left = 0
    assert not Shrinking(SPACE, ratios).shrunk(SPACE.defaults()).fits
