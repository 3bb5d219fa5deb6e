"""Two classes from search to registry: a threshold of its own, and no look at the test set for what is worthless."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apertune import spaces
from apertune.datasets import from_arrays
from apertune.errors import ApertuneError, SettingError
from apertune.search.evaluation.metrics import METRICS
from apertune.search.models.contract import read_contract
from apertune.search.prediction import open_predictor
from apertune.search.promotion import PromotionSettings
from apertune.search.promotion.opening import count_openings
from apertune.search.promotion.scores import strongest_baseline
from apertune.search.settings import Home, make_home
from apertune.search.tracking.model_addresses import model_folder

from .conftest import FIXED, Studies, search

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

ROWS = 900


@pytest.fixture
def home(tmp_path: Path, empty_store: Path) -> Home:
    folder = tmp_path / "mlflow"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    return make_home({}, root=folder)


def searched(home: Home, *, signal: float, epochs: int = 3) -> Studies:
    """Returns a study `spots` of small images, one in six positive: brighter by `signal`, in noise."""
    random = np.random.default_rng(3)
    labels = (random.random(ROWS) < 1 / 6).astype(np.int32)
    images = np.clip(90 + signal * labels[:, None, None, None] + random.normal(0, 40, (ROWS, 8, 8, 1)), 0, 255)
    made = Studies(home, from_arrays("spots", images.astype(np.uint8), labels, ("no", "yes")))
    space = spaces.discover(spaces.load("convnet", made.dataset.training_view().spec()))
    rate = {"learning_rate": "0.003" if signal else "0.0001", "head": "average"}
    search(made, "spots", spaces.narrow(space, {**FIXED, **rate}), epochs=epochs, objective="f1")
    return made


def test_a_threshold_is_tuned_stored_and_judged(home: Home) -> None:
    """The rule's threshold goes into the model, scores and contests are of the answers at it, and predictions too."""
    made = searched(home, signal=7.0, epochs=2)
    promotion = made.promote(PromotionSettings(study="spots", seeds=1, threshold="cost=5", force=True))
    with model_folder(f"spots@{promotion.registered.alias}", home.tracking_uri) as folder:
        contract = read_contract(folder)
        predictor = open_predictor(folder)
    (threshold,) = contract.thresholds
    assert threshold != 0.5
    test = made.dataset.test
    answers = [answer.name for answer in predictor.answer(made.dataset.images[test])]
    given = np.array([["no", "yes"].index(name) for name in answers])
    labels = made.dataset.labels[test]
    hits = int((given & labels).sum())
    score = promotion.examination.score("f1")
    assert score.test == pytest.approx(2 * hits / (given.sum() + labels.sum()))
    assert promotion.examination.contests[0].challenger_score == pytest.approx(score.test)
    # Always yes is the baseline that F1 likes best.
    assert score.baseline == pytest.approx(2 * labels.mean() / (1 + labels.mean()))
    assert promotion.examination.score("accuracy").test == pytest.approx((given == labels).mean())


def test_a_worthless_model_never_sees_the_test_set(home: Home) -> None:
    """A model that learned nothing stops before the test set, and --force opens it with a warning."""
    made = searched(home, signal=0.0, epochs=1)
    with pytest.raises(ApertuneError, match=r"on validation trial 0 .* is no.* stops before the test set"):
        made.promote(PromotionSettings(study="spots", seeds=1))
    assert count_openings(made.dataset, home) == 0
    forced = made.promote(PromotionSettings(study="spots", seeds=1, force=True))
    assert forced.examination.openings == 1
    assert "not really better" in forced.examination.verdict.reason


def test_a_precision_out_of_reach_stops_before_the_test_set(home: Home) -> None:
    """A rule that validation cannot satisfy is refused in one line, before anything is opened."""
    made = searched(home, signal=3.0, epochs=1)
    with pytest.raises(SettingError, match=r"--threshold recall@precision=1 cannot be reached .* ask for less"):
        made.promote(PromotionSettings(study="spots", seeds=1, threshold="recall@precision=1"))
    assert count_openings(made.dataset, home) == 0


def test_the_baseline_is_the_better_constant_answer() -> None:
    """Always yes is taken for F1, the more frequent class for accuracy, and the frequencies for the log loss."""
    labels = np.array([1, 0, 0, 0], np.int32)
    frequencies = np.full((4, 1), 0.25, np.float32)
    scored = {
        name: METRICS[name].score(labels, strongest_baseline(METRICS[name], labels, frequencies))
        for name in ("f1", "accuracy", "log_loss")
    }
    assert scored["f1"] == pytest.approx(0.4)
    assert scored["accuracy"] == 0.75
    assert scored["log_loss"] == pytest.approx(METRICS["log_loss"].score(labels, frequencies))
    several = np.full((4, 3), 1 / 3, np.float32)
    assert strongest_baseline(METRICS["accuracy"], labels, several) is several
