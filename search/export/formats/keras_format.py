"""Keras's own file, which any backend of Keras opens."""

from __future__ import annotations

from pathlib import Path

from ...models.contract import ModelContract
from ...models.package import load_network
from ..graph import predict
from .base import FLOAT32, ExportFormat, ExportJob, PixelFunction, Variant


class KerasFormat(ExportFormat):
    """A `.keras` file, checked for code before it is opened."""

    runtime = "keras"
    variants = (Variant("float32", "model.keras", FLOAT32),)
    prediction_rank = 3

    def write(self, job: ExportJob, variant: Variant) -> None:
        job.network.save(job.folder / variant.file)

    def open(self, path: Path, contract: ModelContract, *, any_size: bool) -> PixelFunction:
        network = load_network(path, contract)
        return lambda images: predict(network, images)
