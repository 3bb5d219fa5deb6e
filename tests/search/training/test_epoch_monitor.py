"""The intervals between checkpoints, by a clock that the test moves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apertune.search.messages import StopRequest
from apertune.search.training import epoch_monitor
from apertune.search.training.epoch_monitor import EpochMonitor

EPOCH_S = 60.0


class Training:
    """The part of a training that a monitor uses: each epoch takes a minute, each checkpoint a given time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, saving_s: float) -> None:
        self.now = 0.0
        self.saved: list[int] = []
        self.request: StopRequest | None = None
        self.state = SimpleNamespace(epoch=0, history=["told"])
        self.trainer = SimpleNamespace(can_resume=True)
        self.candidate, self.checkpoint, self.task = None, Path("checkpoint.npz"), SimpleNamespace(number=0)
        self._saving_s = saving_s
        monkeypatch.setattr(epoch_monitor, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(epoch_monitor, "save_checkpoint", self._save)
        self._monitor = EpochMonitor(self)  # type: ignore[arg-type]  # it is all that a monitor needs here
        self._monitor.set_model(SimpleNamespace(stop_training=False))

    def _save(self, path: Path, state: Any, candidate: Any) -> None:
        self.now += self._saving_s
        self.saved.append(state.epoch)

    def train(self, epochs: int) -> None:
        for _ in range(epochs):
            self.now += EPOCH_S
            self.state.epoch += 1
            self._monitor.close_epoch()

    def emit(self, event: object) -> None: ...

    def stop_requested(self) -> StopRequest | None:
        return self.request

    def has_all_epochs(self) -> bool:
        return False

    def out_of_patience(self) -> bool:
        return False


def test_a_cheap_checkpoint_is_written_after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every epoch is saved if saving takes less than a twentieth of an epoch."""
    training = Training(monkeypatch, saving_s=2.0)
    training.train(6)
    assert training.saved == [1, 2, 3, 4, 5, 6]


def test_slow_checkpoints_take_a_twentieth_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If saving takes 10 s, there are 200 s of training between two checkpoints."""
    training = Training(monkeypatch, saving_s=10.0)
    training.train(12)
    assert training.saved == [1, 5, 9]


def test_an_interrupted_epoch_is_saved_at_any_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial that is to go on in the next search saves its last epoch, however long saving takes."""
    training = Training(monkeypatch, saving_s=10.0)
    training.train(2)
    training.request = StopRequest(0, "interrupted", "the search was stopped")
    training.train(1)
    assert training.saved == [1, 3]
