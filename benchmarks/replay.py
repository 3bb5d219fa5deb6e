"""Replays searches on recorded curves, many times faster than real ones, and compares strategies.

    uv run --group benchmarks python benchmarks/replay.py [--strategies apertune,random,...] [--seeds 50] [--trials 60]
    uv run --group benchmarks python benchmarks/replay.py --json > tables.json
    uv run --group benchmarks python benchmarks/replay.py --check     shows how far the surrogates can be trusted
    uv run --group benchmarks python benchmarks/replay.py --curves    makes the table of search/strategies/chance.py

The curves are those that `benchmarks/record.py` recorded. A strategy proposes freely and is given the answer of a
surrogate: trees that learned the curves of one set, and the residuals that they left. It is used on a set only where
its rank correlation with unseen configurations reaches 0.8. Elsewhere the answer is that of the nearest recorded
configuration that the search was not given before. Every strategy meets the same answers and the same
patience of five epochs, begins with the space's defaults, and trains one configuration at a time. A portfolio is chosen
on sets of other sources alone, for the two earlier recordings on each other, since they share their configurations.

Regret is normalised per set: 0 is the best value that any replay reached, 1 the median of evenly drawn configurations.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import statistics
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context

import numpy as np
from measurements import Column, Table, arguments_of, tell
from portfolio import choose
from recorded_curves import EARLIER, LEAST_CORRELATION, Pool, RecordedSet, Surrogate, recorded_sets, uniform_level
from recorded_sets import SETS
from replay_strategies import OURS, PEERS, Bench

STRATEGIES = {**PEERS, **OURS}
# SMAC3 is compiled from source where it is installed, so it is compared only there.
INSTALLED = [name for name in STRATEGIES if name != "smac3" or importlib.util.find_spec("smac")]
REPORTED = (10, 20, 60)
# Longer searches are told in tables of their own, since the sets with fewer configurations have none to answer with.
SHORT = 20
TITLES = {
    "apertune": "Apertune, as it comes",
    "no-portfolio": "without the portfolio",
    "no-prior": "without the prior and the portfolio",
    "tpe": "with TPE after the start, no neighbours",
    "before": "Apertune before (TPE, Hyperband from epoch 1)",
    "optuna-tpe": "Optuna's TPE, median pruner",
    "ray-asha": "Ray Tune's ASHA",
    "kt-hyperband": "KerasTuner's Hyperband",
    "kt-bayesian": "KerasTuner's Bayesian tuner",
    "smac3": "SMAC3",
}
BEATS = "beats_first_"


@dataclass(frozen=True)
class Replay:
    """One replayed search."""

    set: str
    strategy: str
    seed: int
    best: list[float]
    """The best value after each trial."""
    epochs: list[int]
    """Epochs spent until then."""
    top_ended: float
    """Share of the trials in the top tenth at their end that were ended early."""


@cache
def surrogate_of(name: str) -> Surrogate:
    return Surrogate(RecordedSet(name))


@cache
def answers_of(name: str, least: float) -> Pool | Surrogate:
    """Returns the surrogate where it ranks unseen configurations well enough, else the recorded ones alone."""
    surrogate = surrogate_of(name)
    return surrogate if surrogate.correlation >= least else Pool(surrogate.set)


@cache
def portfolio_for(name: str, size: int) -> tuple[dict[str, object], ...]:
    """Returns the portfolio chosen on the sets of other sources of which the same configurations were recorded."""
    own = RecordedSet(name).source
    alike = EARLIER if name in EARLIER else tuple(SETS)
    others = [one for one in recorded_sets(alike) if one.source != own]
    return tuple(choose(others, size)) if others else ()


def replay(name: str, strategy: str, seed: int, trials: int, least: float = LEAST_CORRELATION) -> Replay:
    """Replays one search."""
    warnings.simplefilter("ignore")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    bench = Bench(answers_of(name, least), seed, trials, portfolio_for(name, 16))
    STRATEGIES[strategy](bench)
    values = sorted((value for value, _ in bench.ended), reverse=True)
    bound = values[max(0, len(values) // 10 - 1)]
    top = [early for value, early in bench.ended if value >= bound]
    return Replay(name, strategy, seed, bench.best, bench.epochs, sum(top) / len(top))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", default=",".join(INSTALLED))
    parser.add_argument("--sets", default=",".join([*SETS, *EARLIER]))
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--trust", type=float, default=LEAST_CORRELATION, help="rank correlation to use a surrogate")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--curves", action="store_true")
    arguments = arguments_of(parser)
    sets = [one.name for one in recorded_sets(arguments.sets.split(","))]
    if arguments.check:
        check(sets)
        return
    if arguments.curves:
        print_curves([RecordedSet(name) for name in sets])
        return
    for name in sets:
        if isinstance(answers_of(name, arguments.trust), Pool):
            print(f"{name}: answered by recorded configurations, since its surrogate ranks too badly", file=sys.stderr)
    jobs = [
        (name, strategy, seed, arguments.trials, arguments.trust)
        for seed in range(arguments.seeds)
        for name in sets
        for strategy in arguments.strategies.split(",")
    ]
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        replays = list(pool.map(_replay_job, jobs, chunksize=4))
    rows = summary(replays, [count for count in REPORTED if count <= arguments.trials])
    tell(*tables(rows, "replay" if arguments.trials <= SHORT else "replay-long"))


def _replay_job(job: tuple[str, str, int, int, float]) -> Replay:
    return replay(*job)


def summary(replays: Sequence[Replay], counts: Iterable[int]) -> dict[str, dict[str, float]]:
    """Returns, per strategy, the figures that are reported.

    Ranks are those within one set and seed, 1 the best; `critical_difference` is Nemenyi's at 0.05 over all of them.
    """
    names = list(dict.fromkeys(one.strategy for one in replays))
    groups: dict[tuple[str, int], dict[str, Replay]] = defaultdict(dict)
    for one in replays:
        groups[one.set, one.seed][one.strategy] = one
    top = {name: max(one.best[-1] for one in replays if one.set == name) for name in {one.set for one in replays}}
    levels = {name: uniform_level(surrogate_of(name).set) for name in top}
    rows: dict[str, dict[str, float]] = {name: {} for name in names}
    for count in counts:
        ranks = [_ranks({name: _after(group[name], count) for name in names}) for group in groups.values()]
        for name in names:
            mine = [one for one in replays if one.strategy == name]
            regrets = [(top[one.set] - _after(one, count)) / (top[one.set] - levels[one.set]) for one in mine]
            rows[name] |= {
                f"rank_{count}": statistics.fmean(rank[name] for rank in ranks),
                f"regret_{count}": statistics.fmean(regrets),
                f"epochs_{count}": statistics.fmean(one.epochs[min(count, len(one.epochs)) - 1] for one in mine),
            }
            if count == 20:
                for set_name in sorted(top):
                    beats = [_after(one, count) > one.best[0] for one in mine if one.set == set_name]
                    rows[name][f"{BEATS}{set_name}"] = statistics.fmean(beats)
    for name in names:
        rows[name]["top_tenth_ended"] = 100 * statistics.fmean(one.top_ended for one in replays if one.strategy == name)
        rows[name]["critical_difference"] = _critical_difference(len(names), len(groups))
        rows[name] |= _time_to_random(replays, name)
        rows[name] |= _worst_against_tpe(replays, name, top, levels)
    return rows


def _after(one: Replay, count: int) -> float:
    return one.best[min(count, len(one.best)) - 1]


def _ranks(values: dict[str, float]) -> dict[str, float]:
    from scipy.stats import rankdata

    return dict(zip(values, map(float, rankdata([-value for value in values.values()])), strict=True))


def _critical_difference(strategies: int, groups: int) -> float:
    """Returns Nemenyi's critical difference (Demsar, JMLR 2006, section 3.2.2)."""
    from scipy.stats import studentized_range

    if strategies < 2:
        return 0.0
    quantile = float(studentized_range.ppf(0.95, strategies, np.inf)) / np.sqrt(2)
    return float(quantile * np.sqrt(strategies * (strategies + 1) / (6 * groups)))


def _time_to_random(replays: Sequence[Replay], name: str) -> dict[str, float]:
    """Returns the trials and the share of epochs until random search's mean best at the end is reached, by medians.

    Medians are over seeds and then over sets; a replay that never reaches it counts as twice its trials.
    """
    trials, shares = [], []
    for set_name in sorted({one.set for one in replays}):
        random = [one for one in replays if one.set == set_name and one.strategy == "random"]
        if not random:
            return {}
        goal = statistics.fmean(one.best[-1] for one in random)
        budget = statistics.fmean(one.epochs[-1] for one in random)
        mine = [one for one in replays if one.set == set_name and one.strategy == name]
        reached = [next((place for place, value in enumerate(one.best) if value >= goal), None) for one in mine]
        trials.append(
            statistics.median(
                2 * len(one.best) if place is None else place + 1 for one, place in zip(mine, reached, strict=True)
            )
        )
        shares.append(
            statistics.median(
                2.0 if place is None else one.epochs[place] / budget for one, place in zip(mine, reached, strict=True)
            )
        )
    return {"trials_to_random": statistics.median(trials), "epochs_to_random": statistics.median(shares)}


def _worst_against_tpe(
    replays: Sequence[Replay], name: str, top: Mapping[str, float], levels: Mapping[str, float]
) -> dict[str, float]:
    """Returns by how much the mean regret at the end is above that of Optuna's TPE on the set where it is worst."""
    worst = -math.inf
    for set_name in top:
        ends = {
            strategy: [one.best[-1] for one in replays if (one.set, one.strategy) == (set_name, strategy)]
            for strategy in (name, "optuna-tpe")
        }
        if not ends["optuna-tpe"]:
            return {}
        lead = statistics.fmean(ends["optuna-tpe"]) - statistics.fmean(ends[name])
        worst = max(worst, lead / (top[set_name] - levels[set_name]))
    return {"worst_against_tpe": worst}


def tables(rows: dict[str, dict[str, float]], name: str) -> tuple[Table, Table]:
    """Returns a row per strategy: ranks, regrets and epochs; and, by set, the share of searches that beat trial 0.

    Args:
        rows: The figures of `summary`.
        name: The name of the first table, with which that of the second begins.
    """
    figures = list(next(iter(rows.values())))
    of_sets = [figure for figure in figures if figure.startswith(BEATS)]
    others = [figure for figure in figures if figure not in of_sets]
    judged = Table(
        name, Column("strategy", ""), *(Column(figure, figure.replace("_", " "), _form(figure)) for figure in others)
    )
    beats = Table(
        f"{name}-beats", Column("strategy", ""), *(Column(figure, figure[len(BEATS) :], "{:.0%}") for figure in of_sets)
    )
    for strategy, row in rows.items():
        title = TITLES.get(strategy, strategy)
        judged.add(strategy=title, **{key: row[key] for key in others})
        beats.add(strategy=title, **{key: row[key] for key in of_sets})
    return judged, beats


def _form(figure: str) -> str:
    if figure == "top_tenth_ended":
        return "{:.0f} %"
    if figure.startswith(("rank", "trials")):
        return "{:.1f}"
    return "{:.0f}" if figure.startswith("epochs") and figure != "epochs_to_random" else "{:.3f}"


def check(names: Sequence[str]) -> None:
    """Prints, per set, what was recorded and how well the surrogate ranks configurations that it did not see."""
    for name in names:
        surrogate = surrogate_of(name)
        firsts = surrogate.set.firsts
        default = statistics.fmean(float(one.curve.max()) for one in surrogate.set.trainings if one.index < 0)
        medians = {
            population: statistics.median(float(one.curve.max()) for one in firsts if one.population == population)
            for population in ("prior", "few", "uniform")
        }
        print(
            f"{name}: {len(firsts)} configurations of {surrogate.set.epochs} epochs, default {default:.3f}, medians "
            + ", ".join(f"{population} {median:.3f}" for population, median in medians.items())
            + f"; best {max(float(one.curve.max()) for one in firsts):.3f}; two seeds differ by "
            f"{surrogate.set.seed_spread:.3f}; surrogate: rank correlation {surrogate.correlation:.2f}"
        )


def print_curves(sets: Sequence[RecordedSet]) -> None:
    """Prints mean and spread of the logarithm of the factor by which the distance to 1 shrinks until the end."""
    epochs = min(one.epochs for one in sets)
    shares, means, spreads = [], [], []
    for step in range(1, epochs):
        factors = []
        for one in sets:
            for training in one.firsts:
                distance = np.maximum(1.0 - np.maximum.accumulate(training.curve), 1e-4)
                factors.append(np.log(distance[-1] / distance[step - 1]))
        shares.append(round(step / epochs, 3))
        means.append(round(float(np.mean(factors)), 3))
        spreads.append(round(float(np.std(factors)), 3))
    print(f"RECORDED_SHARES = {tuple(shares)}\nRECORDED_MEANS = {tuple(means)}\nRECORDED_SPREADS = {tuple(spreads)}")


if __name__ == "__main__":
    main()
