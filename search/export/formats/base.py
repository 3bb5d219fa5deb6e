"""The contract of an export format: what is known of its files, how they are written, and how they are opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

from ....errors import ApertuneError, MissingExtraError, ModelError
from ....text import first_line

if TYPE_CHECKING:
    import keras

    from ....datasets.base import Images
    from ...evaluation.decisions import Probabilities
    from ...models.contract import ModelContract

Precision = Literal["float32", "float16", "int8"]
# As text, since the help of `apertune export` imports this module, and the arrays' types would import NumPy.
PixelFunction: TypeAlias = "Callable[[Images], Probabilities]"


@dataclass(frozen=True)
class Tolerance:
    """Largest differences from the original with which an exported file still passes."""

    largest_difference: float
    """Largest difference of a probability, 0 to 1."""
    equal_answers: float
    """Smallest share of equal answers, 0 to 1."""


FLOAT32 = Tolerance(1e-4, 0.99)
FLOAT16 = Tolerance(2e-2, 0.97)
INT8 = Tolerance(0.25, 0.9)


@dataclass(frozen=True)
class Variant:
    """A format's file in one precision."""

    precision: Precision
    """The type of the weights: float32, or a smaller one."""
    file: str
    """Name of the file or folder in the export folder."""
    tolerance: Tolerance
    """Largest differences of its answers from the original's."""
    any_size_file: str | None = None
    """The file that takes RGB images of any size, which may be the same one; None where the format has none."""


@dataclass(frozen=True, eq=False)
class ExportJob:
    """Model to export, and the folder to export it to."""

    network: keras.Model
    """The network, in float32."""
    contract: ModelContract
    """Its contract."""
    folder: Path
    """The export folder, which exists."""
    calibration: Images | None = None
    """Training images, uint8 (n, height, width, channels), at least one; None unless int8 is written."""


class ExportFormat(ABC):
    """One format that models are exported in.

    An instance is made without arguments and keeps nothing. `apertune export` calls `write` once for each variant
    that is wanted, float32 first. After each call a fresh process calls `open` on the new file and answers images
    with it, and the export fails unless the answers are within the variant's tolerance of the original's.
    `apertune predict` calls `open` on the file it prefers of those in an export folder.
    """

    runtime: ClassVar[str]
    """The library that opens the files, for messages."""
    variants: ClassVar[tuple[Variant, ...]]
    """The file of each precision that the format can have; float32 is always among them."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Import names of the optional packages that writing needs."""
    opening_package: ClassVar[str | None] = None
    """Import name of the optional package that opening needs, if any."""
    prediction_rank: ClassVar[int | None] = None
    """Place in the order in which `apertune predict` prefers formats, the quickest to start first.

    None if `predict` must not open it, as for a format whose files can run code.
    """

    def variant(self, precision: Precision) -> Variant | None:
        """Returns the variant of a precision, None where the format has none."""
        return next((variant for variant in self.variants if variant.precision == precision), None)

    @abstractmethod
    def write(self, job: ExportJob, variant: Variant) -> None:
        """Writes the variant's files into the job's folder.

        Args:
            job: Model to export, and the folder to export it to.
            variant: One of the format's variants. The float32 file is there before any other is written.
        """

    @abstractmethod
    def open(self, path: Path, contract: ModelContract, *, any_size: bool) -> PixelFunction:
        """Loads a file that `write` made, in the format's own runtime.

        Args:
            path: The file or folder.
            contract: The model's contract.
            any_size: Whether the function takes RGB images of any one size, uint8 (n, any, any, 3), instead of the
                network's shape; only for a variant's `any_size_file`.

        Returns:
            A function from uint8 (n, height, width, channels) to probabilities float32 (n, outputs). Its attribute
            `note`, if it has one, is shown to the user after the function was called.

        Raises:
            Exception: The file cannot be loaded. `open_exported` makes it a ModelError.
        """


def open_exported(form: ExportFormat, path: Path, contract: ModelContract, *, any_size: bool = False) -> PixelFunction:
    """Loads an exported file as a function from pixels to probabilities; see `ExportFormat.open`.

    Raises:
        MissingExtraError: The runtime's package is not installed.
        ModelError: The file cannot be loaded.
    """
    if form.opening_package is not None and find_spec(form.opening_package) is None:
        raise MissingExtraError(f"loading {path.name}", "export")
    try:
        return form.open(path, contract, any_size=any_size)
    except ApertuneError:
        raise
    except Exception as error:
        # Each runtime has errors of its own; onnxruntime's have no common class below Exception.
        raise ModelError(f"{path} cannot be loaded: {first_line(error)}") from error
