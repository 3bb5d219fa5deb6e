"""The ONNX file beside a registered model, by which it answers at once: importing TensorFlow takes seconds."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from ...errors import ApertuneError, ModelError, install_hint
from ...text import first_line
from ..models.contract import ModelContract, read_contract
from ..models.package import check_manifest, load_model, write_manifest
from .formats import ExportJob, PixelFunction, find_format, open_exported
from .graph import in_float32, predict
from .parity import Comparison, ParityImages

FORMAT = "onnx"


def add_quick_start(folder: Path, images: ParityImages, scratch: Path) -> str:
    """Writes the ONNX file into a model's folder, if it proves to answer as the model does.

    Args:
        folder: A folder that `save_model` wrote.
        images: The images that both are asked about.
        scratch: An empty folder, which is left to the caller.

    Returns:
        Empty, or the reason why there is no such file.
    """
    form = find_format(FORMAT)
    variant = form.variant("float32")
    assert variant is not None
    if any(find_spec(package) is None for package in form.packages):
        return f"that needs optional packages; {install_hint('export')}"
    variant = replace(variant, any_size_file=None)
    try:
        network, contract = load_model(folder)
        contract.write(scratch)
        plain = in_float32(network)
        form.write(ExportJob(plain, contract, scratch), variant)
        compared = Comparison(lambda pixels: predict(plain, pixels), contract, images, scratch)
        problem = compared.row(scratch, FORMAT, form, variant).problem
    except ApertuneError as error:
        return str(error)
    # The converters raise anything for a layer that they do not know.
    except Exception as error:
        return f"it cannot be converted: {first_line(error)}"
    if problem:
        return problem
    (scratch / variant.file).replace(folder / variant.file)
    write_manifest(folder)
    return ""


def open_quick_start(folder: Path) -> tuple[PixelFunction, ModelContract] | None:
    """Opens the ONNX file of a model's folder, after checking the folder.

    Returns:
        A function from uint8 (n, height, width, channels) to probabilities float32 (n, outputs), and the model's
        contract; None if there is no such file, or onnxruntime is not installed or too old for it.

    Raises:
        ModelError: A file of the folder is missing or altered.
    """
    form = find_format(FORMAT)
    variant = form.variant("float32")
    assert variant is not None
    if not (folder / variant.file).is_file() or find_spec(str(form.opening_package)) is None:
        return None
    contract = read_contract(folder)
    check_manifest(folder)
    try:
        return open_exported(form, folder / variant.file, contract), contract
    except ModelError:
        return None
