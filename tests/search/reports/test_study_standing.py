"""The standing of studies, from the answers and rounds that searches kept, noted beside the study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apertune.search.evaluation.direction import Direction
from apertune.search.messages import TrialResult
from apertune.search.reports import study_standing as module
from apertune.search.reports.study_standing import FILE, common_standing, study_standing, validation_share
from apertune.search.results import read_study
from apertune.search.settings import Home, make_home
from apertune.search.studies.definition import StudyDefinition
from apertune.search.studies.opening import create_study
from apertune.search.studies.storage.storage import open_storage
from apertune.spaces.search_space.parameters import Parameter, SearchSpace

SPACE = SearchSpace((Parameter("rate", "float", 0.2, low=0.0, high=0.5, sampling="linear"),))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    made = make_home({})
    made.root.mkdir()
    return made


def searched(home: Home, name: str, rights: list[float], **changes: object) -> None:
    """Leaves a study whose trials answer these shares of 300 images correctly."""
    facts: dict[str, object] = {
        "dataset": "pets", "data": "", "task": "binary", "fingerprint": "ab" * 32, "space": "convnet",
        "search_space": SPACE.to_json(), "objective": "accuracy", "direction": Direction.MAXIMIZE, "epochs": 2,
    }  # fmt: skip
    study = create_study(open_storage(home.storage), name, StudyDefinition(**{**facts, **changes}))  # type: ignore[arg-type]  # names are given by the tests
    labels = np.random.default_rng(0).integers(0, 2, 300).astype(np.int32)
    kept = home.answers_folder(name)
    kept.mkdir(parents=True)
    for number, right in enumerate(rights):
        asked = study.ask()
        assert asked is not None
        random = np.random.default_rng((number, 1))
        given = np.where(random.random(300) < right, labels, 1 - labels)
        answers = (0.25 + 0.5 * given[:, None]).astype(np.float32)
        value = float((given == labels).mean())
        study.tell(TrialResult(asked.number, "complete", value=value, epochs=1, parameters=100 - number))
        np.savez_compressed(kept / f"{number:05d}.npz", labels=labels, probabilities=answers)


def test_a_standing_is_noted_and_read_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judgement is made once for the same trials, and anew when a trial comes."""
    searched(home, "pets", [0.9, 0.6, 0.9])
    first = study_standing(home, read_study(home, "pets"))
    assert first is not None
    assert 1 not in first.tied
    assert first.smallest == 2
    with monkeypatch.context() as patch:
        patch.setattr(module, "stand", lambda *given, **more: pytest.fail("judged twice"))
        assert study_standing(home, read_study(home, "pets")) == first
    (home.study_folder("pets") / FILE).write_text("{damaged")
    assert study_standing(home, read_study(home, "pets")) == first
    (home.answers_folder("pets") / "00001.npz").write_bytes(b"damaged")
    without = study_standing(home, read_study(home, "pets"))
    assert without is not None
    assert set(without.intervals) == {0, 2}


def test_studies_of_the_same_data_stand_together(home: Home) -> None:
    """Trials of two studies are judged by their places; studies that differ in folds are not judged together."""
    searched(home, "one", [0.9, 0.6])
    searched(home, "two", [0.55, 0.95])
    studies = [read_study(home, name) for name in ("one", "two")]
    trials = [(study, trial) for study in studies for trial in study.trials]
    standing = common_standing(home, trials)
    assert standing is not None
    assert standing.best in (0, 3)
    searched(home, "three", [0.7], folds=3)
    other = read_study(home, "three")
    assert common_standing(home, [*trials, (other, other.trials[0])]) is None


def test_nothing_kept_is_nothing_judged(home: Home) -> None:
    """Without answers, as of a search in another folder, there is no standing."""
    searched(home, "pets", [0.9])
    (home.answers_folder("pets") / "00000.npz").unlink()
    assert study_standing(home, read_study(home, "pets")) is None
    assert validation_share(home, read_study(home, "pets")) == pytest.approx(0.15 / 0.7)
