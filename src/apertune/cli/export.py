"""`apertune export`: a model's files for other runtimes, each proven to answer as the model does."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ModelError, SettingError
from ..files.scratch import scratch_folder
from ..search.export import FORMATS
from .known_words import KnownChoice
from .model_choice import chosen_model
from .output import json_option, print_json, print_line, print_table
from .own_classes import space_option
from .to_option import to_option

if TYPE_CHECKING:
    from ..datasets.base import ImageDataset
    from ..search.export import ExportReport, ParityRow
    from ..search.export.formats import Precision
    from ..search.export.samples import Samples
    from ..search.models.contract import ModelContract


@click.command()
@click.argument("model")
@to_option("target", "Write to this folder, which must not exist.", folder=True, required=True)
@click.option("--formats", default=",".join(FORMATS), show_default=True, metavar="A,B", help="Write these formats.")
@click.option(
    "--quantize",
    type=KnownChoice(["int8", "float16"]),
    help="Write quantized files, too, in the formats that have them.",
)
@click.option(
    "--data",
    metavar="PATH",
    help="Compare on the test images of the data set at this path, and calibrate int8 on its training images.",
)
@click.option("--option", multiple=True, metavar="NAME=VALUE", help="Set one of the data set's own options.")
@click.option(
    "--push-to-hub",
    metavar="USER/NAME",
    help="Upload the folder to this repository of the Hugging Face Hub, which is made private unless it exists.",
)
@space_option
@json_option
def export(
    model: str,
    target: Path,
    formats: str,
    quantize: Precision | None,
    data: str | None,
    option: tuple[str, ...],
    push_to_hub: str | None,
    as_json: bool,
) -> None:
    """Write MODEL for other runtimes: uint8 pixels in, probabilities out.

    MODEL is fer2013@champion, runs:/RUN/model, or a saved model's folder. Each format is loaded in a fresh process
    by its own runtime and compared with the original; when one differs, the export fails and nothing is left.
    SavedModel, ONNX and LiteRT also take RGB images of any size, and resize them as the data set's were. README.md in
    the folder says how each file is used; with ONNX there are a small server and a Dockerfile, too.

    The comparison is made on test images: those kept with a promoted model, or those of --data; on generated noise
    where there are neither.
    """
    from ..search.export import export_model
    from ..search.export.hub import check_repository
    from ..search.export.hub import push_to_hub as push
    from ..search.export.samples import samples_of
    from ..search.models.contract import read_contract
    from ..search.promotion.opening import record_opening, times
    from ..search.settings import make_home

    if push_to_hub is not None:
        check_repository(push_to_hub)
    home = make_home(os.environ)
    with chosen_model(model, home.tracking_uri) as folder:
        contract = read_contract(folder)
        dataset = _dataset(contract, data, option)
        if dataset is not None and len(dataset.test):
            openings = record_opening(dataset, home, f"export of {model}")
            print_line(f"These test images have been opened {times(openings)}.", err=True)
        samples = _kept_samples(model, contract, home.tracking_uri) if dataset is None else samples_of(dataset)
        report = export_model(
            folder,
            target,
            formats=tuple(filter(None, (name.strip() for name in formats.split(",")))),
            quantize=quantize,
            images=None if samples is None else samples.parity,
            calibration=None if samples is None else samples.calibration,
        )
    page = None if push_to_hub is None else push(report.folder, push_to_hub)
    if as_json:
        print_json({**asdict(report), "folder": str(report.folder), "page": page})
        return
    _print(report)
    if page is not None:
        print_line(f"Uploaded to {page}")


def _dataset(contract: ModelContract, data: str | None, option: tuple[str, ...]) -> ImageDataset | None:
    """The data set the model was trained on, when the user says where it is, or it needs no download."""
    from ..datasets import ADAPTERS
    from .dataset_options import load_from

    adapter = contract.adapter or contract.dataset
    entry = ADAPTERS.get(adapter)
    if data is None and (entry is None or entry.needs_data or (entry.finder and not contract.adapter)):
        # Arrays in memory may be called like a data set that would be fetched.
        return None
    height, width, channels = contract.image_shape
    if height != width:
        raise SettingError(f"the model takes {width}x{height} pixels; --data reads images as squares only")
    given = {"data": data, "image_size": height, "channels": channels, "resize": contract.resize, "option": option}
    dataset = load_from(adapter, {**given, "skip_bad": True})
    if dataset.classes != contract.classes:
        raise SettingError(
            f"--data holds the classes {', '.join(dataset.classes)}, but the model knows {', '.join(contract.classes)}"
        )
    if dataset.fingerprint != contract.fingerprint:
        print_line("Note: the data or its splits are not those the model was trained on.", err=True)
    return dataset


def _kept_samples(model: str, contract: ModelContract, tracking_uri: str) -> Samples | None:
    """The images that a promotion kept with the model; None for a model that was not promoted."""
    from ..search.export.samples import SAMPLES_FILE, read_samples
    from ..search.tracking.mlflow_store import fetch_run_file, run_of_model
    from ..search.tracking.model_addresses import model_address

    address = model_address(model)
    run_id = run_of_model(address, tracking_uri) if isinstance(address, str) else None
    if run_id is None:
        return None
    with scratch_folder("samples") as scratch:
        try:
            file = fetch_run_file(run_id, SAMPLES_FILE, tracking_uri, scratch)
        except ModelError:
            return None
        return read_samples(file, contract)


def _print(report: ExportReport) -> None:
    columns = ("format", "precision", "file", "MB", "ms/image", "largest difference", "other sizes", "equal answers")
    scored = any(row.accuracy is not None for row in report.rows)
    rows = [_cells(row, scored=scored) for row in report.rows]
    print_table(
        (*columns, "accuracy", "lost", "95 % interval") if scored else columns,
        rows,
        title=f"Compared on {report.images} images",
    )
    for row in report.rows:
        if row.note:
            print_line(f"{row.file} {row.note}.")
    print_line(f"Compared on: {report.compared_on}. Written to {report.folder}")


def _cells(row: ParityRow, *, scored: bool) -> tuple[str | None, ...]:
    cells = (
        row.format,
        row.precision,
        row.file,
        f"{row.size_mb:.3f}",
        f"{row.ms:.2f}",
        f"{row.largest_difference:.1e}",
        None if row.any_size_difference is None else f"{row.any_size_difference:.1e}",
        f"{row.equal_answers:.1%}",
    )
    if not scored or row.accuracy is None or row.accuracy_loss is None:
        return cells
    low, high = row.accuracy_loss_low, row.accuracy_loss_high
    interval = "" if low is None or high is None else f"{low:+.1%} to {high:+.1%}"
    return (*cells, f"{row.accuracy:.1%}", f"{row.accuracy_loss:+.1%}", interval)
