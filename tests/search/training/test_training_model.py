"""The training graph leaves masked labels out of the loss."""

from __future__ import annotations

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from apertune.search.training.training_model import TrainingModel  # noqa: E402 - after the check for Keras
from apertune.spaces.base import Candidate  # noqa: E402
from apertune.spaces.recipes.losses import ExampleLoss, LossSettings  # noqa: E402

IMAGES = np.random.default_rng(0).integers(0, 255, (12, 4, 4, 1), np.uint8)


def trained(targets: np.ndarray, loss: str, *, masked: bool) -> tuple[list[np.ndarray], float]:
    """The weights after some steps from the same start, and the accuracy shown while training."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((4, 4, 1))
    outputs = keras.layers.Dense(3, activation="sigmoid")(keras.layers.Flatten()(inputs / 255.0))
    extra = {"focal": {"gamma": 2.0}, "asymmetric": {"gamma_negative": 4.0}}.get(loss, {})
    candidate = Candidate(
        network=keras.Model(inputs, outputs),
        optimizer=keras.optimizers.SGD(0.5),
        loss=ExampleLoss(LossSettings(loss, **extra), "multilabel", None),
        batch_size=12,
    )
    model = TrainingModel(candidate, "multilabel", (IMAGES, targets), masked=masked)
    model.compile(optimizer=candidate.optimizer)
    shown = model.fit(np.arange(12, dtype=np.int32), batch_size=12, epochs=5, verbose=0, shuffle=False)
    return candidate.network.get_weights(), shown.history["accuracy"][-1]


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
def test_a_masked_label_teaches_nothing(loss: str) -> None:
    """The output of a label that is masked in every image keeps its weights; the others learn as without a mask."""
    targets = np.random.default_rng(1).integers(0, 2, (12, 3)).astype(np.float32)
    plain, _ = trained(targets, loss, masked=False)
    hidden = targets.copy()
    hidden[:, 1] = np.nan
    learnt, accuracy = trained(hidden, loss, masked=True)
    keras.utils.set_random_seed(0)
    start, _ = trained(np.full_like(targets, np.nan), loss, masked=True)
    np.testing.assert_allclose(learnt[0][:, [0, 2]], plain[0][:, [0, 2]], rtol=1e-5)
    np.testing.assert_array_equal(learnt[0][:, 1], start[0][:, 1])
    assert np.abs(plain[0][:, 1] - start[0][:, 1]).max() > 0
    assert 0 <= accuracy <= 1


def test_a_mask_that_hides_nothing_changes_nothing() -> None:
    """Without masked labels, the weights are the same with the mask's graph and without."""
    targets = np.random.default_rng(1).integers(0, 2, (12, 3)).astype(np.float32)
    with_mask, without = (trained(targets, "cross_entropy", masked=masked)[0] for masked in (True, False))
    for one, other in zip(with_mask, without, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
