"""A champion of another split is compared on images it has not learned, or trained again on this split."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from apertune import spaces
from apertune.datasets import LoadSettings, load
from apertune.errors import SettingError
from apertune.search.promotion import PromotionSettings, opponents, retraining
from apertune.search.settings import make_home

from .conftest import FIXED, Studies, search

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> tuple[Studies, Studies]:
    """A champion of one split of digits, and a study of another split with its test images among the first's."""
    folder = tmp_path_factory.mktemp("splits")
    (folder / "mlflow").mkdir()
    shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APERTUNE_CACHE", str(folder / "cache"))
        home = make_home({}, root=folder / "mlflow")
        first, second = (Studies(home, load("digits", None, LoadSettings(seed=seed))) for seed in (0, 1))
    space = spaces.discover(spaces.load("convnet", first.dataset.training_view().spec()))
    narrowed = spaces.narrow(space, {**FIXED, "learning_rate": "0.003"})
    search(first, "first", narrowed, epochs=3)
    search(second, "second", narrowed, epochs=2)
    assert first.promote(PromotionSettings(study="first", seeds=1)).registered.alias == "champion"
    return first, second


def test_a_champion_that_knows_the_test_images_is_no_measure(splits: tuple[Studies, Studies]) -> None:
    """With too few unseen images the champion stays, and the line says what it knows and what to do."""
    _, second = splits
    promotion = second.promote(PromotionSettings(study="second", seeds=1))
    reason = promotion.examination.verdict.reason
    assert promotion.registered.alias == "challenger"
    assert "version 1, the champion, has learned 2" in reason
    assert "of 269 test images under another split, too many to compare on the other" in reason
    assert reason.endswith("with --retrain-champion")


def test_a_champion_is_compared_on_what_it_has_not_learned(
    splits: tuple[Studies, Studies], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contest is on what is left alone if that is enough, and the champion has no score on all images."""
    _, second = splits
    monkeypatch.setattr(opponents, "FEWEST_UNSEEN", 10)
    promotion = second.promote(PromotionSettings(study="second", seeds=1))
    contest = promotion.examination.contests[-1]
    assert contest.opponent.startswith("version 1, the champion, on the ")
    assert contest.opponent.endswith(" images that it has not learned")
    assert promotion.examination.score("accuracy").champion is None


def test_a_champion_is_trained_again_on_this_split(splits: tuple[Studies, Studies]) -> None:
    """With --retrain-champion its configuration learns this split, and is compared on all test images."""
    _, second = splits
    promotion = second.promote(PromotionSettings(study="second", seeds=1, retrain_champion=True))
    contest = promotion.examination.contests[-1]
    assert contest.opponent == "version 1, the champion, trained again on this split"
    assert promotion.examination.score("accuracy").champion is not None


def test_without_a_champion_there_is_none_to_train(
    splits: tuple[Studies, Studies], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--retrain-champion is refused where nothing was promoted yet."""
    first, _ = splits
    monkeypatch.setattr(retraining, "champion_version", lambda job: None)
    with pytest.raises(SettingError, match="--retrain-champion needs a champion, but digits has none; leave it out"):
        first.promote(PromotionSettings(study="first", seeds=1, retrain_champion=True))
