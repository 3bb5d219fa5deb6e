"""The code of docs/from-keras-tuner.md runs as it stands there, on digits, with two trials in place of many."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from programs import REPOSITORY

import apertune
from apertune.search.settings import Home
from apertune.spaces.foreign.sent import is_sent

PAGE = (REPOSITORY / "docs" / "from-keras-tuner.md").read_text(encoding="utf-8")


def own_code() -> list[str]:
    """The blocks of the right column, and those that stand alone."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    return [block for block in blocks if "tuner" not in block]


@pytest.fixture
def arrays() -> dict[str, Any]:
    """Digits in three parts, as uint8."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = (digits.images * 15).astype(np.uint8), digits.target
    parts = {"": slice(0, 1200), "_val": slice(1200, 1500), "_test": slice(1500, None)}
    return {
        f"{axis}{name}": values[part] for name, part in parts.items() for axis, values in (("x", images), ("y", labels))
    }


@pytest.mark.ci
def test_the_right_column_runs(arrays: dict[str, Any], home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """From arrays to an exported champion; the function is found again by promotion and rerun, and fetched anew."""
    real = apertune.tune

    def small(*given: Any, **named: Any) -> apertune.Study:
        most = {"trials": 2, "epochs": 2} if "space" in named else {"trials": 1}
        return real(*given, **{**named, **most, "workers": 2, "quiet": True})

    monkeypatch.setattr(apertune, "tune", small, raising=False)
    known: dict[str, Any] = dict(arrays)
    blocks = own_code()
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "from-keras-tuner", "exec"), known)
    study, champion = known["study"], known["champion"]
    assert is_sent(study.space)
    assert len(study.trials) == 3
    assert known["names"].shape == (len(arrays["x_test"]),)
    assert set(known["names"]) <= {str(digit) for digit in range(10)}
    assert known["model"].output_shape == (None, 10)
    assert champion.scores().loc["accuracy", "test"] > 0.3
    assert Path("model", "model.keras").is_file()
    assert Path("digits.html").is_file()
    assert study.rerun(quiet=True).largest_difference < 0.05
    sources = list(home.spaces.glob("*/*.py"))
    assert {source.stem for source in sources} == {"build", "additions"}
    for folder in home.spaces.iterdir():
        for file in folder.iterdir():
            file.rename(file.with_suffix(".moved"))
    fetched = apertune.fetch_space(study.trials_dataframe()["run_id"][0])
    assert {path.name for path in fetched} == {"additions.pickle", "additions.py", "build.pickle", "build.py"}
