"""Pruners, which end weak trials early: the table that the command, the settings and the docs read.

Reading the table must cost nothing at the command's start, so only a pruner's `make` imports Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from .options import Option, make_quietly, read_options

if TYPE_CHECKING:
    from optuna.pruners import BasePruner


@dataclass(frozen=True)
class Pruner:
    """One rule for ending trials."""

    summary: str
    """The condition under which it ends a trial, in one line."""
    advice: str
    """The occasion to choose it, in one line."""
    make: Callable[..., BasePruner]
    """Makes Optuna's pruner from `epochs`, the most that a trial takes, `perfect`, the objective's best possible
    value or None, and the options, all by name.

    A ValueError that it raises reaches the user as a SettingError.
    """
    judges: Literal["epochs", "rounds", "nothing"]
    """The steps after which it judges a trial: its epochs, or its rounds, which are its folds and repeats."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """The options it takes, by name."""


def _make_chance(
    epochs: int, perfect: float | None, least_chance: float, n_startup_trials: int, n_warmup_steps: int
) -> BasePruner:
    from .chance import ChancePruner

    return ChancePruner(
        epochs,
        perfect,
        least_chance=least_chance,
        n_warmup_steps=_first_judged(epochs, n_warmup_steps),
        n_startup_trials=n_startup_trials,
    )


def _make_hyperband(epochs: int, perfect: float | None, min_resource: int, reduction_factor: int) -> BasePruner:
    import optuna

    min_resource = _first_judged(epochs, min_resource)
    _check_first_judgement(epochs, min_resource)
    return optuna.pruners.HyperbandPruner(
        min_resource=min_resource, max_resource=max(1, epochs), reduction_factor=reduction_factor
    )


def _make_successive_halving(
    epochs: int, perfect: float | None, min_resource: int, reduction_factor: int, min_early_stopping_rate: int
) -> BasePruner:
    import optuna

    min_resource = _first_judged(epochs, min_resource)
    _check_first_judgement(epochs, min_resource * reduction_factor**min_early_stopping_rate)
    return optuna.pruners.SuccessiveHalvingPruner(
        min_resource=min_resource,
        reduction_factor=reduction_factor,
        min_early_stopping_rate=min_early_stopping_rate,
    )


def _make_median(epochs: int, perfect: float | None, n_startup_trials: int, n_warmup_steps: int) -> BasePruner:
    import optuna

    return optuna.pruners.MedianPruner(
        n_startup_trials=n_startup_trials, n_warmup_steps=_warm_up(epochs, n_warmup_steps)
    )


def _make_percentile(
    epochs: int, perfect: float | None, percentile: float, n_startup_trials: int, n_warmup_steps: int
) -> BasePruner:
    import optuna

    return optuna.pruners.PercentilePruner(
        percentile, n_startup_trials=n_startup_trials, n_warmup_steps=_warm_up(epochs, n_warmup_steps)
    )


def _make_wilcoxon(epochs: int, perfect: float | None, p_threshold: float, n_startup_steps: int) -> BasePruner:
    import optuna

    return optuna.pruners.WilcoxonPruner(p_threshold=p_threshold, n_startup_steps=n_startup_steps)


def _make_paired(epochs: int, perfect: float | None, p_threshold: float, n_startup_trials: int) -> BasePruner:
    from .paired import PairedPruner

    return PairedPruner(p_threshold, n_startup_trials)


def _make_none(epochs: int, perfect: float | None) -> BasePruner:
    import optuna

    return optuna.pruners.NopPruner()


def _warm_up(epochs: int, steps: int) -> int:
    return max(1, epochs // 5) if steps < 0 else steps


def _first_judged(epochs: int, epoch: int) -> int:
    """Returns the first epoch to judge a trial by: a seventh of all, but not the first, which tells little."""
    return min(max(2, round(epochs / 7)), max(1, epochs)) if epoch < 0 else max(1, epoch)


def _check_first_judgement(epochs: int, first: int) -> None:
    """Raises ValueError when a pruner would judge no trial, since its first judgement comes after the last epoch."""
    if first > max(1, epochs):
        raise ValueError(
            f"with these options it judges no trial before epoch {first:g}, but --epochs is {epochs}; "
            "give smaller values, or --pruner none"
        )


_MIN_RESOURCE = Option(
    -1, "First epoch after which trials are judged; -1: a seventh of `--epochs`, at least 2", least=-1
)
_REDUCTION_FACTOR = Option(3, "One in this many trials goes on after each judgement", least=2)
_STARTUP_TRIALS = Option(5, "Complete trials before the first one is pruned")
_WARMUP_STEPS = Option(-1, "Epochs of a trial before it may be pruned; -1: a fifth of `--epochs`", least=-1)

PRUNERS: dict[str, Pruner] = {
    "chance": Pruner(
        summary="Its chance of coming among the best is small, as the curves of earlier trials tell",
        advice="The default",
        make=_make_chance,
        judges="epochs",
        options={
            "least_chance": Option(0.01, "Smallest chance that lets a trial go on", most=1),
            "n_startup_trials": Option(3, "Complete trials before the first one is pruned", least=1),
            "n_warmup_steps": _MIN_RESOURCE,
        },
    ),
    "hyperband": Pruner(
        summary="It is not in the best third of its bracket; some brackets let trials run longer before they judge",
        advice="Hundreds of trials, most of them poor; it loses good ones where there are few",
        make=_make_hyperband,
        judges="epochs",
        options={"min_resource": _MIN_RESOURCE, "reduction_factor": _REDUCTION_FACTOR},
    ),
    "successive-halving": Pruner(
        summary="It is not in the best third of all trials that came as far",
        advice="To spend fewer epochs, at the risk of losing a good trial",
        make=_make_successive_halving,
        judges="epochs",
        options={
            "min_resource": _MIN_RESOURCE,
            "reduction_factor": _REDUCTION_FACTOR,
            "min_early_stopping_rate": Option(
                0,
                "Trials are judged first at epoch `min_resource` * `reduction_factor` ^ this",
                most=20,
            ),
        },
    ),
    "median": Pruner(
        summary="Its best value is worse than the median of the others at that epoch",
        advice="Trials that look bad early, such as with a warm-up of the learning rate",
        make=_make_median,
        judges="epochs",
        options={"n_startup_trials": _STARTUP_TRIALS, "n_warmup_steps": _WARMUP_STEPS},
    ),
    "percentile": Pruner(
        summary="Its best value is not among the best quarter of the others at that epoch",
        advice="As `median`, with another share",
        make=_make_percentile,
        judges="epochs",
        options={
            "percentile": Option(25.0, "Share of trials that go on, in percent", most=100),
            "n_startup_trials": _STARTUP_TRIALS,
            "n_warmup_steps": _WARMUP_STEPS,
        },
    ),
    "paired": Pruner(
        summary="Its folds or repeats so far, even the first alone, are worse than the best trial's, by a paired "
        "t-test that learns the luck of a round from all trials",
        advice="The default with `--folds` or `--repeats`",
        make=_make_paired,
        judges="rounds",
        options={
            "p_threshold": Option(0.05, "Largest p-value that prunes a trial", most=1),
            "n_startup_trials": Option(3, "Complete trials before the first one is pruned"),
        },
    ),
    "wilcoxon": Pruner(
        summary="Its folds or repeats so far are worse than the best trial's, by Wilcoxon's signed-rank test",
        advice="Many folds or repeats with outliers; it never prunes before the fourth",
        make=_make_wilcoxon,
        judges="rounds",
        options={
            "p_threshold": Option(0.1, "Largest p-value that prunes a trial", most=1),
            "n_startup_steps": Option(2, "Folds or repeats of a trial before it may be pruned"),
        },
    ),
    "none": Pruner(
        summary="Never",
        advice="Every trial is to be trained to its end",
        make=_make_none,
        judges="nothing",
    ),
}

PRUNER_NAMES = tuple(sorted(PRUNERS))
EPOCH_PRUNERS = tuple(name for name in PRUNER_NAMES if PRUNERS[name].judges != "rounds")
"""The pruners for trials of one training."""
ROUND_PRUNERS = tuple(name for name in PRUNER_NAMES if PRUNERS[name].judges != "epochs")
"""The pruners for trials of several trainings, their folds and repeats."""


def make_pruner(
    name: str, epochs: int, options: Mapping[str, str] | None = None, *, perfect: float | None = None
) -> BasePruner:
    """Makes a pruner of `PRUNERS`.

    Args:
        name: Its name in the table.
        epochs: The most that a trial takes.
        options: The user's text, by name of the option.
        perfect: The objective's best possible value; None where there is none.

    Raises:
        KeyError: For a name that is not in the table.
        UnknownNameError: For an option that the pruner does not have.
        SettingError: For a value that cannot be read or is out of bounds, and for options with which it would
            never judge a trial.
    """
    whose, pruner = f"--pruner {name}", PRUNERS[name]
    values = read_options(whose, pruner.options, options or {})
    return make_quietly(whose, partial(pruner.make, epochs=epochs, perfect=perfect, **values))
