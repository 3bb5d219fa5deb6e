"""Trials as they stand in a study, and a file of those that ended, which is read a hundred times faster than Optuna's.

The file lies beside the study, one line of JSON a trial. Its writer, the study's owner, adds a trial's line before it
tells Optuna, and writes it anew from Optuna when it begins: so each ended trial is in the file, and one that is there
but runs in Optuna has not ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...files.replacing import append_whole, replacing
from ...spaces.search_space.parameters import Values


@dataclass(frozen=True)
class TrialRecord:
    """state: an `Outcome` but interrupted, or running. value: the first objective. began: Unix seconds."""

    number: int
    state: str
    value: float | None
    params: Values
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    parameters: int = 0
    peak_memory_mb: float = 0.0
    reason: str = ""
    gpu_seconds: float | None = None
    energy_joules: float | None = None
    cost: dict[str, float] = field(default_factory=dict)
    over_limit: bool = False
    began: float = 0.0

    @property
    def has_ended(self) -> bool:
        """Whether it has an outcome: it neither runs nor is to go on with the next search."""
        return self.state not in ("running", "interrupted")

    @property
    def is_counted(self) -> bool:
        """Whether it is one of the trials asked for: those that cost more than allowed were not trained."""
        return self.has_ended and not self.over_limit

    def value_of(self, objective: str) -> float | None:
        """A metric or cost by name; None where the trial has none, as one that did not complete may."""
        return self.metrics.get(objective, self.cost.get(objective))


class RecordFile:
    """identity: the study's, so that a file left by another study of the same name is not taken for this one's."""

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._identity = identity

    def rewrite(self, records: Iterable[TrialRecord], set_aside: Iterable[int]) -> None:
        """set_aside: numbers of trials that have no record."""
        lines = [json.dumps({"study": self._identity})]
        lines += [_line(record) for record in records]
        lines += [json.dumps({"set_aside": number}) for number in set_aside]
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as file:
            file.write("".join(f"{line}\n" for line in lines).encode())

    def add(self, record: TrialRecord) -> None:
        """Safe against power loss on return."""
        self._append(_line(record))

    def set_aside(self, number: int) -> None:
        self._append(json.dumps({"set_aside": number}))

    def _append(self, line: str) -> None:
        with self._path.open("ab", buffering=0) as file:
            append_whole(file, line.encode() + b"\n")

    def read(self) -> tuple[dict[int, TrialRecord], set[int]] | None:
        """Ended trials by number, and the numbers set aside; None without a whole file of this study."""
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
    return json.dumps(asdict(record))
