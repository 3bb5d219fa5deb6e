from __future__ import annotations

import shutil

import pytest

from apertune.errors import SettingError
from apertune.search.evaluation.direction import Direction
from apertune.search.messages import TrialResult
from apertune.search.settings import SearchSettings, most_models
from apertune.search.studies.trial_records import TrialRecord
from apertune.search.tracking.model_keeping import ModelKeeper, room_needed


def result(number, value, outcome="complete"):
    return TrialResult(number, outcome, value=value, has_model=True)


def test_the_best_models_are_kept():
    """In a search that keeps two models, just the two best complete trials so far have one at every moment."""
    keeper, kept = ModelKeeper(2, Direction.MAXIMIZE), set()
    values = [0.5, 0.25, 0.75, 0.625, 0.125, 0.875]
    for number, value in enumerate(values):
        stays, fallen = keeper.ended(result(number, value))
        kept = (kept | ({number} if stays else set())) - set(fallen)
        best = sorted(range(number + 1), key=lambda n: -values[n])[:2]
        assert kept == set(best)


def test_the_least_is_best_when_minimizing():
    """With an objective to minimize the smaller value pushes the larger one out."""
    keeper = ModelKeeper(1, Direction.MINIMIZE)
    assert keeper.ended(result(0, 2.0)) == (True, [])
    assert keeper.ended(result(1, 1.0)) == (True, [0])
    assert keeper.ended(result(2, 1.5)) == (False, [])


def test_a_continued_study_counts_its_earlier_trials():
    """The best trials of earlier searches hold their places, and lose their models to better ones."""
    before = [
        TrialRecord(0, "complete", 0.5, {}),
        TrialRecord(1, "pruned", 0.9, {}),
        TrialRecord(2, "complete", 0.7, {}),
    ]
    keeper = ModelKeeper(2, Direction.MAXIMIZE, before)
    assert keeper.ended(result(3, 0.4)) == (False, [])
    assert keeper.ended(result(4, 0.6)) == (True, [0])


def test_only_complete_trials_are_among_the_best():
    """A pruned trial's model is kept when all are, and not among the best."""
    assert ModelKeeper(None, Direction.MAXIMIZE).ended(result(0, 0.9, "pruned")) == (True, [])
    assert ModelKeeper(2, Direction.MAXIMIZE).ended(result(0, 0.9, "pruned")) == (False, [])


def test_the_rule_is_one_of_three():
    """`--keep-models` takes all, none and best:K, and says so of anything else."""
    assert [most_models(rule) for rule in ("all", "none", "best:12")] == [None, 0, 12]
    for rule in ("best", "best:0", "best:-1", "3", "All", ""):
        with pytest.raises(SettingError, match=f"must be all, none or best:K such as best:3, but got '{rule}'"):
            SearchSettings(keep_models=rule)


def test_the_room_is_told_and_warned_of(tmp_path):
    """The line names models and size, and says what to do when the disk has less."""
    little = room_needed(1_000_000, 20, tmp_path / "not" / "there")
    assert little.startswith("Room for 20 models of 1,000,000 parameters, as the first trial's: about 80.0 MB; ")
    free = shutil.disk_usage(tmp_path).free
    much = room_needed(free, 1, tmp_path)
    assert much.startswith("Room for 1 model of")
    assert much.endswith(" GB are free; keep fewer with --keep-models best:3.")
