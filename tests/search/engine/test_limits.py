"""The lines and the configurations of a search whose limits are under the size of its defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_study import SPACE, pretended_task

from apertune.search.engine.limits import Limiter
from apertune.search.executors.in_process import InProcessExecutor
from apertune.search.messages import Discovered, DiscoveryTask, SpaceReference
from apertune.search.studies.study import Asked
from apertune.spaces.search_space.prior import Prior
from apertune.spaces.search_space.shrinking import Shrunk


class Measuring(InProcessExecutor):
    """An executor that gives one answer to all questions on limits."""

    answer: Discovered
    asked = 0

    def discover(self, task: DiscoveryTask) -> Discovered:
        assert task.within is not None
        self.asked += 1
        return self.answer


def measuring(*shrunk: Shrunk) -> Measuring:
    executor = Measuring(lambda task, emit, stop: pytest.fail("nothing is trained"), SPACE)
    executor.answer = Discovered(SPACE, shrunk=shrunk, measured=(({"rate": 0.1}, {"parameters": 0.5}),))
    return executor


def limiter(folder: Path, lines: list[str], limits: dict[str, float], executor: Measuring) -> Limiter:
    view = pretended_task(folder, Asked(0, {})).view
    return Limiter(executor, view, SpaceReference("convnet"), SPACE, limits, lines.append)


def test_a_line_tells_that_the_default_was_made_smaller(tmp_path: Path) -> None:
    """Each limit that the default breaks is told with its flag, the default's cost and that of the smaller one."""
    limits = {"parameters": 200_000.0, "latency_ms": 2.0, "size_mb": 1000.0}
    given = {"parameters": 6.02, "latency_ms": 1.25, "size_mb": 0.1}
    fits = Shrunk({"rate": 0.2}, given, {"parameters": 0.935, "latency_ms": 0.6, "size_mb": 0.01})
    lines: list[str] = []
    assert limiter(tmp_path, lines, limits, measuring(fits)).default() == {"rate": 0.2}
    assert lines == [
        "The default has 1,204,000 parameters, over --max-parameters 200,000 and takes 2.5 ms per image, over "
        "--max-latency-ms 2: the search begins with a smaller one, 187,000 and 1.2."
    ]


def test_a_line_tells_where_nothing_was_found_within_a_limit(tmp_path: Path) -> None:
    """The smallest configuration that was met is told, and the search begins with the defaults as they are."""
    least = Shrunk({"rate": 0.0}, {"flops": 90.0}, {"flops": 3.0})
    lines: list[str] = []
    assert limiter(tmp_path, lines, {"flops": 1000.0}, measuring(least)).default() == SPACE.defaults()
    assert lines == [
        "No configuration was found within --max-flops 1,000; the smallest takes 3,000 operations per image."
    ]


@pytest.mark.parametrize(
    "shrunk",
    [Shrunk({"rate": 0.5}, {"parameters": 0.5}, {"parameters": 0.5}), Shrunk({"rate": 0.5}, {}, {})],
    ids=["fits", "not measured"],
)
def test_a_default_that_stays_needs_no_line(tmp_path: Path, shrunk: Shrunk) -> None:
    """Nothing is said of a default within the limits, or of one that could not be measured."""
    lines: list[str] = []
    assert limiter(tmp_path, lines, {"parameters": 9.0}, measuring(shrunk)).default() == SPACE.defaults()
    assert lines == []


def test_configurations_that_cannot_fit_are_left_out(tmp_path: Path) -> None:
    """Others are tried as they were made to fit, in their order."""
    fits = Shrunk({"rate": 0.2}, {"parameters": 2.0}, {"parameters": 0.9})
    never = Shrunk({"rate": 0.1}, {"parameters": 9.0}, {"parameters": 3.0})
    asked = limiter(tmp_path, [], {"parameters": 9.0}, measuring(never, fits))
    assert asked.fitted([{"rate": 0.9}, {"rate": 0.8}]) == [{"rate": 0.2}]


def test_without_limits_nothing_is_measured(tmp_path: Path) -> None:
    """No worker is asked, and every configuration stays."""
    executor = measuring()
    asked = limiter(tmp_path, [], {}, executor)
    assert asked.default() == SPACE.defaults()
    assert asked.fitted([{"rate": 0.9}]) == [{"rate": 0.9}]
    assert asked.measured(Prior(SPACE, {}), 0) == ()
    assert executor.asked == 0


def test_draws_are_measured_before_the_first_trial(tmp_path: Path) -> None:
    """Their costs go to the sampler."""
    executor = measuring()
    measured = limiter(tmp_path, [], {"parameters": 9.0}, executor).measured(Prior(SPACE, {}), 0)
    assert measured == executor.answer.measured
