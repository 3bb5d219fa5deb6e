"""What a promotion is asked to do, checked once, here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...errors import SettingError


@dataclass(frozen=True)
class PromotionSettings:
    """study: its name; None for the one of this data with the most trials. top: trials that are confirmed.

    seeds: trainings of each of them; 1 takes the best trial as it is. refit: train the winner again on training and
    validation images together. ensemble: average up to so many networks, if that is really better; None for one
    network. minimum_probability: below it the model answers "unknown". minimums: test scores without which the
    champion stays, by metric; for a metric that is to be small, the most it may be. force: make the model champion
    whatever the gate says.
    """

    study: str | None = None
    top: int = 3
    seeds: int = 3
    refit: bool = False
    ensemble: int | None = None
    minimum_probability: float = 0.0
    minimums: Mapping[str, float] = field(default_factory=dict)
    force: bool = False

    def __post_init__(self) -> None:
        for name, least in (("top", 1), ("seeds", 1), ("ensemble", 2)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingError(f"--{name} must be at least {least}, but got {value}")
        if not 0 <= self.minimum_probability <= 1:
            raise SettingError(f"--minimum-probability must be from 0 to 1, but got {self.minimum_probability}")
        for metric, bound in self.minimums.items():
            if not math.isfinite(bound):
                raise SettingError(f"--min {metric} must be a finite number, but got {bound}")
        if self.refit and self.ensemble is not None:
            raise SettingError(
                "--refit leaves no validation images to choose an ensemble by; give --refit or --ensemble, not both"
            )
