"""The tables of trials."""

from __future__ import annotations

from typing import Any

import pytest

from apertune.cli.output import print_table
from apertune.cli.trial_tables import print_trials, short

RUN = "0123456789abcdef0123456789abcdef"


def document(count: int = 8, **changes: Any) -> dict[str, Any]:
    """Trials as `compare --json` shows them, with parameters that differ."""
    trials = [
        {
            "number": number,
            "state": "complete",
            "value": 0.9 - number / 100,
            "epochs": 12,
            "seconds": 123.0,
            "run_id": RUN,
            "reason": None,
            "params": {"optimizer": f"optimizer-{number}", "batch_size": 64, "rate": 0.1 / (number + 1)},
            "interval": [0.8, 0.95],
            **changes,
        }
        for number in range(count)
    ]
    return {"objective": "macro_f1", "trials": trials, "standing": {"lines": []}}


@pytest.mark.parametrize("width", [60, 80, 100])
def test_tables_of_trials_fit_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    """No line is longer than the terminal, and none is broken: columns and trials that matter less are left out."""
    monkeypatch.setenv("COLUMNS", str(width))
    print_trials(document(reason="over its time of 3 h"), title="digits", most=20)
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if not line.startswith("Left out")) <= width
    assert sum(line.lstrip().startswith("7 ") for line in lines) == 1
    left_out = [line for line in lines if line.startswith("Left out, since the terminal is narrow: ")]
    assert all("MLflow run" in line for line in left_out)
    assert len(left_out) == 1


def test_every_column_is_shown_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--all-columns` leaves nothing out; without a terminal nothing is left out either."""
    monkeypatch.setenv("COLUMNS", "60")
    print_trials(document(), title="digits", most=20, all_columns=True)
    assert "Left out" not in capsys.readouterr().out
    monkeypatch.delenv("COLUMNS")
    print_trials(document(), title="digits", most=20)
    assert capsys.readouterr().out.count(RUN) == 8


def test_a_reason_that_says_nothing_new_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """State and epochs tell that a trial was pruned after its twelfth epoch; other reasons have a column."""
    print_trials(document(state="pruned", reason="pruned after epoch 12"), title="", most=20)
    assert "reason" not in capsys.readouterr().out
    print_trials(document(state="failed", reason="out of memory"), title="", most=20)
    assert "out of memory" in capsys.readouterr().out


def test_numbers_stand_under_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns of numbers end at the same place, columns of words begin there."""
    print_table(("name", "images"), [("a", "1,234"), ("bb", "5")])
    assert capsys.readouterr().out.splitlines()[2:4] == ["a      1,234", "bb         5"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4640510.0, "4,640,510"),
        (0.00007123, "7.12e-5"),
        (0.25, "0.25"),
        (64, "64"),
        (None, ""),
        ("x" * 20, "x" * 13 + "…"),
    ],
)
def test_parameters_are_written_as_people_do(value: Any, text: str) -> None:
    """Large numbers have commas, small ones a short exponent; long texts are cut."""
    assert short(value) == text
