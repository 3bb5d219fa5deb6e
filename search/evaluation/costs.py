"""The table of what a network costs: limits are set on these, and they serve as objectives beside a metric."""

from __future__ import annotations

from dataclasses import dataclass

from .direction import Direction


@dataclass(frozen=True)
class Cost:
    """One number that says what a network takes to store or to answer."""

    name: str
    """Its name in settings, tables and MLflow."""
    description: str
    """One sentence on what it measures, and in which unit."""
    phrase: str
    """The verb and noun that go with a number of it."""
    direction: Direction = Direction.MINIMIZE
    """Less is better."""


COSTS: dict[str, Cost] = {
    cost.name: cost
    for cost in (
        Cost("parameters", "Numbers that the network holds.", "has {} parameters"),
        Cost("size_mb", "Bytes that these numbers take, in units of 10^6.", "takes {} MB"),
        Cost(
            "flops",
            "Floating-point operations of one image's answer: two for each multiplication with its addition, "
            "elementwise work left out, as model papers count them.",
            "takes {} operations per image",
        ),
        Cost(
            "latency_ms",
            "Milliseconds of one image's answer on this device: batch of 1, median, the call from Python included.",
            "takes {} ms per image",
        ),
    )
}
COST_NAMES = tuple(COSTS)
