"""What is tried again when a write fails, and what is not."""

from __future__ import annotations

import sqlite3

import pytest

from apertune.search.studies.storage.patience import persistently


class Call:
    """Fails so often with an error, then answers 7."""

    def __init__(self, error: BaseException, times: int) -> None:
        self.error, self.left, self.calls = error, times, 0

    def __call__(self) -> int:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return 7


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)


def _wrapped(cause: Exception) -> Exception:
    error = AttributeError("Optuna stumbled over it")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [OSError("disk full"), sqlite3.OperationalError("locked"), AssertionError(), _wrapped(sqlite3.OperationalError())],
    ids=lambda error: type(error).__name__,
)
def test_a_failing_storage_is_waited_for(error: Exception) -> None:
    """Whatever a disk or a database raises, itself or through Optuna, the write is tried again."""
    call = Call(error, times=2)
    assert persistently(call) == 7
    assert call.calls == 3


@pytest.mark.parametrize("error", [ZeroDivisionError(), RuntimeError("a sampler's fault"), KeyboardInterrupt()])
def test_another_fault_is_raised_at_once(error: BaseException) -> None:
    """A sampler's or pruner's own fault is no matter of patience, and neither is Ctrl-C."""
    call = Call(error, times=1)
    with pytest.raises(type(error)):
        persistently(call)
    assert call.calls == 1
