"""Records of trials, and a file of the ended ones, which reads a hundred times faster than Optuna's database.

The file lies beside the study, with one line of JSON per trial. Only the study's owner writes it: whole from Optuna
when it starts, then a line for each trial that ends, before Optuna is told. So the file has every ended trial, and a
trial that it has but Optuna lists as running has not ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ...files.replacing import append_whole, replacing
from ...spaces.search_space.parameters import Values

# A user attribute of Optuna's trials, and two of its values.
ORIGIN = "origin"
DEFAULTS, PORTFOLIO = "the defaults", "the portfolio"


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study, as it stands."""

    number: int
    """Its number in the study, from 0."""
    state: str
    """An `Outcome`, or `running`."""
    value: float | None
    """The first objective; of a trial that has not completed, its latest value."""
    params: Values
    """Values of its hyperparameters, by name."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Metrics on validation, of the best epoch's weights."""
    epochs: int = 0
    """Epochs trained."""
    best_epoch: int = 0
    """The epoch whose weights were kept, from 1; 0 for none."""
    seconds: float = 0.0
    """Duration of the last attempt, building and saving included."""
    parameters: int = 0
    """Parameters of the network."""
    peak_memory_mb: float = 0.0
    """Largest resident memory of the worker."""
    reason: str = ""
    """The reason why it ended, unless it completed."""
    gpu_seconds: float | None = None
    """Time of its GPU, as `TrialResult` has it."""
    energy_joules: float | None = None
    """Energy of its GPU, as `TrialResult` has it."""
    cost: dict[str, float] = field(default_factory=dict)
    """Costs of the network, by the names of `network_cost`."""
    over_limit: bool = False
    """True if it was not trained, since its network costs more than a limit allows."""
    round_values: list[float] = field(default_factory=list)
    """The first objective per fold and repeat, in order; empty for a trial of one training."""
    began: float = 0.0
    """Unix time in seconds; 0 if unknown."""
    origin: str = ""
    """The place that its configuration comes from: `DEFAULTS`, `PORTFOLIO`, a study, or a source of the sampler's;
    empty if unknown."""

    @property
    def has_ended(self) -> bool:
        """True if it has an outcome: it neither runs nor waits for the next search to continue it."""
        return self.state not in ("running", "interrupted")

    @property
    def is_counted(self) -> bool:
        """True if it counts as one of the trials asked for, which a network over a limit does not."""
        return self.has_ended and not self.over_limit

    def value_of(self, objective: str) -> float | None:
        """Returns a metric or cost by name, or None if the trial does not have it."""
        return self.metrics.get(objective, self.cost.get(objective))


class RecordFile:
    """The file of a study's ended trials.

    Args:
        path: The path of the file.
        identity: The study's, by which a file that another study of the same name left is recognised.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity

    def rewrite(self, records: Iterable[TrialRecord], set_aside: Iterable[int]) -> None:
        """Writes the whole file, in place of the one that is there.

        Args:
            records: The ended trials.
            set_aside: Numbers of proposals that repeat an earlier trial, and have no record.
        """
        lines = [json.dumps({"study": self._identity})]
        lines += [_line(record) for record in records]
        lines += [json.dumps({"set_aside": number}) for number in set_aside]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as file:
            file.write("".join(f"{line}\n" for line in lines).encode())

    def add(self, record: TrialRecord) -> None:
        """Adds an ended trial. On return the line survives a power loss."""
        self._append(_line(record))

    def set_aside(self, number: int) -> None:
        """Adds the number of a proposal that repeats an earlier trial."""
        self._append(json.dumps({"set_aside": number}))

    def _append(self, line: str) -> None:
        with self._path.open("ab", buffering=0) as file:
            append_whole(file, line.encode() + b"\n")

    def read(self) -> tuple[dict[int, TrialRecord], set[int]] | None:
        """Returns ended trials by number and the numbers set aside, or None without an intact file of this study."""
        records: dict[int, TrialRecord] = {}
        set_aside: set[int] = set()
        try:
            with self._path.open("rb") as file:
                if json.loads(file.readline()) != {"study": self._identity}:
                    return None
                for line in file:
                    entry = json.loads(line)
                    if "set_aside" in entry:
                        set_aside.add(entry["set_aside"])
                    else:
                        records[entry["number"]] = TrialRecord(**entry)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return records, set_aside


def _line(record: TrialRecord) -> str:
    # `asdict` would copy every value, which takes longer than to write them.
    return json.dumps(vars(record))
