"""Exports a model: writes each format, proves each equal, and only then puts the folder in its place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ...datasets.base import Images
from ...errors import ApertuneError, SettingError
from ...files.staging import staging
from ..models.package import load_model, write_manifest
from .formats import FORMATS, ExportJob, Precision, plan
from .graph import in_float32, predict
from .parity import Comparison, ParityImages, ParityRow, generated_images

PARITY_FILE = "parity.json"
_CALIBRATION_IMAGES = 200


@dataclass(frozen=True)
class ExportReport:
    """What was written and how equal it is. compared_on: what the images of the comparison were."""

    folder: Path
    compared_on: str
    images: int
    rows: tuple[ParityRow, ...]


def export_model(
    model: Path,
    target: Path,
    *,
    formats: tuple[str, ...] = tuple(FORMATS),
    quantize: Precision | None = None,
    images: ParityImages | None = None,
    calibration: Images | None = None,
) -> ExportReport:
    """Exports a saved model to the folder `target`, which must not exist: it is there complete or not at all.

    model: a folder that `save_model` wrote. quantize: writes the formats that can in this precision too.
    images: what the formats are compared on; generated when None. calibration: training images, uint8
    (n, height, width, channels), for int8. Raises SettingError, StudyError, MissingExtraError, and
    ApertuneError when a format does not answer as the original does.
    """
    wanted = plan(formats, quantize)
    if quantize == "int8" and calibration is None:
        raise SettingError("--quantize int8 is calibrated on training images: say where they are with --data")
    if target.exists():
        raise SettingError(f"{target} already exists: an export is never overwritten; give another folder")
    target = target.absolute()
    network, contract = load_model(model)
    images = images or generated_images(contract)
    with staging(target) as scratch:
        folder = scratch / "export"
        folder.mkdir()
        contract.write(folder)
        comparison = Comparison(lambda pixels: predict(network, pixels), contract, images, scratch)
        few = None if calibration is None else calibration[:: -(-len(calibration) // _CALIBRATION_IMAGES) or 1]
        job = ExportJob(in_float32(network), contract, folder, few)
        rows = tuple(comparison.row(folder, FORMATS[name].write(job, precision)) for name, precision in wanted)
        report = ExportReport(target, images.source, len(images.pixels), rows)
        _require_parity(report)
        _write_report(folder, report)
        write_manifest(folder)
        folder.rename(target)
    return report


def _require_parity(report: ExportReport) -> None:
    problems = [f"{row.file}: {row.problem}" for row in report.rows if row.problem]
    if problems:
        raise ApertuneError(f"the export does not answer as the model does, and was not kept. {'; '.join(problems)}")


def _write_report(folder: Path, report: ExportReport) -> None:
    document = {
        "compared_on": report.compared_on,
        "images": report.images,
        "formats": [asdict(row) for row in report.rows],
    }
    (folder / PARITY_FILE).write_text(json.dumps(document, indent=2), encoding="utf-8")
