"""Exports a model: writes each format, proves each equal, and only then puts the folder in its place."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from ...datasets.base import Images
from ...errors import ApertuneError, MissingExtraError, SettingError
from ...files.staging import staging
from ..models.package import load_model, write_manifest
from .explanation import write_explanation
from .formats import FORMATS, ExportFormat, ExportJob, Precision, Variant, find_format
from .graph import in_float32, predict
from .parity import Comparison, ParityImages, ParityRow, generated_images

PARITY_FILE = "parity.json"
_CALIBRATION_IMAGES = 200


@dataclass(frozen=True)
class ExportReport:
    """The files that were written, and how equal they are."""

    folder: Path
    """The export folder."""
    compared_on: str
    """Source of the images that were compared, in words."""
    images: int
    """Number of these images."""
    rows: tuple[ParityRow, ...]
    """One row per file."""


def export_model(
    model: Path,
    target: Path,
    *,
    formats: tuple[str, ...] = tuple(FORMATS),
    quantize: Precision | None = None,
    images: ParityImages | None = None,
    calibration: Images | None = None,
) -> ExportReport:
    """Exports a saved model to a folder, which is there complete or not at all.

    Args:
        model: A folder that `save_model` wrote.
        target: The folder to make; it must not exist.
        formats: Names in `FORMATS`.
        quantize: A smaller precision, in which the formats that have it are written too.
        images: The images that the formats are compared on; generated ones when None.
        calibration: Training images, uint8 (n, height, width, channels), which int8 needs.

    Raises:
        SettingError: A setting is wrong or would do nothing, or `target` exists.
        MissingExtraError: A format's packages are not installed.
        ModelError: The model is damaged or unsafe.
        ApertuneError: A format does not answer as the original does.
    """
    wanted = plan(formats, quantize)
    if quantize == "int8" and (calibration is None or len(calibration) == 0):
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
        plain = in_float32(network)
        comparison = Comparison(lambda pixels: predict(plain, pixels), contract, images, scratch)
        few = None if calibration is None else calibration[:: -(-len(calibration) // _CALIBRATION_IMAGES) or 1]
        job = ExportJob(plain, contract, folder, few)
        rows = []
        for name, form, variant in wanted:
            form.write(job, variant)
            rows.append(comparison.row(folder, name, form, variant))
        report = ExportReport(target, images.source, len(images.pixels), tuple(rows))
        _require_parity(report)
        _write_report(folder, report)
        write_explanation(folder, model, contract, rows, images.source)
        write_manifest(folder)
        folder.rename(target)
    return report


def plan(formats: tuple[str, ...], quantize: Precision | None) -> list[tuple[str, ExportFormat, Variant]]:
    """Returns what to write: format names, formats and variants; those in float32 come first.

    Raises:
        SettingError: A setting is wrong or would do nothing.
        MissingExtraError: A format's packages are not installed.
    """
    if not formats:
        raise SettingError(f"--formats must name at least one of {', '.join(FORMATS)}")
    chosen = {name: find_format(name) for name in formats}
    for name, form in chosen.items():
        if any(find_spec(package) is None for package in form.packages):
            raise MissingExtraError(f"the format {name}", "export")
    wanted = _in_precision("float32", chosen)
    if quantize == "float32":
        raise SettingError("--quantize must be float16 or int8, but got float32, which is always written")
    if quantize is not None:
        quantized = _in_precision(quantize, chosen)
        if not quantized:
            able = [name for name, _, _ in _in_precision(quantize, {name: find_format(name) for name in FORMATS})]
            raise SettingError(
                f"--quantize {quantize} needs one of the formats {', '.join(able)}; got {', '.join(formats)}"
            )
        wanted += quantized
    return wanted


def _in_precision(precision: Precision, formats: dict[str, ExportFormat]) -> list[tuple[str, ExportFormat, Variant]]:
    variants = [(name, form, form.variant(precision)) for name, form in formats.items()]
    return [(name, form, variant) for name, form, variant in variants if variant is not None]


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
