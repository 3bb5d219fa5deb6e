"""Batches in which validation images are answered."""

from __future__ import annotations

import pytest

from apertune.search.training.trainers import prediction_batch


@pytest.mark.parametrize(
    ("side", "batch_size", "on_processors", "on_gpu"),
    [
        (8, 32, 512, 512),
        (8, 1024, 512, 512),
        (48, 64, 113, 512),
        (96, 32, 32, 512),
        (224, 16, 16, 167),
        (1024, 4, 4, 8),
    ],
)
def test_large_images_are_answered_in_small_batches(
    side: int, batch_size: int, on_processors: int, on_gpu: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch has as many pixels as suit the device, and no fewer images than a training step of at most 512."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert prediction_batch((side, side, 3), batch_size) == on_processors
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1")
    assert prediction_batch((side, side, 3), batch_size) == on_gpu
